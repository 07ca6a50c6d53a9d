"""Runs the API with uvicorn, as `daybook serve` does."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

import uvicorn
from fastapi import FastAPI

from api.settings import Settings, SettingsError
from api.wiring import create_app


class PortInUseError(Exception):
    """Another program listens on the port."""


def check_address(host: str, port: int) -> None:
    """Raises `SettingsError` or `PortInUseError` with what to do, before anything else is started."""
    if host != "localhost" and not _is_loopback(host):
        raise SettingsError(
            f"HOST: {host!r} can be reached from outside, and there is no authentication yet: "
            "leave it at 127.0.0.1"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            other = port + 1 if port < 65535 else port - 1
            raise PortInUseError(
                f"cannot listen on {host}:{port} ({error.strerror}): stop the program that does, "
                f"or choose another port, for example PORT={other} make run"
            ) from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Server(uvicorn.Server):
    """uvicorn's server, which tells endless streams and waiting writes when it begins to stop."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = self.config.app
        assert isinstance(app, FastAPI)
        app.state.daybook.stopping.set()
        app.state.daybook.ledger.give_up_waiting()
        await super().shutdown(sockets)


def serve(settings: Settings, conninfo: str) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are answered first."""
    check_address(settings.HOST, settings.PORT)
    config = uvicorn.Config(
        create_app(settings, conninfo),
        host=settings.HOST,
        port=settings.PORT,
        log_config=None,  # its lines are written as all others are
        log_level=settings.LOG_LEVEL.lower() if settings.LOG_LEVEL != "INFO" else "warning",
        access_log=False,
        timeout_graceful_shutdown=10,
        server_header=False,
        backlog=4096,
    )
    asyncio.run(Server(config).serve())

"""Runs the API with uvicorn, as `daybook serve` does."""

from __future__ import annotations

import asyncio
import socket

import uvicorn

from api.settings import Settings
from api.wiring import create_app


class PortInUseError(Exception):
    """Another program listens on the port."""


def check_port(host: str, port: int) -> None:
    """Raises `PortInUseError` with what to do, before anything else is started."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortInUseError(
                f"cannot listen on {host}:{port} ({error.strerror}): stop the program that does, "
                f"or choose another port, for example PORT={port + 1} make run"
            ) from None


def serve(settings: Settings, conninfo: str) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are answered first."""
    check_port(settings.HOST, settings.PORT)
    config = uvicorn.Config(
        create_app(settings, conninfo),
        host=settings.HOST,
        port=settings.PORT,
        log_level=settings.LOG_LEVEL.lower() if settings.LOG_LEVEL != "INFO" else "warning",
        access_log=False,
        timeout_graceful_shutdown=10,
        server_header=False,
        backlog=4096,
    )
    asyncio.run(uvicorn.Server(config).serve())

"""Runs the API with uvicorn, as `daybook serve` does."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from api import starting
from api.settings import Settings
from api.wiring import create_app

_log = logging.getLogger("daybook")


class Server(uvicorn.Server):
    """uvicorn's server, which tells endless streams and waiting writes when it begins to stop."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = self.config.app
        assert isinstance(app, FastAPI)
        app.state.daybook.stopping.set()
        app.state.daybook.ledger.give_up_waiting()
        await super().shutdown(sockets)


def serve(
    settings: Settings,
    conninfo: str,
    make_app: Callable[[Settings, str], FastAPI] = create_app,
) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are answered first."""
    starting.check_address(settings)
    starting.require_sound_tables()
    if settings.is_production:
        for text in starting.warnings(settings):
            _log.warning("%s", text)
    config = uvicorn.Config(
        make_app(settings, conninfo),
        host=settings.HOST,
        port=settings.PORT,
        log_config=None,  # its lines are written as all others are
        log_level=settings.LOG_LEVEL.lower() if settings.LOG_LEVEL != "INFO" else "warning",
        access_log=False,
        timeout_graceful_shutdown=10,
        server_header=False,
        # Whoever else names a client in a header could be counted as any.
        proxy_headers=bool(settings.TRUSTED_PROXIES),
        forwarded_allow_ips=[str(network) for network in settings.TRUSTED_PROXIES],
        backlog=4096,
    )
    asyncio.run(Server(config).serve())

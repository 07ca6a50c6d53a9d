"""Runs a service of the sandbox with uvicorn."""

from __future__ import annotations

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.sandbox.answering import DROP


class DroppingProtocol(HttpToolsProtocol):
    """Lets the application end the connection without an answer, as networks do."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {DROP: {"now": self.transport.abort}}


def sandbox_server(app: FastAPI, host: str, port: int) -> uvicorn.Server:
    """The server of a service, not started."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=DroppingProtocol,
        ws="none",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    return uvicorn.Server(config)

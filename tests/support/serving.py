"""A running API for tests: real sockets, a real projector, one process."""

from __future__ import annotations

import asyncio
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import uvicorn

from api.server import Server
from api.wiring import create_app
from projections.runner import Runner
from tests.support.people import ADMIN, bearer, settings

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of these servers, which speak plain HTTP: to read the machine's certificates for each client
takes 20 ms."""


@contextmanager
def serving(conninfo: str, *, projecting: bool = True, **more: Any) -> Iterator[str]:
    """The base URL of an API on a database, with a projector beside it; `more` are its settings."""
    with tempfile.TemporaryDirectory() as folder:
        more.setdefault("DATA_DIR", Path(folder))
        with _serving(conninfo, projecting, more) as base_url:
            yield base_url


@contextmanager
def _serving(conninfo: str, projecting: bool, more: dict[str, Any]) -> Iterator[str]:
    # Only where the protocol is named does asyncio send small packets at once, and not 40 ms later.
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    chosen = settings(PORT=port, **more)
    config = uvicorn.Config(
        create_app(chosen, conninfo),
        log_level="warning",
        timeout_graceful_shutdown=2,
        # As the real one: nobody is believed what he says of where he comes from.
        proxy_headers=bool(chosen.TRUSTED_PROXIES),
        forwarded_allow_ips=[str(network) for network in chosen.TRUSTED_PROXIES],
    )
    server = Server(config)
    ready = threading.Event()

    async def serve() -> None:
        running = asyncio.ensure_future(server.serve(sockets=[listener]))
        while not server.started and not running.done():
            await asyncio.sleep(0.005)
        ready.set()
        await running

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    stop = threading.Event()
    projector = threading.Thread(target=Runner(conninfo).run, args=(stop,), daemon=True)
    if projecting:
        projector.start()
    assert ready.wait(30)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        stop.set()
        thread.join()
        if projecting:
            projector.join()


@contextmanager
def client_of(base_url: str, role: str = "admin", user_id: UUID = ADMIN) -> Iterator[httpx2.Client]:
    """A client that is known as somebody in this role."""
    headers = bearer(role, user_id)
    with httpx2.Client(base_url=base_url, timeout=30, headers=headers, verify=NO_TLS) as client:
        yield client

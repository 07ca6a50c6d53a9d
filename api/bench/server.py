"""The API as `daybook serve` runs it, and a no-op POST beside it: `python -m api.bench.server`."""

from __future__ import annotations

import asyncio

import uvicorn
from fastapi import Request, Response

from api.models import TransferIn
from api.server import Server
from api.settings import load_settings
from api.state import Running
from api.wiring import create_app

NOOP_PATH = "/bench/noop"


async def noop(request: Request, body: TransferIn, state: Running) -> Response:
    """Parse a transfer and do nothing: what is left is the cost of HTTP, framework and validation."""
    return Response(b"{}", 201, media_type="application/json")


def main() -> None:
    """Serve on PORT until SIGTERM."""
    settings = load_settings()
    assert settings.DATABASE_URL is not None, "the benchmark sets it"
    app = create_app(settings, settings.DATABASE_URL)
    app.add_api_route(NOOP_PATH, noop, methods=["POST"], include_in_schema=False)
    app.router.routes.insert(0, app.router.routes.pop())  # no other path is tried before it
    config = uvicorn.Config(
        app,
        host=settings.HOST,
        port=settings.PORT,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=10,
        server_header=False,
        backlog=4096,
    )
    asyncio.run(Server(config).serve())


if __name__ == "__main__":
    main()

"""The API as `daybook serve` runs it, and a no-op POST beside it: `python -m api.bench.server`."""

from __future__ import annotations

from fastapi import Request, Response

from api.models import TransferIn
from api.routes import transfers
from api.server import serve
from api.settings import load_settings
from api.state import Running


async def noop(request: Request, body: TransferIn, state: Running) -> Response:
    """Parse a transfer and do nothing: what is left is the cost of HTTP, framework and validation."""
    return Response(b"{}", 201, media_type="application/json")


def main() -> None:
    """Serve on PORT until SIGTERM."""
    settings = load_settings()
    assert settings.DATABASE_URL is not None, "the benchmark sets it"
    routes = transfers.router.routes
    transfers.router.add_api_route("/noop", noop, methods=["POST"], include_in_schema=False)
    routes.insert(0, routes.pop())  # found as soon as the route that it is compared with
    serve(settings, settings.DATABASE_URL)


if __name__ == "__main__":
    main()

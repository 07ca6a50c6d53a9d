"""The API as `daybook serve` runs it, and two no-op POSTs beside it: `python -m api.bench.server`."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from api.guard import Guard
from api.policies import ROUTES
from api.server import serve
from api.settings import Settings, load_settings
from api.state import Running
from api.transfer_models import TransferIn
from api.wiring import create_app


async def noop(request: Request, body: TransferIn, state: Running) -> Response:
    """Parse a transfer and do nothing: what is left is the cost of HTTP, framework and validation."""
    return Response(b"{}", 201, media_type="application/json")


class _Uncounted:
    """A route without anything of a guard: the edge, too, is told that it was counted."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["limit_headers"] = ()
        await self._app(scope, receive, send)


def main() -> None:
    """Serve on PORT until SIGTERM."""
    settings = load_settings()
    assert settings.DATABASE_URL is not None, "the benchmark sets it"
    serve(settings, settings.DATABASE_URL, with_noops)


def with_noops(settings: Settings, conninfo: str) -> FastAPI:
    """The API with the no-op twice: bare, and behind the same guard as the transfers."""
    app = create_app(settings, conninfo)
    added = APIRouter(prefix="/api/transfers")
    for path in ("/noop", "/guarded"):
        added.add_api_route(path, noop, methods=["POST"], include_in_schema=False)
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    bare, guarded = (route for route in added.routes if isinstance(route, APIRoute))
    bare.app = _Uncounted(bare.app)
    guarded.app = Guard(guarded.app, ROUTES["POST /api/transfers"])
    # Found as soon as the route that they are compared with.
    compared = next(route for route in routes if route.path == "/api/transfers")
    place = app.routes.index(compared)
    app.routes[place:place] = [bare, guarded]
    return app


if __name__ == "__main__":
    main()

"""The edge before an application of a few routes: what it does needs no ledger behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.responses import JSONResponse, StreamingResponse
from starlette.testclient import TestClient

from api import errors
from api.edge import Edge, EdgeOptions
from api.limits import Verdict, headers_of
from api.problems import ProblemError
from application.identity.errors import HasherBusyError, TokenError


@contextmanager
def edge_of(
    options: EdgeOptions | None = None, *, address: str = "203.0.113.7", host: str = "localhost"
) -> Iterator[TestClient]:
    """A client at `address` of a server with these options, which it reaches as `host`."""
    app = FastAPI()
    app.add_middleware(Edge, **({} if options is None else {"options": options}))
    errors.install(app)
    app.state.routes = list(app.router.routes)
    _add_routes(app)
    with TestClient(app, base_url=f"http://{host}", client=(address, 4711)) as client:
        yield client


def _add_routes(app: FastAPI) -> None:
    @app.get("/query")
    async def query(request: Request) -> dict[str, Any]:
        return {"query": request.url.query}

    @app.post("/things")
    async def post_thing() -> Response:
        headers = {"Daybook-Position": "12", "ETag": '"3"', "Location": "/things/1"}
        return JSONResponse({"id": "1", "position": 11}, 201, headers)

    @app.get("/things")
    async def list_things() -> dict[str, Any]:
        return {
            "data": [{"id": "1"}, {"id": "2"}],
            "next_cursor": "abc",
            "has_more": True,
            "total_count": 5,
        }

    @app.get("/things/1")
    async def get_thing() -> Response:
        return JSONResponse({"id": "1", "position": 11}, 200, {"ETag": '"3"'})

    @app.get("/events/1")
    async def get_event() -> dict[str, Any]:
        return {"position": 7, "data": {"amount": 5}}

    @app.get("/unready")
    async def unready() -> Response:
        return JSONResponse({"status": "unready"}, 503)

    @app.delete("/things/1")
    async def delete_thing() -> Response:
        return Response(status_code=204)

    @app.get("/parts")
    async def parts() -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            for piece in (b'{"a":', b"[1, 2", b"]}"):
                yield piece

        return StreamingResponse(pieces(), media_type="application/json")

    @app.get("/stream")
    async def stream() -> Response:
        async def events() -> AsyncIterator[bytes]:
            yield b"data: 1\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    @app.get("/counted")
    async def counted(request: Request) -> dict[str, Any]:
        verdict = Verdict(True, 100, 50, 1_000.0, 60, 30)
        request.scope["state"]["limit_headers"] = headers_of(verdict)
        return {}

    @app.get("/token")
    async def token() -> None:
        raise TokenError("token_revoked")

    @app.get("/busy")
    async def busy() -> None:
        raise HasherBusyError

    @app.get("/problems/{reason}")
    async def problem(reason: str, request: Request) -> None:
        raise ProblemError(reason, **request.query_params)

"""What the services of the sandbox are built in: an application that lets in who knows the token, takes
rules of what to do wrong, and is told where webhooks go."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

import msgspec
from fastapi import FastAPI, Request, Response, params
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from api.sandbox.answering import AnswerError, answer_errors
from api.sandbox.rules import AnyRule, Following

T = TypeVar("T")


class Service(Protocol):
    """A service that runs; of the event loop's thread."""

    @property
    def faults(self) -> Following[Any]: ...

    def tell(self, webhook_url: str) -> None:
        """Send webhooks there from now on. Raises `TargetError`."""
        ...

    async def close(self) -> None:
        """End all that goes on."""
        ...


class Target(BaseModel):
    """Where webhooks go."""

    url: str


def create_service(
    title: str,
    guard: params.Depends,
    start: Callable[[], Service],
    read_rules: Callable[[bytes], Sequence[AnyRule]],
) -> FastAPI:
    """An application that runs what `start` makes, under the routes that all services have. Its server
    should offer `DROP`."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.service = service = start()
        yield
        await service.close()

    async def set_faults(request: Request) -> Response:
        """Go wrong by these rules from now on, and by no others; they are forgotten when the service
        ends."""
        rules = read_rules(await request.body())
        running(request).faults.set(rules)
        return JSONResponse(msgspec.to_builtins(rules))

    app = FastAPI(title=title, lifespan=lifespan)
    answer_errors(app)
    app.get("/health")(_health)
    app.put("/faults", dependencies=[guard])(set_faults)
    app.delete("/faults", status_code=204, dependencies=[guard])(_clear_faults)
    app.put("/webhooks/target", status_code=204, dependencies=[guard])(_set_target)
    return app


def running(request: Request) -> Any:
    """The service that `start` made."""
    return request.app.state.service


async def asked_for(request: Request, shape: type[T]) -> T:
    """What is asked for under an Idempotency-Key. Raises `AnswerError`."""
    if not request.headers.get("idempotency-key"):
        raise AnswerError(400, "invalid_request", "send an Idempotency-Key")
    try:
        return msgspec.json.decode(await request.body(), type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise AnswerError(400, "invalid_request", str(error)) from error


async def _health() -> dict[str, str]:
    return {"status": "ok"}


async def _clear_faults(request: Request) -> None:
    running(request).faults.set([])


async def _set_target(request: Request, target: Target) -> None:
    """Send webhooks there from now on."""
    running(request).tell(target.url)

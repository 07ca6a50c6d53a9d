"""The read models: how far they are, and their rebuilds, which a projector does when asked here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import ConfigDict, Field

from api import views
from api.following import goes_on
from api.models import AS_WHOLE, Id, In
from api.paging import complete
from api.problems import ProblemError
from api.rebuild_views import rebuild_view
from api.responses import ProjectionDetailOut, ProjectionsOut, problems
from api.state import Running
from api.strict_json import StrictRoute
from api.writing import json_response
from projections import log, parking, rebuild_state
from projections.catalogue import READ_MODELS, ReadModel, UnknownReadModelError, read_model
from projections.health import ModelStatus, status, status_of_others
from projections.parking import RetryRefusedError
from projections.rebuild import Options
from projections.rebuilder import ask
from projections.shadows import RebuildRefusedError
from projections.swapping import cancel, pause, rollback

router = APIRouter(prefix="/api/projections", tags=["projections"], route_class=StrictRoute)

_LOOK_S = 0.5
_KEEP_ALIVE_S = 15.0


@router.get("", response_model=ProjectionsOut)
async def list_projections(state: Running) -> Response:
    """Every read model's position, its lag behind the log in events and seconds, and its health."""
    async with state.pool.connection() as conn:
        head = await log.head(conn)
        found = [*await status(conn), *await status_of_others(conn)]
    return json_response({**complete([_view(s) for s in found]), "position": head})


@router.get("/stream", response_class=EventSourceResponse, responses=problems(400))
async def follow_rebuilds(request: Request, state: Running) -> AsyncIterator[ServerSentEvent]:
    """The rebuilds and how far they are, as server-sent events: all at first, then what changes.

    Ends with the access token, or when its user may not come in any more: go on with a new one.
    """
    told: dict[str, bytes] = {}
    quiet_s = 0.0
    while goes_on(request, state):
        async with state.pool.connection() as conn:
            found = await rebuild_state.find_all(conn, [model.name for model in READ_MODELS])
        for rebuild in found:
            view = views.encode(rebuild_view(rebuild))
            if told.get(rebuild.name) != view:
                told[rebuild.name], quiet_s = view, 0.0
                yield ServerSentEvent(raw_data=view.decode(), event="rebuild")
        await asyncio.sleep(_LOOK_S)
        quiet_s += _LOOK_S
        if quiet_s >= _KEEP_ALIVE_S:
            quiet_s = 0.0
            yield ServerSentEvent(comment="still here")


@router.get("/{name}", response_model=ProjectionDetailOut, responses=problems(404))
async def get_projection(name: str, state: Running) -> Response:
    """One read model and its last rebuild."""
    return json_response(await _detail(name, state))


class RebuildIn(In):
    """How to rebuild. `accept_differences` swaps even when rows differ from the live ones."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"parallel": 2}]})
    accept_differences: Annotated[bool, Field(strict=True)] = False
    parallel: Annotated[int, Field(ge=1, le=64, strict=True), AS_WHOLE] = 1
    throttle: Annotated[int, Field(ge=1, le=10_000_000, strict=True), AS_WHOLE] | None = None


@router.post(
    "/{name}/rebuild",
    status_code=202,
    response_model=ProjectionDetailOut,
    responses=problems(400, 404, 409),
)
async def rebuild_projection(name: str, state: Running, body: RebuildIn | None = None) -> Response:
    """Have a projector build the read model anew beside the live one, compare, and swap if equal.

    One that was interrupted goes on. Follow it in `rebuild`, or at `/api/projections/stream`.
    """
    asked = body or RebuildIn()
    options = Options(asked.accept_differences, False, asked.throttle, asked.parallel)
    return await _asked(name, state, ask, options)


def _route(verb: str, status: int, words: str, act: Callable[..., object], *args: object) -> None:
    async def do(name: str, state: Running) -> Response:
        return await _asked(name, state, act, *args, status=status)

    do.__name__, do.__doc__ = f"{verb}_projection", words
    router.post(
        f"/{{name}}/{verb}",
        status_code=status,
        response_model=ProjectionDetailOut,
        responses=problems(404, 409),
    )(do)


_route(
    "verify", 202, "Have a projector compare the read model with what the log comes to; `rebuild`"
    " tells the outcome.", ask, Options(only_verify=True),
)  # fmt: skip
_route(
    "resume", 202, "Have a projector go on with a rebuild that was paused.",
    ask, Options(must_be_begun=True),
)  # fmt: skip
_route("pause", 202, "Have a rebuild stop until it is resumed.", pause)
_route("cancel", 202, "Give a rebuild up, and drop what it has built.", cancel)
_route(
    "rollback", 200, "Put back the tables that the last rebuild replaced; a second time swaps again.",
    rollback,
)  # fmt: skip


class RetryIn(In):
    """Which key to retry; all of them without one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})
    key: Id | None = None


@router.post("/{name}/retry", response_model=ProjectionDetailOut, responses=problems(400, 404, 409))
async def retry_projection(name: str, state: Running, body: RetryIn | None = None) -> Response:
    """Show what the read model has left out of parked keys, once its code is corrected; `parked_keys`
    tells those that it still fails on, and why."""
    key = None if body is None else body.key
    return await _asked(name, state, parking.retry, key, status=200)


async def _asked(
    name: str, state: Running, act: Callable[..., object], *args: object, status: int = 202
) -> Response:
    """Do what waits for the database in a thread, and answer with how the read model is then."""
    _known(name)
    try:
        await asyncio.to_thread(act, state.pool.conninfo, name, *args)
    except RebuildRefusedError as error:
        raise ProblemError("rebuild_refused", why=str(error)) from error
    except RetryRefusedError as error:
        raise ProblemError("retry_refused", why=str(error)) from error
    answer = json_response(await _detail(name, state))
    answer.status_code = status
    return answer


def _known(name: str) -> ReadModel:
    try:
        return read_model(name)
    except UnknownReadModelError:
        known = sorted(model.name for model in READ_MODELS)
        raise ProblemError("projection_not_found", name=name[:100], known=known) from None


async def _detail(name: str, state: Running) -> dict[str, object]:
    model = _known(name)
    async with state.pool.connection() as conn:
        (found,) = await status(conn, [model])
        last = await rebuild_state.find_all(conn, [name])
        left_out = await parking.parked(conn, name)
    return {
        **_view(found),
        "rebuild": rebuild_view(last[0]) if last else None,
        "parked_keys": [one._asdict() for one in left_out],
    }


def _view(s: ModelStatus) -> dict[str, object]:
    return {
        "name": s.name,
        "position": s.position,
        "lag_events": s.lag_events,
        "lag_seconds": round(s.lag_s, 3),
        "health": s.health,
        "error": s.error,
        "built_by_version": s.built_by,
        "code_version": s.code_version,
        "parked": s.parked,
    }

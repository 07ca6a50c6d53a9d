"""Processes: what drives flows for days, where each stands, and what an operator does about it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import msgspec
import psycopg
from fastapi import APIRouter, Query, Request, Response

from api.callers import caller_of
from api.models import Cursor, Id, In, Limit, ReasonIn, enum, one_of
from api.paging import complete, decode_keys, encode_keys
from api.problems import ProblemError
from api.process_responses import ProcessDetailOut, ProcessesOut, ProcessPage
from api.responses import problems
from api.state import Running, State
from api.strict_json import StrictRoute
from api.writing import json_response
from application.processes import operating
from application.processes.catalogue import processes
from application.processes.definitions import STATUSES, Process
from domain.refusals import Refusal

router = APIRouter(prefix="/api/processes", tags=["processes"], route_class=StrictRoute)

_log = logging.getLogger("daybook.processes")

NAMES = tuple(processes())

ProcessStatus = Annotated[str, one_of("invalid_status", STATUSES), enum(STATUSES)]
ProcessName = Annotated[str, one_of("process_not_found", NAMES), enum(NAMES)]


class ProcessFilters(In):
    name: ProcessName | None = None
    status: ProcessStatus | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


@router.get("", response_model=ProcessPage, responses=problems(400, 404))
async def list_processes(filters: Annotated[ProcessFilters, Query()], state: Running) -> Response:
    """Flows with the process that drives each, those first that something happened to last. Those that
    wait for an operator have `status=stuck`."""
    before = _before(filters.cursor)
    async with state.pool.connection() as conn:
        found = await operating.list_processes(
            conn,
            limit=filters.limit + 1,  # tells whether there is a next page
            name=filters.name,
            status=filters.status,
            before=before,
        )
    rows = found[: filters.limit]
    has_more = len(found) > len(rows)
    cursor = encode_keys([rows[-1].updated_at, rows[-1].key]) if has_more else None
    data = [msgspec.structs.asdict(row) for row in rows]
    return json_response({"data": data, "next_cursor": cursor, "has_more": has_more})


@router.get("/stats", response_model=ProcessesOut)
async def count_processes(state: Running) -> Response:
    """Each process: how far it is in the log, and how many flows it has in each status."""
    async with state.pool.connection() as conn:
        found = await operating.overview(conn, NAMES)
    return json_response(complete([msgspec.structs.asdict(row) for row in found]))


@router.get("/{name}/{key}", response_model=ProcessDetailOut, responses=problems(400, 404))
async def get_process(name: str, key: Id, state: Running) -> Response:
    """One flow: what its process did at each event, what it waits for, and what waits for it."""
    return json_response(await _detail(state, _process(state, name), key))


@router.post(
    "/{name}/{key}/retry", response_model=ProcessDetailOut, responses=problems(400, 404, 409, 422)
)
async def retry_process(request: Request, name: str, key: Id, state: Running) -> Response:
    """Try again what a flow is stuck with: an event, a deadline, or what it asks an operator for."""
    return await _operate(request, state, name, key, operating.retry)


@router.post(
    "/{name}/{key}/skip", response_model=ProcessDetailOut, responses=problems(400, 404, 409, 422)
)
async def skip_process(request: Request, name: str, key: Id, state: Running) -> Response:
    """Go on without the event or the deadline that a flow is stuck with."""
    return await _operate(request, state, name, key, operating.skip)


@router.post(
    "/{name}/{key}/compensate",
    response_model=ProcessDetailOut,
    responses=problems(400, 404, 409, 422),
)
async def compensate_process(
    request: Request, name: str, key: Id, state: Running, body: ReasonIn | None = None
) -> Response:
    """Give up a flow that waits for an operator: what was done is undone."""
    act = partial(operating.compensate, reason=body.reason if body else "")
    return await _operate(request, state, name, key, act)


async def _operate(
    request: Request, state: State, name: str, key: UUID, act: Callable[..., None]
) -> Response:
    process, actor = _process(state, name), caller_of(request).actor

    def work() -> None:
        with psycopg.connect(str(state.pool.conninfo), autocommit=True) as conn:
            act(conn, state.ledger, process, key, actor)

    try:
        await asyncio.to_thread(work)
    except Refusal as refusal:
        raise ProblemError(refusal.reason, **refusal.details) from None
    _log.info("%s: %s of %s %s", actor, request.url.path.rpartition("/")[2], name, key)
    return json_response(await _detail(state, process, key))


async def _detail(state: State, process: Process, key: UUID) -> dict[str, Any]:
    async with state.pool.connection() as conn:
        found = await operating.detail(conn, process.name, key)
    if found is None:
        raise ProblemError("process_not_found", process=process.name, key=key)
    return {
        **msgspec.structs.asdict(found.process),
        "history": [msgspec.structs.asdict(row) for row in found.history],
        "deadlines": [msgspec.structs.asdict(row) for row in found.deadlines],
        "inbox": found.inbox,
    }


def _process(state: State, name: str) -> Process:
    known = processes(state.policy.bank_patience)
    if name not in known:
        raise ProblemError("process_not_found", process=name, key="it")
    return known[name]


def _before(cursor: str | None) -> tuple[datetime, UUID] | None:
    """The row that a cursor names. Raises `invalid_cursor`."""
    try:
        return msgspec.convert(decode_keys(cursor), tuple[datetime, UUID] | None)
    except msgspec.ValidationError:  # a cursor of another list
        raise ProblemError("invalid_cursor") from None

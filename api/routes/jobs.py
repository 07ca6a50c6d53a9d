"""Jobs: work for the outside world, what became of it, and what an operator does about it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Request, Response
from psycopg import AsyncConnection

from api.callers import Caller, caller_of
from api.job_responses import JobDetailOut, JobPage, QueuesOut
from api.models import Cursor, Id, In, Limit, enum, one_of, shape, text
from api.paging import complete, decode_keys, encode_keys
from api.problems import ProblemError
from api.responses import problems
from api.state import Running, State
from api.writing import json_response
from application.jobs import operating
from application.jobs.operating import STATUSES, Attempt, JobRow
from domain.refusals import Refusal

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

_log = logging.getLogger("daybook.jobs")

_MAX_NAME = 100
JobStatus = Annotated[str, one_of("invalid_status", STATUSES), enum(STATUSES)]
JobName = Annotated[str, text("invalid_text", 1, _MAX_NAME), shape(1, _MAX_NAME)]

_IN_LISTS = frozenset(JobRow.__struct_fields__) - {"payload", "result", "trace"}


class JobFilters(In):
    status: JobStatus | None = None
    kind: JobName | None = None
    queue: JobName | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


@router.get("", response_model=JobPage, responses=problems(400))
async def list_jobs(filters: Annotated[JobFilters, Query()], state: Running) -> Response:
    """Jobs, the last put in first. The dead are those with `status=dead`."""
    after = _after(filters.cursor)
    async with state.pool.connection() as conn:
        found = await operating.list_jobs(
            conn,
            limit=filters.limit + 1,  # tells whether there is a next page
            after=after,
            status=filters.status,
            kind=filters.kind,
            queue=filters.queue,
        )
    rows = found[: filters.limit]
    has_more = len(found) > len(rows)
    cursor = encode_keys([rows[-1].created_at, rows[-1].id]) if has_more else None
    return json_response(
        {"data": [_listed(row) for row in rows], "next_cursor": cursor, "has_more": has_more}
    )


@router.get("/stats", response_model=QueuesOut)
async def show_queues(state: Running) -> Response:
    """Each queue now: what waits, runs, fails and is dead. One without anything is not listed."""
    async with state.pool.connection() as conn:
        found = await operating.stats(conn)
    rows = [msgspec.structs.asdict(row) for row in found]
    for row in rows:
        row["done_last_5_minutes"] = row.pop("done_last_minutes")
    return json_response(complete(rows))


@router.get("/{job_id}", response_model=JobDetailOut, responses=problems(400, 404))
async def get_job(request: Request, job_id: Id, state: Running) -> Response:
    """One job, with all that was tried."""
    async with state.pool.connection() as conn:
        return await _answer(conn, request, operating.find, job_id)


@router.post("/{job_id}/retry", response_model=JobDetailOut, responses=problems(400, 404, 409))
async def retry_job(request: Request, job_id: Id, state: Running) -> Response:
    """Have a dead or cancelled job run again, or one that waits run now. It keeps its id, so what it
    has done elsewhere is not done twice there."""
    return await _operate(request, state, operating.retry, job_id)


@router.post("/{job_id}/cancel", response_model=JobDetailOut, responses=problems(400, 404, 409))
async def cancel_job(request: Request, job_id: Id, state: Running) -> Response:
    """Give a job up. One that waits is ended by a worker, which tells its flow: until then it is
    `waiting`, with `cancel_asked`. One that runs may have reached the outside world: its attempt goes on,
    and counts if it succeeds, but there will be no other. One that is dead is discarded."""
    return await _operate(request, state, operating.cancel, job_id)


Ask = Callable[[AsyncConnection[Any], UUID], Awaitable[JobRow]]


async def _operate(request: Request, state: State, act: Ask, job_id: UUID) -> Response:
    async with state.pool.connection() as conn:
        answered = await _answer(conn, request, act, job_id)
    _log.info("%s: %s job %s", caller_of(request).actor, act.__name__, job_id)
    return answered


async def _answer(conn: AsyncConnection[Any], request: Request, ask: Ask, job_id: UUID) -> Response:
    try:
        row = await ask(conn, job_id)
    except Refusal as refusal:
        raise ProblemError(refusal.reason, **refusal.details) from None
    return json_response(detail(row, await operating.attempts_of(conn, job_id), caller_of(request)))


def detail(row: JobRow, tries: list[Attempt], caller: Caller) -> dict[str, Any]:
    """A job with everything that this caller may see."""
    may_see = caller.reaches_all("events.read")
    return {
        **_listed(row),
        "trace": row.trace,
        "payload": row.payload if may_see else None,
        "result": row.result if may_see else None,
        "tries": tries,
    }


def _listed(row: JobRow) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(row).items() if name in _IN_LISTS}


def _after(cursor: str | None) -> tuple[datetime, UUID] | None:
    """The row that a cursor names. Raises `invalid_cursor`."""
    try:
        return msgspec.convert(decode_keys(cursor), tuple[datetime, UUID] | None)
    except msgspec.ValidationError:  # a cursor of another list
        raise ProblemError("invalid_cursor") from None

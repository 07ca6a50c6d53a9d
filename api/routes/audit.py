"""Who did what: every event in words, and all that one request set in motion."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from api.freshness import Fresh, be_fresh, gaps
from api.history_responses import AuditPage, CorrelationOut
from api.models import Cursor, EndMoment, Id, In, Limit, Moment, Reading, Text
from api.paging import decode_cursor, page
from api.problems import ProblemError
from api.responses import problems
from api.routes.events import Topic
from api.state import Running
from api.writing import json_response
from projections.audit import queries
from projections.audit.chain import CommandNode, EventNode, tree
from projections.audit.queries import AuditRow, Wanted

router = APIRouter(prefix="/api/audit", tags=["audit"])

MAX_TREE_EVENTS = 1_000
"""A correlation of more events, such as a large import, is cut there; the list has them all."""

CorrelationId = Annotated[str, Path(pattern="^[A-Za-z0-9._:/+=-]{1,128}$", examples=["request-7"])]


class AuditFilters(In):
    actor: Text | None = None
    stream_id: Id | None = None
    account_id: Id | None = None
    topic: Topic | None = None
    correlation_id: Annotated[Text, Field(min_length=1)] | None = None
    from_: Annotated[Moment | None, Query(alias="from")] = None
    to: EndMoment | None = None
    limit: Limit = 50
    cursor: Cursor | None = None
    min_position: Fresh = None


@router.get("", response_model=AuditPage, responses=problems(400))
async def search(filters: Annotated[AuditFilters, Query()], state: Running) -> Response:
    """Events in words, the newest first, with who asked for them and why; `from` and `to` are about
    the time of recording. With `account_id` also the transfers from and to that account."""
    before = decode_cursor(filters.cursor)
    await be_fresh(state, "audit", filters.min_position)
    wanted = Wanted(
        actor=filters.actor,
        stream_id=filters.stream_id,
        account_id=filters.account_id,
        topic=filters.topic,
        correlation_id=filters.correlation_id,
        recorded_from=filters.from_,
        recorded_to=filters.to,
    )
    async with state.pool.connection() as conn:
        found = await queries.search(conn, wanted, limit=filters.limit, before=before)
    return json_response(page(found, _row), await gaps(state, "audit"))


@router.get(
    "/correlations/{correlation_id:path}",
    response_model=CorrelationOut,
    responses=problems(400, 404),
)
async def correlation(
    correlation_id: CorrelationId, state: Running, reading: Annotated[Reading, Query()]
) -> Response:
    """All that one request set in motion: its commands, their events, the commands that these led to."""
    await be_fresh(state, "audit", reading.min_position)
    async with state.pool.connection() as conn:
        rows = await queries.correlated(conn, correlation_id, MAX_TREE_EVENTS + 1)
    if not rows:
        raise ProblemError("correlation_not_found", correlation_id=correlation_id)
    return json_response(
        {
            "correlation_id": correlation_id,
            "data": [_command(command) for command in tree(rows[:MAX_TREE_EVENTS])],
            "next_cursor": None,
            "has_more": len(rows) > MAX_TREE_EVENTS,
        },
        await gaps(state, "audit"),
    )


def _row(row: AuditRow) -> dict[str, Any]:
    return {
        "position": row.position,
        "stream_id": row.stream_id,
        "version": row.version,
        "recorded_at": row.recorded_at,
        "topic": row.topic,
        "account_ids": [id_ for id_ in (row.account_id, row.other_account_id) if id_ is not None],
        "actor": row.actor,
        "correlation_id": row.correlation_id,
        "causation_id": row.causation_id,
        "command_id": row.command_id,
        "summary": row.summary,
    }


def _command(command: CommandNode) -> dict[str, Any]:
    first = command.first
    return {
        "stream_id": first.stream_id,
        "command_id": first.command_id,
        "actor": first.actor,
        "causation_id": first.causation_id,
        "position": first.position,
        "recorded_at": first.recorded_at,
        "events": [_event(node) for node in command.events],
    }


def _event(node: EventNode) -> dict[str, Any]:
    return {**_row(node.row), "commands": [_command(command) for command in node.commands]}

"""One aggregate's stream: its events, and its state at any of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api import histories, views
from api.freshness import Fresh, log_has
from api.history_responses import StateOut
from api.models import Id, In, Limit, Moment, Position
from api.problems import ProblemError
from api.responses import EventPage, problems
from api.state import Running
from api.writing import json_response
from projections import log
from projections.histories import state_at
from projections.sealed import hide_in, hide_logged

router = APIRouter(prefix="/api/streams", tags=["streams"])


class StreamFilters(In):
    after: Position = 0
    limit: Limit = 100
    min_position: Fresh = None


@router.get("/{stream_id}/events", response_model=EventPage, responses=problems(400, 404))
async def stream_events(
    stream_id: Id, filters: Annotated[StreamFilters, Query()], state: Running
) -> Response:
    """One aggregate's events after a version, in order; `next_cursor` is the next `after`."""
    await log_has(state, filters.min_position)
    async with state.pool.connection() as conn:
        found = await log.stream_events(
            conn, stream_id, after_version=filters.after, limit=filters.limit + 1
        )
        if not found and not await log.stream_events(conn, stream_id, after_version=0, limit=1):
            raise ProblemError("stream_not_found", stream_id=stream_id)
        events = await hide_logged(conn, found[: filters.limit])
    more = len(found) > filters.limit
    rows = [views.event(event) for event in events]
    return json_response(
        {
            "data": rows,
            "next_cursor": str(rows[-1]["version"]) if more else None,
            "has_more": more,
        }
    )


class StateAsOfIn(In):
    version: Position | None = None
    position: Position | None = None
    at: Moment | None = None
    min_position: Fresh = None


@router.get("/{stream_id}/state", response_model=StateOut, responses=problems(400, 404, 422))
async def stream_state(
    stream_id: Id, when: Annotated[StateAsOfIn, Query()], state: Running
) -> Response:
    """An aggregate now, at a `version`, after a `position` of the log, or as recorded `at` a time;
    with the event that led there and what it changed."""
    await log_has(state, when.min_position)
    async with state.pool.connection() as conn:
        version = await histories.version_then(
            conn, stream_id, when.version, when.position, when.at
        )
        then = await state_at(conn, stream_id, version)
        body = await hide_in(conn, then.event, histories.state_at(then))
    body["as_of"] = {n: getattr(when, n) for n in ("version", "position", "at")}
    return json_response(body)

"""The log: pages of it, and what comes next as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api import views
from api.following import LOOK_UP_S, LastEventId, goes_on, until
from api.freshness import Fresh, log_has
from api.models import In, Limit, Position, enum, one_of
from api.problems import ProblemError
from api.responses import EventPage, problems
from api.state import Running
from api.writing import json_response
from domain.catalogue import EVENT_TYPES
from projections import log
from projections.sealed import hide_logged

router = APIRouter(prefix="/api", tags=["events"])

_AT_ONCE = 500

_TOPICS = tuple(sorted(EVENT_TYPES))
Topic = Annotated[str, one_of("invalid_topic", _TOPICS), enum(_TOPICS)]


class EventFilters(In):
    after: Position = 0
    limit: Limit = 100
    topic: Topic | None = None
    min_position: Fresh = None


@router.get("/events", response_model=EventPage, responses=problems(400))
async def list_events(filters: Annotated[EventFilters, Query()], state: Running) -> Response:
    """Events after a position, in order. Amounts in event data are whole minor units, as stored;
    `[sealed]` stands for what is personal, or `[erased]`.

    `next_cursor` is what to give as `after`. With a rare `topic` a page may be empty and still have
    more behind it.
    """
    await log_has(state, filters.min_position)
    async with state.pool.connection() as conn:
        found = await log.read_events(conn, filters.after, filters.limit, topic=filters.topic)
        events = await hide_logged(conn, found.events)
    more = found.read_to < found.head
    return json_response(
        {
            "data": [views.event(event) for event in events],
            "next_cursor": str(found.read_to) if more else None,
            "has_more": more,
        }
    )


async def _start(state: Running, last_event_id: LastEventId, after: Position | None = None) -> int:
    """The position after which to begin. Raises before the stream has begun, so as a problem."""
    if last_event_id is not None:
        return last_event_id
    async with state.pool.connection() as conn:
        head = await log.head(conn)
    if after is None:
        return head
    if after > head:
        raise ProblemError(
            "as_of_in_the_future", position=head, recorded_at=datetime.now(UTC).isoformat()
        )
    return after


@router.get("/events/stream", response_class=EventSourceResponse, responses=problems(400, 422))
async def follow_events(
    request: Request,
    state: Running,
    position: Annotated[int, Depends(_start)],
    topic: Topic | None = None,
) -> AsyncIterator[ServerSentEvent]:
    """Events as they are committed, each once and in order.

    Begins after `Last-Event-ID` (which browsers send by themselves), else after `after`, else now. Ends
    with the access token, or when its user may not come in any more: go on with a new one.
    """
    while goes_on(request, state):
        async with state.pool.connection() as conn:
            found = await log.read_events(conn, position, _AT_ONCE, topic=topic)
            events = await hide_logged(conn, found.events)
        for event in events:
            yield ServerSentEvent(
                raw_data=views.encode(views.event(event)).decode(),
                event=event.topic,
                id=str(event.position),
            )
        position = found.read_to
        if position < found.head:
            continue
        moved = partial(state.freshness.log_moved, position, LOOK_UP_S)
        async for comment in until(request, state, moved):
            yield comment

"""The log: pages of it, and what comes next as server-sent events."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api import views
from api.callers import caller_of
from api.freshness import Fresh, log_has
from api.models import In, Limit, Position, enum, one_of
from api.problems import ProblemError
from api.responses import EventPage, problems
from api.state import Running, State
from api.writing import json_response
from domain.catalogue import EVENT_TYPES
from projections import log
from projections.sealed import hide_logged

router = APIRouter(prefix="/api", tags=["events"])

_AT_ONCE = 500
_KEEP_ALIVE_S = 15.0
_LOOK_UP_S = 0.5
"""A quiet stream looks this often whether the server is stopping."""

_TOPICS = tuple(sorted(EVENT_TYPES))
Topic = Annotated[str, one_of("invalid_topic", _TOPICS), enum(_TOPICS)]
_POSITION = re.compile(r"[0-9]{1,18}")


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


async def _start(
    state: Running,
    after: Position | None = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> int:
    """The position after which to begin. Raises before the stream has begun, so as a problem."""
    async with state.pool.connection() as conn:
        head = await log.head(conn)
    if last_event_id is not None:
        if not _POSITION.fullmatch(last_event_id):
            raise ProblemError("invalid_cursor", last_event_id=last_event_id[:40])
        after = int(last_event_id)
    if after is None:
        return head
    if after > head:
        raise ProblemError(
            "as_of_in_the_future", position=head, recorded_at=datetime.now(UTC).isoformat()
        )
    return after


def goes_on(request: Request, state: State) -> bool:
    """Whether a stream has more to tell: the server runs, and still lets its caller in."""
    return not state.stopping.is_set() and state.gate.still_lets_in(
        caller_of(request), datetime.now(UTC)
    )


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
        quiet_s = 0.0
        while goes_on(request, state) and not await state.freshness.log_moved(position, _LOOK_UP_S):
            quiet_s += _LOOK_UP_S
            if quiet_s >= _KEEP_ALIVE_S:
                quiet_s = 0.0
                yield ServerSentEvent(comment="still here")

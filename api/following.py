"""What streams of server-sent events share: where they begin, and how they stay open while it is quiet."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Request
from fastapi.sse import ServerSentEvent

from api import views
from api.callers import caller_of
from api.problems import ProblemError
from api.state import Running, State
from projections import log

KEEP_ALIVE_S = 15.0
LOOK_UP_S = 0.5
"""A quiet stream looks this often whether it is to end."""

_POSITION = re.compile(r"[0-9]{1,18}")


async def _last_event_id(
    state: Running, last_event_id: Annotated[str | None, Header()] = None
) -> int | None:
    """The position that a reader has got to, None for one that begins. Raises `invalid_cursor`, and
    `as_of_in_the_future`."""
    if last_event_id is None:
        return None
    if not _POSITION.fullmatch(last_event_id):
        raise ProblemError("invalid_cursor", last_event_id=last_event_id[:40])
    position = int(last_event_id)
    if position > state.freshness.head:
        async with state.pool.connection() as conn:
            head = await log.head(conn)
        if position > head:
            now = datetime.now(UTC).isoformat()
            raise ProblemError("as_of_in_the_future", position=head, recorded_at=now)
    return position


LastEventId = Annotated[int | None, Depends(_last_event_id)]


def news_after(state: State, *models: str) -> int:
    """Where a stream begins for a reader that has got to no position: with what these read models do not
    show yet, so that whoever asks them from now on misses nothing."""
    return min(state.freshness.position(model) for model in models) or state.freshness.head


def goes_on(request: Request, state: State) -> bool:
    """Whether a stream has more to tell: the server runs, and still lets its caller in."""
    return not state.stopping.is_set() and state.gate.still_lets_in(
        caller_of(request), datetime.now(UTC)
    )


async def until(
    request: Request, state: State, happened: Callable[[], Awaitable[bool]]
) -> AsyncIterator[ServerSentEvent]:
    """Comments that keep a stream open, until something has happened or the stream is to end.

    `happened` waits for `LOOK_UP_S` at most.
    """
    now = asyncio.get_running_loop().time
    told_at = now()
    while goes_on(request, state) and not await happened():
        if now() >= told_at + KEEP_ALIVE_S:
            told_at = now()
            yield ServerSentEvent(comment="still here")


def told(event: str, data: Any, position: int | None) -> ServerSentEvent:
    """One event; without a position a reader goes on from the one before it."""
    return ServerSentEvent(
        raw_data=views.encode(data).decode(),
        event=event,
        id=None if position is None else str(position),
    )


class Change:
    """Waits until something has come about one of a few things, and the read model `model` shows it."""

    def __init__(self, state: State, model: str, interest: Collection[UUID], seen: int) -> None:
        self._state = state
        self._model = model
        self._interest = interest
        self._seen = seen
        self._awaited: int | None = None

    async def happened(self) -> bool:
        if self._awaited is None:
            looked = await self._state.watch.look(self._interest, self._seen, LOOK_UP_S)
            self._seen, self._awaited = looked
            if self._awaited is None:
                return False
        return await self._state.freshness.wait_for(self._model, self._awaited, LOOK_UP_S)

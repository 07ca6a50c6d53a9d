"""Whose things the newest events are about: read once for all who follow theirs, however many they are."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from projections import log
from projections.freshness import Freshness
from projections.log import LoggedEvent

_AT_ONCE = 500
_KEPT = 20_000
"""Whoever is further behind is told that there may be something, and asks for it."""
_PAUSE_S = 0.02
"""Under many writes, those who follow look so often rather than at every commit."""


class Seen(NamedTuple):
    """How far the log was looked at, and the last of the events until there that are of interest; None
    when none is."""

    to: int
    last: int | None


class Watch:
    """The end of the log as the ids that each event is about: its stream's, its flow's, its owner's.

    Nothing is read while nobody looks, or nothing happens.
    """

    def __init__(
        self, pool: AsyncConnectionPool[AsyncConnection[Any]], freshness: Freshness
    ) -> None:
        self._pool = pool
        self._freshness = freshness
        self._after = 0
        self._about: list[tuple[UUID, ...]] = []
        """Of the events after that position, in order: positions have no gaps."""
        self._reading = asyncio.Lock()

    @property
    def _to(self) -> int:
        return self._after + len(self._about)

    async def look(self, interest: Collection[UUID], after: int, timeout_s: float) -> Seen:
        """What came after a position about one of these, as soon as there is anything at all."""
        if not await self._freshness.log_moved(after, timeout_s):
            return Seen(after, None)
        await asyncio.sleep(_PAUSE_S)
        await self._read(after)
        if after < self._after:
            return Seen(self._to, self._to)
        last = None
        wanted = frozenset(interest)
        start = after - self._after
        for number, about in enumerate(islice(self._about, start, None), after + 1):
            if not wanted.isdisjoint(about):
                last = number
        return Seen(max(after, self._to), last)

    async def _read(self, after: int) -> None:
        """Read on, unless somebody else just did."""
        async with self._reading:
            head = self._freshness.head
            if head < self._to or head > self._to + _AT_ONCE:
                # The server lost its last moments, or nobody has looked for a while.
                self._after = min(after, head) if head <= after + _AT_ONCE else head
                self._about = []
            if self._to > after or self._to >= head:
                return
            async with self._pool.connection() as conn:
                found = await log.read_events(conn, self._to, _AT_ONCE)
            self._about += [_about(event) for event in found.events]
            if len(self._about) > 2 * _KEPT:
                self._after += _KEPT
                del self._about[:_KEPT]


def _about(event: LoggedEvent) -> tuple[UUID, ...]:
    named = (getattr(event.data, name, None) for name in ("flow_id", "owner_id"))
    return (event.stream_id, *(id_ for id_ in named if id_ is not None))

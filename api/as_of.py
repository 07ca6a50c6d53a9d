"""Reads of the past: the moment that is asked for, and what nobody can know of it yet."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from domain.refusals import Refusal
from projections import log


def at_most_one(**given: object) -> None:
    """Refuses `conflicting_parameters` when more than one of them is not None."""
    if sum(value is not None for value in given.values()) > 1:
        raise Refusal("conflicting_parameters", parameters=list(given))


async def known_end(
    conn: AsyncConnection[Any], position: int | None, moment: datetime | None
) -> log.End:
    """Where the log ends, which is not before the position or moment (aware) that is asked for.

    Refuses `as_of_in_the_future`: what is not recorded yet may still change the answer.
    """
    end = await (log.end(conn) if moment is None else log.settled_end(conn))
    # The last moment itself is not over: after the clock was set back, events still get that time.
    if (position or 0) > end.position or (moment is not None and moment >= end.now):
        raise Refusal("as_of_in_the_future", position=end.position, recorded_at=end.now.isoformat())
    return end


async def position_then(
    conn: AsyncConnection[Any], position: int | None, at: datetime | None
) -> int:
    """The log's position at a moment: the position asked for, else the last one recorded by the time
    `at` (aware), else the log's last.

    Refuses `conflicting_parameters` and `as_of_in_the_future`.
    """
    at_most_one(position=position, at=at)
    end = await known_end(conn, position, at)
    if at is not None:
        return await log.position_at(conn, at)
    return end.position if position is None else position


async def before_start(conn: AsyncConnection[Any], stream_id: UUID) -> Refusal:
    """The refusal for a moment at which a stream, which there is, had not begun."""
    (first, *_) = await log.stream_events(conn, stream_id, after_version=0, limit=1)
    return Refusal(
        "as_of_before_start",
        stream_id=stream_id,
        position=first.position,
        recorded_at=first.recorded_at.isoformat(),
    )

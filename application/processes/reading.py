"""Reads the log for processes: events of their topics, in order."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from psycopg import Connection

from domain import catalogue
from domain.events import Recorded

WINDOW = 20_000
"""Positions that are looked at together."""

_COLUMNS = "notification_id, originator_id, originator_version, topic, recorded_at, state, metadata"

_ROWS = (
    f"SELECT {_COLUMNS} FROM events WHERE notification_id > %s AND notification_id <= %s"
    " AND topic = ANY(%s) ORDER BY notification_id LIMIT %s"
)

_FIRST = f"SELECT {_COLUMNS} FROM events WHERE originator_id = %s AND originator_version = 1"

_ONE = f"SELECT {_COLUMNS} FROM events WHERE notification_id = %s"


class Window(NamedTuple):
    """Events in order, and how far the log was looked at: all that matters up to there is among them."""

    events: list[Recorded]
    read_to: int


def read_window(conn: Connection[Any], after: int, topics: Collection[str], limit: int) -> Window:
    """Up to `limit` events after a position. Raises what `catalogue.decode` raises."""
    row = conn.execute("SELECT position FROM ledger_head", prepare=True).fetchone()
    to = min(after + WINDOW, 0 if row is None else row[0])
    if to <= after:
        return Window([], after)
    rows = conn.execute(_ROWS, (after, to, list(topics), limit), prepare=True, binary=True)
    events = [_recorded(*row) for row in rows]
    return Window(events, events[-1].position if len(events) == limit else to)


def read_first(conn: Connection[Any], stream_id: UUID) -> Recorded | None:
    """The event that a stream begins with, however long it has become; None when there is none."""
    row = conn.execute(_FIRST, (stream_id,), binary=True, prepare=True).fetchone()
    return None if row is None else _recorded(*row)


def read_event(conn: Connection[Any], position: int) -> Recorded:
    """The event at a position of the log."""
    row = conn.execute(_ONE, (position,), binary=True).fetchone()
    assert row is not None, "positions have no gaps"
    return _recorded(*row)


def _recorded(
    position: int, stream_id: Any, version: int, topic: str, at: Any, state: bytes, meta: bytes
) -> Recorded:
    data = catalogue.decode(topic, state)
    return Recorded(position, stream_id, version, topic, at, data, meta)


class _Origin(msgspec.Struct):
    correlation_id: str = ""


_decode_origin = msgspec.json.Decoder(_Origin).decode


def correlation_of(event: Recorded) -> str:
    """What ties an event to the request that set all in motion."""
    return _decode_origin(event.metadata).correlation_id

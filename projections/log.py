"""Reading the log for the read side: in bulk for read models, in pages for people and streams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection, Connection

from domain import catalogue
from domain.events import Event, Recorded
from projections.paging import Page

LOG_CHANNEL = "daybook_log"
"""Postgres channel on which the writer tells the new head, in the commit that moves it."""

MAX_SCAN = 50_000
"""Events that one filtered page looks at, so that a rare topic never keeps the database busy for long."""

_COMMIT_WAIT_S = 2
"""A commit takes milliseconds; whoever waits holds a connection that others need."""

_ROWS = (
    "SELECT notification_id, originator_id, originator_version, topic, recorded_at, state, metadata"
    " FROM events WHERE notification_id > %s AND notification_id <= %s ORDER BY notification_id"
)
_STREAM_ROWS = (
    "SELECT notification_id, originator_id, originator_version, topic, recorded_at, state, metadata"
    " FROM events WHERE originator_id = %(stream)s AND notification_id <= %(to)s"
    " AND originator_version > version_at(%(stream)s, %(after)s)"
    " ORDER BY originator_version LIMIT %(limit)s"
)
_PART_ROWS = (
    "SELECT notification_id, originator_id, originator_version, topic, recorded_at, state, metadata"
    " FROM events WHERE notification_id > %(after)s AND notification_id <= %(to)s"
    " AND topic = ANY(%(topics)s)"
    " AND (uuid_hash(originator_id) & 2147483647) %% %(parts)s::int = %(part)s::int"
    " ORDER BY notification_id"
)
_PAGE_COLUMNS = (
    "notification_id, originator_id, originator_version, topic, recorded_at, state, metadata, hash"
)

_decode_metadata = msgspec.json.Decoder(dict[str, Any]).decode


class UnreadableEventError(Exception):
    """This version can't read the event at `position`: deploy the one that wrote it, or, if that
    doesn't help, verify the log, since the event may have been tampered with."""

    def __init__(self, position: int, topic: str, cause: Exception) -> None:
        super().__init__(f"event {position} ({topic}) can't be read: {cause}")
        self.position = position


class LoggedEvent(Struct, frozen=True):
    """One event with all that the log keeps of it. `metadata` tells who asked for it and why."""

    position: int
    stream_id: UUID
    version: int
    topic: str
    recorded_at: datetime
    data: Event
    metadata: dict[str, Any]
    hash: bytes


class LogPage(NamedTuple):
    """Events in order. All up to `read_to` were looked at: go on after it, even when none matched.
    `head` is the last position of the log."""

    events: list[LoggedEvent]
    read_to: int
    head: int


def read_batch(conn: Connection[Any], after: int, limit: int) -> list[Recorded]:
    """The up to `limit` events that follow position `after`, in order; positions have no gaps.

    Ends before an event that can't be read; raises `UnreadableEventError` when that is the first.
    """
    rows = conn.execute(_ROWS, (after, after + limit), prepare=True, binary=True).fetchall()
    decode = catalogue.decode
    try:
        return [
            Recorded(position, stream_id, version, topic, recorded_at, decode(topic, state), meta)
            for position, stream_id, version, topic, recorded_at, state, meta in rows
        ]
    except (catalogue.UnknownEventError, msgspec.MsgspecError):
        return _readable_part(rows)


def read_stream(
    conn: Connection[Any], stream_id: UUID, after: int, to: int, limit: int
) -> list[Recorded]:
    """Up to `limit` events of one stream after one position and up to another, in order.

    Raises `UnreadableEventError`.
    """
    rows = conn.execute(
        _STREAM_ROWS, {"stream": stream_id, "after": after, "to": to, "limit": limit}, binary=True
    ).fetchall()
    return [_recorded(*row) for row in rows]


class Part(NamedTuple):
    """One of `of` parts that the streams fall into, from 0."""

    number: int
    of: int


def read_part(
    conn: Connection[Any], after: int, to: int, topics: Sequence[str], part: Part
) -> list[Recorded]:
    """The events after one position and up to another, of some topics, in one part of the streams.

    Raises `UnreadableEventError`.
    """
    rows = conn.execute(
        _PART_ROWS,
        {"after": after, "to": to, "topics": topics, "part": part.number, "parts": part.of},
        prepare=True,
        binary=True,
    ).fetchall()
    return [_recorded(*row) for row in rows]


def _readable_part(rows: Sequence[tuple[Any, ...]]) -> list[Recorded]:
    events: list[Recorded] = []
    for row in rows:
        try:
            events.append(_recorded(*row))
        except UnreadableEventError:
            if events:
                break
            raise
    return events


def _recorded(
    position: int, stream_id: UUID, version: int, topic: str, recorded_at: datetime, state: bytes,
    metadata: bytes,
) -> Recorded:  # fmt: skip
    try:
        data = catalogue.decode(topic, state)
    except (catalogue.UnknownEventError, msgspec.MsgspecError) as error:
        raise UnreadableEventError(position, topic, error) from error
    return Recorded(position, stream_id, version, topic, recorded_at, data, metadata)


def head_position(conn: Connection[Any]) -> int:
    """Position of the last event, 0 when there is none."""
    row = conn.execute("SELECT position FROM ledger_head").fetchone()
    assert row is not None, "ledger_head has its one row since the first migration"
    return int(row[0])


async def head(conn: AsyncConnection[Any]) -> int:
    """Position of the last event, 0 when there is none."""
    row = await (await conn.execute("SELECT position FROM ledger_head")).fetchone()
    assert row is not None, "ledger_head has its one row since the first migration"
    return int(row[0])


class End(NamedTuple):
    """The log's last position, and what time it is for the ledger."""

    position: int
    now: datetime


_END = "SELECT position, greatest(recorded_at, clock_timestamp()) FROM ledger_head"


async def end(conn: AsyncConnection[Any]) -> End:
    """Where the log ends now. A commit under way may bring events with an earlier time."""
    row = await (await conn.execute(_END)).fetchone()
    assert row is not None, "ledger_head has its one row since the first migration"
    return End(*row)


async def settled_end(conn: AsyncConnection[Any]) -> End:
    """As `end`, and all events before its time are there: waits for a commit under way.

    Raises `psycopg.errors.LockNotAvailable`, an `OperationalError`, when a writer hangs.
    """
    async with conn.transaction():
        await conn.execute(f"SET LOCAL lock_timeout = '{_COMMIT_WAIT_S}s'".encode())
        row = await (await conn.execute(_END + " FOR KEY SHARE")).fetchone()
    assert row is not None, "ledger_head has its one row since the first migration"
    return End(*row)


async def position_at(conn: AsyncConnection[Any], moment: datetime) -> int:
    """Position of the last event recorded at or before a moment (aware), 0 when there is none."""
    row = await (await conn.execute("SELECT position_at(%s)", (moment,))).fetchone()
    assert row is not None, "a function always answers"
    return int(row[0])


async def read_events(
    conn: AsyncConnection[Any],
    after: int,
    limit: int,
    topic: str | None = None,
    stream_id: UUID | None = None,
) -> LogPage:
    """Up to `limit` events after position `after`, of one topic or stream when asked for.

    Raises `UnreadableEventError`.
    """
    last = await head(conn)
    scan = limit if topic is None and stream_id is None else MAX_SCAN
    # A stream has an index of its own, so its search need not stop half-way.
    to = last if stream_id is not None else min(last, after + scan)
    cursor = await conn.execute(
        f"SELECT {_PAGE_COLUMNS} FROM events WHERE notification_id > %(after)s"
        " AND notification_id <= %(to)s"
        f"{'' if topic is None else ' AND topic = %(topic)s'}"
        f"{'' if stream_id is None else ' AND originator_id = %(stream)s'}"
        f" ORDER BY {'notification_id' if stream_id is None else 'originator_version'}"
        " LIMIT %(limit)s".encode(),
        {"after": after, "to": to, "topic": topic, "stream": stream_id, "limit": limit},
        binary=True,
    )
    events = [_logged(*row) for row in await cursor.fetchall()]
    read_to = events[-1].position if len(events) == limit else max(to, after)
    return LogPage(events, read_to, last)


async def stream_events(
    conn: AsyncConnection[Any], stream_id: UUID, after_version: int, limit: int
) -> list[LoggedEvent]:
    """Up to `limit` events of one stream after a version (0: from its start); empty when there is
    no such stream. Raises `UnreadableEventError`."""
    cursor = await conn.execute(
        f"SELECT {_PAGE_COLUMNS} FROM events WHERE originator_id = %s"
        " AND originator_version > %s ORDER BY originator_version LIMIT %s".encode(),
        (stream_id, after_version, limit),
        binary=True,
    )
    return [_logged(*row) for row in await cursor.fetchall()]


async def last_events(
    conn: AsyncConnection[Any],
    stream_id: UUID,
    topics: Collection[str],
    *,
    before: int | None,
    limit: int,
) -> Page[LoggedEvent]:
    """Events of one stream and some topics, the last first, before a position.

    Raises `UnreadableEventError`.
    """
    cursor = await conn.execute(
        f"SELECT {_PAGE_COLUMNS} FROM events WHERE originator_id = %(stream)s"
        " AND topic = ANY(%(topics)s)"
        " AND (%(before)s::bigint IS NULL OR notification_id < %(before)s)"
        " ORDER BY originator_version DESC LIMIT %(limit)s".encode(),
        {"stream": stream_id, "topics": list(topics), "before": before, "limit": limit + 1},
        binary=True,
    )
    rows = [_logged(*row) for row in await cursor.fetchall()]
    more = len(rows) > limit
    return Page(rows[:limit], rows[limit - 1].position if more else None)


async def events_of(
    conn: AsyncConnection[Any], stream_ids: Collection[UUID], after: int, to: int, limit: int
) -> LogPage:
    """The events of some streams after one position and up to another, in order, at most `limit` of each
    stream; `read_to` is before `to` when there are more, and `head` is `to`.

    Raises `UnreadableEventError`.
    """
    cursor = await conn.execute(
        f"SELECT {_PAGE_COLUMNS} FROM unnest(%(streams)s::uuid[]) AS stream (id) CROSS JOIN LATERAL"
        " (SELECT * FROM events WHERE originator_id = stream.id"
        "   AND originator_version > version_at(stream.id, %(after)s)"
        "   AND notification_id <= %(to)s ORDER BY originator_version LIMIT %(limit)s) AS found"
        " ORDER BY notification_id".encode(),
        {"streams": list(stream_ids), "after": after, "to": to, "limit": limit},
        binary=True,
    )
    events = [_logged(*row) for row in await cursor.fetchall()]
    counts = Counter(event.stream_id for event in events)
    full = {stream_id for stream_id, count in counts.items() if count == limit}
    last = {event.stream_id: event.position for event in events if event.stream_id in full}
    read_to = min(last.values(), default=max(to, after))
    return LogPage([event for event in events if event.position <= read_to], read_to, to)


async def first_events(
    conn: AsyncConnection[Any], stream_ids: Collection[UUID]
) -> dict[UUID, Event]:
    """What each of these streams began with; without those that there are not.

    Raises `UnreadableEventError`.
    """
    cursor = await conn.execute(
        f"SELECT {_PAGE_COLUMNS} FROM events"
        " WHERE originator_id = ANY(%s) AND originator_version = 1".encode(),
        (list(stream_ids),),
        binary=True,
    )
    return {row[1]: _logged(*row).data for row in await cursor.fetchall()}


def _logged(
    position: int, stream_id: UUID, version: int, topic: str, recorded_at: datetime,
    state: bytes, metadata: bytes, digest: bytes,
) -> LoggedEvent:  # fmt: skip
    try:
        data = catalogue.decode(topic, state)
    except (catalogue.UnknownEventError, msgspec.MsgspecError) as error:
        raise UnreadableEventError(position, topic, error) from error
    return LoggedEvent(
        position, stream_id, version, topic, recorded_at, data, _decode_metadata(metadata), digest
    )

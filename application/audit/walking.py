"""Walks the log as its bytes are sealed: binary COPY gives each row exactly as it was hashed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from struct import Struct
from typing import Any, NamedTuple

from psycopg import Connection, sql

from application.event_store.chain import (
    COLUMNS,
    COPY_HEADER,
    COPY_TRAILER,
    GENESIS,
    HASH_LENGTH,
    ROW_PREFIX,
)

PAGE_EVENTS = 65_536
"""Events in memory at a time. No transaction is longer than a page: the log does not change behind us."""

_ROWS = sql.SQL(
    "COPY (SELECT {} FROM events WHERE notification_id > {} AND notification_id <= {}"
    " ORDER BY notification_id) TO STDOUT (FORMAT BINARY)"
)
_KEY = ROW_PREFIX + b"\x00\x00\x00\x08"
_POSITION = slice(6, 14)
"""Where a row from the COPY has its position, behind the number of fields and the first length."""
_SEALED = slice(2, -36)
"""Its sealed bytes: all but the number of fields, and the hash with its length."""
_HASH = slice(-32, None)

_pack_position = Struct(">q").pack


class End(NamedTuple):
    """Where the log says that it ends (`position`, `hash`), and where its last event really is."""

    position: int
    hash: bytes
    last: int
    odd_time: datetime | None = None
    """The time that the head gives its event, when the event has another one."""


class Place(NamedTuple):
    """A position and the hash of the event there."""

    position: int
    hash: bytes


START = Place(0, GENESIS)


class Misfit(NamedTuple):
    """The first row that does not follow from the one before; None when there is no row at all."""

    after: Place
    row: bytes | None


def read_end(conn: Connection[Any]) -> End | None:
    """The end of the log as of now; None when there is no head."""
    row = conn.execute(
        "SELECT head.position, head.hash, coalesce((SELECT max(notification_id) FROM events), 0),"
        " CASE WHEN head.recorded_at <> event.recorded_at THEN head.recorded_at END"
        " FROM ledger_head AS head LEFT JOIN events AS event ON notification_id = head.position"
    ).fetchone()
    return None if row is None else End(*row)


class Strays(NamedTuple):
    """Rows of the log that have no place in it: how many, and their positions, as far as they have any."""

    many: int
    first: int | None
    last: int | None


def read_strays(conn: Connection[Any]) -> Strays:
    """The rows that a walk from position 1 never meets, while whoever reads a stream does."""
    row = conn.execute(
        "SELECT count(*), min(notification_id), max(notification_id) FROM events"
        " WHERE notification_id < 1 OR notification_id IS NULL"
    ).fetchone()
    assert row is not None, "an aggregate has one row"
    return Strays(*row)


def hash_at(conn: Connection[Any], position: int) -> bytes | None:
    """The stored hash of an event; None when there is no such event."""
    if position == 0:
        return GENESIS
    row = conn.execute("SELECT hash FROM events WHERE notification_id = %s", (position,)).fetchone()
    return None if row is None else bytes(row[0])


def read_rows(conn: Connection[Any], after: int, to: int) -> Iterator[bytes]:
    """The rows after one position up to another, as the server sends them: one message a row.

    Read all of them: the connection does nothing else before, and to stop the COPY would fail the
    transaction that it may be in.
    """
    query = _ROWS.format(sql.SQL(COLUMNS), sql.Literal(after), sql.Literal(to))
    with conn.cursor().copy(query) as copy:
        for message in copy:
            row = bytes(message)
            if row.startswith(COPY_HEADER):  # comes with the first row
                row = row[len(COPY_HEADER) :]
            if row != COPY_TRAILER:
                yield row


def follow(rows: Iterable[bytes], after: Place, to: int) -> tuple[list[bytes], Misfit | None]:
    """The chain's hashes after a place up to position `to`, or up to the first row that does not fit.

    Reads all rows in any case.
    """
    position, digest = after
    hashes: list[bytes] = []
    rest = iter(rows)
    for row in rest:
        position += 1
        sealed = sha256(digest + row[_SEALED]).digest()
        if (
            row[:14] != _KEY + _pack_position(position)
            or row[_HASH] != sealed
            or row[-36:-32] != HASH_LENGTH
        ):
            deque(rest, maxlen=0)
            return hashes, Misfit(Place(position - 1, digest), row)
        digest = sealed
        hashes.append(digest)
    if position < to:
        return hashes, Misfit(Place(position, digest), None)
    return hashes, None


def position_of(row: bytes) -> int:
    return int.from_bytes(row[_POSITION], signed=True)


def stored_hash(row: bytes) -> bytes:
    return row[_HASH]


def sealed_bytes(row: bytes, position: int | None = None) -> bytes:
    """What the chain seals of a row; as if it were at `position` when one is given."""
    if position is None:
        return row[_SEALED]
    return row[2:6] + _pack_position(position) + row[14:-36]


def seal_at(previous: bytes, row: bytes, position: int) -> bytes:
    """The hash that a row would have at `position` behind an event with the hash `previous`."""
    return sha256(previous + sealed_bytes(row, position)).digest()

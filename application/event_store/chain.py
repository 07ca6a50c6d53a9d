"""The bytes of a log row and the hash chain over them.

A row is encoded once, in the format of Postgres's binary COPY, and the chain seals exactly those
bytes: hash = SHA-256(previous hash ‖ row without its hash). Each field is a 32-bit big-endian length and
its bytes, in the order position, stream, version, topic, recorded_at (microseconds since
2000-01-01 UTC), metadata, state. So no two different rows have the same encoding.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from struct import Struct
from typing import NamedTuple
from uuid import UUID

GENESIS = bytes(32)
"""The hash before the first event."""

COLUMNS = (
    "notification_id, originator_id, originator_version, topic, recorded_at, metadata, state, hash"
)
COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER = b"\xff\xff"
ROW_PREFIX = b"\x00\x08"
"""Eight fields follow."""
HASH_LENGTH = b"\x00\x00\x00\x20"

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

pack_key = Struct(">iqi16siq").pack
"""Length and value of position, stream (16 bytes) and version: `pack_key(8, p, 16, stream, 8, v)`."""
pack_length = Struct(">i").pack
_pack_time = Struct(">iq").pack


class Row(NamedTuple):
    """One row of the log, as selected by `COLUMNS`."""

    position: int
    stream_id: UUID
    version: int
    topic: str
    recorded_at: datetime
    metadata: bytes
    state: bytes
    hash: bytes


class Break(NamedTuple):
    """The first place where the log is not what was written."""

    position: int
    what: str


def field(value: bytes) -> bytes:
    """A field with its length before it."""
    return pack_length(len(value)) + value


def time_field(at: datetime) -> bytes:
    """A timestamp as a field. `at` must be aware."""
    return _pack_time(8, (at - _EPOCH) // _MICROSECOND)


def encode(row: Row) -> bytes:
    """The sealed bytes of a row: all of it but its hash."""
    return b"".join(
        (
            pack_key(8, row.position, 16, row.stream_id.bytes, 8, row.version),
            field(row.topic.encode()),
            time_field(row.recorded_at),
            field(row.metadata),
            field(row.state),
        )
    )


def seal(previous: bytes, row: bytes) -> bytes:
    """The hash of a row whose predecessor has the hash `previous`."""
    return sha256(previous + row).digest()


def first_break(
    rows: Iterable[Row], position: int = 0, previous: bytes = GENESIS
) -> Break | tuple[int, bytes]:
    """Walk rows that follow `position`: the first break, or where the walk ended (position, hash)."""
    for row in rows:
        if row.position != position + 1:
            return Break(position + 1, f"missing: the next event is {row.position}")
        if seal(previous, encode(row)) != row.hash:
            return Break(row.position, "altered: its hash does not match its content")
        position, previous = row.position, row.hash
    return position, previous

"""Appends events at the head of the log: dense positions, one hash chain, one binary COPY."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

import psycopg
from psycopg import Connection, Copy, Cursor

from application.event_store.chain import (
    COLUMNS,
    COPY_HEADER,
    COPY_TRAILER,
    HASH_LENGTH,
    ROW_PREFIX,
    field,
    pack_key,
    pack_length,
    time_field,
)

_FLUSH_BYTES = 48 * 1024
"""The server takes in one part of a batch while the next is still being decided."""

_COPY = f"COPY events ({COLUMNS}) FROM STDIN (FORMAT BINARY)"

_LOCK_HEAD = (
    "SELECT position, hash FROM ledger_head FOR UPDATE;"
    # Asked for after the wait for the lock: a time that a reader was told is over stays over.
    "SELECT greatest(recorded_at, clock_timestamp()) FROM ledger_head"
)


class Head(NamedTuple):
    """The end of the log, and the ledger time for what comes next: it never goes backwards."""

    position: int
    hash: bytes
    now: datetime


NewEvent = tuple[bytes, int, str, bytes, bytes]
"""An event to append: stream, version, topic, metadata, state. The metadata is a whole field (with its
length), shared by many events. A bare tuple, since making a named one takes as long as hashing it."""


_topic_fields: dict[str, bytes] = {}


def begin(conn: Connection[Any]) -> Head:
    """`lock_head` in a new transaction, with one question instead of two."""
    cursor = conn.execute(f"BEGIN; {_LOCK_HEAD}".encode())
    cursor.nextset()
    return _head(cursor)


def lock_head(conn: Connection[Any]) -> Head:
    """Take the head's lock: until this transaction ends, the next positions belong to it."""
    return _head(conn.execute(_LOCK_HEAD))


def _head(cursor: Cursor[Any]) -> Head:
    head = cursor.fetchone()
    cursor.nextset()
    now = cursor.fetchone()
    assert head is not None, "ledger_head has its one row since the first migration"
    assert now is not None
    return Head(*head, *now)


class Appender:
    """Writes the events of one transaction. Use after `lock_head`, then `finish`.

    Rows go out while later ones are still made, so client and server work at the same time; nothing
    else can use the connection between the first `add` and `finish`.
    """

    def __init__(self, conn: Connection[Any], head: Head) -> None:
        self.position = head.position
        self.hash = head.hash
        self._conn = conn
        self._time = time_field(head.now)
        self._buffer = bytearray(COPY_HEADER)
        self._copy_context: Any = None
        self._copy: Copy | None = None

    def add(self, events: Iterable[NewEvent]) -> int:
        """Append events in order; answers the position of the last one."""
        position, digest, time, buffer = self.position, self.hash, self._time, self._buffer
        for stream, version, topic, metadata, state in events:
            position += 1
            topic_field = _topic_fields.get(topic)
            if topic_field is None:
                topic_field = _topic_fields[topic] = field(topic.encode())
            row = (
                pack_key(8, position, 16, stream, 8, version)
                + topic_field
                + time
                + metadata
                + pack_length(len(state))
                + state
            )
            digest = sha256(digest + row).digest()
            buffer += ROW_PREFIX
            buffer += row
            buffer += HASH_LENGTH
            buffer += digest
        self.position, self.hash = position, digest
        if len(buffer) > _FLUSH_BYTES:
            self._flush()
        return position

    def _flush(self) -> None:
        if self._copy is None:
            self._copy_context = self._conn.cursor().copy(_COPY)
            self._copy = self._copy_context.__enter__()
        self._copy.write(bytes(self._buffer))
        self._buffer.clear()

    def finish(self) -> None:
        """Send the rest and let the database check all rows. Raises `psycopg.errors.UniqueViolation`
        when a stream already has one of the versions."""
        if self._copy is None and len(self._buffer) == len(COPY_HEADER):
            return
        self._buffer += COPY_TRAILER
        self._flush()
        context, self._copy_context = self._copy_context, None
        context.__exit__(None, None, None)

    def abort(self) -> None:
        """Leave COPY mode after an error on this side, so that the transaction can be rolled back."""
        if self._copy_context is not None:
            context, self._copy_context = self._copy_context, None
            error = RuntimeError("append aborted")
            with suppress(psycopg.Error):  # the transaction is lost either way
                context.__exit__(RuntimeError, error, None)


def move_head(head: Head, appender: Appender) -> str:
    """The statement that moves the head behind what was appended, and wakes those who follow the log."""
    return (
        f"UPDATE ledger_head SET position = {appender.position}, hash = '\\x{appender.hash.hex()}',"
        f" recorded_at = '{head.now.isoformat()}'; NOTIFY daybook_log, '{appender.position}'"
    )

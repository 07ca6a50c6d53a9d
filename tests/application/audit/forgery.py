"""What somebody who owns the database can do to the log."""

from __future__ import annotations

from typing import Any

import psycopg

from application.event_store.chain import COLUMNS, GENESIS, Row, encode, seal
from tests.support.log import rows, tampering

Connection = psycopg.Connection[Any]

_FAR = 1_000_000


def alter(conn: Connection, position: int, change: str) -> None:
    """Set columns of one event."""
    with tampering(conn):
        query = f"UPDATE events SET {change} WHERE notification_id = %s"
        assert conn.execute(query.encode(), (position,)).rowcount == 1


def swap(conn: Connection, one: int, other: int) -> None:
    """Let two events change places, hashes and all."""
    with tampering(conn):
        for old, new in ((one, _FAR), (other, one), (_FAR, other)):
            conn.execute(
                "UPDATE events SET notification_id = %s WHERE notification_id = %s", (new, old)
            )


def swap_contents(conn: Connection, one: int, other: int) -> None:
    """Let two events change places, and leave each place its hash."""
    first, second = (row for row in rows(conn) if row.position in (one, other))
    swap(conn, one, other)
    for position, row in ((one, first), (other, second)):
        alter(conn, position, f"hash = '\\x{row.hash.hex()}'")


def delete(conn: Connection, first: int, last: int, *, renumber: bool = False) -> None:
    """Take events out; with `renumber` close the gap."""
    with tampering(conn):
        conn.execute("DELETE FROM events WHERE notification_id BETWEEN %s AND %s", (first, last))
        if renumber:
            _shift(conn, last + 1, first - last - 1)


def insert(conn: Connection, position: int, events: int = 1, *, sealed: bool = False) -> None:
    """Put events in and renumber what follows; `sealed`: with hashes that fit to what is before."""
    whole = rows(conn)
    previous = GENESIS if position == 1 else whole[position - 2].hash
    with tampering(conn):
        _shift(conn, position, events)
        for n in range(events):
            model = whole[0]._replace(position=position + n, version=1000 + n, state=b"{}")
            previous = seal(previous, encode(model)) if sealed else bytes(32)
            _put(conn, model._replace(hash=previous))


def _shift(conn: Connection, first: int, by: int) -> None:
    for distance in (_FAR, by - _FAR):  # in two steps, since each row is checked at once
        conn.execute(
            "UPDATE events SET notification_id = notification_id + %s WHERE notification_id >= %s",
            (distance, first if distance == _FAR else first + _FAR),
        )
    conn.execute("UPDATE ledger_head SET position = position + %s", (by,))


def _put(conn: Connection, row: Row) -> None:
    query = f"INSERT INTO events ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
    conn.execute(query.encode(), row)


def move_head(conn: Connection, position: int) -> None:
    """Let the log end at an event, in the head's words."""
    with tampering(conn):
        conn.execute(
            "UPDATE ledger_head SET position = notification_id, hash = events.hash,"
            " recorded_at = events.recorded_at FROM events"
            " WHERE notification_id = %s",
            (position,),
        )


def rewrite(conn: Connection, position: int, state: bytes) -> None:
    """Alter one event and give all that follow, and the head, hashes that fit."""
    whole = rows(conn)
    previous = GENESIS if position == 1 else whole[position - 2].hash
    with tampering(conn):
        for row in whole[position - 1 :]:
            altered = row._replace(state=state) if row.position == position else row
            previous = seal(previous, encode(altered))
            conn.execute(
                "UPDATE events SET state = %s, hash = %s WHERE notification_id = %s",
                (altered.state, previous, row.position),
            )
    move_head(conn, len(whole))


def put_outside(conn: Connection, position: int | None) -> None:
    """Put the copy of an event where no walk of the log comes by: below 1, or nowhere."""
    for change in (
        "DROP CONSTRAINT events_notification_id_check",
        "DROP CONSTRAINT events_pkey",
        "ALTER notification_id DROP NOT NULL",
    ):
        conn.execute(f"ALTER TABLE events {change}".encode())
    conn.execute(
        "INSERT INTO events SELECT %s, originator_id, 1000, topic, recorded_at, metadata, state,"
        " hash FROM events WHERE notification_id = 9",
        (position,),
    )

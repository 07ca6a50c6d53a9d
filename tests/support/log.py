"""Looks at a whole log: its chain, its states, its sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from psycopg import Connection
from psycopg_pool import ConnectionPool

from application.event_store.chain import COLUMNS, GENESIS, Break, Row, first_break
from application.event_store.recorder import LogRecorder
from domain import catalogue
from domain.accounts import Account
from domain.catalogue import AggregateState

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def rows(conn: Connection[Any]) -> list[Row]:
    """The log by position."""
    return [
        Row(*row)
        for row in conn.execute(f"SELECT {COLUMNS} FROM events ORDER BY notification_id".encode())
    ]


def head(conn: Connection[Any]) -> tuple[int, bytes]:
    row = conn.execute("SELECT position, hash FROM ledger_head").fetchone()
    assert row is not None
    return row[0], row[1]


def chain_break(conn: Connection[Any]) -> Break | None:
    """The first place where the log is not what was written, its end included; None: it is whole."""
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        end = first_break(rows(conn))
        if isinstance(end, Break):
            return end
        position, hash_ = head(conn)
    if end == (position, hash_):
        return None
    return Break(end[0] + 1, f"missing: the head is at {position}")


def fold(conn: Connection[Any]) -> dict[UUID, AggregateState]:
    """Every aggregate's state, from all events, without cache and snapshots."""
    states: dict[UUID, AggregateState] = {}
    for row in rows(conn):
        event = catalogue.decode(row.topic, row.state)
        states[row.stream_id] = catalogue.evolve(states.get(row.stream_id), event, row.stream_id)
    return states


def sums(states: dict[UUID, AggregateState]) -> dict[str, int]:
    """All balances added up, by currency. Double entry keeps each at zero."""
    total: Counter[str] = Counter()
    for state in states.values():
        if isinstance(state, Account):
            total[state.currency] += state.balance
    return dict(total)


def assert_sound(conn: Connection[Any]) -> dict[UUID, AggregateState]:
    """The chain is whole, positions are dense, sums are zero, floors hold; answers the states."""
    assert chain_break(conn) is None
    states = fold(conn)
    assert not any(sums(states).values())
    for state in states.values():
        if isinstance(state, Account):
            assert state.available is None or state.available >= 0
    return states


@contextmanager
def tampering(conn: Connection[Any]) -> Iterator[None]:
    """As somebody who can switch the log's triggers off: for them there is the chain."""
    conn.execute("SET session_replication_role = replica")
    try:
        yield
    finally:
        conn.execute("RESET session_replication_role")


@contextmanager
def busy(conn: Connection[Any]) -> Iterator[None]:
    """While somebody else writes: no ledger gets on before the block ends."""
    with conn.transaction():
        conn.execute("SELECT FROM ledger_head FOR UPDATE")
        yield


def transactions(conn: Connection[Any]) -> int:
    """How many transactions wrote the log's events."""
    row = conn.execute("SELECT count(DISTINCT xmin::text) FROM events").fetchone()
    assert row is not None
    return int(row[0])


def writers_waiting(conn: Connection[Any]) -> int:
    """How many ledgers wait for the head's lock."""
    conn.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees what it saw first
    row = conn.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'daybook ledger' AND wait_event_type = 'Lock'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def write_raw(conninfo: str, stream_id: UUID, version: int, topic: str, state: bytes) -> None:
    """Append one event as it stands, as another version of the product would."""
    with ConnectionPool[Any](conninfo, min_size=1, max_size=1, open=True) as pool:
        LogRecorder(pool).insert_events([StoredEvent(stream_id, version, topic, state)])


def make_empty(conn: Connection[Any], now: datetime = LONG_AGO) -> None:
    """Back to a log without events, whose time is `now` or the clock's, whichever is later."""
    with tampering(conn):
        conn.execute("TRUNCATE events, snapshots, idempotency_keys, deadlines")
        conn.execute(
            "UPDATE ledger_head SET position = 0, hash = %s, recorded_at = %s", (GENESIS, now)
        )

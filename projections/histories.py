"""The state of one aggregate at any of its versions, and what its last event changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from domain import catalogue
from domain.accounts import Account
from domain.catalogue import AggregateState
from projections import log
from projections.balances.queries import account_at_version
from projections.log import LoggedEvent

_PAGE_EVENTS = 500


class StateAt(NamedTuple):
    """An aggregate right after `event`, and right before it (None: it began with the event)."""

    event: LoggedEvent
    state: AggregateState
    before: AggregateState | None


async def last_version(conn: AsyncConnection[Any], stream_id: UUID) -> int:
    """Version of a stream's last event, 0 when there is no such stream."""
    cursor = await conn.execute(
        "SELECT originator_version FROM events WHERE originator_id = %s"
        " ORDER BY originator_version DESC LIMIT 1",
        (stream_id,),
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def version_at(conn: AsyncConnection[Any], stream_id: UUID, position: int) -> int:
    """Version of a stream's last event at or before a position of the log, 0 when there is none."""
    cursor = await conn.execute("SELECT version_at(%s, %s)", (stream_id, position))
    row = await cursor.fetchone()
    assert row is not None, "a function always answers"
    return int(row[0])


async def state_at(conn: AsyncConnection[Any], stream_id: UUID, version: int) -> StateAt:
    """An aggregate right after its event `version`, which must be there: 1 or more."""
    (event,) = await log.stream_events(conn, stream_id, after_version=version - 1, limit=1)
    before = await _state(conn, stream_id, version - 1) if version > 1 else None
    return StateAt(event, catalogue.evolve(before, event.data, stream_id), before)


async def events_of(
    conn: AsyncConnection[Any], stream_id: UUID, to_version: int
) -> AsyncIterator[LoggedEvent]:
    """A stream's events up to a version, in order, a page in memory at a time."""
    version = 0
    while version < to_version:
        limit = min(_PAGE_EVENTS, to_version - version)
        events = await log.stream_events(conn, stream_id, after_version=version, limit=limit)
        for event in events:
            yield event
        version = events[-1].version if events else to_version


async def _state(
    conn: AsyncConnection[Any], stream_id: UUID, version: int
) -> AggregateState | None:
    # Accounts are what gets long. Their events carry what they left, so that a few look-ups say what
    # a fold of millions would.
    then = await account_at_version(conn, stream_id, version)
    if then is not None:
        return Account(
            then.id, then.version, then.type, then.currency, then.status, then.balance, then.held,
            then.credit_limit, then.name, then.owner_id, then.reserved_for,
        )  # fmt: skip
    state: AggregateState | None = None
    async for event in events_of(conn, stream_id, version):
        state = catalogue.evolve(state, event.data, stream_id)
    return state

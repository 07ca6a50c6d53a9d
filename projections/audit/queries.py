"""Questions about who did what: search in every direction, and all that one request set in motion."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import args_row

from projections.paging import Page, run_page
from projections.walking import Bounds, along, bounds

_COLUMNS = (
    "position, stream_id, version, recorded_at, topic, account_id, other_account_id, actor,"
    " correlation_id, causation_id, command_id, summary"
)
_SELECT = f"SELECT {_COLUMNS} FROM audit.event"


class AuditRow(Struct, frozen=True):
    """One event in words, the accounts that it is about, and where it came from."""

    position: int
    stream_id: UUID
    version: int
    recorded_at: datetime
    topic: str
    account_id: UUID | None
    other_account_id: UUID | None
    actor: str
    correlation_id: str
    causation_id: str
    command_id: str
    summary: str


class Wanted(Struct, frozen=True):
    """What to look for; None is anything. `recorded_from` is inclusive, `recorded_to` exclusive."""

    actor: str | None = None
    stream_id: UUID | None = None
    account_id: UUID | None = None
    topic: str | None = None
    correlation_id: str | None = None
    recorded_from: datetime | None = None
    recorded_to: datetime | None = None


async def search(
    conn: AsyncConnection[Any], wanted: Wanted, *, limit: int, before: int | None = None
) -> Page[AuditRow]:
    """Events, the newest first. `before` is the `next_before` of the page before this one.

    `account_id` finds the account's own events and those of transfers from or to it.
    """
    params = {
        "actor": wanted.actor,
        "stream": wanted.stream_id,
        "account": wanted.account_id,
        "topic": wanted.topic,
        "correlation": wanted.correlation_id,
        "before": before,
        "since": wanted.recorded_from,
        "until": wanted.recorded_to,
    }
    within = bounds(before, wanted.recorded_from, wanted.recorded_to)
    return await run_page(
        conn,
        AuditRow,
        _query(wanted, within, limit),
        params,
        key_of=lambda row: row.position,
        limit=limit,
    )


def _query(wanted: Wanted, within: Bounds, limit: int) -> str:
    """Along the index that leaves the fewest rows to look at; the other filters look at each."""
    filters = _filters(wanted)
    order = f"ORDER BY position DESC LIMIT {int(limit) + 1}"

    def newest(column: str, param: str, *more: str) -> str:
        return along(_SELECT, column, "position", param, within, [*filters, *more], limit)

    if wanted.stream_id is not None:
        return newest("stream_id", "stream")
    if wanted.correlation_id:
        return newest("correlation_id", "correlation")
    if wanted.account_id is not None:
        own = newest("account_id", "account")
        other = newest("other_account_id", "account", "other_account_id IS NOT NULL")
        return f"{own} UNION ALL {other} {order}"
    if wanted.topic is not None:
        return newest("topic", "topic")
    if wanted.actor is not None:
        return newest("actor", "actor")
    conditions = [f"position > {within.above}", f"position < {within.below}", *filters]
    return f"{_SELECT} WHERE {' AND '.join(conditions)} {order}"


def _filters(wanted: Wanted) -> list[str]:
    filters = []
    if wanted.actor is not None:
        filters.append("actor = %(actor)s")
    if wanted.stream_id is not None:
        filters.append("stream_id = %(stream)s")
    if wanted.account_id is not None:
        filters.append("(account_id = %(account)s OR other_account_id = %(account)s)")
    if wanted.topic is not None:
        filters.append("topic = %(topic)s")
    if wanted.correlation_id is not None:
        filters.append("correlation_id = %(correlation)s")
        if wanted.correlation_id:
            # Says nothing new, but lets the index that leaves out events without one be used.
            filters.append("correlation_id <> ''")
    return filters


async def correlated(conn: AsyncConnection[Any], correlation_id: str, limit: int) -> list[AuditRow]:
    """The first up to `limit` events of a correlation, in order; empty when there is none."""
    async with conn.cursor(row_factory=args_row(AuditRow), binary=True) as cursor:
        await cursor.execute(
            f"{_SELECT} WHERE correlation_id = %s AND correlation_id <> ''"
            " ORDER BY correlation_id, position LIMIT %s".encode(),
            (correlation_id, limit),
        )
        return await cursor.fetchall()

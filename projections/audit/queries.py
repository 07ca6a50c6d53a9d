"""Questions about who did what: search in every direction, and all that one request set in motion."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
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
MAX_SCAN = 20_000
"""Events that one page looks at when several things are wanted of them: some ten milliseconds."""

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

    `account_id` finds the account's own events and those of transfers from or to it. With more than one
    thing wanted a page looks at the next `MAX_SCAN` events only, so that it may be short, or empty,
    without being the last.
    """
    params: dict[str, object] = {
        "actor": wanted.actor,
        "stream": wanted.stream_id,
        "account": wanted.account_id,
        "topic": wanted.topic,
        "correlation": wanted.correlation_id,
        "before": before,
        "since": wanted.recorded_from,
        "until": wanted.recorded_to,
        "floor": 0,
    }
    within = bounds(before, wanted.recorded_from, wanted.recorded_to)
    walks, filters = _walks(wanted), _filters(wanted)
    floor = 0
    if len(filters) > 1:
        floor = params["floor"] = await _floor(conn, walks, within, params)
        within = within._replace(above=f"greatest({within.above}, %(floor)s)")
    found = await run_page(
        conn,
        AuditRow,
        _query(walks, filters, within, limit),
        params,
        key_of=lambda row: row.position,
        limit=limit,
    )
    if found.next_before is None and floor:
        return Page(found.rows, floor + 1)
    return found


class _Walk(NamedTuple):
    """An index to walk, over `column`; `only` lets one be used that leaves out other rows."""

    column: str
    param: str
    only: tuple[str, ...] = ()

    def newest(self, select: str, within: Bounds, filters: Sequence[str], limit: int) -> str:
        conditions = [*filters, *self.only]
        return along(select, self.column, "position", self.param, within, conditions, limit)


def _walks(wanted: Wanted) -> list[_Walk]:
    """Along the index that leaves the fewest rows to look at; empty: along all events."""
    if wanted.stream_id is not None:
        return [_Walk("stream_id", "stream")]
    if wanted.correlation_id is not None:
        return [_Walk("correlation_id", "correlation", ("correlation_id <> ''",))]
    if wanted.account_id is not None:
        other = _Walk("other_account_id", "account", ("other_account_id IS NOT NULL",))
        return [_Walk("account_id", "account"), other]
    if wanted.topic is not None:
        return [_Walk("topic", "topic")]
    if wanted.actor is not None:
        return [_Walk("actor", "actor")]
    return []


async def _floor(
    conn: AsyncConnection[Any], walks: Sequence[_Walk], within: Bounds, params: dict[str, object]
) -> int:
    """The position above which `MAX_SCAN` rows of a walk lie; 0 when all of them are fewer."""
    floors = [
        "(SELECT min(position) - 1 FROM"
        f" {walk.newest('SELECT position FROM audit.event', within, (), MAX_SCAN - 1)} AS walked"
        f" HAVING count(*) = {MAX_SCAN})"
        for walk in walks
    ]
    query = f"SELECT coalesce(greatest({', '.join(floors)}), 0)"
    row = await (await conn.execute(query.encode(), params)).fetchone()
    assert row is not None, "there is no FROM that could be empty"
    return int(row[0])


def _query(walks: Sequence[_Walk], filters: list[str], within: Bounds, limit: int) -> str:
    order = f"ORDER BY position DESC LIMIT {int(limit) + 1}"
    if not walks:
        conditions = [f"position > {within.above}", f"position < {within.below}", *filters]
        return f"{_SELECT} WHERE {' AND '.join(conditions)} {order}"
    newest = [walk.newest(_SELECT, within, filters, limit) for walk in walks]
    return newest[0] if len(newest) == 1 else f"{' UNION ALL '.join(newest)} {order}"


def _filters(wanted: Wanted) -> list[str]:
    conditions = {
        "actor = %(actor)s": wanted.actor,
        "stream_id = %(stream)s": wanted.stream_id,
        "(account_id = %(account)s OR other_account_id = %(account)s)": wanted.account_id,
        "topic = %(topic)s": wanted.topic,
        "correlation_id = %(correlation)s": wanted.correlation_id,
    }
    return [condition for condition, value in conditions.items() if value is not None]


async def correlated(conn: AsyncConnection[Any], correlation_id: str, limit: int) -> list[AuditRow]:
    """The first up to `limit` events of a correlation, in order; empty when there is none."""
    async with conn.cursor(row_factory=args_row(AuditRow), binary=True) as cursor:
        await cursor.execute(
            f"{_SELECT} WHERE correlation_id = %s AND correlation_id <> ''"
            " ORDER BY correlation_id, position LIMIT %s".encode(),
            (correlation_id, limit),
        )
        return await cursor.fetchall()

"""Questions about what was refused at the edge and what was done to users, the newest first."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import AsyncConnection

from projections.paging import Page, run_page
from projections.walking import along, bounds

_COLUMNS = (
    "position, recorded_at, kind, reason, action, actor, address, user_agent, key_id,"
    " correlation_id, count"
)
_SELECT = f"SELECT {_COLUMNS} FROM security.notice"


class NoticeRow(Struct, frozen=True):
    """A notice, or an admin action. `address` and `user_agent` are sealed under the key `key_id`."""

    position: int
    recorded_at: datetime
    kind: str
    reason: str
    action: str
    actor: str
    address: str
    user_agent: str
    key_id: UUID | None
    correlation_id: str
    count: int


class Wanted(Struct, frozen=True):
    """What to look for; None is anything. `recorded_from` is inclusive, `recorded_to` exclusive."""

    kind: str | None = None
    actor: str | None = None
    reason: str | None = None
    recorded_from: datetime | None = None
    recorded_to: datetime | None = None


async def search(
    conn: AsyncConnection[Any], wanted: Wanted, *, limit: int, before: int | None = None
) -> Page[NoticeRow]:
    """Notices, the newest first. `before` is the `next_before` of the page before this one."""
    # In this order: the sooner the fewer rows have the same value, mostly.
    given = {
        name: value
        for name in ("actor", "reason", "kind")
        if (value := getattr(wanted, name)) is not None
    }
    params: dict[str, object] = {
        **given,
        "before": before,
        "since": wanted.recorded_from,
        "until": wanted.recorded_to,
    }
    within = bounds(before, wanted.recorded_from, wanted.recorded_to)
    if given:
        first, *others = given
        filters = [f"{name} = %({name})s" for name in others]
        query = along(_SELECT, first, "position", first, within, filters, limit)
    else:
        query = (
            f"{_SELECT} WHERE position > {within.above} AND position < {within.below}"
            f" ORDER BY position DESC LIMIT {int(limit) + 1}"
        )
    return await run_page(
        conn, NoticeRow, query, params, key_of=lambda row: row.position, limit=limit
    )

"""Questions about entries: an account's statement, and its balance by value date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import args_row

from projections.paging import Page, fetch_page

Direction = Literal["debit", "credit"]

_COLUMNS = (
    "account_id, position, transfer_id, counterparty_id, direction, amount, balance, effective_at,"
    " recorded_at, description, reference"
)


class EntryRow(Struct, frozen=True):
    """One statement line. `amount` is positive; `balance` is the account's right after it; both in
    minor units of the account's currency."""

    account_id: UUID
    position: int
    transfer_id: UUID
    counterparty_id: UUID
    direction: Direction
    amount: int
    balance: int
    effective_at: datetime
    recorded_at: datetime
    description: str
    reference: str


class EffectiveBalance(NamedTuple):
    """A balance by value date, in minor units, from all entries up to `position` of the log."""

    balance: int
    position: int


async def list_entries(
    conn: AsyncConnection[Any],
    account_id: UUID,
    *,
    limit: int,
    before: int | None = None,
    effective_from: datetime | None = None,
    effective_to: datetime | None = None,
    direction: Direction | None = None,
    min_amount: int | None = None,
    max_amount: int | None = None,
) -> Page[EntryRow]:
    """An account's entries, last recorded first. `before` is the `next_before` of the page before.

    `effective_from` is inclusive and `effective_to` exclusive; amounts are minor units, inclusive.
    """
    return await fetch_page(
        conn,
        EntryRow,
        f"SELECT {_COLUMNS} FROM entries.entry",
        {
            "account_id = %s": account_id,
            "effective_at >= %s": effective_from,
            "effective_at < %s": effective_to,
            "direction = %s": direction,
            "amount >= %s": min_amount,
            "amount <= %s": max_amount,
        },
        key="position",
        key_of=lambda row: row.position,
        before=before,
        limit=limit,
    )


async def balance_by_effective_time(
    conn: AsyncConnection[Any], account_id: UUID, moment: datetime
) -> EffectiveBalance | None:
    """The sum of an account's entries whose value date is at or before `moment` (aware).

    None when nothing is known of the account then: no such entry, and it was opened later.
    """
    cursor = await conn.execute(
        "SELECT sum(CASE direction WHEN 'debit' THEN -amount ELSE amount END),"
        " (SELECT recorded_at <= %(moment)s FROM events"
        "   WHERE originator_id = %(id)s AND originator_version = 1),"
        " (SELECT position FROM checkpoints WHERE name = 'entries')"
        " FROM entries.entry WHERE account_id = %(id)s AND effective_at <= %(moment)s",
        {"id": account_id, "moment": moment},
    )
    row = await cursor.fetchone()
    assert row is not None, "an aggregate always answers one row"
    total, was_open, position = row
    if total is None and not was_open:
        return None
    return EffectiveBalance(int(total or 0), position or 0)


async def entries_at(
    conn: AsyncConnection[Any], places: Sequence[tuple[UUID, int]]
) -> list[EntryRow]:
    """The entries of accounts at positions, in order of position; a transfer knows its two."""
    async with conn.cursor(row_factory=args_row(EntryRow), binary=True) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM entries.entry JOIN unnest(%s::uuid[], %s::bigint[])"
            " AS place (account_id, position) USING (account_id, position)"
            " ORDER BY position".encode(),
            ([account_id for account_id, _ in places], [position for _, position in places]),
        )
        return await cursor.fetchall()


async def entries_between(
    conn: AsyncConnection[Any], account_id: UUID, after: int, to: int, limit: int
) -> list[EntryRow]:
    """The first entries of an account after one position and up to another, in order."""
    async with conn.cursor(row_factory=args_row(EntryRow), binary=True) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM entries.entry WHERE account_id = %s AND position > %s"
            " AND position <= %s ORDER BY position LIMIT %s".encode(),
            (account_id, after, to, limit),
        )
        return await cursor.fetchall()

"""Questions about reconciliations: one with all that was found, and lists."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import args_row

from projections.paging import Page, fetch_page
from projections.reconciliations.projection import Found

_COLUMNS = (
    "id, account, currency, opened_on, closed_on, statement_reference, number, digest, source,"
    " opening, closing, lines, movements, matched, missing, unexpected, mismatched, is_even, made_at,"
    " position"
)
_SELECT = f"SELECT {_COLUMNS} FROM reconciliations.reconciliation"


class ReconciliationRow(Struct, frozen=True):
    """A reconciliation with its totals. Amounts are minor units of `currency`; `account` is the bank's."""

    id: UUID
    account: str
    currency: str
    opened_on: date
    closed_on: date
    statement_reference: str
    number: str
    digest: str
    source: str
    opening: int
    closing: int
    lines: int
    movements: int
    matched: int
    missing: int
    unexpected: int
    mismatched: int
    is_even: bool
    made_at: datetime
    position: int


async def reconciliation(
    conn: AsyncConnection[Any], reconciliation_id: UUID
) -> tuple[ReconciliationRow, Found] | None:
    """One reconciliation with what was found, None when there is none."""
    async with conn.cursor(row_factory=args_row(ReconciliationRow), binary=True) as cursor:
        await cursor.execute(f"{_SELECT} WHERE id = %s".encode(), (reconciliation_id,))
        row = await cursor.fetchone()
    if row is None:
        return None
    # Rows are never changed: this is of the same moment.
    found = await conn.execute(
        "SELECT found FROM reconciliations.reconciliation WHERE id = %s", (reconciliation_id,)
    )
    lists = await found.fetchone()
    return None if lists is None else (row, msgspec.convert(lists[0], Found))


async def list_reconciliations(
    conn: AsyncConnection[Any],
    *,
    limit: int,
    before: int | None = None,
    account: str | None = None,
    currency: str | None = None,
    is_even: bool | None = None,
) -> Page[ReconciliationRow]:
    """Reconciliations, the last made first. `before` is the `next_before` of the page before this one."""
    return await fetch_page(
        conn,
        ReconciliationRow,
        _SELECT,
        {"account = %s": account, "currency = %s": currency, "is_even = %s": is_even},
        key="position",
        key_of=lambda row: row.position,
        before=before,
        limit=limit,
    )

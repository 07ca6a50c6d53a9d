"""Questions about transfers: one by its id, and search by either account, status, reference or time."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import args_row

from projections.paging import Page, run_page

Status = Literal["pending", "posted", "voided", "expired"]

_COLUMNS = (
    "id, status, source_id, destination_id, currency, amount, requested, reversed, reverses,"
    " description, reference, metadata, effective_at, expires_at, recorded_at, updated_at,"
    " first_position, position, debit_position, credit_position, reason"
)
_SELECT = f"SELECT {_COLUMNS} FROM transfers.transfer"
_MICROSECOND = "interval '1 microsecond'"
_NO_END = "9223372036854775807"


class TransferRow(Struct, frozen=True):
    """A transfer. Amounts are minor units of `currency`.

    `amount` is held while the transfer is pending, else what moved (voided, expired: what was held).
    `debit_position` and `credit_position` are its two entries' places in the log, None until money
    moved. `position` is its own last event's.
    """

    id: UUID
    status: Status
    source_id: UUID
    destination_id: UUID
    currency: str
    amount: int
    requested: int
    reversed: int
    reverses: UUID | None
    description: str
    reference: str
    metadata: dict[str, str | int | bool]
    effective_at: datetime | None
    expires_at: datetime | None
    recorded_at: datetime
    updated_at: datetime
    first_position: int
    position: int
    debit_position: int | None
    credit_position: int | None
    reason: str


async def transfer(conn: AsyncConnection[Any], transfer_id: UUID) -> TransferRow | None:
    """One transfer, None when there is none."""
    async with conn.cursor(row_factory=args_row(TransferRow), binary=True) as cursor:
        await cursor.execute(f"{_SELECT} WHERE id = %s".encode(), (transfer_id,))
        return await cursor.fetchone()


async def search_transfers(
    conn: AsyncConnection[Any],
    *,
    limit: int,
    before: int | None = None,
    account_id: UUID | None = None,
    status: Status | None = None,
    reference: str | None = None,
    recorded_from: datetime | None = None,
    recorded_to: datetime | None = None,
) -> Page[TransferRow]:
    """Transfers, last requested first. `before` is the `next_before` of the page before this one.

    `account_id` is the source or the destination. `recorded_from` is inclusive and `recorded_to`
    exclusive, and both are about a transfer's first event.
    """
    params = {
        "account": account_id,
        "status": status,
        "reference": reference,
        "before": before,
        "since": recorded_from,
        "until": recorded_to,
    }
    filters = _filters(status, reference)
    above, below = _bounds(before, recorded_from, recorded_to)
    order = f"ORDER BY first_position DESC LIMIT {int(limit) + 1}"
    if account_id is not None:
        sides = (
            _along(column, "account", above, below, filters, limit)
            for column in ("source_id", "destination_id")
        )
        query = f"{' UNION ALL '.join(sides)} {order}"
    elif reference:
        query = _along("reference", "reference", above, below, filters, limit)
    elif status is not None and status != "posted":
        query = _along("status", "status", above, below, filters, limit)
    else:
        conditions = [f"first_position > {above}", f"first_position < {below}", *filters]
        query = f"{_SELECT} WHERE {' AND '.join(conditions)} {order}"
    return await run_page(
        conn, TransferRow, query, params, key_of=lambda row: row.first_position, limit=limit
    )


def _filters(status: Status | None, reference: str | None) -> list[str]:
    filters = []
    if status is not None:
        filters.append("status = %(status)s")
        if status != "posted":
            # Says nothing new, but lets the indexes over the rare statuses be used.
            filters.append("status <> 'posted'")
    if reference is not None:
        filters.append("reference = %(reference)s")
        if reference:
            filters.append("reference <> ''")
    return filters


def _bounds(
    before: int | None, recorded_from: datetime | None, recorded_to: datetime | None
) -> tuple[str, str]:
    """What a transfer's first position must be above and below. Times rise with positions, so that a
    search by time is one by position, which every index ends with."""
    below = [_NO_END]
    if before is not None:
        below.append("%(before)s")
    if recorded_to is not None:
        below.append(f"(SELECT position_at(%(until)s - {_MICROSECOND}) + 1)")
    above = "0"
    if recorded_from is not None:
        above = f"(SELECT position_at(%(since)s - {_MICROSECOND}))"
    return above, f"least({', '.join(below)})"


def _along(column: str, param: str, above: str, below: str, filters: list[str], limit: int) -> str:
    """The newest transfers with a value in `column`, by walking that column's index.

    An equality would say the same. But then the index over all transfers has the order as well, and
    the planner walks that one when a value is frequent, past all that has come since its last use.
    """
    place = f"({column}, first_position)"
    conditions = [
        f"{place} > (%({param})s, {above})",
        f"{place} < (%({param})s, {below})",
        *filters,
    ]
    return (
        f"({_SELECT} WHERE {' AND '.join(conditions)}"
        f" ORDER BY {column} DESC, first_position DESC LIMIT {int(limit) + 1})"
    )

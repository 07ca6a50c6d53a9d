"""Questions about transfers: one by its id, and search by either account, status, reference or time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import args_row

from projections.paging import Page, run_page
from projections.walking import along, bounds

Status = Literal["pending", "posted", "voided", "expired"]

_MANY_ACCOUNTS = 25
"""Looking along the indexes of more accounts than this costs more than looking at all transfers."""

_COLUMNS = (
    "id, status, source_id, destination_id, currency, amount, requested, reversed, reverses,"
    " description, reference, metadata, effective_at, expires_at, recorded_at, updated_at,"
    " first_position, position, debit_position, credit_position, reason"
)
_SELECT = f"SELECT {_COLUMNS} FROM transfers.transfer"


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


async def version_of(conn: AsyncConnection[Any], row: TransferRow) -> int:
    """The transfer's version as the row shows it; 0 when the log does not have that event."""
    # By the row's own position rather than the stream's end, which may be ahead of the row.
    cursor = await conn.execute(
        "SELECT originator_version FROM events WHERE notification_id = %s", (row.position,)
    )
    found = await cursor.fetchone()
    return int(found[0]) if found else 0


async def search_transfers(
    conn: AsyncConnection[Any],
    *,
    limit: int,
    before: int | None = None,
    account_ids: Sequence[UUID] | None = None,
    status: Status | None = None,
    reference: str | None = None,
    recorded_from: datetime | None = None,
    recorded_to: datetime | None = None,
) -> Page[TransferRow]:
    """Transfers, last requested first. `before` is the `next_before` of the page before this one.

    One of `account_ids` is the source or the destination. `recorded_from` is inclusive and `recorded_to`
    exclusive, and both are about a transfer's first event.
    """
    params: dict[str, object] = {
        "accounts": account_ids,
        "status": status,
        "reference": reference,
        "before": before,
        "since": recorded_from,
        "until": recorded_to,
    }
    filters = _filters(status, reference)
    within = bounds(before, recorded_from, recorded_to)

    def newest(column: str, param: str) -> str:
        return along(_SELECT, column, "first_position", param, within, filters, limit)

    order = f"ORDER BY first_position DESC LIMIT {int(limit) + 1}"
    if account_ids is not None and len(account_ids) > _MANY_ACCOUNTS:
        filters.append("(source_id = ANY(%(accounts)s) OR destination_id = ANY(%(accounts)s))")
        account_ids = None
    if account_ids is not None:
        if not account_ids:
            return Page([], None)
        params |= {f"account_{n}": id_ for n, id_ in enumerate(account_ids)}
        sides = [
            newest(column, f"account_{n}")
            for n in range(len(account_ids))
            for column in ("source_id", "destination_id")
        ]
        # A transfer between two of them is found on both sides.
        query = f"{' UNION '.join(sides)} {order}"
    elif reference:
        query = newest("reference", "reference")
    elif status is not None and status != "posted":
        query = newest("status", "status")
    else:
        conditions = [
            f"first_position > {within.above}",
            f"first_position < {within.below}",
            *filters,
        ]
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

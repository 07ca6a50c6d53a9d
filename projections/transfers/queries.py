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
    params: dict[str, object] = {
        "before": before,
        "status": status,
        "reference": reference,
        "since": recorded_from,
        "until": recorded_to,
    }
    conditions = {
        "before": "first_position < %(before)s",
        # Two conditions each, so that the index over the rare values can be used.
        "status": "status = %(status)s" + (" AND status <> 'posted'" if status != "posted" else ""),
        "reference": "reference = %(reference)s" + (" AND reference <> ''" if reference else ""),
        # Times rise with positions, so every index above serves a search by time as well.
        "since": f"first_position > position_at(%(since)s - {_MICROSECOND})",
        "until": f"first_position <= position_at(%(until)s - {_MICROSECOND})",
    }
    where = [text for name, text in conditions.items() if params[name] is not None] or ["true"]
    order = f"ORDER BY first_position DESC LIMIT {int(limit) + 1}"
    if account_id is None:
        query = f"{_SELECT} WHERE {' AND '.join(where)} {order}"
    else:
        # Each side by its own index: an OR would have to sort all that the account ever did.
        params["account"] = account_id
        sides = (
            f"({_SELECT} WHERE {side} = %(account)s AND {' AND '.join(where)} {order})"
            for side in ("source_id", "destination_id")
        )
        query = f"{' UNION ALL '.join(sides)} {order}"
    return await run_page(
        conn, TransferRow, query, params, key_of=lambda row: row.first_position, limit=limit
    )

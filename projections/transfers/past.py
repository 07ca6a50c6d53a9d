"""A transfer as it was at a past position of the log."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from psycopg import AsyncConnection

from domain.transfers import Captured, Expired, Posted, Reserved, Reversed, Voided
from projections.histories import events_of, version_at
from projections.log import LoggedEvent
from projections.transfers.queries import Status, TransferRow


async def as_of(conn: AsyncConnection[Any], now: TransferRow, position: int) -> TransferRow | None:
    """The transfer `now` as it was right after the event at `position`; None before its first event.

    The log must have that position, and `now` must be at least as new. Costs what the transfer's own
    few events cost.
    """
    version = await version_at(conn, now.id, position)
    row: TransferRow | None = None
    async for event in events_of(conn, now.id, version):
        row = _begun(now, event) if row is None else _evolved(row, event)
    if row is None:
        return None
    return replace(
        row,
        debit_position=_by(now.debit_position, position),
        credit_position=_by(now.credit_position, position),
    )


def _by(entry_position: int | None, position: int) -> int | None:
    return entry_position if entry_position is not None and entry_position <= position else None


def _begun(now: TransferRow, event: LoggedEvent) -> TransferRow:
    first = event.data
    assert isinstance(first, Posted | Reserved), first
    status: Status = "posted" if isinstance(first, Posted) else "pending"
    return replace(
        now,
        status=status,
        amount=first.amount,
        reversed=0,
        reason=first.reason if isinstance(first, Posted) else "",
        updated_at=event.recorded_at,
        position=event.position,
    )


def _evolved(row: TransferRow, event: LoggedEvent) -> TransferRow:
    row = replace(row, updated_at=event.recorded_at, position=event.position)
    match event.data:
        case Captured(amount=amount, reason=reason):
            return replace(row, status="posted", amount=amount, reason=reason)
        case Voided(reason=reason):
            return replace(row, status="voided", reason=reason)
        case Expired():
            return replace(row, status="expired")
        case Reversed(amount=amount):
            return replace(row, reversed=row.reversed + amount)
    return row

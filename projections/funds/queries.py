"""Questions about funds: one by its id, lists of them, and a fund's allocations."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import args_row

from projections.paging import Page, fetch_page

AllocationStatus = Literal["reserved", "taken", "released"]

_COLUMNS = (
    "id, name, currency, account_id, manager_id, status, minimum_investment, maximum_investment,"
    " seats, reserved, taken, reserved_amount, taken_amount, opens_at, closes_at, opened_at,"
    " updated_at, version, first_position, position"
)
_SELECT = f"SELECT {_COLUMNS} FROM funds.fund"

_ALLOCATIONS = """
SELECT allocation.investment_id, allocation.fund_id, allocation.account_id, allocation.owner_id,
       fund.currency, allocation.amount, allocation.status, allocation.reserved_at,
       allocation.taken_at, allocation.released_at, allocation.first_position, allocation.position
  FROM funds.allocation JOIN funds.fund ON fund.id = allocation.fund_id"""


class FundRow(Struct, frozen=True):
    """A fund. Amounts are minor units of `currency`; a maximum of 0 is none.

    `reserved` and `taken` count seats. It takes investments while it is `open`, from `opens_at` to
    `closes_at`. `version` is its stream's, `position` that of its last event.
    """

    id: UUID
    name: str
    currency: str
    account_id: UUID
    manager_id: UUID | None
    status: str
    minimum_investment: int
    maximum_investment: int
    seats: int
    reserved: int
    taken: int
    reserved_amount: int
    taken_amount: int
    opens_at: datetime | None
    closes_at: datetime | None
    opened_at: datetime
    updated_at: datetime
    version: int
    first_position: int
    position: int

    @property
    def seats_left(self) -> int:
        return self.seats - self.reserved - self.taken


class AllocationRow(Struct, frozen=True):
    """What an investment has of a fund: one seat, and an amount in minor units of `currency`.

    `account_id` is the investor's account, `owner_id` whose it is; `position` is that of the last event
    about it.
    """

    investment_id: UUID
    fund_id: UUID
    account_id: UUID | None
    owner_id: UUID | None
    currency: str
    amount: int
    status: AllocationStatus
    reserved_at: datetime | None
    taken_at: datetime | None
    released_at: datetime | None
    first_position: int
    position: int


async def fund(conn: AsyncConnection[Any], fund_id: UUID) -> FundRow | None:
    """One fund, None when there is none."""
    async with conn.cursor(row_factory=args_row(FundRow), binary=True) as cursor:
        await cursor.execute(f"{_SELECT} WHERE id = %s".encode(), (fund_id,))
        return await cursor.fetchone()


async def list_funds(
    conn: AsyncConnection[Any],
    *,
    limit: int,
    before: int | None = None,
    status: str | None = None,
    currency: str | None = None,
) -> Page[FundRow]:
    """Funds, last opened first. `before` is the `next_before` of the page before this one."""
    return await fetch_page(
        conn,
        FundRow,
        _SELECT,
        {"status = %s": status, "currency = %s": currency},
        key="first_position",
        key_of=lambda row: row.first_position,
        before=before,
        limit=limit,
    )


async def allocations(
    conn: AsyncConnection[Any],
    fund_id: UUID,
    *,
    limit: int,
    before: int | None = None,
    status: str | None = None,
    owner_id: UUID | None = None,
) -> Page[AllocationRow]:
    """A fund's allocations, last reserved first; with `owner_id` only this person's. `before` is the
    `next_before` of the page before."""
    return await fetch_page(
        conn,
        AllocationRow,
        _ALLOCATIONS,
        {
            "allocation.fund_id = %s": fund_id,
            "allocation.status = %s": status,
            "allocation.owner_id = %s": owner_id,
        },
        key="allocation.first_position",
        key_of=lambda row: row.first_position,
        before=before,
        limit=limit,
    )

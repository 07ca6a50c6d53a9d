"""Questions about loans: one with its schedule and repayments, lists, and what is owed in all."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import args_row

from domain.loans import Part
from projections.paging import Page, fetch_page

State = Literal["paid", "overdue", "due"]

BUCKETS = ("1-30", "31-60", "61-90", "90+")
"""Days that the oldest instalment in arrears is over its due date."""

_COLUMNS = (
    "id, application_id, owner_id, currency, principal, outstanding, annual_rate_bps, months, method,"
    " day_count, started_on, status, next_due, next_amount, arrears_amount, arrears_since,"
    " interest_paid, principal_paid, customer_account_id, loan_account_id, funding_account_id,"
    " opened_at, updated_at, settled_on, version, first_position, position"
)
_SELECT = f"SELECT {_COLUMNS} FROM loans.loan"

_SCHEDULE = """
SELECT number, due, principal, interest, balance_after, paid_principal, paid_interest, overdue_at
  FROM loans.instalment WHERE loan_id = %s ORDER BY number
"""

_REPAYMENTS = (
    'SELECT id, loan_id, amount, interest, principal, "on", account_id, transfer_ids, parts AS stored,'
    " outstanding, is_early, at, position FROM loans.repayment"
)

# The first thirty days are bucket 0, and what is over ninety days is bucket 3.
_TOTALS = """
SELECT currency,
       CASE WHEN arrears_since < %(on)s THEN least((%(on)s - arrears_since - 1) / 30, 3) END,
       count(*), count(*) FILTER (WHERE status = 'active'),
       count(*) FILTER (WHERE status = 'settled'), sum(principal), sum(outstanding),
       sum(interest_paid), sum(principal_paid), sum(arrears_amount)
  FROM loans.loan GROUP BY 1, 2 ORDER BY 1, 2
"""


class LoanRow(Struct, frozen=True):
    """A loan. Amounts are minor units of `currency`, the rate is of a year in basis points.

    `outstanding` is the principal that is owed. `next_due` is when the first instalment that is not paid
    in full is due, or was, and `next_amount` what is missing of it. `arrears_amount` is missing of all
    that are marked overdue, the oldest of which was due at `arrears_since`. `version` is its stream's.
    """

    id: UUID
    application_id: UUID
    owner_id: UUID | None
    currency: str
    principal: int
    outstanding: int
    annual_rate_bps: int
    months: int
    method: str
    day_count: str
    started_on: date
    status: str
    next_due: date | None
    next_amount: int
    arrears_amount: int
    arrears_since: date | None
    interest_paid: int
    principal_paid: int
    customer_account_id: UUID
    loan_account_id: UUID
    funding_account_id: UUID
    opened_at: datetime
    updated_at: datetime
    settled_on: date | None
    version: int
    first_position: int
    position: int


class InstalmentRow(Struct, frozen=True):
    """What is due on a day, in minor units, and what is paid of it."""

    number: int
    due: date
    principal: int
    interest: int
    balance_after: int
    paid_principal: int
    paid_interest: int
    overdue_at: datetime | None

    @property
    def amount(self) -> int:
        return self.principal + self.interest

    @property
    def missing(self) -> int:
        """What is to be paid still."""
        return self.amount - self.paid_principal - self.paid_interest

    @property
    def state(self) -> State:
        if not self.missing:
            return "paid"
        return "due" if self.overdue_at is None else "overdue"


class RepaymentRow(Struct, frozen=True):
    """A repayment, in minor units; `outstanding` is the principal that was owed after it. `stored` are its
    parts, as JSON."""

    id: UUID
    loan_id: UUID
    amount: int
    interest: int
    principal: int
    on: date
    account_id: UUID
    transfer_ids: list[UUID]
    stored: list[list[int]]
    outstanding: int
    is_early: bool
    at: datetime
    position: int

    @property
    def parts(self) -> list[Part]:
        """What it paid of which instalments; of none, ahead of time, where the number is 0."""
        return msgspec.convert(self.stored, list[Part])


class Bucket(Struct, frozen=True):
    """Loans that are so many days in arrears: one of `BUCKETS`."""

    name: str
    loans: int
    arrears: int
    outstanding: int


class CurrencyTotals(Struct, frozen=True):
    """All loans of a currency, in its minor units; `in_arrears` counts loans. All `BUCKETS` are there."""

    currency: str
    loans: int
    active: int
    settled: int
    principal: int
    outstanding: int
    interest_paid: int
    principal_paid: int
    in_arrears: int
    arrears: int
    buckets: list[Bucket]


async def loan(
    conn: AsyncConnection[Any], loan_id: UUID, *, owner_id: UUID | None = None
) -> LoanRow | None:
    """One loan, None when there is none; with `owner_id` only this person's."""
    async with conn.cursor(row_factory=args_row(LoanRow), binary=True) as cursor:
        await cursor.execute(f"{_SELECT} WHERE id = %s".encode(), (loan_id,))
        found = await cursor.fetchone()
    return found if found is not None and owner_id in (None, found.owner_id) else None


async def loans(
    conn: AsyncConnection[Any],
    *,
    limit: int,
    before: int | None = None,
    owner_id: UUID | None = None,
    application_id: UUID | None = None,
    status: str | None = None,
    in_arrears: bool | None = None,
) -> Page[LoanRow]:
    """Loans, the last opened first. `before` is the `next_before` of the page before. `in_arrears`: only
    those that are, or only those that are not."""
    return await fetch_page(
        conn,
        LoanRow,
        _SELECT,
        {
            "owner_id = %s": owner_id,
            "application_id = %s": application_id,
            "status = %s": status,
            "(arrears_since IS NOT NULL) = %s": in_arrears,
        },
        key="first_position",
        key_of=lambda row: row.first_position,
        before=before,
        limit=limit,
    )


async def schedule(conn: AsyncConnection[Any], loan_id: UUID) -> list[InstalmentRow]:
    """The instalments of a loan as they are now, in order."""
    async with conn.cursor(row_factory=args_row(InstalmentRow), binary=True) as cursor:
        await cursor.execute(_SCHEDULE.encode(), (loan_id,))
        return await cursor.fetchall()


async def repayments(
    conn: AsyncConnection[Any], loan_id: UUID, *, limit: int, before: int | None = None
) -> Page[RepaymentRow]:
    """Repayments of a loan, the last first. `before` is the `next_before` of the page before."""
    return await fetch_page(
        conn,
        RepaymentRow,
        _REPAYMENTS,
        {"loan_id = %s": loan_id},
        key="position",
        key_of=lambda row: row.position,
        before=before,
        limit=limit,
    )


async def repayment(
    conn: AsyncConnection[Any], loan_id: UUID, repayment_id: UUID
) -> RepaymentRow | None:
    """One repayment of a loan, None when there is none."""
    async with conn.cursor(row_factory=args_row(RepaymentRow), binary=True) as cursor:
        await cursor.execute(
            f"{_REPAYMENTS} WHERE id = %s AND loan_id = %s".encode(), (repayment_id, loan_id)
        )
        return await cursor.fetchone()


async def totals(conn: AsyncConnection[Any], on: date) -> list[CurrencyTotals]:
    """All loans by currency, and what of them is in arrears, by the days that it is on a day."""
    cursor = await conn.execute(_TOTALS, {"on": on})
    found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for currency, bucket, *figures in await cursor.fetchall():
        found[currency].append((bucket, *map(int, figures)))
    return [_totals_of(currency, parts) for currency, parts in found.items()]


def _totals_of(currency: str, parts: list[tuple[Any, ...]]) -> CurrencyTotals:
    """`parts` are rows of the query, one a bucket; those that are not in arrears have None for it."""
    late = {part[0]: part for part in parts if part[0] is not None}
    buckets = [
        Bucket(name, late[n][1], late[n][8], late[n][5]) if n in late else Bucket(name, 0, 0, 0)
        for n, name in enumerate(BUCKETS)
    ]
    loans, active, settled, principal, outstanding, interest_paid, principal_paid = (
        sum(part[column] for part in parts) for column in range(1, 8)
    )
    return CurrencyTotals(
        currency, loans, active, settled, principal, outstanding, interest_paid, principal_paid,
        sum(b.loans for b in buckets), sum(b.arrears for b in buckets), buckets,
    )  # fmt: skip

"""The rows of loans and their instalments, and what an event makes of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from msgspec import Struct

from domain import loans
from domain.events import Recorded
from domain.loans import Disbursed, InstalmentOverdue, Opened, Repaid, Rescheduled, Settled


class Loan(Struct):
    """A row of the table `loan`, column by column."""

    id: UUID
    application_id: UUID
    owner_id: UUID | None
    currency: str
    principal: int
    annual_rate_bps: int
    months: int
    method: str
    day_count: str
    started_on: date
    customer_account_id: UUID
    loan_account_id: UUID
    funding_account_id: UUID
    opened_at: datetime
    updated_at: datetime
    version: int
    first_position: int
    position: int
    status: str = "opened"
    outstanding: int = 0
    interest_paid: int = 0
    principal_paid: int = 0
    next_due: date | None = None
    next_amount: int = 0
    arrears_amount: int = 0
    arrears_since: date | None = None
    settled_on: date | None = None


class Instalment(Struct):
    """A row of the table `instalment`, column by column."""

    loan_id: UUID
    number: int
    due: date
    principal: int
    interest: int
    balance_after: int
    paid_principal: int = 0
    paid_interest: int = 0
    overdue_at: datetime | None = None

    @property
    def missing(self) -> int:
        """What is to be paid of it still."""
        return self.principal + self.interest - self.paid_principal - self.paid_interest


class Book:
    """A loan with its schedule. `changed` and `gone` are the numbers of instalments that are not written,
    and not removed, yet."""

    def __init__(self, loan: Loan, instalments: Iterable[Instalment] = ()) -> None:
        self.loan = loan
        self.instalments = {each.number: each for each in instalments}
        self.changed: set[int] = set()
        self.gone: set[int] = set()

    def apply(self, event: Recorded) -> None:
        """Bring it to where it is after one more event."""
        loan = self.loan
        loan.updated_at, loan.version, loan.position = (
            event.recorded_at, event.version, event.position,
        )  # fmt: skip
        match event.data:
            case Disbursed(instalments=instalments):
                loan.status, loan.outstanding = "active", loan.principal
                self._lay_out(1, instalments)
            case Repaid() as repaid:
                self._repay(repaid)
            case InstalmentOverdue(number=number):
                self._change(number).overdue_at = event.recorded_at
            case Rescheduled(number=number, instalments=instalments):
                self._lay_out(number, instalments)
            case Settled(on=on):
                loan.status, loan.settled_on = "settled", on

    def sum_up(self) -> None:
        """Find what is due next, and what is in arrears."""
        loan = self.loan
        missing = [each for _, each in sorted(self.instalments.items()) if each.missing]
        loan.next_due = missing[0].due if missing else None
        loan.next_amount = missing[0].missing if missing else 0
        overdue = [each for each in missing if each.overdue_at is not None]
        loan.arrears_amount = sum(each.missing for each in overdue)
        loan.arrears_since = overdue[0].due if overdue else None

    def _lay_out(self, number: int, instalments: Iterable[loans.Instalment]) -> None:
        """Put these in the place of all that there are from a number on; what is paid of them stays."""
        before = {n for n in self.instalments if n >= number}
        for each in instalments:
            there = self.instalments.get(each.number)
            if there is None:
                there = Instalment(self.loan.id, each.number, each.due, 0, 0, 0)
                self.instalments[each.number] = there
            there.due, there.principal, there.interest = each.due, each.principal, each.interest
            there.balance_after = each.balance_after
            self.changed.add(each.number)
            before.discard(each.number)
        for gone in before:
            del self.instalments[gone]
        self.changed -= before
        self.gone |= before

    def _repay(self, repaid: Repaid) -> None:
        loan = self.loan
        loan.outstanding = repaid.outstanding
        loan.interest_paid += repaid.interest
        loan.principal_paid += repaid.principal
        for part in repaid.parts:
            if part.number:  # 0 is of no instalment
                there = self._change(part.number)
                there.paid_interest += part.interest
                there.paid_principal += part.principal

    def _change(self, number: int) -> Instalment:
        self.changed.add(number)
        return self.instalments[number]


def opened(event: Recorded, terms: Opened) -> Loan:
    """The row that a loan begins with."""
    at, position = event.recorded_at, event.position
    return Loan(
        event.stream_id, terms.application_id, terms.owner_id, terms.currency, terms.principal,
        terms.annual_rate_bps, terms.months, terms.method, terms.day_count, terms.started_on,
        terms.customer_account_id, terms.loan_account_id, terms.funding_account_id, at, at,
        event.version, position, position,
    )  # fmt: skip

"""A loan's events, and the state that they lead to."""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal, get_args
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.events import Event
from domain.loans.schedule import Instalment, Terms

LoanStatus = Literal["opened", "active", "settled"]

STATUSES: tuple[str, ...] = get_args(LoanStatus)


class Part(Struct, frozen=True, array_like=True):
    """What a repayment pays of an instalment, in minor units; of none, ahead of time, when it is 0."""

    number: int
    interest: int
    principal: int


# Events. Stored for ever: add a field with a default, or a new event; never edit one.
class Opened(Event, frozen=True):
    """A loan on these terms. `principal` is minor units, the rate is of a year in basis points. The money
    comes from `funding_account_id`, and what is owed is the balance of `loan_account_id`, below zero."""

    topic: ClassVar[str] = "loan.opened"
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

    @property
    def terms(self) -> Terms:
        return Terms(
            self.principal, self.annual_rate_bps, self.months, self.method, self.day_count,
            self.started_on,
        )  # fmt: skip


class Disbursed(Event, frozen=True):
    """The money is in the customer's account, and is to be paid back by these instalments. The transfers
    are that of the money and that of the claim."""

    topic: ClassVar[str] = "loan.disbursed"
    transfer_ids: tuple[UUID, ...]
    instalments: tuple[Instalment, ...]


class Repaid(Event, frozen=True):
    """`amount` came from an account, in minor units: `interest` and `principal`, by the instalments that
    it paid. `outstanding` is the principal that is owed still. `is_early`: some of it was not due yet."""

    topic: ClassVar[str] = "loan.repaid"
    repayment_id: UUID
    amount: int
    interest: int
    principal: int
    on: date
    account_id: UUID
    transfer_ids: tuple[UUID, ...]
    parts: tuple[Part, ...]
    outstanding: int
    is_early: bool = False


class InstalmentOverdue(Event, frozen=True):
    """`amount` minor units of an instalment were not paid when it was due."""

    topic: ClassVar[str] = "loan.instalment_overdue"
    number: int
    due: date
    amount: int


class Rescheduled(Event, frozen=True):
    """What was repaid early leaves less to repay: these instalments, from `number` on, take the place of
    those before; none do when nothing is left. Interest accrues from `accrues_from`, and `carried` minor
    units of it were owed before."""

    topic: ClassVar[str] = "loan.rescheduled"
    number: int
    instalments: tuple[Instalment, ...]
    accrues_from: date
    carried: int = 0


class Settled(Event, frozen=True):
    """All is paid back."""

    topic: ClassVar[str] = "loan.settled"
    on: date


EVENTS: tuple[type[Event], ...] = (
    Opened, Disbursed, Repaid, InstalmentOverdue, Rescheduled, Settled,
)  # fmt: skip


class Paid(Struct, frozen=True):
    """What of an instalment is paid, in minor units."""

    interest: int = 0
    principal: int = 0


class Repayment(Struct, frozen=True):
    """What a repayment was asked to be, and what it came to, in minor units. `outstanding` is the principal
    that was owed after it."""

    account_id: UUID
    amount: int
    interest: int
    principal: int
    outstanding: int
    is_early: bool


# State. Runs again at every replay: no rule, no clock, no exception.
class Loan(Struct, frozen=True):
    """A loan. `version` counts its events.

    `outstanding` is the principal that is owed, in minor units. `instalments` are the schedule as it is
    now, `paid` what is paid of them by their number, and `overdue` the numbers of those that were not paid
    in time. Interest accrues from `accrues_from`, or from the last due date where that is later.
    `last_on` is the day of the last repayment: no later one is of an earlier day.
    """

    id: UUID
    version: int
    status: str
    opened: Opened
    outstanding: int = 0
    instalments: tuple[Instalment, ...] = ()
    paid: dict[int, Paid] = {}
    overdue: frozenset[int] = frozenset()
    repayments: dict[UUID, Repayment] = {}
    accrues_from: date = date.min
    carried: int = 0
    last_on: date = date.min

    @property
    def owner_id(self) -> UUID | None:
        return self.opened.owner_id

    def missing(self, instalment: Instalment) -> Part:
        """What of an instalment is not paid yet."""
        paid = self.paid.get(instalment.number, Paid())
        return Part(
            instalment.number,
            instalment.interest - paid.interest,
            instalment.principal - paid.principal,
        )

    @property
    def arrears(self) -> int:
        """What is not paid of the instalments that are overdue, in minor units."""
        missing = (self.missing(each) for each in self.instalments if each.number in self.overdue)
        return sum(part.interest + part.principal for part in missing)


def evolve(loan: Loan | None, event: Event, stream_id: UUID) -> Loan:
    """The loan after one more event."""
    if isinstance(event, Opened):
        return Loan(
            stream_id,
            1,
            "opened",
            event,
            accrues_from=event.started_on,
            last_on=event.started_on,
        )
    assert loan is not None, "a loan's first event is loan.opened"
    there = replace(loan, version=loan.version + 1)
    match event:
        case Disbursed(instalments=instalments):
            return replace(
                there,
                status="active",
                outstanding=there.opened.principal,
                instalments=instalments,
            )
        case Repaid():
            return _repaid(there, event)
        case InstalmentOverdue(number=number):
            return replace(there, overdue=there.overdue | {number})
        case Rescheduled(number=number, instalments=instalments):
            kept = tuple(each for each in there.instalments if each.number < number)
            return replace(
                there,
                instalments=kept + instalments,
                accrues_from=event.accrues_from,
                carried=event.carried,
            )
    assert isinstance(event, Settled), event
    return replace(there, status="settled")


def _repaid(there: Loan, event: Repaid) -> Loan:
    paid = dict(there.paid)
    for number, interest, principal in ((p.number, p.interest, p.principal) for p in event.parts):
        if number:
            before = paid.get(number, Paid())
            paid[number] = Paid(before.interest + interest, before.principal + principal)
    repayment = Repayment(
        event.account_id,
        event.amount,
        event.interest,
        event.principal,
        event.outstanding,
        event.is_early,
    )
    return replace(
        there,
        outstanding=event.outstanding,
        paid=paid,
        repayments=there.repayments | {event.repayment_id: repayment},
        last_on=event.on,
    )

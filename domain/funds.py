"""Fund: takes investments within its criteria, one seat each.

A seat and its amount are reserved when an investment is asked for, taken when its money has arrived, and
given back when the investment fails. The fund counts; which investment has a seat, the investment knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Literal, get_args
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.accounts import Account
from domain.events import Event
from domain.money import exponent_of
from domain.refusals import Refusal
from domain.versions import Expected, check_version

FundStatus = Literal["open", "suspended", "closed"]

STATUSES: tuple[str, ...] = get_args(FundStatus)

TRANSITIONS: dict[str, tuple[str, ...]] = {
    "open": ("suspended", "closed"),
    "suspended": ("open", "closed"),
    "closed": (),
}
"""Status -> what may follow."""

MAX_SEATS = 1_000_000


# Events. Stored for ever: add a field with a default, or a new event; never edit one.
class Opened(Event, frozen=True):
    """Amounts are minor units; a maximum of 0 is none. Money goes to the account `account_id`."""

    topic: ClassVar[str] = "fund.opened"
    name: str
    currency: str
    account_id: UUID
    minimum_investment: int
    maximum_investment: int
    seats: int
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    manager_id: UUID | None = None


class TermsChanged(Event, frozen=True):
    """The terms from now on, all of them."""

    topic: ClassVar[str] = "fund.terms_changed"
    minimum_investment: int
    maximum_investment: int
    seats: int
    opens_at: datetime | None = None
    closes_at: datetime | None = None


class StatusChanged(Event, frozen=True):
    topic: ClassVar[str] = "fund.status_changed"
    status: str
    previous: str
    reason: str = ""


class SeatReserved(Event, frozen=True):
    """`seats_left` is what the fund has afterwards."""

    topic: ClassVar[str] = "fund.seat_reserved"
    investment_id: UUID
    amount: int
    seats_left: int


class SeatReleased(Event, frozen=True):
    """A seat is free again; `was_taken`: the investment had arrived, and went back."""

    topic: ClassVar[str] = "fund.seat_released"
    investment_id: UUID
    amount: int
    seats_left: int
    was_taken: bool = False


class AllocationTaken(Event, frozen=True):
    """The money has arrived: the reserved seat is the investor's."""

    topic: ClassVar[str] = "fund.allocation_taken"
    investment_id: UUID
    amount: int


EVENTS: tuple[type[Event], ...] = (
    Opened, TermsChanged, StatusChanged, SeatReserved, SeatReleased, AllocationTaken,
)  # fmt: skip


# State. Runs again at every replay: no rule, no clock, no exception.
class Fund(Struct, frozen=True):
    """A fund. `reserved` and `taken` count seats; amounts are minor units. `version` counts its events."""

    id: UUID
    version: int
    status: str
    opened: Opened
    minimum_investment: int
    maximum_investment: int
    seats: int
    opens_at: datetime | None
    closes_at: datetime | None
    reserved: int = 0
    taken: int = 0
    reserved_amount: int = 0
    taken_amount: int = 0

    @property
    def seats_left(self) -> int:
        return self.seats - self.reserved - self.taken


def evolve(fund: Fund | None, event: Event, stream_id: UUID) -> Fund:
    """The fund after one more event."""
    if isinstance(event, Opened):
        return Fund(
            stream_id, 1, "open", event, event.minimum_investment, event.maximum_investment,
            event.seats, event.opens_at, event.closes_at,
        )  # fmt: skip
    assert fund is not None, "a fund's first event is fund.opened"
    f = replace(fund, version=fund.version + 1)
    match event:
        case TermsChanged():
            return replace(
                f,
                minimum_investment=event.minimum_investment,
                maximum_investment=event.maximum_investment,
                seats=event.seats,
                opens_at=event.opens_at,
                closes_at=event.closes_at,
            )
        case StatusChanged(status=status):
            return replace(f, status=status)
        case SeatReserved(amount=amount):
            return replace(f, reserved=f.reserved + 1, reserved_amount=f.reserved_amount + amount)
        case SeatReleased(amount=amount, was_taken=True):
            return replace(f, taken=f.taken - 1, taken_amount=f.taken_amount - amount)
        case SeatReleased(amount=amount):
            return replace(f, reserved=f.reserved - 1, reserved_amount=f.reserved_amount - amount)
    assert isinstance(event, AllocationTaken), event
    return replace(
        f,
        reserved=f.reserved - 1,
        taken=f.taken + 1,
        reserved_amount=f.reserved_amount - event.amount,
        taken_amount=f.taken_amount + event.amount,
    )


# Commands.
class OpenFund(Struct, frozen=True):
    """Open a fund whose money goes to an account of type `fund`; amounts are minor units."""

    fund_id: UUID
    name: str
    currency: str
    account_id: UUID
    minimum_investment: int
    maximum_investment: int
    seats: int
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    manager_id: UUID | None = None


class ChangeTerms(Struct, frozen=True):
    """Change what is given and leave the rest; amounts are minor units."""

    fund_id: UUID
    minimum_investment: int | None = None
    maximum_investment: int | None = None
    seats: int | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    expected_versions: Expected = None


class ChangeFundStatus(Struct, frozen=True):
    fund_id: UUID
    status: str
    reason: str = ""
    expected_versions: Expected = None


Command = OpenFund | ChangeTerms | ChangeFundStatus


# Decisions. A "no" is raised as a Refusal and leaves nothing behind.
def open_fund(command: OpenFund, account: Account | None) -> Opened:
    """Refuses: `invalid_currency_format`, `account_not_found`, `invalid_account_type`,
    `currency_mismatch`, and terms that no investment could meet (`invalid_terms`)."""
    exponent_of(command.currency)
    if account is None:
        raise Refusal("account_not_found", account_id=command.account_id)
    if account.type != "fund":
        raise Refusal("invalid_account_type", type=account.type, allowed=["fund"])
    if account.currency != command.currency:
        raise Refusal("currency_mismatch", requested=command.currency, account=account.currency)
    _check_terms(
        command.minimum_investment, command.maximum_investment, command.seats, 0,
        command.opens_at, command.closes_at,
    )  # fmt: skip
    return Opened(
        command.name, command.currency, command.account_id, command.minimum_investment,
        command.maximum_investment, command.seats, command.opens_at, command.closes_at,
        command.manager_id,
    )  # fmt: skip


def is_same_opening(fund: Fund, command: OpenFund, account: Account | None) -> bool:
    """Whether a fund is what the command asks for, so that a repeat answers as the first."""
    try:
        return open_fund(command, account) == fund.opened
    except Refusal:
        return False


def decide(fund: Fund | None, command: ChangeTerms | ChangeFundStatus) -> Event:
    """Refuses: `fund_not_found`, `precondition_failed`, `invalid_terms`, `invalid_transition`."""
    if fund is None:
        raise Refusal("fund_not_found", fund_id=command.fund_id)
    check_version(fund.id, fund.version, command.expected_versions)
    if isinstance(command, ChangeTerms):
        return _change_terms(fund, command)
    if command.status not in TRANSITIONS[fund.status]:
        raise Refusal(
            "invalid_transition",
            fund_id=fund.id,
            current=fund.status,
            requested=command.status,
            allowed=TRANSITIONS[fund.status],
        )
    return StatusChanged(command.status, fund.status, command.reason)


def _change_terms(fund: Fund, command: ChangeTerms) -> TermsChanged:
    def chosen(new: int | None, old: int) -> int:
        return old if new is None else new

    changed = TermsChanged(
        chosen(command.minimum_investment, fund.minimum_investment),
        chosen(command.maximum_investment, fund.maximum_investment),
        chosen(command.seats, fund.seats),
        command.opens_at or fund.opens_at,
        command.closes_at or fund.closes_at,
    )
    _check_terms(
        changed.minimum_investment, changed.maximum_investment, changed.seats,
        fund.reserved + fund.taken, changed.opens_at, changed.closes_at,
    )  # fmt: skip
    return changed


def _check_terms(
    minimum: int, maximum: int, seats: int, in_use: int,
    opens_at: datetime | None, closes_at: datetime | None,
) -> None:  # fmt: skip
    wrong = ""
    if minimum <= 0:
        wrong = "the minimum investment is more than zero"
    elif maximum and maximum < minimum:
        wrong = "the maximum investment is less than the minimum"
    elif not 0 < seats <= MAX_SEATS:
        wrong = f"a fund has 1 to {MAX_SEATS} seats"
    elif seats < in_use:
        wrong = f"{in_use} seats are reserved or taken"
    elif opens_at is not None and closes_at is not None and closes_at <= opens_at:
        wrong = "the fund would close before it opens"
    if wrong:
        raise Refusal("invalid_terms", why=wrong)


class Criterion(Struct, frozen=True):
    """A rule that an investment has to meet: `reason` names it, `details` say what would."""

    reason: str
    is_met: bool
    details: dict[str, object]


def criteria(fund: Fund, amount: int, currency: str, now: datetime) -> Iterator[Criterion]:
    """The rules of a fund for an investment, in the order in which they are told. A new rule is a new
    row here, and a reason in the catalogue of problems."""
    terms: dict[str, object] = {"fund_id": fund.id, "currency": fund.opened.currency}
    has_begun = fund.opens_at is None or now >= fund.opens_at
    has_ended = fund.closes_at is not None and now >= fund.closes_at
    yield Criterion(
        "fund_not_open",
        fund.status == "open" and has_begun and not has_ended,
        {
            "fund_id": fund.id,
            "status": fund.status,
            "opens_at": fund.opens_at and fund.opens_at.isoformat(),
            "closes_at": fund.closes_at and fund.closes_at.isoformat(),
        },
    )
    yield Criterion(
        "currency_mismatch",
        currency == fund.opened.currency,
        {"requested": currency, "fund": fund.opened.currency},
    )
    yield Criterion(
        "below_minimum_investment",
        amount >= fund.minimum_investment,
        terms | {"minimum_minor": fund.minimum_investment, "requested_minor": amount},
    )
    yield Criterion(
        "above_maximum_investment",
        not fund.maximum_investment or amount <= fund.maximum_investment,
        terms | {"maximum_minor": fund.maximum_investment, "requested_minor": amount},
    )
    yield Criterion(
        "no_seats_available",
        fund.seats_left > 0,
        {"fund_id": fund.id, "seats": fund.seats, "seats_left": fund.seats_left},
    )


def reserve_seat(
    fund: Fund, investment_id: UUID, amount: int, currency: str, now: datetime
) -> SeatReserved:
    """Refuses with the reason of the first criterion that is not met."""
    for criterion in criteria(fund, amount, currency, now):
        if not criterion.is_met:
            raise Refusal(criterion.reason, **criterion.details)
    return SeatReserved(investment_id, amount, fund.seats_left - 1)


def release_seat(
    fund: Fund, investment_id: UUID, amount: int, *, was_taken: bool = False
) -> SeatReleased:
    """Give a seat back."""
    return SeatReleased(investment_id, amount, fund.seats_left + 1, was_taken)

"""What a batch of events says of funds and allocations, counted without the read model's code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import astuple

from domain import funds, investments
from domain.events import Event, Recorded


class _Fund(Struct):
    """Amounts in minor units; None and "" where the batch says nothing. Seats and amounts are added."""

    id: UUID
    name: str | None = None
    currency: str | None = None
    account: str | None = None
    manager: str | None = None
    status: str = ""
    minimum: int | None = None
    maximum: int | None = None
    seats: int | None = None
    reserved: int = 0
    taken: int = 0
    reserved_amount: int = 0
    taken_amount: int = 0
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    opened_at: datetime | None = None
    updated_at: datetime | None = None
    events: int = 0
    first_position: int | None = None
    position: int = 0


def of_funds(batch: Sequence[Recorded]) -> Iterable[tuple[Any, ...]]:
    """A row a fund: its opening, its last terms and status, what its seats gained, its events."""
    found: dict[UUID, _Fund] = {}
    for event in batch:
        if not event.topic.startswith("fund."):
            continue
        fund = found.setdefault(event.stream_id, _Fund(event.stream_id))
        fund.events += 1
        fund.position, fund.updated_at = event.position, event.recorded_at
        _tell(fund, event)
    return map(astuple, found.values())


def _tell(fund: _Fund, event: Recorded) -> None:
    match event.data:
        case funds.Opened() as opened:
            fund.name, fund.currency = opened.name, opened.currency
            fund.account, fund.manager = str(opened.account_id), _text(opened.manager_id)
            fund.opened_at, fund.first_position = event.recorded_at, event.position
            fund.status = "open"
            _set_terms(fund, opened)
        case funds.TermsChanged() as terms:
            _set_terms(fund, terms)
        case funds.StatusChanged(status=status):
            fund.status = status
        case funds.SeatReserved(amount=amount):
            _add(fund, amount, reserved=1)
        case funds.AllocationTaken(amount=amount):
            _add(fund, amount, reserved=-1, taken=1)
        case funds.SeatReleased(amount=amount, was_taken=was_taken):
            _add(fund, amount, reserved=-(not was_taken), taken=-was_taken)


def _set_terms(fund: _Fund, terms: funds.Opened | funds.TermsChanged) -> None:
    fund.minimum, fund.maximum = terms.minimum_investment, terms.maximum_investment
    fund.seats, fund.opens_at, fund.closes_at = terms.seats, terms.opens_at, terms.closes_at


def _add(fund: _Fund, amount: int, *, reserved: int = 0, taken: int = 0) -> None:
    fund.reserved += reserved
    fund.reserved_amount += reserved * amount
    fund.taken += taken
    fund.taken_amount += taken * amount


_SEAT_STATUS: dict[type[Event], str] = {
    funds.SeatReserved: "reserved",
    funds.AllocationTaken: "taken",
    funds.SeatReleased: "released",
}


def of_allocations(batch: Sequence[Recorded]) -> Iterator[tuple[Any, ...]]:
    """A row an event that is about one: the investment, the fund, whose account, amount, status, time."""
    for event in batch:
        match event.data:
            case investments.Requested() as asked:
                yield (
                    event.stream_id, str(asked.fund_id), str(asked.investor_account_id),
                    _text(asked.owner_id), asked.amount, "reserved", event.recorded_at,
                    event.position,
                )  # fmt: skip
            case (
                funds.SeatReserved(investment_id=id_, amount=amount)
                | funds.AllocationTaken(investment_id=id_, amount=amount)
                | funds.SeatReleased(investment_id=id_, amount=amount)
            ):
                yield (
                    id_, str(event.stream_id), None, None, amount, _SEAT_STATUS[type(event.data)],
                    event.recorded_at, event.position,
                )  # fmt: skip


def _text(id_: UUID | None) -> str | None:
    return None if id_ is None else str(id_)

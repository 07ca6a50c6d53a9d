"""What happened to funds, investments, deposits, withdrawals and movements, in words that hold nothing
personal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from domain import bank_transfers, fraud_alarms, funds, investments, movements
from domain.events import Event
from projections.audit.phrases import amount, because


class _Terms(Protocol):
    @property
    def minimum_investment(self) -> int: ...
    @property
    def maximum_investment(self) -> int: ...
    @property
    def seats(self) -> int: ...


class _Stopped(Protocol):
    @property
    def step(self) -> str: ...
    @property
    def reason(self) -> str: ...


class _Report(Protocol):
    @property
    def kind(self) -> str: ...
    @property
    def flow(self) -> str: ...
    @property
    def flow_id(self) -> object: ...
    @property
    def bank_reference(self) -> str: ...


def _terms(event: _Terms, currency: str) -> str:
    text = f"{event.seats} seats from {amount(event.minimum_investment, currency)}"
    if event.maximum_investment:
        text += f" to {amount(event.maximum_investment, currency)}"
    return text


def _fund_opened(event: funds.Opened, currency: str) -> str:
    text = f'opened fund "{event.name}" on account {event.account_id}'
    return f"{text} with {_terms(event, event.currency)}"


def _seat(what: str) -> Callable[[Any, str], str]:
    def say(event: Any, currency: str) -> str:
        return f"{what} with {amount(event.amount, currency)} for investment {event.investment_id}"

    return say


def _seat_released(event: funds.SeatReleased, currency: str) -> str:
    text = f"gave back the seat of investment {event.investment_id}"
    text += f" with {amount(event.amount, currency)}"
    return f"{text}, which had arrived" if event.was_taken else text


def _invested(event: investments.Requested, currency: str) -> str:
    return (
        f"asked to invest {amount(event.amount, event.currency)} from {event.investor_account_id}"
        f" in fund {event.fund_id}"
    )


def _transferred(event: bank_transfers.Requested, currency: str) -> str:
    text = f"asked for a {event.kind} of {amount(event.amount, event.currency)}"
    text += f" {'to' if event.kind == 'deposit' else 'from'} {event.account_id}"
    return f"{text}, reference {event.reference}" if event.reference else text


def _instructed(event: movements.Instructed, currency: str) -> str:
    return (
        f"the bank is to move {amount(event.amount, event.currency)} {event.direction} as the"
        f" {event.kind} of {event.flow} {event.flow_id}"
    )


def _by_transfer(what: str) -> Callable[[Any, str], str]:
    return lambda event, currency: f"{what} by transfer {event.transfer_id}"


def _stopped(what: str) -> Callable[[_Stopped, str], str]:
    return lambda event, currency: f"{what} at {event.step}{because(event.reason)}"


def _said(what: str) -> Callable[[_Report, str], str]:
    def say(event: _Report, currency: str) -> str:
        text = f"the {event.kind} of {event.flow} {event.flow_id} {what}"
        if event.bank_reference:
            text += f", the bank's reference {event.bank_reference}"
        if getattr(event, "late", False):
            text += ", late"
        return text + because(getattr(event, "reason", ""))

    return say


def _alarmed(event: fraud_alarms.Raised, currency: str) -> str:
    text = f"{event.severity} alarm {event.alert_id} about {event.subject_kind} {event.subject_id}"
    text += because(event.reason)
    if event.is_called_off:
        text += "; called off"
    if event.is_frozen:
        text += f"; account {event.account_id} frozen"
    return f"{text}; not frozen: {event.left}" if event.left else text


WORDS: dict[type[Event], Callable[[Any, str], str]] = {
    funds.Opened: _fund_opened,
    funds.TermsChanged: lambda event, currency: f"terms are now {_terms(event, currency)}",
    funds.StatusChanged: lambda event, currency: (
        f"status from {event.previous} to {event.status}{because(event.reason)}"
    ),
    funds.SeatReserved: _seat("reserved a seat"),
    funds.SeatReleased: _seat_released,
    funds.AllocationTaken: _seat("took the reserved seat"),
    investments.Requested: _invested,
    investments.SourceHeld: _by_transfer("held the money"),
    investments.Instructed: lambda event, currency: (
        f"had the bank asked for the {event.leg}, movement {event.movement_id}"
    ),
    investments.Withdrawn: _by_transfer("brought the money into clearing"),
    investments.Deposited: _by_transfer("brought the money to the fund"),
    investments.Completed: lambda event, currency: "completed",
    investments.Undoing: _stopped("is undone since it failed"),
    investments.Refunded: _by_transfer("brought the money back to the investor"),
    investments.TakenBack: lambda event, currency: (
        f"took back the {event.leg}, movement {event.movement_id}, by transfer {event.transfer_id}"
    ),
    investments.SetAside: _by_transfer("set the money aside"),
    investments.TakenUp: _by_transfer("took the money up again"),
    investments.Resumed: lambda event, currency: (
        f"had the bank asked again for the {event.leg}, movement {event.movement_id}"
    ),
    investments.FailedEvent: _stopped("failed"),
    investments.NeedsOperator: _stopped("needs an operator"),
    bank_transfers.Requested: _transferred,
    bank_transfers.SourceHeld: _by_transfer("held the money"),
    bank_transfers.Instructed: lambda event, currency: (
        f"had the bank asked, movement {event.movement_id}"
    ),
    bank_transfers.Completed: lambda event, currency: (
        f"completed by transfers {event.cleared_by} and {event.transfer_id}"
    ),
    bank_transfers.Booked: lambda event, currency: (
        f"booked the {event.side}'s side by transfer {event.transfer_id}"
    ),
    bank_transfers.TakenBack: lambda event, currency: (
        f"took back the {event.side}'s side by transfer {event.transfer_id}"
    ),
    bank_transfers.SetAside: _by_transfer("set the money aside"),
    bank_transfers.TakenUp: _by_transfer("took the money up again"),
    bank_transfers.ReturnedEvent: lambda event, currency: (
        f"went back by transfer {event.transfer_id}{because(event.reason)}"
    ),
    bank_transfers.FailedEvent: _stopped("failed"),
    bank_transfers.Resumed: lambda event, currency: (
        f"had the bank asked again, movement {event.movement_id}"
    ),
    bank_transfers.NeedsOperator: _stopped("needs an operator"),
    movements.Instructed: _instructed,
    movements.Sent: lambda event, currency: (
        f"the {event.kind} of {event.flow} {event.flow_id} is sent to the bank"
    ),
    movements.Accepted: _said("was accepted"),
    movements.Settled: _said("has settled"),
    movements.Failed: _said("has failed"),
    movements.Cancelled: _said("is called off"),
    movements.Returned: _said("has come back"),
    movements.Overdue: _said("is overdue"),
    movements.Unresolved: _said("is unresolved"),
    fraud_alarms.Raised: _alarmed,
}

"""What the steps of a flow are called: those that each event of its streams is."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from domain import bank_transfers, funds, investments, movements
from domain.events import Event, Recorded

MOVEMENTS = (
    movements.Instructed, movements.Sent, movements.Accepted, movements.Settled, movements.Failed,
    movements.Cancelled, movements.Returned, movements.Overdue, movements.Unresolved,
)  # fmt: skip
"""Each of them names its flow."""


class Step(NamedTuple):
    """A step; `details` hold texts, numbers and booleans."""

    name: str
    details: dict[str, Any]


def steps_of(event: Recorded) -> list[Step]:
    """The steps that an event is, in order: often one, sometimes none."""
    data = event.data
    if event.topic.startswith("movement."):
        return _of_movement(data, event.stream_id)
    if event.topic.startswith("fund."):
        return _of_fund(data)
    if event.topic.startswith("investment."):
        return _of_investment(data)
    return _of_bank_transfer(data)


def _of_movement(data: Event, movement_id: UUID) -> list[Step]:
    assert isinstance(data, MOVEMENTS), "what a movement's events are"
    is_investment = data.flow == "investment"
    details = {"leg": data.kind, "movement_id": str(movement_id)}
    if reason := getattr(data, "reason", ""):
        details["reason"] = reason
    match data:
        case movements.Instructed() | movements.Sent() | movements.Accepted():
            # A deposit or a withdrawal has one leg only.
            name = event_name(data)
            return [Step(f"{data.kind}_{name}" if is_investment else name, details)]
        case movements.Overdue() | movements.Unresolved():
            return [Step(event_name(data), details)]
        case movements.Returned() if is_investment:
            return [Step("returned", details)]
    # What it leads to is a step: withdrawn, undoing, failed, needs_operator.
    return []


def event_name(data: Event) -> str:
    """The stored name without its aggregate."""
    return data.topic.partition(".")[2]


def _of_fund(data: Event) -> list[Step]:
    match data:
        case funds.SeatReserved(seats_left=left) | funds.SeatReleased(seats_left=left):
            return [Step(event_name(data), {"seats_left": left})]
        case funds.AllocationTaken():
            return [Step("allocation_taken", {})]
    return []


def _of_investment(data: Event) -> list[Step]:
    match data:
        case investments.Requested():
            return [Step("requested", {}), Step("criteria_checked", {})]
        case investments.Instructed():
            return []  # the movement's own event is the step
    return [Step(event_name(data), _said(data))]


def _of_bank_transfer(data: Event) -> list[Step]:
    match data:
        case bank_transfers.Instructed():
            return []
        case bank_transfers.Requested():
            return [Step("requested", {})]
    return [Step(event_name(data), _said(data))]


def _said(data: Event) -> dict[str, Any]:
    """All that the event says, as JSON has it."""
    found: dict[str, Any] = msgspec.to_builtins(data)
    return found

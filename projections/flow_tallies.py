"""What a batch of events says of flows: only what steps are called is found by the function that the read
model uses as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from domain import bank_transfers, investments, movements
from domain.events import Event, Recorded
from projections.flows.steps import steps_of

_encode = msgspec.json.Encoder().encode


_PLACES: dict[type[Event], str] = {
    investments.Requested: "source",
    investments.SourceHeld: "held",
    investments.Withdrawn: "clearing",
    investments.Deposited: "fund",
    investments.Refunded: "returned",
    investments.SetAside: "suspense",
    investments.TakenUp: "clearing",
    investments.Completed: "fund",
    bank_transfers.Requested: "outside",
    bank_transfers.SourceHeld: "held",
    bank_transfers.Completed: "booked",
    bank_transfers.SetAside: "suspense",
    bank_transfers.ReturnedEvent: "outside",
    bank_transfers.FailedEvent: "outside",
}

_CLEARING: dict[type[Event], int] = {
    investments.Withdrawn: 1,
    investments.Deposited: -1,
    investments.Refunded: -1,
    investments.SetAside: -1,
    investments.TakenUp: 1,
    bank_transfers.SetAside: -1,
    bank_transfers.TakenUp: 1,
}
"""What an event adds to the clearing account, in multiples of the amount."""

_STATUSES: dict[type[Event], str] = {
    investments.Requested: "initiated",
    investments.Withdrawn: "withdrawal_completed",
    investments.Deposited: "deposit_completed",
    investments.Completed: "completed",
    investments.FailedEvent: "failed",
    investments.NeedsOperator: "needs_operator",
    bank_transfers.Requested: "pending",
    bank_transfers.Completed: "completed",
    bank_transfers.ReturnedEvent: "returned",
    bank_transfers.FailedEvent: "failed",
    bank_transfers.Resumed: "pending",
    bank_transfers.NeedsOperator: "needs_operator",
}

_CLEARED = (investments.Completed, bank_transfers.Completed)
"""After these it stands nowhere, for no reason."""


class _Flow(Struct):
    """What an event says of a flow; None where it says nothing. Amounts in minor units."""

    id: UUID
    kind: str | None = None
    account: str | None = None
    fund: str | None = None
    fund_account: str | None = None
    owner: str | None = None
    person: str | None = None
    currency: str | None = None
    amount: int | None = None
    hint: str | None = None
    reference: str | None = None
    status: str = ""
    place: str | None = None
    clearing: int = 0
    bank_side: int = 0
    step: str | None = None
    reason: str | None = None
    at: datetime | None = None
    own: int = 0
    position: int = 0


def of_flows(batch: Sequence[Recorded]) -> Iterator[tuple[Any, ...]]:
    """A row an event that is about one: what was asked for, or what became of it."""
    for event in batch:
        id_ = _flow_of(event)
        if id_ is None:
            continue
        row = _Flow(id_, at=event.recorded_at, position=event.position)
        if event.stream_id == id_:
            row.own = 1
            _tell_flow(row, event.data)
        yield astuple(row)


def _flow_of(event: Recorded) -> UUID | None:
    aggregate = event.topic.partition(".")[0]
    if aggregate in ("investment", "bank_transfer"):
        return event.stream_id
    # Movements name their flow, and a fund's seats the investment.
    name = {"movement": "flow_id", "fund": "investment_id"}.get(aggregate, "")
    found = getattr(event.data, name, None)
    return found if isinstance(found, UUID) else None


def _tell_flow(row: _Flow, data: Event) -> None:
    row.status, row.place = _STATUSES.get(type(data), ""), _PLACES.get(type(data))
    row.clearing = _CLEARING.get(type(data), 0)
    row.step, row.reason = getattr(data, "step", None), getattr(data, "reason", None)
    match data:
        case investments.Requested():
            row.kind, row.hint, row.reference = "investment", "", ""
            row.account, row.fund = str(data.investor_account_id), str(data.fund_id)
            row.fund_account, row.owner = str(data.fund_account_id), _text(data.owner_id)
            row.currency, row.amount = data.currency, data.amount
        case bank_transfers.Requested():
            row.kind, row.account = data.kind, str(data.account_id)
            row.owner, row.person = _text(data.owner_id), _text(data.person_id)
            row.currency, row.amount = data.currency, data.amount
            row.hint, row.reference = data.bank_account_hint, data.reference
        case investments.Instructed(leg=leg) | investments.Resumed(leg=leg):
            row.status = f"{leg}_pending"
        case investments.TakenBack(leg=leg):
            is_in = leg != "withdrawal"
            row.place, row.clearing = ("clearing", 1) if is_in else ("returned", -1)
        case (
            investments.FailedEvent(place=place)
            | investments.NeedsOperator(place=place)
            | bank_transfers.NeedsOperator(place=place)
        ):
            row.place = place
        case bank_transfers.Booked(side=side):
            row.bank_side = 1 if side == "bank" else -1
        case bank_transfers.TakenBack(side=side):
            row.bank_side = -1 if side == "bank" else 1
        case bank_transfers.ReturnedEvent():
            row.step = ""
    if isinstance(data, _CLEARED):
        row.step = row.reason = ""


def of_steps(batch: Sequence[Recorded]) -> Iterator[tuple[Any, ...]]:
    """A row a step: its flow, place, name, time, and details as JSON."""
    for event in batch:
        id_ = _flow_of(event)
        if id_ is not None:
            for part, (name, details) in enumerate(steps_of(event)):
                yield (
                    str(id_), event.position, part, name, event.recorded_at,
                    _encode(details).decode(),
                )  # fmt: skip


_LEG_STATUSES: dict[type[Event], str] = {
    movements.Instructed: "initiated",
    movements.Sent: "sent",
    movements.Accepted: "pending",
    movements.Settled: "completed",
    movements.Failed: "failed",
    movements.Cancelled: "cancelled",
    movements.Returned: "returned",
}


class _Leg(Struct):
    """What an event says of a leg; None and "" where it says nothing. Amounts in minor units."""

    id: UUID
    flow: str
    flow_kind: str
    kind: str
    direction: str | None = None
    account: str | None = None
    person: str | None = None
    currency: str | None = None
    amount: int | None = None
    status: str = ""
    bank_reference: str = ""
    reason: str = ""
    sequence: int = 0
    name: str = ""
    at: datetime | None = None
    said_at: str = ""
    position: int = 0


def of_legs(batch: Sequence[Recorded]) -> Iterator[tuple[Any, ...]]:
    """A row an event of a movement: what was to be moved, or what the bank said."""
    for event in batch:
        aggregate, _, name = event.topic.partition(".")
        if aggregate != "movement":
            continue
        data: Any = event.data
        row = _Leg(event.stream_id, str(data.flow_id), data.flow, data.kind, name=name)
        row.status = _LEG_STATUSES.get(type(data), "")
        row.at, row.position = event.recorded_at, event.position
        row.said_at = event.recorded_at.astimezone(UTC).isoformat()
        row.bank_reference = getattr(data, "bank_reference", "")
        row.reason = getattr(data, "reason", "")
        row.sequence = getattr(data, "sequence", 0)
        if isinstance(data, movements.Instructed):
            row.direction, row.account, row.person = (
                data.direction, data.account, _text(data.person_id),
            )  # fmt: skip
            row.currency, row.amount = data.currency, data.amount
        yield astuple(row)


def _text(id_: UUID | None) -> str | None:
    return None if id_ is None else str(id_)

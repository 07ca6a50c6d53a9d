"""Investor to fund: hold the money, withdraw it, deposit it; undo in reverse what a bank will not do."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace

from application.processes.asking import (
    PATIENCE,
    TOPICS,
    call_off,
    heard,
    instruct,
    look_after_all,
    overdue,
)
from application.processes.definitions import Process, Reaction
from domain import movements
from domain.events import Recorded
from domain.investments import (
    BookLeg,
    CompensateInvestment,
    Completed,
    DoubtLeg,
    FailedEvent,
    FailLeg,
    HoldSource,
    Instructed,
    NeedsOperator,
    Requested,
    Resumed,
    RetryInvestment,
    ReturnLeg,
)

NAME = "investments"

_OWN = frozenset(
    event.topic for event in (Requested, Instructed, Resumed, Completed, FailedEvent, NeedsOperator)
)


def key_of(event: Recorded) -> UUID | None:
    """The investment that an event is about."""
    if event.topic in _OWN:
        return event.stream_id
    said = event.data
    return said.flow_id if getattr(said, "flow", "") == "investment" else None  # type: ignore[attr-defined]


def react(event: Recorded, patience: timedelta) -> Reaction | None:
    """What follows from an event; banks have `patience` for each leg."""
    match event.data:
        case Requested():
            return Reaction(HoldSource(event.stream_id), status="started")
        case (
            Instructed(leg=leg, movement_id=movement_id) | Resumed(leg=leg, movement_id=movement_id)
        ):
            return Reaction(
                jobs=(instruct(NAME, event, movement_id),),
                deadlines={str(movement_id): event.recorded_at + patience},
                status="compensating" if leg == "refund" else "waiting",
            )
        case movements.Overdue():
            return Reaction(jobs=(call_off(NAME, event),))
        case movements.Settled(flow_id=id_, kind=leg):
            return heard(event, BookLeg(id_, leg))
        case movements.Failed(flow_id=id_, kind=leg, reason=reason):
            return heard(event, FailLeg(id_, leg, reason))
        case movements.Cancelled(flow_id=id_, kind=leg, reason=reason, written_off=written_off):
            # Nobody knows for sure: what the bank says after all is booked.
            looks = (look_after_all(NAME, event),) if written_off else ()
            return replace(heard(event, FailLeg(id_, leg, reason)), jobs=looks)
        case movements.Returned(flow_id=id_, kind=leg, reason=reason):
            return heard(event, ReturnLeg(id_, leg, reason))
        case movements.Unresolved(flow_id=id_, kind=leg, reason=reason):
            return heard(event, DoubtLeg(id_, leg, reason))
        case Completed():
            return Reaction(status="completed")
        case FailedEvent():
            return Reaction(status="compensated")
        case NeedsOperator(step=step, reason=reason):
            return Reaction(status="stuck", error=f"needs an operator: {step}: {reason}")
    return None


def process(patience: timedelta = PATIENCE) -> Process:
    """The process, with as much patience as banks get."""
    return Process(
        NAME,
        _OWN | TOPICS,
        key_of,
        lambda event: react(event, patience),
        overdue,
        RetryInvestment,
        CompensateInvestment,
    )

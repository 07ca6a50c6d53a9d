"""Deposits and withdrawals: have the bank move the money, and book what it says."""

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
from domain.bank_transfers import (
    BookBankTransfer,
    CompensateBankTransfer,
    Completed,
    DoubtBankTransfer,
    FailBankTransfer,
    FailedEvent,
    Instructed,
    NeedsOperator,
    Resumed,
    RetryBankTransfer,
    ReturnBankTransfer,
    ReturnedEvent,
)
from domain.events import Recorded

NAME = "bank_transfers"

_OWN = frozenset(
    event.topic
    for event in (Instructed, Resumed, Completed, FailedEvent, ReturnedEvent, NeedsOperator)
)
_FLOWS = ("deposit", "withdrawal")


def key_of(event: Recorded) -> UUID | None:
    """The bank transfer that an event is about."""
    if event.topic in _OWN:
        return event.stream_id
    said = event.data
    return said.flow_id if getattr(said, "flow", "") in _FLOWS else None  # type: ignore[attr-defined]


def react(event: Recorded, patience: timedelta) -> Reaction | None:
    """What follows from an event; the bank has `patience`."""
    match event.data:
        case Instructed(movement_id=movement_id) | Resumed(movement_id=movement_id):
            return Reaction(
                jobs=(instruct(NAME, event, movement_id),),
                deadlines={str(movement_id): event.recorded_at + patience},
            )
        case movements.Overdue():
            return Reaction(jobs=(call_off(NAME, event),))
        case movements.Settled(flow_id=id_):
            return heard(event, BookBankTransfer(id_))
        case movements.Failed(flow_id=id_, reason=reason):
            return heard(event, FailBankTransfer(id_, reason))
        case movements.Cancelled(flow_id=id_, reason=reason, written_off=written_off):
            # Nobody knows for sure: what the bank says after all is booked.
            looks = (look_after_all(NAME, event),) if written_off else ()
            return replace(heard(event, FailBankTransfer(id_, reason)), jobs=looks)
        case movements.Returned(flow_id=id_, reason=reason):
            return heard(event, ReturnBankTransfer(id_, reason))
        case movements.Unresolved(flow_id=id_, reason=reason):
            return heard(event, DoubtBankTransfer(id_, reason))
        case Completed():
            return Reaction(status="completed")
        case FailedEvent() | ReturnedEvent():
            return Reaction(status="compensated")
        case NeedsOperator(step=step, reason=reason):
            return Reaction(status="stuck", error=f"needs an operator: {step}: {reason}")
    return None


def process(patience: timedelta = PATIENCE) -> Process:
    """The process, with as much patience as the bank gets."""
    return Process(
        NAME,
        _OWN | TOPICS,
        key_of,
        lambda event: react(event, patience),
        overdue,
        RetryBankTransfer,
        CompensateBankTransfer,
    )

"""What all flows that banks carry out have in common: jobs that ask, and time-outs of the answers."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid5

from application.jobs.jobs import NewJob
from application.ledger.outcomes import Command
from application.processes.definitions import Reaction, job_id
from application.processes.reading import correlation_of
from domain import movements
from domain.events import Recorded

INSTRUCT, CANCEL, LOOK = "bank.instruct", "bank.cancel", "bank.look"
"""Kinds of jobs; payload {movement_id}. `bank.cancel` says why. `bank.look` looks what has become of a
movement, in case that nobody tells."""

QUEUE = "banking"

_NAMESPACE = UUID("da4b0000-0000-4000-8000-0000000b4a17")

PATIENCE = timedelta(days=5)
"""Banks may take this long. More than the three working days of a slow SEPA direct debit, weekend
included."""

TOPICS: frozenset[str] = frozenset(
    event.topic
    for event in (
        movements.Settled, movements.Failed, movements.Cancelled, movements.Returned,
        movements.Overdue, movements.Unresolved,
    )
)  # fmt: skip
"""What banks say that flows react to."""

Said = (
    movements.Settled
    | movements.Failed
    | movements.Cancelled
    | movements.Returned
    | movements.Overdue
    | movements.Unresolved
)


def instruct(process: str, event: Recorded, movement_id: UUID) -> NewJob:
    """Has a bank asked for a movement."""
    return _job(process, event, INSTRUCT, {"movement_id": str(movement_id)}, priority=5)


def call_off(process: str, event: Recorded) -> NewJob:
    """Has a bank asked to forget a movement that it has not carried out in time."""
    payload = {"movement_id": str(event.stream_id), "reason": movements.TIMEOUT}
    return _job(process, event, CANCEL, payload, priority=3)


def look_id(movement_id: UUID) -> UUID:
    """The id of the one job that looks what has become of a movement that a bank has taken on."""
    return uuid5(_NAMESPACE, f"look:{movement_id}")


def look_after_all(process: str, event: Recorded) -> NewJob:
    """Has a bank asked what became of a movement that an operator has written off."""
    return _job(process, event, LOOK, {"movement_id": str(event.stream_id)}, priority=8)


def heard(event: Recorded, command: Command) -> Reaction:
    """A bank's answer is there: nobody waits for it or looks for it any longer."""
    looks = () if isinstance(event.data, movements.Unresolved) else (look_id(event.stream_id),)
    return Reaction(command, needless=looks, deadlines={str(event.stream_id): None})


def overdue(key: UUID, name: str) -> Reaction:
    """A bank has taken too long. The deadline is called by its movement."""
    return Reaction(movements.MarkOverdue(UUID(name)))


def _job(
    process: str, event: Recorded, kind: str, payload: dict[str, str], *, priority: int
) -> NewJob:
    return NewJob(
        id=job_id(process, event.position),
        kind=kind,
        payload=payload,
        queue=QUEUE,
        priority=priority,
        correlation_id=correlation_of(event),
        causation_id=str(event.position),
    )

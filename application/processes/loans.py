"""Watches what borrowers owe: the day after each due date it is noted when something is missing."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from application.ledger.steps import ALL_DEADLINES
from application.processes.definitions import Process, Reaction
from domain.events import Recorded
from domain.loans import MarkInstalmentOverdue, Opened, Settled, due_date

NAME = "loans"


def key_of(event: Recorded) -> UUID:
    """Each loan is watched by itself."""
    return event.stream_id


def react(event: Recorded) -> Reaction | None:
    """What follows from an event."""
    match event.data:
        case Opened(started_on=started_on, months=months):
            return Reaction(deadlines=_after(1, months, started_on), status="waiting")
        case Settled():
            return Reaction(deadlines={ALL_DEADLINES: None}, status="completed")
    return None


def on_deadline(key: UUID, name: str) -> Reaction:
    """An instalment was due yesterday. The deadline's name is `<number>/<of how many>/<first day>`."""
    number, months, started_on = name.split("/")
    following = _after(int(number) + 1, int(months), date.fromisoformat(started_on))
    return Reaction(MarkInstalmentOverdue(key, int(number)), deadlines=following)


def _after(number: int, months: int, started_on: date) -> dict[str, datetime | None]:
    """When to look at an instalment; there is none after the last."""
    if number > months:
        return {}
    day_after = due_date(started_on, number) + timedelta(days=1)
    name = f"{number}/{months}/{started_on.isoformat()}"
    return {name: datetime.combine(day_after, time(), UTC)}


def process() -> Process:
    """The process."""
    topics = frozenset(event.topic for event in (Opened, Settled))
    return Process(NAME, topics, key_of, react, on_deadline)

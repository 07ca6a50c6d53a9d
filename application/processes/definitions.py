"""What a process is: pure functions from what has happened to what is to happen next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID, uuid5

from msgspec import Struct

from application.jobs.jobs import NewJob
from application.ledger.outcomes import Command
from domain.events import Recorded

Status = Literal["started", "waiting", "completed", "compensating", "compensated", "stuck"]

STATUSES: tuple[str, ...] = get_args(Status)


class Reaction(Struct, frozen=True):
    """What follows from an event: at most one command, which may decide on any number of aggregates,
    jobs for the outside world, jobs that are needed no longer, and deadlines (name -> when, None: no
    longer). `status` is the process' from now on; `error` says why it is stuck, or what it waits out."""

    command: Command | None = None
    jobs: tuple[NewJob, ...] = ()
    needless: tuple[UUID, ...] = ()
    deadlines: Mapping[str, datetime | None] = {}
    status: Status = "waiting"
    error: str = ""


class Process(Struct, frozen=True):
    """A flow's driver. Its functions are pure: what they answer depends on their arguments alone.

    `topics` are the events that it reacts to, and `key_of` says which flow (a stream) an event is about,
    None: none of its own. `react` may answer None: there is nothing to do. Events of one flow are reacted
    to in order, each once. `on_deadline(key, name)` answers what is to happen when a deadline is over.
    `retry` and `compensate` are an operator's commands for a flow that asks for one.
    """

    name: str
    topics: frozenset[str]
    key_of: Callable[[Recorded], UUID | None]
    react: Callable[[Recorded], Reaction | None]
    on_deadline: Callable[[UUID, str], Reaction] | None = None
    retry: Callable[[UUID], Command] | None = None
    compensate: Callable[[UUID, str], Command] | None = None


_NAMESPACE = UUID("da4b0000-0000-4000-8000-00000000f10e")


def job_id(process: str, position: int, number: int = 0) -> UUID:
    """The id of a job that follows from the event at a position: the same whenever that is reacted to."""
    return uuid5(_NAMESPACE, f"{process}:{position}:{number}")


class UnknownProcessError(Exception):
    """There is no process of that name; the message lists those that there are."""

    def __init__(self, name: str, known: object) -> None:
        super().__init__(f"no process is called {name!r}; there are: {known}")

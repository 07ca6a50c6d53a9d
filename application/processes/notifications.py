"""Notifications: of what somebody is told, a job chooses whom and how."""

from __future__ import annotations

from uuid import UUID

from application.jobs.jobs import NewJob
from application.notifications.rules import RULES
from application.processes.definitions import Process, Reaction, job_id
from application.processes.reading import correlation_of
from domain.events import Recorded

NAME = "notifications"

TELL = "notify.tell"
"""The kind of the jobs; payload {position} of the event."""


def key_of(event: Recorded) -> UUID:
    """Each flow is told of by itself."""
    return event.stream_id


def react(event: Recorded) -> Reaction:
    """Who is told depends on more than the event: a job looks that up."""
    job = NewJob(
        id=job_id(NAME, event.position),
        kind=TELL,
        payload={"position": event.position},
        queue="notifications",
        correlation_id=correlation_of(event),
        causation_id=str(event.position),
    )
    return Reaction(jobs=(job,), status="completed")


def process() -> Process:
    """The process."""
    return Process(NAME, frozenset(RULES), key_of, react)

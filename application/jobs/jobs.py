"""What a job is: as it is put in, as its handler gets it, and what is known of its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Connection


class NewJob(Struct, frozen=True, kw_only=True):
    """A job to put in. Putting the same `id` in again does nothing, so derive it from what asks for it.

    `payload` is JSON. `priority` 0 comes first, 9 last. Of jobs with the same `unique_key` only the first
    in `unique_for_s` seconds is put in. None for the limits: those of its kind.
    """

    id: UUID
    kind: str
    payload: dict[str, Any]
    queue: str = "default"
    priority: int = 5
    delay_s: float = 0.0
    unique_key: str | None = None
    unique_for_s: float = 300.0
    max_attempts: int | None = None
    time_limit_s: int | None = None
    correlation_id: str = ""
    causation_id: str = ""


class Job(Struct, frozen=True, kw_only=True):
    """A job that a worker has taken. Its id is the idempotency key of whatever it asks of others.

    `attempt` counts how often it was taken, polls too; `failures` and `lost` count since it was put in or
    an operator retried it. `category`, `error` and `trace` are of its last failure.
    """

    id: UUID
    kind: str
    queue: str
    priority: int
    payload: dict[str, Any]
    attempt: int
    worker: str
    created_at: datetime
    started_at: datetime
    failures: int = 0
    lost: int = 0
    max_attempts: int | None = None
    time_limit_s: int | None = None
    correlation_id: str = ""
    causation_id: str = ""
    cancel_asked: bool = False
    category: str | None = None
    error: str | None = None
    trace: str | None = None


class Failure(Struct, frozen=True):
    """Why an attempt failed. `category`: external, system, timeout, business or lost."""

    category: str
    error: str
    trace: str = ""
    retry_after_s: float | None = None


Bury = Callable[[Connection[Any]], None]
"""Marks the job as dead, or as cancelled, in a transaction of the caller's; raises `LeaseLostError`."""


class Kind(Struct, frozen=True):
    """What is known of all jobs of a kind.

    `handler(job, ctx)` runs in a thread of the worker and answers a result (JSON) or None. `on_dead(job,
    failure, ctx, bury)` is called when there will be no further attempt, also because an operator has
    cancelled the job, and again until it succeeds or raises `BusinessError`; `bury` fits
    `Submission.beside`, and when it was not used, the job is marked as dead afterwards. `max_attempts`
    replaces the number of the error's category; `waits_s` are the seconds after the first failure, the
    second and so on, and make it one attempt more than they are.
    """

    handler: Callable[[Job, Any], dict[str, Any] | None]
    time_limit_s: int = 60
    max_attempts: int | None = None
    waits_s: tuple[float, ...] | None = None
    on_dead: Callable[[Job, Failure, Any, Bury], None] | None = None


Kinds = Mapping[str, Kind]
"""By name. A worker takes jobs of the kinds that it knows; others wait for one that does."""

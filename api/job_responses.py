"""The shapes of jobs that go out, for the API's description."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field


class JobOut(BaseModel):
    id: UUID = Field(description="also what others are given as the idempotency key of its calls")
    kind: str
    queue: str
    priority: int = Field(description="0 comes first, 9 last")
    status: str = Field(description="waiting, running, done, dead or cancelled")
    due_at: datetime
    attempts: int = Field(description="how often it was started, to look again too")
    failures: int = Field(description="since it was put in, or an operator retried it")
    lost: int = Field(description="how many of its workers have ended before it did")
    max_attempts: int | None = Field(description="null: as its kind and the error's category say")
    time_limit_s: int | None = Field(description="of each attempt; null: as its kind says")
    unique_key: str | None
    worker: str | None
    lease_until: datetime | None = Field(
        description="it is another's from then on when its worker says nothing"
    )
    cancel_asked: bool = Field(description="there will be no further attempt: a worker ends it")
    category: str | None = Field(
        description="of the last error: external, system, timeout, business or lost"
    )
    error: str | None
    correlation_id: str
    causation_id: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class AttemptOut(BaseModel):
    number: int
    started_at: datetime
    ended_at: datetime
    outcome: str = Field(description="done, lost, or the category of its error")
    error: str | None


class JobDetailOut(JobOut):
    trace: str | None = Field(description="where in the program the last error came from")
    payload: dict[str, Any] | None = Field(
        description="what is to be done; null for those who may not see customers' data"
    )
    result: dict[str, Any] | None
    tries: list[AttemptOut]


class JobPage(BaseModel):
    data: list[JobOut]
    next_cursor: str | None
    has_more: bool


class QueueOut(BaseModel):
    queue: str
    waiting: int
    due: int = Field(description="of those that wait: could run at once")
    running: int
    failing: int = Field(description="of those that wait: have failed, and are tried again")
    dead: int = Field(description="are not tried again; an operator retries or cancels them")
    done_last_5_minutes: int
    behind_s: float = Field(description="how long the first of those that are due has been so")


class QueuesOut(BaseModel):
    data: list[QueueOut]
    next_cursor: str | None
    has_more: bool

"""The shapes in which the past goes out, for the API's description; `histories` makes the answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from api.responses import EventOut


class StateAsOf(BaseModel):
    """The moment asked for; with none it is now."""

    version: int | None
    position: int | None
    at: datetime | None


class ChangeOut(BaseModel):
    before: Any
    after: Any


class StateOut(BaseModel):
    stream_id: UUID
    aggregate: str = Field(examples=["account", "transfer", "statement"])
    version: int
    position: int
    recorded_at: datetime
    state: dict[str, Any] = Field(description="amounts as decimal strings")
    diff: dict[str, ChangeOut] = Field(description="the fields that the last event changed")
    summary: str = Field(description="what the last event says, in words")
    event: EventOut
    as_of: StateAsOf


class AuditEventOut(BaseModel):
    position: int
    stream_id: UUID
    version: int
    recorded_at: datetime
    topic: str
    account_ids: list[UUID] = Field(description="a transfer's are its source and its destination")
    actor: str
    correlation_id: str
    causation_id: str
    command_id: str
    summary: str


class AuditPage(BaseModel):
    data: list[AuditEventOut]
    next_cursor: str | None
    has_more: bool


class CausingEventOut(AuditEventOut):
    commands: list[CommandOut] = Field(description="what this event led to")


class CommandOut(BaseModel):
    stream_id: UUID
    command_id: str = Field(description="the caller's own name for it, or empty")
    actor: str
    causation_id: str
    position: int = Field(description="of its first event")
    recorded_at: datetime
    events: list[CausingEventOut]


class CorrelationOut(BaseModel):
    correlation_id: str
    data: list[CommandOut]
    next_cursor: None
    has_more: bool = Field(description="true: there are more events than a tree shows")

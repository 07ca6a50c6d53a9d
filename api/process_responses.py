"""The shapes of processes that go out, for the API's description."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field


class ProcessOut(BaseModel):
    name: str
    key: UUID = Field(description="the flow: an investment's id, or a deposit's or withdrawal's")
    status: str = Field(
        description="started, waiting, completed, compensating, compensated, or stuck: it waits for"
        " an operator"
    )
    step: str = Field(description="what was reacted to last")
    error: str | None = Field(description="why it is stuck")
    stuck_at: int | None = Field(
        description="position of the event that could not be reacted to; 0: a deadline; null: it"
        " waits for a decision, and goes on when the bank says something new"
    )
    started_at: datetime
    updated_at: datetime


class ProcessPage(BaseModel):
    data: list[ProcessOut]
    next_cursor: str | None
    has_more: bool


class HistoryOut(BaseModel):
    position: int = Field(description="of the event; 0: a deadline, or an operator")
    step: str
    did: list[str] = Field(description="the command, the jobs and the deadlines that followed")
    error: str | None
    at: datetime


class DeadlineOut(BaseModel):
    deadline: str
    due_at: datetime


class ProcessDetailOut(ProcessOut):
    history: list[HistoryOut]
    deadlines: list[DeadlineOut]
    inbox: list[int] = Field(description="positions of events that wait until it is free")


class OverviewOut(BaseModel):
    name: str
    position: int = Field(description="how far it has followed the log")
    behind: int
    flows: dict[str, int] = Field(description="status -> how many")


class ProcessesOut(BaseModel):
    data: list[OverviewOut]
    next_cursor: str | None
    has_more: bool

"""The shapes of decision tables and of what they say that go out, for the API's description."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from pydantic import BaseModel, Field

_DECISION = Field(description="approve, pre_approve, reject or manual_review")


class TableVersionOut(BaseModel):
    """One version of a country's decision table."""

    country: str
    table: str = Field(description="its name")
    version: date = Field(description="the first day that it is in force")
    in_force: bool = Field(description="whether it decides today")
    digest: str = Field(description="SHA-256 of its file")
    rules: list[str] = Field(description="in words: the first that fits decides")


class TableVersionPage(BaseModel):
    data: list[TableVersionOut]
    next_cursor: None
    has_more: bool


class MatchedOut(BaseModel):
    """A row that fits the facts."""

    row: str
    decision: str = _DECISION
    reason: str


class VerdictOut(BaseModel):
    """What is decided, and why. A table that was sent along has no version and no digest."""

    country: str
    currency: str
    decision: str = _DECISION
    reasons: list[str]
    max_approved_amount: str | None
    table: str = Field(description="empty when none could be asked")
    version: date | None
    digest: str | None
    row: str = Field(description="the first that fits, which decides; empty when none does")
    inputs: dict[str, str] = Field(description="what was looked at")
    matched: list[MatchedOut] = Field(description="all rows that fit, in the table's order")


class ChangedOut(BaseModel):
    """How many would be decided differently."""

    count: int
    by_country: dict[str, int]
    by_change: dict[str, int] = Field(examples=[{"approve -> reject": 3}])


class DifferenceOut(BaseModel):
    """An application that would be decided differently."""

    application_id: UUID
    country: str
    before: str = Field(description="what a table decided then")
    after: str = _DECISION
    reasons: list[str] = Field(description="that it would be told")


class ReplayOut(BaseModel):
    """Of so many past applications, those that the table decides differently. There are more when there
    is a `next_cursor`."""

    country: str
    evaluated: int
    changed: ChangedOut
    items: list[DifferenceOut]
    next_cursor: str | None
    has_more: bool

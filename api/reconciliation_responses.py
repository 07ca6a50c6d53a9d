"""The shapes of reconciliations that go out, for the API's description."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, Field

_SIGNED = Field(examples=["-25.00"], description="above zero when money came in")


class ReconciliationTotalsOut(BaseModel):
    """All that there are, also of lists that are cut."""

    matched: int
    missing: int = Field(description="movements; most are only not settled yet")
    unexpected: int = Field(description="lines")
    mismatched: int = Field(description="groups of lines and movements")


class ReconciliationOut(BaseModel):
    """A bank's statement, and how it compared."""

    id: UUID
    account: str = Field(description="at the bank, as its statement has it")
    currency: str
    from_: date = Field(alias="from")
    to: date
    statement_reference: str
    number: str
    source: str = Field(description="the file's name, if it was told")
    digest: str = Field(description="SHA-256 of what was sent, in hex")
    opening: str
    closing: str
    lines: int = Field(description="of the statement, less those that move nothing")
    movements: int = Field(description="that were instructed, and may be in it")
    totals: ReconciliationTotalsOut
    is_even: bool = Field(description="nothing is left for a person to look at")
    recorded_at: datetime
    position: int


class MatchedLineOut(BaseModel):
    line: int
    movement_id: UUID
    amount: str = _SIGNED
    by: str = Field(description="reference or amount")


class MissingMovementOut(BaseModel):
    movement_id: UUID
    amount: str = _SIGNED
    settled: bool = Field(description="the bank has said that it moved")


class UnexpectedLineOut(BaseModel):
    line: int
    on: date
    amount: str = _SIGNED
    reference: str
    names_movement_id: UUID | None = Field(
        description="a movement that another line has settled, or that was over before"
    )


class MismatchOut(BaseModel):
    """Lines and movements that name each other, and do not come out even."""

    lines: list[int]
    movement_ids: list[UUID]
    lines_amount: str = _SIGNED
    movements_amount: str = _SIGNED


class ReconciliationRead(ReconciliationOut):
    """With what was found: the first 500 of each kind."""

    matched: list[MatchedLineOut]
    missing: list[MissingMovementOut]
    unexpected: list[UnexpectedLineOut]
    mismatched: list[MismatchOut]


class ReconciliationPage(BaseModel):
    data: list[ReconciliationOut]
    next_cursor: str | None
    has_more: bool


class ReconciliationsOut(BaseModel):
    """One for each statement of the file."""

    data: list[ReconciliationOut]

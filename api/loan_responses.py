"""The shapes of loans that go out, for the API's description."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, Field

_AMOUNT = Field(examples=["1000.00"])


class NextInstalmentOut(BaseModel):
    """The first that is not paid in full."""

    due: date
    amount: str = Field(description="what is missing of it")


class ArrearsOut(BaseModel):
    """What is missing of all instalments that were not paid in time."""

    amount: str = _AMOUNT
    since: date = Field(description="when the oldest of them was due")


class PayoffOut(BaseModel):
    """What would settle the loan on a day: what is due, the interest that has accrued since, and the
    principal that is not due yet."""

    on: date
    amount: str = _AMOUNT
    due: str = _AMOUNT
    interest: str = _AMOUNT
    principal: str = _AMOUNT


class LoanOut(BaseModel):
    id: UUID
    application_id: UUID
    owner_id: UUID | None = Field(description="who owes it; null for who is no user")
    status: str = Field(description="active, or settled")
    currency: str
    principal: str = _AMOUNT
    outstanding: str = Field(description="the principal that is owed", examples=["700.00"])
    interest_paid: str = _AMOUNT
    principal_paid: str = _AMOUNT
    annual_rate_bps: int = Field(description="hundredths of a percent a year: 1250 is 12.5 %")
    months: int
    method: str = Field(description="annuity or equal_principal")
    day_count: str = Field(examples=["30/360"])
    started_on: date
    next_instalment: NextInstalmentOut | None = Field(description="null when all are paid")
    arrears: ArrearsOut | None = Field(description="null when nothing is overdue")
    account_id: UUID = Field(description="where the money went")
    loan_account_id: UUID = Field(description="whose balance, below zero, is what is owed")
    opened_at: datetime
    updated_at: datetime
    settled_on: date | None
    version: int
    position: int


class LoanPage(BaseModel):
    data: list[LoanOut]
    next_cursor: str | None
    has_more: bool


class LoanWithPayoff(LoanOut):
    payoff: PayoffOut | None = Field(description="today's; null when the loan is settled")


class InstalmentOut(BaseModel):
    number: int
    due: date
    amount: str = _AMOUNT
    principal: str = _AMOUNT
    interest: str = _AMOUNT
    balance_after: str = Field(description="the principal that is left then", examples=["700.00"])
    paid: str = _AMOUNT
    missing: str = _AMOUNT
    status: str = Field(description="paid, due or overdue")


class SchedulePage(BaseModel):
    data: list[InstalmentOut]
    next_cursor: None
    has_more: bool


class RepaymentOut(BaseModel):
    """The answer to a repayment."""

    id: UUID
    loan_id: UUID
    account_id: UUID
    currency: str
    amount: str = _AMOUNT
    interest: str = _AMOUNT
    principal: str = _AMOUNT
    outstanding: str = Field(description="the principal that is owed after it", examples=["0.00"])
    early: bool = Field(description="whether some of it was not due yet")
    position: int
    recorded_at: datetime


class PartOut(BaseModel):
    """What a repayment paid of an instalment; of none, ahead of time, when `number` is null."""

    number: int | None
    interest: str = _AMOUNT
    principal: str = _AMOUNT


class RepaymentRead(RepaymentOut):
    on: date = Field(description="the day that interest was counted to")
    transfer_ids: list[UUID]
    parts: list[PartOut]


class RepaymentPage(BaseModel):
    data: list[RepaymentRead]
    next_cursor: str | None
    has_more: bool


class BucketOut(BaseModel):
    """Loans by the days that their oldest instalment in arrears is over its due date."""

    days: str = Field(examples=["1-30"])
    loans: int
    amount: str = Field(description="what is missing", examples=["340.02"])
    outstanding: str = Field(description="the principal that they owe", examples=["700.00"])


class LentOut(BaseModel):
    """The house's money to lend in a currency, and what has become of it."""

    currency: str
    available: str = Field(description="what can be lent", examples=["100000.00"])
    lent: str = Field(description="the principal that is owed", examples=["700.00"])
    interest_earned: str = Field(description="all that was ever paid", examples=["20.07"])
    loans: int = Field(description="that are not settled")
    in_arrears: int = Field(description="of these")
    arrears: list[BucketOut]


class LentPage(BaseModel):
    data: list[LentOut]
    next_cursor: None
    has_more: bool

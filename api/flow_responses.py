"""The shapes of funds and of what takes days that go out, for the API's description."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

_AMOUNT = Field(examples=["1000.00"])


class FundOut(BaseModel):
    id: UUID
    name: str
    currency: str
    account_id: UUID = Field(description="where its money is")
    manager_id: UUID | None = Field(description="who sees all of its allocations")
    status: str = Field(description="open, suspended or closed")
    is_open: bool = Field(description="whether it takes investments now, by its status and dates")
    minimum_investment: str = _AMOUNT
    maximum_investment: str | None = Field(description="null when there is none")
    seats: int
    seats_left: int = Field(description="seats that nobody has reserved or taken")
    seats_reserved: int
    seats_taken: int
    amount_reserved: str = _AMOUNT
    amount_taken: str = _AMOUNT
    opens_at: datetime | None
    closes_at: datetime | None
    version: int
    position: int
    recorded_at: datetime | None = Field(
        None, description="ledger time of the write; absent in reads"
    )
    opened_at: datetime | None = Field(None, description="absent in the answers to writes")
    updated_at: datetime | None = Field(None, description="absent in the answers to writes")


class FundPage(BaseModel):
    data: list[FundOut]
    next_cursor: str | None
    has_more: bool


class AllocationOut(BaseModel):
    investment_id: UUID
    fund_id: UUID
    investor_account_id: UUID | None
    amount: str = _AMOUNT
    currency: str
    status: str = Field(description="reserved, taken or released")
    reserved_at: datetime | None
    taken_at: datetime | None
    released_at: datetime | None
    position: int


class AllocationPage(BaseModel):
    data: list[AllocationOut]
    next_cursor: str | None
    has_more: bool


class StepOut(BaseModel):
    """What has happened. Other members say what it is about: a leg, a transfer, a reason."""

    model_config = ConfigDict(extra="allow")
    name: str = Field(examples=["withdrawal_instructed"])
    at: datetime
    position: int


class LegMomentOut(BaseModel):
    name: str = Field(examples=["settled"])
    at: datetime
    reason: str


class LegOut(BaseModel):
    """What a bank was asked to move."""

    movement_id: UUID
    kind: str = Field(description="withdrawal, deposit, refund, collection or payout")
    direction: str = Field(description="in: to the house; out: from it")
    status: str = Field(description="INITIATED, PENDING, COMPLETED, FAILED or RETURNED")
    amount: str = _AMOUNT
    currency: str
    bank_reference: str
    reason: str
    instructed_at: datetime
    ended_at: datetime | None
    history: list[LegMomentOut]


class _FlowBase(BaseModel):
    id: UUID
    amount: str = _AMOUNT
    currency: str
    failed_step: str | None = Field(description="what failed, or where it waits for an operator")
    reason: str
    version: int
    position: int = Field(description="of the last event about it")


class _Times(BaseModel):
    requested_at: datetime
    updated_at: datetime
    finished_at: datetime | None = Field(description="null while it goes on")


class _Details(BaseModel):
    steps: list[StepOut] = Field(description="the oldest first")
    legs: list[LegOut] = Field(description="the oldest first")


class InvestmentBase(_FlowBase):
    status: str = Field(description="completed, failed and needs_operator are where it ends")
    state: str = Field(examples=["Withdrawal Pending"])
    investor_account_id: UUID
    fund_id: UUID


class InvestmentOut(InvestmentBase):
    """The answer to a write; its steps are at `Location`."""

    recorded_at: datetime


class InvestmentRead(InvestmentBase, _Times):
    pass


class InvestmentWithSteps(InvestmentRead, _Details):
    pass


class InvestmentPage(BaseModel):
    data: list[InvestmentRead]
    next_cursor: str | None
    has_more: bool


class BankTransferBase(_FlowBase):
    status: str = Field(description="pending, completed, failed, returned or needs_operator")
    state: str = Field(examples=["Pending"])
    account_id: UUID
    bank_account: str = Field(
        description="its last characters; all of it is sealed", examples=["DE****************3000"]
    )
    reference: str


class BankTransferOut(BankTransferBase):
    """The answer to a write; its steps are at `Location`."""

    recorded_at: datetime


class BankTransferRead(BankTransferBase, _Times):
    pass


class BankTransferWithSteps(BankTransferRead, _Details):
    pass


class BankTransferPage(BaseModel):
    data: list[BankTransferRead]
    next_cursor: str | None
    has_more: bool

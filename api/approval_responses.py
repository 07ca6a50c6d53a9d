"""The shapes of approvals that go out, for the API's description."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from api.responses import TAGGED


class ConditionOut(BaseModel):
    """What must hold of one of the two accounts just before the transfer; only what was asked for."""

    account_id: UUID
    version: int | None = None
    balance_at_least: str | None = None
    balance_at_most: str | None = None
    available_at_least: str | None = None
    available_at_most: str | None = None


class TransferAskedOut(BaseModel):
    """A transfer as it was asked for. It has no effect before somebody agrees."""

    id: UUID
    source_account_id: UUID
    destination_account_id: UUID
    amount: str = Field(examples=["25000.00"])
    currency: str
    description: str
    reference: str
    effective_at: datetime | None
    metadata: dict[str, str | int | bool]
    pending: bool
    expires_in_s: int | None
    up_to: bool
    conditions: list[ConditionOut]


class RoleAskedOut(BaseModel):
    user_id: UUID
    role: str


class InvestmentAskedOut(BaseModel):
    id: UUID
    investor_account_id: UUID
    fund_id: UUID
    amount: str = Field(examples=["25000.00"])
    currency: str


class BankTransferAskedOut(BaseModel):
    id: UUID
    kind: str = Field(description="deposit or withdrawal")
    account_id: UUID
    bank_account: str = Field(description="the account at the other bank, masked")
    amount: str = Field(examples=["25000.00"])
    currency: str
    reference: str


class RepaymentAskedOut(BaseModel):
    """It is made as of the day on which somebody agrees."""

    id: UUID
    loan_id: UUID
    account_id: UUID
    amount: str = Field(examples=["25000.00"])
    currency: str


class FundingAskedOut(BaseModel):
    """Money to lend."""

    id: UUID
    source_account_id: UUID
    amount: str = Field(examples=["25000.00"])
    currency: str


class ReviewAskedOut(BaseModel):
    """The approval of an application for credit, of so much of what it asks for."""

    application_id: UUID
    amount: str = Field(examples=["25000.00"])
    currency: str
    reason: str


class ApprovalBase(BaseModel):
    id: UUID
    status: str = Field(description="pending, approved, rejected or withdrawn")
    maker_id: UUID = Field(description="who asked")
    checker_id: UUID | None = Field(description="who approved or rejected")
    expires_at: datetime = Field(description="nobody can approve any more from then on")
    kind: str = Field(description="which of the following is asked for; the others are null")
    transfer: TransferAskedOut | None
    role_change: RoleAskedOut | None
    investment: InvestmentAskedOut | None
    bank_transfer: BankTransferAskedOut | None
    repayment: RepaymentAskedOut | None
    funding: FundingAskedOut | None
    review: ReviewAskedOut | None
    reason: str = Field(description="why it was rejected or withdrawn")
    version: int
    position: int


class ApprovalOut(ApprovalBase):
    """The answer to a write."""

    recorded_at: datetime


class ApprovalRead(ApprovalBase):
    requested_at: datetime
    decided_at: datetime | None


class ApprovalPage(BaseModel):
    data: list[ApprovalRead]
    next_cursor: str | None
    has_more: bool


ASKED: dict[str, Any] = {
    "model": ApprovalOut,
    "description": "It takes two: the approval that was asked for, at Location",
    **TAGGED,
}
"""The answer when a second person has to agree first."""

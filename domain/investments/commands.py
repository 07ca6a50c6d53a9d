"""What can be asked of investments: by people, by the process that drives them, and by operators."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from domain.ownership import Owner


class RequestInvestment(Struct, frozen=True):
    """Invest `amount` minor units of `currency` from an account into a fund. With `owner_id` only from
    this person's account."""

    investment_id: UUID
    investor_account_id: UUID
    fund_id: UUID
    amount: int
    currency: str
    owner_id: Owner = None


class CancelInvestment(Struct, frozen=True):
    """Call an investment off, before its withdrawal is sent to the bank."""

    investment_id: UUID
    reason: str = ""
    owner_id: Owner = None


class HoldSource(Struct, frozen=True):
    """Hold the money, and have the bank asked for it."""

    investment_id: UUID


class BookLeg(Struct, frozen=True):
    """The bank has moved a leg: so does the ledger, and the next one begins."""

    investment_id: UUID
    leg: str


class FailLeg(Struct, frozen=True):
    """The bank will not move a leg: undo what was done."""

    investment_id: UUID
    leg: str
    reason: str


class ReturnLeg(Struct, frozen=True):
    """What the bank had moved has come back."""

    investment_id: UUID
    leg: str
    reason: str


class DoubtLeg(Struct, frozen=True):
    """Nobody knows what became of a leg, or the bank contradicts itself."""

    investment_id: UUID
    leg: str
    reason: str


class RetryInvestment(Struct, frozen=True):
    """An operator has whatever it waits for tried again."""

    investment_id: UUID


class CompensateInvestment(Struct, frozen=True):
    """An operator gives it up: what was done is undone."""

    investment_id: UUID
    reason: str = ""


Command = (
    RequestInvestment
    | CancelInvestment
    | HoldSource
    | BookLeg
    | FailLeg
    | ReturnLeg
    | DoubtLeg
    | RetryInvestment
    | CompensateInvestment
)

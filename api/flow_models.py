"""The bodies with which funds are run, and investments, deposits and withdrawals are asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from api.models import (
    AS_WHOLE,
    Amount,
    Currency,
    Id,
    In,
    Moment,
    Name,
    Reference,
    enum,
    in_currency,
    one_of,
)
from api.problems import ProblemError
from domain import bank_transfers, funds, ibans, investments
from domain.funds import MAX_SEATS, ChangeTerms, OpenFund
from domain.investments import RequestInvestment
from domain.refusals import Refusal
from domain.versions import Expected

_LETTERS = r"^[A-Za-z0-9 -]*$"


def _number(least: int) -> Any:
    """What the API's description says of a number that may be written in groups."""
    return Field(max_length=70, json_schema_extra={"minLength": least, "pattern": _LETTERS})


_UNCHANGED = datetime.min.replace(tzinfo=UTC)

Seats = Annotated[int, Field(ge=1, le=MAX_SEATS, strict=True), AS_WHOLE]
FundStatus = Annotated[str, one_of("invalid_status", funds.STATUSES), enum(funds.STATUSES)]
InvestmentStatus = Annotated[
    str, one_of("invalid_status", investments.STATUSES), enum(investments.STATUSES)
]
BankTransferStatus = Annotated[
    str, one_of("invalid_status", bank_transfers.STATUSES), enum(bank_transfers.STATUSES)
]
_ALLOCATIONS = ("reserved", "taken", "released")
AllocationStatus = Annotated[str, one_of("invalid_status", _ALLOCATIONS), enum(_ALLOCATIONS)]


class FundIn(In):
    """Without an account one of type `fund` is opened for it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "First Fund",
                    "currency": "EUR",
                    "minimum_investment": "1000.00",
                    "maximum_investment": "50000.00",
                    "seats": 100,
                }
            ]
        }
    )
    id: Id | None = None
    name: Name
    currency: Currency
    minimum_investment: Amount
    maximum_investment: Amount | None = None
    seats: Seats
    account_id: Id | None = None
    opens_at: Moment | None = None
    closes_at: Moment | None = None
    manager_id: Id | None = None

    def command(self, fund_id: UUID, account_id: UUID) -> OpenFund:
        """Raises `ProblemError` when an amount does not fit the currency."""
        most = self.maximum_investment
        return OpenFund(
            fund_id,
            self.name,
            self.currency,
            account_id,
            in_currency(self.minimum_investment, self.currency),
            0 if most is None else in_currency(most, self.currency),
            self.seats,
            self.opens_at,
            self.closes_at,
            self.manager_id,
        )


class FundTermsIn(In):
    """What is left out stays as it is; a maximum of null is none from now on."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"seats": 120, "maximum_investment": None}]}
    )
    minimum_investment: Amount = Field(default_factory=str)
    maximum_investment: Amount | None = None
    seats: Seats = Field(default_factory=int)
    opens_at: Moment = Field(default_factory=lambda: _UNCHANGED)
    closes_at: Moment = Field(default_factory=lambda: _UNCHANGED)

    def command(self, fund_id: UUID, currency: str, expected: Expected) -> ChangeTerms:
        """Raises `ProblemError` when an amount does not fit the currency."""
        least = self.minimum_investment
        return ChangeTerms(
            fund_id,
            in_currency(least, currency) if least else None,
            self._maximum(currency),
            self.seats or None,
            None if self.opens_at is _UNCHANGED else self.opens_at,
            None if self.closes_at is _UNCHANGED else self.closes_at,
            expected,
        )

    def _maximum(self, currency: str) -> int | None:
        """0 for none, None for what it is."""
        if "maximum_investment" not in self.model_fields_set:
            return None
        most = self.maximum_investment
        return 0 if most is None else in_currency(most, currency)


class InvestmentIn(In):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "investor_account_id": "0d4f7a52-11aa-4c55-9a4e-0a6b2f1c7e01",
                    "fund_id": "0d4f7a52-11aa-4c55-9a4e-0a6b2f1c7f00",
                    "amount": "1000.00",
                    "currency": "EUR",
                }
            ]
        }
    )
    id: Id | None = None
    investor_account_id: Id
    fund_id: Id
    amount: Amount
    currency: Currency

    def command(self, investment_id: UUID, owner_id: UUID | None) -> RequestInvestment:
        """Raises `ProblemError` when the amount does not fit the currency."""
        return RequestInvestment(
            investment_id,
            self.investor_account_id,
            self.fund_id,
            in_currency(self.amount, self.currency),
            self.currency,
            owner_id,
        )


class BankAccountIn(In):
    """An account at another bank: by its IBAN, or by a number where there are none."""

    iban: Annotated[str, _number(15)] | None = None
    number: Annotated[str, _number(6)] | None = None


class BankTransferIn(In):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "account_id": "0d4f7a52-11aa-4c55-9a4e-0a6b2f1c7e01",
                    "amount": "250.00",
                    "currency": "EUR",
                    "bank_account": {"iban": "DE89 3704 0044 0532 0130 00"},
                }
            ]
        }
    )
    id: Id | None = None
    account_id: Id
    amount: Amount
    currency: Currency
    bank_account: BankAccountIn
    reference: Reference = ""

    @property
    def outside(self) -> tuple[str, str]:
        """The kind of number that is given, and the number in its one form. Raises `ProblemError` unless
        it is one, and can be one."""
        iban, number = self.bank_account.iban, self.bank_account.number
        try:
            if iban is not None and number is None:
                return "IBAN", ibans.iban(iban)
            if number is not None and iban is None:
                return "CARD", ibans.account_number(number)
        except Refusal as refusal:
            raise ProblemError(refusal.reason, **refusal.details) from None
        raise ProblemError("invalid_bank_account", why="Give either its iban or its number.")

"""The bodies and queries with which loans are asked about, repaid, and provided with money."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from api.freshness import Fresh
from api.models import Amount, Currency, Cursor, Id, In, Limit, enum, one_of

STATUSES = ("active", "settled")

LoanStatus = Annotated[str, one_of("invalid_status", STATUSES), enum(STATUSES)]


class LoanFilters(In):
    status: LoanStatus | None = None
    in_arrears: Annotated[
        bool | None, Field(description="only those that are behind, or only those that are not")
    ] = None
    application_id: Id | None = None
    limit: Limit = 50
    cursor: Cursor | None = None
    min_position: Fresh = None


class RepaymentFilters(In):
    limit: Limit = 50
    cursor: Cursor | None = None
    min_position: Fresh = None


class RepaymentIn(In):
    """Pays what is due first, the oldest instalment before the others, interest before principal. What is
    beyond that lowers the instalments that follow."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"amount": "340.02", "account_id": "0d4f7a52-11aa-4c55-9a4e-0a6b2f1c7e01"}]
        }
    )
    id: Id | None = None
    amount: Annotated[Amount, Field(description="in the loan's currency; its payoff settles it")]
    account_id: Id


class FundingIn(In):
    """From any account that has it; one of type `cash` stands for money that comes from outside."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "source_account_id": "0d4f7a52-11aa-4c55-9a4e-0a6b2f1c7e01",
                    "amount": "100000.00",
                    "currency": "EUR",
                }
            ]
        }
    )
    id: Id | None = None
    source_account_id: Id
    amount: Amount
    currency: Currency

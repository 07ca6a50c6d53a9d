"""The bodies with which decision tables are tried: on made-up facts, and on past applications."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field

from api.credit_models import CountryCode, DocumentCode, LoanType, Months
from api.decision_replaying import MAX_AT_ONCE
from api.models import AS_WHOLE, Amount, Cursor, EndMoment, In, Moment, problem
from domain.money import parse_decimal
from domain.refusals import Refusal

Table = Annotated[
    dict[str, Any],
    Field(description="a decision table in the JDM format, see docs/decision-tables.md"),
]


def _check_debt(value: object) -> str:
    try:
        if isinstance(value, str) and parse_decimal(value, "CLF") >= 0:
            return value
    except Refusal as refusal:
        raise problem(refusal.reason) from None
    raise problem("invalid_amount_format")


Debt = Annotated[
    str,
    BeforeValidator(_check_debt),
    Field(
        description="decimal string, zero or more",
        json_schema_extra={"pattern": r"^[0-9]{1,12}(\.[0-9]{1,4})?$"},
    ),
]
Score = Annotated[int, Field(ge=0, le=1000, strict=True), AS_WHOLE]

A_TABLE: dict[str, Any] = {"nodes": [], "edges": []}


class FactsIn(In):
    """What a table may know of an application; amounts are in the currency of the country. What a bureau
    may not know can be null. Without `months` it is for as long as is usual there."""

    document_type: DocumentCode | None = None
    credit_score: Score | None
    monthly_income: Amount
    amount_requested: Amount
    total_debt: Debt | None = None
    loan_type: LoanType | None = None
    months: Months | None = None


class DryRunIn(In):
    """Without a `table` the one in force today decides."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "country": "MX",
                    "facts": {
                        "credit_score": 640,
                        "monthly_income": "25000.00",
                        "amount_requested": "60000.00",
                        "total_debt": "0.00",
                    },
                }
            ]
        }
    )
    country: CountryCode
    facts: FactsIn
    table: Table | None = None


class DecisionReplayIn(In):
    """Applications that were decided from `from` to `to`, so many at once. The table's country is the one
    that counts; `country` says that it is meant."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"table": A_TABLE, "from": "2026-01-01"}]},
        populate_by_name=False,
    )
    table: Table
    country: CountryCode | None = None
    decided_from: Annotated[Moment | None, Field(alias="from")] = None
    decided_before: Annotated[EndMoment | None, Field(alias="to")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_AT_ONCE, strict=True), AS_WHOLE] = MAX_AT_ONCE
    cursor: Cursor | None = None

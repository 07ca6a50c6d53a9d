"""Tries decision tables that somebody has sent, on facts that somebody makes up."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from typing import Any

from api.credit_sealing import check_loan_type, check_months
from api.decision_models import FactsIn
from api.decision_replaying import table_of
from api.models import in_currency
from api.problems import ProblemError
from application.countries.country import Country
from application.decisions import (
    Decisions,
    Facts,
    UnsoundTableError,
    Verdict,
)
from domain.money import format_amount, parse_decimal

Json = dict[str, Any]


async def draft(document: Json, country: str | None) -> Decisions:
    """A table that somebody sent. Raises `unsound_table`, and `table_of_another_country`."""
    try:
        text = json.dumps(document)
        read = await asyncio.to_thread(Decisions.of_file, text)
    except UnsoundTableError as error:
        problems = [str(problem) for problem in error.problems]
        raise ProblemError("unsound_table", problems=problems) from None
    except RecursionError:
        raise ProblemError("unsound_table", problems=["it is nested too deeply"]) from None
    there = table_of(read).country
    if country not in (None, there):
        raise ProblemError("table_of_another_country", country=there, asked=country)
    return read


def facts_of(country: Country, given: FactsIn) -> Facts:
    """Facts as a worker would know them. Raises `ProblemError` for what no application can have."""
    codes = [each.code for each in country.documents]
    if given.document_type not in (None, *codes):
        raise ProblemError(
            "invalid_document",
            document_type="document_type",
            why=f"In {country.name} it is one of: {', '.join(codes)}.",
            allowed=codes,
        )
    loan_type = "" if given.loan_type is None else check_loan_type(country, given.loan_type)
    debt = given.total_debt
    return Facts(
        country=country.code,
        document_type=given.document_type or codes[0],
        credit_score=given.credit_score,
        monthly_income=in_currency(given.monthly_income, country.currency),
        amount_requested=in_currency(given.amount_requested, country.currency),
        total_debt=None if debt is None else in_currency(debt, country.currency, parse_decimal),
        currency=country.currency,
        loan_type=loan_type,
        months=check_months(country, given.months),
    )


def judged(decisions: Decisions, facts: Facts, on: date, *, is_draft: bool) -> Json:
    """What a table says of facts, by the code that decides on applications, with all rows that fit."""
    verdict: Verdict = decisions.judge(facts, on)
    most = verdict.max_approved_amount
    is_known = bool(verdict.version) and not is_draft
    return {
        "country": facts.country,
        "currency": facts.currency,
        "decision": verdict.decision,
        "reasons": verdict.reasons,
        "max_approved_amount": None if most is None else format_amount(most, facts.currency),
        "table": verdict.table,
        "version": verdict.version if is_known else None,
        "digest": verdict.digest if is_known else None,
        "row": verdict.row,
        "inputs": verdict.inputs,
        "matched": decisions.matched(facts, on),
    }

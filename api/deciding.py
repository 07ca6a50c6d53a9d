"""Tries decision tables that somebody has sent, on facts that somebody makes up."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NamedTuple

from api.credit_sealing import check_loan_type, check_months
from api.decision_models import FactsIn
from api.models import in_currency
from api.problems import ProblemError
from application.countries.country import Country
from application.decisions import Explained, Facts
from application.decisions.drafts import Asked, Told, TooCostlyError, country_in, try_out
from domain.money import format_amount, parse_decimal

Json = dict[str, Any]


PATIENCE_S = 10.0
"""So long one who sends a table waits for his turn to have it tried."""


class Draft(NamedTuple):
    """A table that somebody sent, as text. Its country is what it says, and "" where it says none:
    then it is found unsound when it is tried."""

    text: str
    country: str


def draft(document: Json, country: str | None) -> Draft:
    """Raises `unsound_table` and `table_of_another_country`."""
    try:
        text = json.dumps(document)
        there = country_in(text)
    except RecursionError:
        raise ProblemError("unsound_table", problems=["it is nested too deeply"]) from None
    if country is not None and there not in (None, country):
        raise ProblemError("table_of_another_country", country=there, asked=country)
    return Draft(text, there or "")


async def tried(asked: Asked, turn: asyncio.Lock) -> Told:
    """One after the other, each in a process of its own, so that nothing else waits for them.

    Raises `unsound_table`, `table_too_costly`, and `service_unavailable` when the turn does not come.
    """
    try:
        await asyncio.wait_for(turn.acquire(), PATIENCE_S)
    except TimeoutError:
        raise ProblemError("service_unavailable") from None
    try:
        told = await asyncio.to_thread(try_out, asked)
    except TooCostlyError:
        raise ProblemError("table_too_costly") from None
    finally:
        turn.release()
    if told.problems:
        raise ProblemError("unsound_table", problems=told.problems)
    return told


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


def explained(facts: Facts, found: Explained, *, is_draft: bool) -> Json:
    """What a table says of facts, by the code that decides on applications, with all rows that fit."""
    verdict = found.verdict
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
        "matched": found.matched,
    }

"""Made-up applications for a table: its author's own, and one that each of its rows decides."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import product

import msgspec
from msgspec import Struct

from application.decisions.judging import Decisions
from application.decisions.tables import Table
from application.decisions.verdicts import Decision, Facts, Verdict
from domain.money import parse_decimal
from domain.refusals import Refusal

MAX_BYTES = 1024 * 1024

_INCOME = 10_000
_TIMES_INCOME = (1, 3, 5, 11, 37, 49, 101, 1001)
_DEBT_PERCENT = (0, 45, 55, 101)
_WHOLE = re.compile(r"\d{1,6}", re.ASCII)


class Trial(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One application as a person writes it: amounts are decimal strings of the table's currency."""

    credit_score: int | None
    monthly_income: str
    amount_requested: str
    total_debt: str | None = None
    document_type: str = "id"
    loan_type: str = ""
    months: int = 0
    expect: Decision | None = None
    """What its author expects to be decided."""
    reasons: tuple[str, ...] | None = None
    """What its author expects to be said, in this order."""

    def is_met_by(self, verdict: Verdict) -> bool:
        return self.expect in (None, verdict.decision) and self.reasons in (None, verdict.reasons)


class TrialError(ValueError):
    """A file of trials that cannot be read; says where."""


def read_trials(text: str | bytes) -> list[Trial]:
    """A JSON array of trials. Raises `TrialError`."""
    if len(text) > MAX_BYTES:
        raise TrialError("the file of applications is larger than 1 MiB")
    try:
        return msgspec.json.decode(text, type=list[Trial])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TrialError(f"the file of applications cannot be read: {error}") from None


def facts_of(trial: Trial, table: Table, number: int = 1) -> Facts:
    """Raises `TrialError` that names the trial by its number in the file, from 1."""
    currency = _named(table, "currency", "EUR")
    try:
        debt = None if trial.total_debt is None else parse_decimal(trial.total_debt, currency)
        return Facts(
            country=table.country,
            document_type=trial.document_type,
            credit_score=trial.credit_score,
            monthly_income=parse_decimal(trial.monthly_income, currency),
            amount_requested=parse_decimal(trial.amount_requested, currency),
            total_debt=debt,
            currency=currency,
            loan_type=trial.loan_type,
            months=trial.months,
        )
    except Refusal as refusal:
        told = ", ".join(f"{name} {value}" for name, value in refusal.details.items())
        raise TrialError(f"application {number}: {refusal.reason} ({told})") from None


def examples(
    decisions: Decisions, table: Table, on: date
) -> dict[str, tuple[Facts, Verdict] | None]:
    """By row of the table an application that it decides; None where none was found."""
    found: dict[str, tuple[Facts, Verdict] | None] = {row.id: None for row in table.deciding.rows}
    for facts in _around(table):
        verdict = decisions.judge(facts, on)
        if verdict.row and found[verdict.row] is None:
            found[verdict.row] = facts, verdict
            if None not in found.values():
                break
    return found


def _around(table: Table) -> Iterator[Facts]:
    """Both sides of each score that the table names, with small and large amounts."""
    currency = _named(table, "currency", "EUR")
    for score, times, percent in product(_scores(table), _TIMES_INCOME, _DEBT_PERCENT):
        yield Facts(
            country=table.country,
            document_type=_named(table, "document_type", "id"),
            credit_score=score,
            monthly_income=parse_decimal(str(_INCOME), currency),
            amount_requested=parse_decimal(str(_INCOME * times), currency),
            total_debt=parse_decimal(str(_INCOME * percent // 100), currency),
            currency=currency,
            loan_type=_named(table, "loan_type", "PERSONAL"),
            months=12,
        )


def _scores(table: Table) -> Sequence[int]:
    """From the highest down, so that what a row is shown with differs by little from what passes."""
    named = {
        int(number)
        for row in table.deciding.rows
        for cell in row.cells
        if table.deciding.columns[cell.column][1].text.strip() == "credit_score"
        for number in _WHOLE.findall(cell.condition.text)
    }
    return sorted({800, *(one + step for one in named for step in (-1, 0, 1))}, reverse=True)


def _named(table: Table, word: str, otherwise: str) -> str:
    demand = table.properties.get(word)
    if demand is None:
        return otherwise
    return demand.const or (demand.enum or [otherwise])[0]

"""The facts in the words of the tables: amounts as decimal strings, so that none is ever a float."""

from __future__ import annotations

from collections.abc import Mapping

from application.decisions.files import Property
from application.decisions.verdicts import BANKING_DATA_MISSING, Facts
from domain.money import format_amount
from domain.refusals import Refusal

MONEY = ("monthly_income", "amount_requested", "total_debt")
NUMBERS = ("credit_score", "months")
TEXTS = ("country", "document_type", "currency", "loan_type")
WORDS = frozenset({*MONEY, *NUMBERS, *TEXTS})
"""All that a table may know. None of it names anybody: no name and no number of a document."""

MAX_MINOR = 10**18
"""A larger amount is taken for a mistake: the engine computes with 28 digits."""

_MAX_TEXT = 40

Context = dict[str, object]


class OddFactsError(ValueError):
    """Facts that no table may be asked about; its text is the reason of the review."""


def context_of(facts: Facts) -> Context:
    """What a table is asked; what is not known is left out. Raises `OddFactsError`."""
    context: Context = {}
    for word in TEXTS:
        text = getattr(facts, word)
        if type(text) is not str or len(text) > _MAX_TEXT:
            raise OddFactsError(f"Cannot be read: {word}")
        context |= {word: text} if text else {}
    for word in NUMBERS:
        number = getattr(facts, word)
        if number is not None:
            context |= (
                {word: _whole(number, word, least=0)} if number != 0 or word != "months" else {}
            )
    for word in MONEY:
        minor = getattr(facts, word)
        if minor is not None:
            least = 0 if word == "total_debt" else 1
            context[word] = _decimal(_whole(minor, word, least), facts.currency)
    return context


def unmet(context: Context, required: tuple[str, ...], properties: Mapping[str, Property]) -> str:
    """Why a table may not be asked about these facts; "" when it may."""
    missing = [word for word in required if word not in context]
    if {"credit_score", "total_debt"} & set(missing):
        return BANKING_DATA_MISSING
    if missing:
        return f"Missing: {', '.join(missing)}"
    for word, demand in properties.items():
        value = context.get(word)
        if isinstance(value, str) and not _is_named(value, demand):
            return f"Not what the table is for: {word}"
        if isinstance(value, int) and not _is_within(value, demand):
            return f"Out of range: {word}"
    return ""


def made_up(properties: Mapping[str, Property]) -> Context:
    """An application that nobody made, good enough for most tables."""
    context: Context = {
        "country": "XX",
        "currency": "XXX",
        "document_type": "id",
        "loan_type": "PERSONAL",
        "months": 12,
        "credit_score": 800,
        "monthly_income": "100000.00",
        "amount_requested": "1000.00",
        "total_debt": "0.00",
    }
    for word, demand in properties.items():
        if demand.const is not None or demand.enum:
            context[word] = demand.const if demand.const is not None else (demand.enum or [""])[0]
    return context


def _whole(value: object, word: str, least: int) -> int:
    if type(value) is not int or not least <= value <= MAX_MINOR:
        raise OddFactsError(f"Cannot be read: {word}")
    return value


def _decimal(minor: int, currency: str) -> str:
    try:
        return format_amount(minor, currency)
    except Refusal:
        raise OddFactsError("Cannot be read: currency") from None


def _is_named(value: str, demand: Property) -> bool:
    return (demand.const is None or value == demand.const) and (
        demand.enum is None or value in demand.enum
    )


def _is_within(value: int, demand: Property) -> bool:
    return (demand.minimum is None or value >= demand.minimum) and (
        demand.maximum is None or value <= demand.maximum
    )

"""Makes outside text fit to be stored and shown, and refusals fit to be read."""

from __future__ import annotations

from collections.abc import Mapping

from domain.money import format_amount
from domain.texts import MAX_DESCRIPTION

YEARS = range(1900, 2201)
"""What is dated in another one is a mistake, and the ends of the calendar have no day before or after."""


def clean(text: str, limit: int = MAX_DESCRIPTION) -> str:
    """One printable line: control characters (NULs, escape sequences, line ends) become spaces.

    What a bank or a file name contains ends up in a terminal and in `jsonb`, which takes no NUL.
    """
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())[:limit]


def amount_text(minor: int, currency: str) -> str:
    return f"{format_amount(minor, currency)} {currency}"


def sentence(reason: str, details: Mapping[str, object]) -> str:
    """A refusal for people: `insufficient funds (account id …, available 5.00 EUR)`."""
    currency = details.get("currency")
    shown = []
    for key, value in details.items():
        name = key.removesuffix("_minor").replace("_", " ")
        if key.endswith("_minor") and isinstance(value, int) and isinstance(currency, str):
            shown.append(f"{name} {amount_text(value, currency)}")
        elif isinstance(value, list | tuple):
            shown.append(f"{name} {', '.join(map(str, value))}")
        elif key != "currency" or reason == "invalid_currency_format":
            shown.append(f"{name} {value}")
    words = reason.replace("_", " ")
    return f"{words} ({', '.join(shown)})" if shown else words

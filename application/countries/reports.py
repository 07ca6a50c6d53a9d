"""Reads bureaus' raw answers: exact money, whole scores, errors that name a field and not its value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from application.countries.country import UnreadableReportError
from domain.money import parse_decimal
from domain.refusals import Refusal
from domain.texts import is_fit

MAX_SCORE = 1000
MAX_CENTS = 10**14
"""A debt in a currency of two decimals stays below this, as every amount does."""
_MAX_TEXT = 100
_MAX_NUMBER = 40
_SCORE = re.compile(r"\d{1,4}", re.ASCII)
_COMMA = re.compile(r"(\d{1,3}(?:\.\d{3})+|\d+)(?:,(\d+))?", re.ASCII)


def part(raw: Mapping[str, object], name: str) -> Mapping[str, object]:
    """The object inside an answer; empty when it is left out or null."""
    found = raw.get(name)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise UnreadableReportError(f"{name} is not an object")
    return found


def score(raw: Mapping[str, object], name: str) -> int | None:
    """A whole number from 0 to 1000, written as a number or as digits; None when it is left out or null."""
    found = raw.get(name)
    if found is None:
        return None
    if isinstance(found, str) and _SCORE.fullmatch(found):
        found = int(found)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= MAX_SCORE:
        raise UnreadableReportError(f"{name} is not a whole number from 0 to {MAX_SCORE}")
    return found


def money(raw: Mapping[str, object], name: str, currency: str) -> int | None:
    """Minor units of a number, or of a string like `1234.56`; None when it is left out or null."""
    found = raw.get(name)
    return None if found is None else _minor(_plain(found), name, currency)


def comma_money(raw: Mapping[str, object], name: str, currency: str) -> int | None:
    """Minor units of a string like `1.234,56` or `1234,56`; None when it is left out or null."""
    found = raw.get(name)
    if found is None:
        return None
    match = (
        _COMMA.fullmatch(found) if isinstance(found, str) and len(found) <= _MAX_NUMBER else None
    )
    if match is None:
        raise _no_amount(name)
    fraction = f".{match[2]}" if match[2] else ""
    return _minor(match[1].replace(".", "") + fraction, name, currency)


def text(raw: Mapping[str, object], name: str) -> str:
    """A short text on one line; empty when it is left out or null."""
    found = raw.get(name)
    if found is None:
        return ""
    if not isinstance(found, str) or len(found) > _MAX_TEXT or not is_fit(found):
        raise UnreadableReportError(f"{name} is not a text of up to {_MAX_TEXT} characters")
    return found


def status(raw: Mapping[str, object], name: str, words: Mapping[str, str]) -> str:
    """What a bureau's word means, one of `current`, `in_arrears`, `closed`; `unknown` for all others."""
    return words.get(text(raw, name), "unknown")


def is_yes(raw: Mapping[str, object], name: str, yes: object) -> bool:
    """Whether a field holds exactly this: `1` is not `true`."""
    found = raw.get(name)
    return type(found) is type(yes) and found == yes


def _plain(found: object) -> str:
    """A JSON number's or string's decimal text; empty for all that is none."""
    if isinstance(found, str):
        return found
    if isinstance(found, float):
        # The shortest text that stands for it is what the bureau wrote; arithmetic would add to it.
        found = Decimal(repr(found)).normalize()
        return f"{found:f}"
    if isinstance(found, int) and not isinstance(found, bool) and abs(found) < 10**_MAX_NUMBER:
        return str(found)
    return ""


def _minor(plain: str, name: str, currency: str) -> int:
    try:
        minor = parse_decimal(plain, currency)
    except Refusal:
        raise _no_amount(name) from None
    if minor < 0:
        raise _no_amount(name)
    return minor


def _no_amount(name: str) -> UnreadableReportError:
    return UnreadableReportError(f"{name} is not an amount of money")

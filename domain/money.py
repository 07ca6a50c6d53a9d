"""Money: whole minor units with an ISO 4217 currency; decimal strings only at the edge, floats never."""

from __future__ import annotations

import re

from domain.currencies import EXPONENTS
from domain.refusals import Refusal

MAX_WHOLE_DIGITS = 12
"""One amount is at most 999,999,999,999 and the currency's decimals."""

MAX_BALANCE_MINOR = 9_000_000_000_000_000_000
"""A balance stays inside a Postgres bigint with room to spare; a posting past it is refused."""

_DECIMAL = re.compile(r"(-?)(\d{1,40})(?:\.(\d{1,40}))?", re.ASCII)


def exponent_of(currency: str) -> int:
    """Decimals of a currency (EUR 2, JPY 0, KWD 3). Raises `invalid_currency_format` when unknown."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise Refusal("invalid_currency_format", currency=currency) from None


def parse_amount(text: str, currency: str) -> int:
    """Minor units of a positive decimal string: `parse_amount("12.50", "EUR") == 1250`.

    Raises `Refusal`: `invalid_currency_format`, `invalid_amount_format` (not plain digits, or more
    decimals than the currency has), `negative_amount` (zero or less), `amount_too_large`.
    """
    minor = parse_decimal(text, currency)
    if minor <= 0:
        raise Refusal("negative_amount", amount=text)
    return minor


def parse_decimal(text: str, currency: str) -> int:
    """Minor units of a decimal string of either sign; see `parse_amount` for what is refused."""
    exponent = exponent_of(currency)
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise Refusal("invalid_amount_format", amount=text[:60])
    sign, whole, fraction = match[1], match[2], match[3] or ""
    if len(fraction) > exponent:
        raise Refusal("invalid_amount_format", amount=text[:60], decimals_allowed=exponent)
    minor = int(whole + fraction.ljust(exponent, "0"))
    if minor >= 10 ** (MAX_WHOLE_DIGITS + exponent):
        raise Refusal("amount_too_large", amount=text[:60], whole_digits_allowed=MAX_WHOLE_DIGITS)
    return -minor if sign else minor


def format_amount(minor: int, currency: str) -> str:
    """The decimal string of an amount in minor units: `format_amount(-5, "EUR") == "-0.05"`."""
    exponent = exponent_of(currency)
    if exponent == 0:
        return str(minor)
    digits = str(abs(minor)).rjust(exponent + 1, "0")
    return f"{'-' if minor < 0 else ''}{digits[:-exponent]}.{digits[-exponent:]}"

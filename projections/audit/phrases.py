"""Parts of sentences about events."""

from __future__ import annotations

from domain.money import format_amount


def amount(minor: int, currency: str) -> str:
    """`12.50 EUR`; without a currency in minor units, and says so."""
    return f"{format_amount(minor, currency)} {currency}" if currency else f"{minor} minor units"


def figure(minor: int, currency: str) -> str:
    """As `amount`, where the currency was named before."""
    return format_amount(minor, currency) if currency else str(minor)


def because(reason: str) -> str:
    """The reason after a colon, if there is one."""
    return f": {reason}" if reason else ""

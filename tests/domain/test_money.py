"""Money: decimal strings become whole minor units and come back, or are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso4217 import Currency

from domain.currencies import EXPONENTS
from domain.money import (
    MAX_WHOLE_DIGITS,
    exponent_of,
    format_amount,
    parse_amount,
    parse_decimal,
)
from tests.support.given import refused

CURRENCIES = st.sampled_from(sorted(EXPONENTS))


def test_the_table_of_currencies_is_the_published_one() -> None:
    published = {c.code: c.exponent for c in Currency if c.exponent is not None}
    assert published == EXPONENTS


@given(CURRENCIES, st.data())
def test_what_is_formatted_parses_to_the_same_minor_units(
    currency: str, data: st.DataObject
) -> None:
    limit = 10 ** (MAX_WHOLE_DIGITS + exponent_of(currency)) - 1
    minor = data.draw(st.integers(-limit, limit))
    assert parse_decimal(format_amount(minor, currency), currency) == minor


@given(CURRENCIES, st.data())
def test_a_decimal_string_with_all_its_decimals_formats_to_itself(
    currency: str, data: st.DataObject
) -> None:
    whole = str(data.draw(st.integers(0, 10**MAX_WHOLE_DIGITS - 1)))
    decimals = exponent_of(currency)
    fraction = data.draw(st.text("0123456789", min_size=decimals, max_size=decimals))
    text = f"{whole}.{fraction}" if fraction else whole
    assert format_amount(parse_decimal(text, currency), currency) == text


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.50", "EUR", 1250),
        ("12.5", "EUR", 1250),
        ("12", "EUR", 1200),
        ("0.01", "EUR", 1),
        ("007", "EUR", 700),
        ("1", "JPY", 1),
        ("1.005", "KWD", 1005),
        ("1.0005", "CLF", 10005),
        ("999999999999.99", "EUR", 99_999_999_999_999),
        ("999999999999", "JPY", 999_999_999_999),
    ],
)
def test_an_amount_is_read_in_its_currencys_minor_units(
    text: str, currency: str, minor: int
) -> None:
    assert parse_amount(text, currency) == minor


@pytest.mark.parametrize(
    "text",
    [
        "", ".", ".5", "5.", "1e3", "NaN", "Infinity", "+1", "--1", " 1", "1 ", "1\n", "1,00", "1_000",
        "١", "１", "0x10", "1.2.3", "1" * 41,
    ],
)  # fmt: skip
def test_an_amount_that_is_not_plain_digits_is_refused(text: str) -> None:
    with refused("invalid_amount_format"):
        parse_amount(text, "EUR")


@pytest.mark.parametrize(
    ("text", "currency", "allowed"),
    [("1.005", "EUR", 2), ("1.000", "EUR", 2), ("1.0", "JPY", 0), ("1.0001", "KWD", 3)],
)
def test_more_decimals_than_the_currency_has_are_refused_and_never_rounded(
    text: str, currency: str, allowed: int
) -> None:
    with refused("invalid_amount_format", decimals_allowed=allowed):
        parse_amount(text, currency)


@pytest.mark.parametrize("text", ["0", "-0", "0.00", "-0.01", "-1"])
def test_an_amount_is_more_than_zero(text: str) -> None:
    with refused("negative_amount"):
        parse_amount(text, "EUR")


@pytest.mark.parametrize(
    "text", ["1000000000000", "1000000000000.00", "-1000000000000", str(10**30)]
)
def test_more_than_twelve_whole_digits_are_refused(text: str) -> None:
    with refused("amount_too_large", whole_digits_allowed=12):
        parse_amount(text, "EUR")


@pytest.mark.parametrize("currency", ["", "eur", "EU", "EURO", "XXX", "XAU", "€", "EUR "])
def test_a_currency_that_nobody_can_hold_is_refused(currency: str) -> None:
    with refused("invalid_currency_format", currency=currency):
        parse_amount("1", currency)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (-5, "EUR", "-0.05"),
        (0, "EUR", "0.00"),
        (5, "JPY", "5"),
        (-5, "JPY", "-5"),
        (5, "KWD", "0.005"),
        (123456, "EUR", "1234.56"),
    ],
)
def test_an_amount_is_shown_with_all_its_currencys_decimals(
    minor: int, currency: str, text: str
) -> None:
    assert format_amount(minor, currency) == text


def test_the_refusal_of_a_huge_amount_does_not_repeat_all_of_it() -> None:
    with refused("invalid_amount_format", amount="9" * 60):
        parse_amount("9" * 1_000_000, "EUR")

"""Account numbers at other banks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ibans import account_number, iban
from domain.refusals import Refusal

GOOD = ("DE89370400440532013000", "GB82WEST12345698765432", "ES9121000418450200051332")


@pytest.mark.parametrize("number", GOOD)
def test_an_iban_is_taken_however_it_is_divided(number: str) -> None:
    in_fours = " ".join(number[i : i + 4] for i in range(0, len(number), 4))
    assert iban(number) == iban(in_fours) == iban(in_fours.lower()) == number


@pytest.mark.parametrize(
    "number",
    ["", "DE", "DE89", "89DE370400440532013000", "DE8937040044053201300é", "DE" + "1" * 40, "x" * 22,
     "DE٨٩370400440532013000"],
)  # fmt: skip
def test_what_is_no_iban_is_refused(number: str) -> None:
    with pytest.raises(Refusal, match="invalid_bank_account"):
        iban(number)


@given(number=st.sampled_from(GOOD), place=st.integers(2, 21), digit=st.sampled_from("0123456789"))
def test_one_wrong_digit_is_always_seen(number: str, place: int, digit: str) -> None:
    mistyped = number[:place] + digit + number[place + 1 :]
    if number[place].isdigit() and mistyped != number:
        with pytest.raises(Refusal, match="invalid_bank_account"):
            iban(mistyped)


@given(number=st.sampled_from(GOOD), place=st.integers(4, 20))
def test_two_digits_in_the_wrong_order_are_always_seen(number: str, place: int) -> None:
    one, other = number[place], number[place + 1]
    if one != other:
        with pytest.raises(Refusal, match="invalid_bank_account"):
            iban(number[:place] + other + one + number[place + 2 :])


def test_a_number_that_is_no_iban() -> None:
    assert account_number(" 12-3456 78a") == "12345678A"
    for text in ("", "12345", "1" * 35, "12345_6", "123456\n7"):
        with pytest.raises(Refusal, match="invalid_bank_account"):
            account_number(text)

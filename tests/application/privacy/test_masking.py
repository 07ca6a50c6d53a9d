"""Masks let a person recognise their own and hide most of it from all others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.privacy.masking import mask_document, mask_email, mask_name


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        ("alice@example.com", "a***@example.com"),
        ("al@example.com", "a***@example.com"),
        ("a@example.com", "***@example.com"),
        ("@example.com", "***@example.com"),
        ('"a@b"@example.com', '"***@example.com'),
        ("no address", "***"),
        ("", "***"),
    ],
)
def test_of_an_address_there_is_the_first_letter_and_the_domain(address: str, masked: str) -> None:
    assert mask_email(address) == masked


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("Alice Liddell", "A. L."),
        ("  Ada   King-Noel ", "A. K."),
        ("Cher", "C."),
        ("E\u0301lodie (Lo) 'Brien", "\u00c9. L. B."),
        ("王 小明", "王. 小."),
        ("", "***"),
        ("-", "***"),
    ],
)
def test_of_a_name_there_are_the_initials(name: str, masked: str) -> None:
    assert mask_name(name) == masked


@pytest.mark.parametrize(
    ("kind", "value", "masked"),
    [
        ("IN_PAN", "ABCDE1234F", "XXXXX1234F"),
        ("IN_PAN", "abcde 1234-f", "XXXXX1234F"),
        ("IN_PAN", "ABCDE123", "AB****23"),
        ("IBAN", "DE89 3704 0044 0532 0130 00", "DE****************3000"),
        ("IBAN", "DE89123", "*******"),
        ("CARD", "4111-1111-1111-1111", "************1111"),
        ("CARD", "41111", "*****"),
        ("PASSPORT", "C01X00T47", "C0*****47"),
        ("PASSPORT", "123456", "12**56"),
        ("PASSPORT", "12345", "*****"),
        ("PASSPORT", "", ""),
    ],
)
def test_of_a_document_there_are_its_ends(kind: str, value: str, masked: str) -> None:
    assert mask_document(kind, value) == masked


@given(
    st.sampled_from(["IN_PAN", "IBAN", "CARD", "PASSPORT"]),
    st.text("0123456789ABCDEF", min_size=1, max_size=40),
)
def test_of_any_document_something_is_hidden_and_never_more_than_six_shown(
    kind: str, value: str
) -> None:
    masked = mask_document(kind, value)
    hidden = masked.count("*") + masked.count("X")
    assert len(masked) == len(value)
    assert hidden >= min(2, len(value))
    assert len(value) - hidden <= 6

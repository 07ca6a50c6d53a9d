"""The blind index finds what means the same, only under its key, and nothing of another kind."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.privacy.blind_index import BlindIndex, normal_document, normal_email

KEY = bytes(range(32))
INDEX, OTHER = BlindIndex(KEY), BlindIndex(bytes(32))


def test_the_digest_is_the_hmac_of_length_and_text_of_each_part() -> None:
    written = b"\0\0\0\5email" + b"\0\0\0\x11alice@example.com"
    assert INDEX.email("alice@example.com") == hmac.digest(KEY, written, "sha256")
    written = b"\0\0\0\x08document" + b"\0\0\0\6IN_PAN" + b"\0\0\0\x0aABCDE1234F"
    assert INDEX.document("IN_PAN", "ABCDE1234F") == hmac.digest(KEY, written, "sha256")


@given(st.text(), st.text())
def test_under_another_key_it_is_another_digest(kind: str, value: str) -> None:
    assert INDEX.email(value) != OTHER.email(value)
    assert INDEX.document(kind, value) != OTHER.document(kind, value)
    assert len(INDEX.email(value)) == len(INDEX.document(kind, value)) == 32


@pytest.mark.parametrize(
    "written",
    ["alice@example.com", "ALICE@Example.COM", "  alice@example.com\t\n"],
)
def test_an_address_is_found_however_it_is_written(written: str) -> None:
    assert INDEX.email(written) == INDEX.email("alice@example.com")


def test_letters_count_as_the_same_however_they_are_composed() -> None:
    assert INDEX.email("Zo\u00cb@example.com") == INDEX.email("zoe\u0308@example.com")
    assert INDEX.email("H\u0331@example.com") == INDEX.email("\u1e96@example.com")
    assert INDEX.document("ID", "\u00c91") == INDEX.document("ID", "e\u03011")
    assert INDEX.document("ID", "i\u0307") == INDEX.document("ID", "\u0130")
    assert INDEX.document("ID", "\u03b1\u0345\u0301") == INDEX.document("ID", "\u1fb4")


@pytest.mark.parametrize(
    "written",
    [
        "de89370400440532013000",
        "DE89 3704 0044 0532 0130 00",
        "DE89-3704.0044/0532\u20130130\u00a000",
    ],
)
def test_a_document_is_found_however_it_is_written(written: str) -> None:
    assert INDEX.document("IBAN", written) == INDEX.document("IBAN", "DE89370400440532013000")


def test_what_is_too_long_to_be_one_is_not_normalised() -> None:
    """That would take the square of its length; it is found by nobody, and still has a digest."""
    for normal, longest in [
        (normal_email, "Zoe\u0308" + "x" * 316),
        (normal_document, "zoe\u0308" + "x" * 316),
    ]:
        assert len(longest) == 320
        assert normal(longest) == normal(longest.swapcase()) != longest
        assert normal(longest + "x") == longest + "x"
    spaced = "alice@example.com".ljust(321)
    assert INDEX.email(spaced) not in (INDEX.email("alice@example.com"), INDEX.email(spaced[:-2]))


def test_other_addresses_and_documents_have_other_digests() -> None:
    assert INDEX.email("alice@example.com") != INDEX.email("alice@example.org")
    assert INDEX.email("a.b@example.com") != INDEX.email("ab@example.com"), "dots count in names"
    assert INDEX.document("IBAN", "DE1") != INDEX.document("IBAN", "DE2")


def test_one_value_for_several_purposes_has_a_digest_for_each() -> None:
    digests = {
        INDEX.email("123"),
        INDEX.document("email", "123"),
        INDEX.document("IBAN", "123"),
        INDEX.document("CARD", "123"),
    }
    assert len(digests) == 4


def test_a_purpose_cannot_run_over_into_its_value() -> None:
    assert INDEX.document("ID", "1X") != INDEX.document("ID1", "X")
    assert INDEX.document("", "ID1X") != INDEX.document("ID1X", "")


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        BlindIndex(bytes(length))


def test_the_key_is_never_printed() -> None:
    assert repr(KEY) not in repr(INDEX)
    assert KEY.hex() not in repr(INDEX)

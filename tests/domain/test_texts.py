"""Text that the ledger takes, and characters that it does not."""

from __future__ import annotations

import pytest

from domain.texts import is_fit, unfit_metadata_key


@pytest.mark.parametrize(
    "text", ["", "rent", "Müller & Söhne", "東京", "नमस्ते", "a\u00a0b", "👩‍👧", "<script>"]
)
def test_what_people_write_is_taken(text: str) -> None:
    assert is_fit(text)
    assert unfit_metadata_key({"note": text}) is None


@pytest.mark.parametrize(
    "character",
    ["\0", "\n", "\x1b", "\x7f", "\x85", "\x9b", "\u2028", "\u202e", "\u2066", "\ud800"],
)
def test_what_deceives_a_reader_is_not(character: str) -> None:
    assert not is_fit(f"a{character}b")
    assert unfit_metadata_key({"good": 1, "note": character}) == "note"
    assert unfit_metadata_key({character: 1}) == character


@pytest.mark.parametrize("value", ["x" * 501, 2**53, -(2**53), 1.5, None, [], {}])
def test_metadata_is_flat_and_small(value: object) -> None:
    assert unfit_metadata_key({"k": value}) == "k"


@pytest.mark.parametrize("value", ["x" * 500, 2**53 - 1, True, 0])
def test_metadata_up_to_the_limits(value: object) -> None:
    assert unfit_metadata_key({"k" * 40: value}) is None
    assert unfit_metadata_key({"k" * 41: value}) == "k" * 41
    assert unfit_metadata_key({"": value}) == ""


def test_a_text_does_not_pass_for_a_sealed_one() -> None:
    assert not is_fit("sealed:1:AAAA")
    assert is_fit("not sealed:1:AAAA")

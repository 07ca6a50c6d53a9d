"""A sealed text opens with its own key at its own place, and no other way."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from application.privacy.sealing import (
    SealBrokenError,
    is_sealed,
    new_key,
    open_sealed,
    place,
    seal,
)

KEY = bytes(range(32))
STREAM, OTHER = UUID(int=1), UUID(int=2)
WHERE = place(STREAM, "user.registered", "email")
TEXT = "alice@example.com"
# What is in the log has to open in every later version: this is never made anew.
SEALED = "sealed:1:AAECAwQFBgcICQoLJm6_eKClp2PsLOfn1McbAu7KBcBPLoZQtdXqISZ9wjFM"


@given(st.text())
def test_any_text_comes_back_as_it_was(text: str) -> None:
    assert open_sealed(KEY, seal(KEY, text, WHERE), WHERE) == text


@pytest.mark.parametrize(
    "text",
    ["", "a" * 1_000_000, "Ünïcödé 名前 👩‍👩‍👧 \u202eتجربة", "two\nlines\0and a NUL"],
    ids=["empty", "long", "unicode", "control characters"],
)
def test_unusual_texts_come_back_as_they_were(text: str) -> None:
    assert open_sealed(KEY, seal(KEY, text, WHERE), WHERE) == text


def test_the_same_text_is_sealed_differently_each_time_and_opens_each_time() -> None:
    sealed = {seal(KEY, TEXT, WHERE) for _ in range(100)}
    assert len(sealed) == 100
    assert {open_sealed(KEY, each, WHERE) for each in sealed} == {TEXT}


def test_it_is_nonce_and_aes_256_gcm_in_unpadded_base64_as_any_program_can_read_it() -> None:
    prefix, number, body = seal(KEY, TEXT, WHERE).split(":")
    assert (prefix, number) == ("sealed", "1")
    assert "=" not in body
    raw = urlsafe_b64decode(body + "==")
    assert len(raw) == 12 + len(TEXT) + 16
    where = b"00000000-0000-0000-0000-000000000001|user.registered|email"
    assert AESGCM(KEY).decrypt(raw[:12], raw[12:], where) == TEXT.encode()


def test_what_an_earlier_version_sealed_still_opens() -> None:
    assert open_sealed(KEY, SEALED, WHERE) == TEXT


def test_nothing_of_the_text_is_to_be_seen() -> None:
    sealed = seal(KEY, "AAAAAAAAAAAAAAAA", WHERE)
    assert b"AAAA" not in urlsafe_b64decode(sealed.removeprefix("sealed:1:") + "===")


@given(st.integers(0, len(SEALED) - 1), st.characters(codec="utf-8"))
def test_no_character_of_it_can_be_changed(at: int, character: str) -> None:
    changed = SEALED[:at] + character + SEALED[at + 1 :]
    if changed == SEALED:
        assert open_sealed(KEY, changed, WHERE) == TEXT
    else:
        with pytest.raises(SealBrokenError):
            open_sealed(KEY, changed, WHERE)


@given(st.binary(min_size=1, max_size=8), st.data())
def test_no_bit_of_what_is_inside_can_be_flipped(text: bytes, data: st.DataObject) -> None:
    sealed = seal(KEY, text.hex(), WHERE)
    raw = bytearray(urlsafe_b64decode(sealed.removeprefix("sealed:1:") + "==="))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealBrokenError):
        open_sealed(KEY, _spelt(bytes(raw)), WHERE)


@pytest.mark.parametrize("length", range(len(SEALED)))
def test_it_cannot_be_cut_off(length: int) -> None:
    with pytest.raises(SealBrokenError):
        open_sealed(KEY, SEALED[:length], WHERE)


@pytest.mark.parametrize("extra", ["=", "==", "A", "\n", " ", "AAAA", "ü"])
def test_nothing_can_be_added_to_it(extra: str) -> None:
    with pytest.raises(SealBrokenError):
        open_sealed(KEY, SEALED + extra, WHERE)


@given(st.text(max_size=80))
def test_what_was_never_sealed_is_refused(text: str) -> None:
    for candidate in (text, f"sealed:1:{text}"):
        with pytest.raises(SealBrokenError):
            open_sealed(KEY, candidate, WHERE)


def test_another_way_of_sealing_is_refused() -> None:
    with pytest.raises(SealBrokenError):
        open_sealed(KEY, SEALED.replace("sealed:1:", "sealed:2:"), WHERE)


def test_what_is_inside_is_refused_without_its_beginning() -> None:
    with pytest.raises(SealBrokenError):
        open_sealed(KEY, SEALED.removeprefix("sealed:1:"), WHERE)


def test_another_key_is_refused() -> None:
    with pytest.raises(SealBrokenError):
        open_sealed(new_key(), SEALED, WHERE)


@pytest.mark.parametrize(
    "elsewhere",
    [
        place(OTHER, "user.registered", "email"),
        place(STREAM, "user.email_changed", "email"),
        place(STREAM, "user.registered", "full_name"),
        "",
    ],
    ids=["stream", "topic", "field", "nowhere"],
)
def test_another_place_is_refused(elsewhere: str) -> None:
    with pytest.raises(SealBrokenError):
        open_sealed(KEY, SEALED, elsewhere)


@pytest.mark.parametrize("length", [0, 16, 24, 31, 33])
def test_a_key_of_another_length_is_refused_although_some_would_work(length: int) -> None:
    short = bytes(length)
    with pytest.raises(ValueError, match=f"32 bytes, and this one has {length}"):
        seal(short, TEXT, WHERE)
    with pytest.raises(ValueError, match="32 bytes"):
        open_sealed(short, SEALED, WHERE)


def test_the_refusal_names_the_place_and_never_the_content() -> None:
    with pytest.raises(SealBrokenError) as refused:
        open_sealed(new_key(), SEALED, WHERE)
    assert WHERE in str(refused.value)
    assert SEALED[9:] not in str(refused.value)
    assert TEXT not in str(refused.value)


def test_keys_are_32_random_bytes() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(key) for key in keys} == {32}


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (SEALED, True),
        ("sealed:1:cut", True),
        ("Sealed envelope", False),
        ("", False),
        (None, False),
        (1, False),
        (SEALED.encode(), False),
    ],
)
def test_sealed_texts_are_told_by_how_they_begin(value: object, answer: bool) -> None:
    assert is_sealed(value) is answer


def _spelt(raw: bytes) -> str:
    return "sealed:1:" + urlsafe_b64encode(raw).decode().rstrip("=")

"""Events are shown with their texts, without them, or as erased; the rest of them stays as it is."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from application.privacy.opening import hide_event, open_event, open_text
from application.privacy.sealing import ERASED, SEALED, SealBrokenError, new_key, place, seal

KEY = bytes(range(32))
STREAM, TOPIC = UUID(int=1), "user.registered"


def sealed(field: str, text: str) -> str:
    return seal(KEY, text, place(STREAM, TOPIC, field))


DATA: dict[str, Any] = {
    "email": sealed("email", "alice@example.com"),
    "role": "user",
    "address": {"city": sealed("address.city", "Oxford"), "country": "GB"},
    "documents": [
        {"kind": "PASSPORT", "number": sealed("documents.0.number", "C01X00T47")},
        sealed("documents.1", "other"),
        7,
    ],
    "age": 8,
    "is_new": True,
    "nothing": None,
}


def shown(email: str, city: str, number: str, other: str) -> dict[str, Any]:
    return {
        "email": email,
        "role": "user",
        "address": {"city": city, "country": "GB"},
        "documents": [{"kind": "PASSPORT", "number": number}, other, 7],
        "age": 8,
        "is_new": True,
        "nothing": None,
    }


def test_with_the_key_all_texts_are_there_at_any_depth() -> None:
    opened = open_event(STREAM, TOPIC, DATA, KEY)
    assert opened == shown("alice@example.com", "Oxford", "C01X00T47", "other")


def test_without_the_key_they_are_erased() -> None:
    assert open_event(STREAM, TOPIC, DATA, None) == shown(*[ERASED] * 4)
    assert open_text(None, DATA["email"], "") == ERASED == "[erased]"


def test_hidden_they_are_sealed_or_erased() -> None:
    assert hide_event(DATA, erased=False) == shown(*[SEALED] * 4)
    assert hide_event(DATA, erased=True) == shown(*[ERASED] * 4)


def test_what_cannot_be_opened_is_hidden_all_the_same() -> None:
    assert hide_event({"email": "sealed:1:damaged"}, erased=False) == {"email": SEALED}


def test_the_event_itself_is_left_as_it_was() -> None:
    before = repr(DATA)
    open_event(STREAM, TOPIC, DATA, KEY)
    hide_event(DATA, erased=True)
    assert repr(DATA) == before


def test_a_text_that_was_moved_to_another_place_is_refused() -> None:
    moved = {"full_name": DATA["email"]}
    for data, stream, topic in (
        (moved, STREAM, TOPIC),
        (DATA, UUID(int=2), TOPIC),
        (DATA, STREAM, "user.email_changed"),
        ({"documents": DATA["documents"][1:]}, STREAM, TOPIC),
    ):
        with pytest.raises(SealBrokenError):
            open_event(stream, topic, data, KEY)


def test_another_persons_key_is_refused() -> None:
    with pytest.raises(SealBrokenError):
        open_event(STREAM, TOPIC, DATA, new_key())


def test_one_text_opens_as_in_its_event() -> None:
    where = place(STREAM, TOPIC, "email")
    assert open_text(KEY, DATA["email"], where) == "alice@example.com"

"""API keys: shown once, told from a typing mistake without a look, gone when revoked."""

from __future__ import annotations

import base64
import hashlib
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.identity import api_keys
from application.identity.api_keys import new_key, parse
from application.identity.errors import TokenError
from tests.application.identity.times import NOW, after
from tests.conftest import Database
from tests.projections.running import ask

USER = UUID(int=1)
KEY = new_key()


def test_a_key_is_random_and_can_be_found_by_its_digest() -> None:
    prefix, body, checksum = KEY.text[:4], KEY.text[4:47], KEY.text[47:]
    assert prefix == "dbk_"
    assert len(base64.urlsafe_b64decode(body + "=")) == 32
    assert (len(checksum), checksum[0]) == (7, "_")
    assert KEY.hint == body[:8]
    assert parse(KEY.text) == KEY.digest == hashlib.sha256(KEY.text.encode()).digest()
    assert new_key().digest != KEY.digest


def test_a_checksum_stays_what_it_was() -> None:
    text = f"dbk_{'A' * 43}_0kuYqn"
    assert parse(text) == hashlib.sha256(text.encode()).digest()


@given(st.integers(0, len(KEY.text)), st.characters(), st.sampled_from(["put", "insert"]))
def test_a_mistyped_key_is_none(place: int, new: str, how: str) -> None:
    text = KEY.text[:place] + new + KEY.text[place + (how == "put") :]
    if text != KEY.text:
        with pytest.raises(TokenError, match="invalid_api_key"):
            parse(text)


@pytest.mark.parametrize("text", ["", "dbk_", "\ud800"])
def test_other_texts_are_none(text: str) -> None:
    with pytest.raises(TokenError, match="invalid_api_key"):
        parse(text)
    with pytest.raises(TokenError, match="invalid_api_key"):
        parse(KEY.text + text + "\n")


def test_keys_are_kept_and_revoked_with_the_transaction(database: Database) -> None:
    old, new = new_key(), new_key()
    with database.connect() as hears, database.connect() as conn:
        hears.execute("LISTEN daybook_access")
        with conn.transaction(force_rollback=True):
            api_keys.keep(conn, new_key(), USER, "never", [], None)
        api_keys.keep(conn, old, USER, "billing", ["transfers:write", "read"], after(days=1))
        api_keys.keep(conn, new, USER, "reports", ["read"], None)
        api_keys.keep(conn, new_key(), uuid4(), "of another", [], None)
        assert len(list(hears.notifies(timeout=60, stop_after=3))) == 3
        assert api_keys.revoke(conn, old.id, NOW)
        assert len(list(hears.notifies(timeout=60, stop_after=1))) == 1
        assert not api_keys.revoke(conn, old.id, after(days=1))
        assert not api_keys.revoke(conn, uuid4(), NOW)
    found = ask(database.url, api_keys.of_user, USER)
    assert [(key.id, key.hint, key.name, key.scopes) for key in found] == [
        (new.id, new.hint, "reports", ["read"]),
        (old.id, old.hint, "billing", ["transfers:write", "read"]),
    ]
    assert [(key.expires_at, key.revoked_at) for key in found] == [
        (None, None),
        (after(days=1), NOW),
    ]


def test_nothing_that_is_kept_opens_the_door(database: Database) -> None:
    key = new_key()
    with database.connect() as conn:
        api_keys.keep(conn, key, USER, "billing", [], None)
        [row] = conn.execute("SELECT api_keys::text FROM api_keys").fetchall()
    assert key.text[12:] not in row[0]
    assert key.hint in row[0]

"""A person's key is kept wrapped, is loaded again, and erases all that it sealed when it is destroyed."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import AsyncConnection

from application.privacy import person_keys
from application.privacy.master_keys import MasterKeyMissingError, MasterKeys
from application.privacy.opening import open_text
from application.privacy.sealing import ERASED, SealBrokenError, place, seal
from tests.conftest import Database

OLD, NEW = bytes(range(32)), bytes(range(100, 132))
MASTERS = MasterKeys(OLD)


def load(database: Database, masters: MasterKeys, *person_ids: UUID) -> dict[UUID, bytes]:
    """As the API and as the command line load keys, which is the same."""

    async def load_async() -> dict[UUID, bytes]:
        async with await AsyncConnection.connect(database.url, autocommit=True) as conn:
            return await person_keys.load(conn, masters, person_ids)

    with database.connect() as conn:
        loaded = person_keys.load_sync(conn, masters, person_ids)
    assert asyncio.run(load_async()) == loaded
    return loaded


def keep(database: Database, masters: MasterKeys = MASTERS) -> person_keys.PersonKey:
    made = person_keys.new(uuid4())
    with database.connect() as conn:
        person_keys.keep(conn, masters, made)
    return made


def test_a_kept_key_is_loaded_again(database: Database) -> None:
    alice, bob = keep(database), keep(database)
    assert load(database, MASTERS, alice.person_id) == {alice.person_id: alice.key}
    both = {alice.person_id: alice.key, bob.person_id: bob.key}
    assert load(database, MASTERS, bob.person_id, alice.person_id, uuid4()) == both
    assert load(database, MASTERS) == {}


def test_each_person_has_a_key_of_their_own() -> None:
    person_id = uuid4()
    assert len({person_keys.new(person_id).key for _ in range(50)}) == 50


def test_a_key_is_kept_or_not_with_the_transaction_that_it_belongs_to(database: Database) -> None:
    made = person_keys.new(uuid4())
    with database.connect() as conn:
        with conn.transaction(force_rollback=True):
            person_keys.keep(conn, MASTERS, made)
            assert person_keys.load_sync(conn, MASTERS, [made.person_id])
        assert person_keys.load_sync(conn, MASTERS, [made.person_id]) == {}


def test_a_key_is_never_replaced(database: Database) -> None:
    alice = keep(database)
    with database.connect() as conn, pytest.raises(psycopg.errors.UniqueViolation):
        person_keys.keep(conn, MASTERS, person_keys.new(alice.person_id))
    assert load(database, MASTERS, alice.person_id) == {alice.person_id: alice.key}


def test_a_destroyed_key_opens_nothing_any_more(database: Database) -> None:
    alice, bob = keep(database), keep(database)
    where = place(alice.person_id, "user.registered", "email")
    sealed = seal(alice.key, "alice@example.com", where)
    with database.connect() as conn:
        assert person_keys.destroy(conn, alice.person_id)
        assert not person_keys.destroy(conn, alice.person_id), "there is none to destroy"
    left = load(database, MASTERS, alice.person_id, bob.person_id)
    assert left == {bob.person_id: bob.key}
    assert open_text(left.get(alice.person_id), sealed, where) == ERASED
    with pytest.raises(SealBrokenError):
        open_text(bob.key, sealed, where)


def test_a_missing_master_key_is_not_taken_for_an_erased_person(database: Database) -> None:
    alice = keep(database)
    with pytest.raises(MasterKeyMissingError, match=MASTERS.current_id):
        load(database, MasterKeys(NEW), alice.person_id)
    assert load(database, MasterKeys(NEW, [OLD]), alice.person_id)


def test_a_row_that_was_put_in_anothers_place_is_refused(database: Database) -> None:
    alice, bob = keep(database), keep(database)
    with database.connect() as conn:
        conn.execute(
            "UPDATE person_keys SET wrapped = (SELECT wrapped FROM person_keys WHERE person_id = %s)"
            " WHERE person_id = %s",
            (bob.person_id, alice.person_id),
        )
    with pytest.raises(SealBrokenError, match=str(alice.person_id)):
        load(database, MASTERS, alice.person_id)


def test_neither_tables_nor_printed_forms_have_a_key_in_them(database: Database) -> None:
    alice = keep(database)
    with database.connect() as conn:
        found = conn.execute("SELECT row_to_json(k)::text FROM person_keys AS k").fetchall()
    ((row,),) = found
    for text in (row, repr(alice), str(alice)):
        for key in (alice.key, OLD):
            assert key.hex() not in text
            assert repr(key) not in text
            assert b64encode(key).decode() not in text

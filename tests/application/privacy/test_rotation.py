"""A rotation wraps every key anew, however often it is interrupted and whoever works beside it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import psycopg
import pytest

from application.privacy import person_keys, service_keys
from application.privacy.master_keys import MasterKeyMissingError, MasterKeys
from application.privacy.rotation import (
    Held,
    Progress,
    UnreadableKeysError,
    rewrap,
    wrapped_by,
)
from tests.application.privacy.blocking import held, is_blocked
from tests.conftest import Database
from tests.support.processes import PATIENCE_S
from tests.support.waiting import until

OLD, NEW, LOST = bytes(range(32)), bytes(range(100, 132)), bytes(range(200, 232))
BEFORE, AFTER = MasterKeys(OLD), MasterKeys(NEW, [OLD])
ALONE = MasterKeys(NEW)
PEOPLE = [UUID(int=number) for number in range(25)]

Keys = dict[UUID | str, bytes]


@pytest.fixture
def conn(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect() as conn:
        yield conn


@pytest.fixture
def keys(conn: psycopg.Connection[Any]) -> Keys:
    """What is kept under the old master key: of 25 people, and two of the service."""
    return populate(conn)


def populate(conn: psycopg.Connection[Any]) -> Keys:
    made: Keys = {}
    for person_id in PEOPLE:
        person_key = person_keys.new(person_id)
        person_keys.keep(conn, BEFORE, person_key)
        made[person_id] = person_key.key
    for name in ("emails", "documents"):
        made[name] = service_keys.get_or_make(conn, BEFORE, name)
    return made


def opened(conn: psycopg.Connection[Any], masters: MasterKeys) -> Keys:
    """All keys that there are, as these master keys open them."""
    names = conn.execute("SELECT name FROM service_keys").fetchall()
    of_people = person_keys.load_sync(conn, masters, PEOPLE)
    return {**of_people, **{n: service_keys.get_or_make(conn, masters, n) for (n,) in names}}


def ids(conn: psycopg.Connection[Any]) -> dict[str, tuple[int, int]]:
    return {id_: (persons, services) for id_, persons, services in wrapped_by(conn)}


def test_all_keys_come_under_the_current_master_key_and_stay_the_same(
    conn: psycopg.Connection[Any], keys: Keys
) -> None:
    steps = list(rewrap(conn, AFTER, batch=10))
    assert steps == [Progress(done, 27) for done in (0, 10, 20, 25, 27)]
    assert opened(conn, ALONE) == keys
    assert wrapped_by(conn) == [Held(AFTER.current_id, 25, 2)]


def test_a_second_rotation_has_nothing_to_do(conn: psycopg.Connection[Any], keys: Keys) -> None:
    list(rewrap(conn, AFTER))
    before = conn.execute("SELECT * FROM person_keys ORDER BY 1").fetchall()
    assert list(rewrap(conn, AFTER)) == [Progress(0, 0)]
    assert conn.execute("SELECT * FROM person_keys ORDER BY 1").fetchall() == before
    assert len(keys) == 27


def test_an_empty_ledger_has_nothing_to_rotate(conn: psycopg.Connection[Any]) -> None:
    assert list(rewrap(conn, AFTER)) == [Progress(0, 0)]
    assert wrapped_by(conn) == []


def test_interrupted_anywhere_it_goes_on_where_it_was(
    conn: psycopg.Connection[Any], keys: Keys
) -> None:
    done, interruptions = 0, 0
    while done < 27:
        rotation = rewrap(conn, AFTER, batch=4)
        assert next(rotation) == Progress(0, 27 - done), "what is done is not done again"
        done += next(rotation).done
        rotation.close()  # type: ignore[attr-defined]
        interruptions += 1
        assert opened(conn, AFTER) == keys, "in between all of them open"
    assert interruptions == 8
    assert ids(conn) == {AFTER.current_id: (25, 2)}


def test_a_connection_lost_in_the_middle_loses_nothing(
    database: Database, conn: psycopg.Connection[Any], keys: Keys
) -> None:
    with database.connect() as lost:
        rotation = rewrap(lost, AFTER, batch=10)
        assert [next(rotation), next(rotation)][-1] == Progress(10, 27)
        with database.connect(superuser=True) as admin:
            admin.execute("SELECT pg_terminate_backend(%s)", (lost.info.backend_pid,))
        with pytest.raises(psycopg.OperationalError):
            list(rotation)
    assert ids(conn) == {AFTER.current_id: (10, 0), BEFORE.current_id: (15, 2)}
    assert list(rewrap(conn, AFTER))[-1] == Progress(17, 17)
    assert opened(conn, ALONE) == keys


def test_two_rotations_share_the_work_and_never_block_each_other_for_good(
    database: Database, conn: psycopg.Connection[Any], keys: Keys
) -> None:
    together = Barrier(2, timeout=PATIENCE_S)

    def rotate(batch: int) -> int:
        with database.connect() as own:
            rotation = rewrap(own, AFTER, batch)
            done = next(rotation).done
            together.wait()
            for step in rotation:
                done = step.done
            return done

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(rotate, (3, 4))) == 27, "each key is done once"
    assert opened(conn, ALONE) == keys


def test_a_key_that_is_destroyed_meanwhile_does_not_come_back(
    database: Database, conn: psycopg.Connection[Any], keys: Keys
) -> None:
    with database.connect() as other, ThreadPoolExecutor(1) as pool:
        with conn.transaction():
            assert person_keys.destroy(conn, PEOPLE[3])
            rotating = pool.submit(lambda: list(rewrap(other, AFTER)))
            with database.connect() as watch:
                until(lambda: is_blocked(watch, other.info.backend_pid))
        assert rotating.result()[-1].done == 26
    del keys[PEOPLE[3]]
    assert opened(conn, ALONE) == keys


def test_keys_that_a_server_adds_under_the_old_master_key_meanwhile_are_done_too(
    database: Database, conn: psycopg.Connection[Any], keys: Keys
) -> None:
    with database.connect() as other, ThreadPoolExecutor(1) as pool:
        with held(database, PEOPLE[-1]):
            rotating = pool.submit(lambda: list(rewrap(other, AFTER, batch=5)))
            with database.connect() as watch:
                until(lambda: is_blocked(watch, other.info.backend_pid))
            # Behind the place that the rotation is at.
            person_keys.destroy(conn, PEOPLE[0])
            late = person_keys.new(PEOPLE[0])
            person_keys.keep(conn, BEFORE, late)
        assert rotating.result()[-1] == Progress(28, 28)
    assert opened(conn, ALONE) == keys | {PEOPLE[0]: late.key}


def test_what_is_under_a_missing_master_key_is_named_and_all_else_is_done(
    conn: psycopg.Connection[Any], keys: Keys
) -> None:
    elsewhere = MasterKeys(LOST)
    stranger = person_keys.new(UUID(int=99))
    person_keys.keep(conn, elsewhere, stranger)
    with pytest.raises(MasterKeyMissingError, match=elsewhere.current_id):
        list(rewrap(conn, AFTER))
    assert ids(conn) == {AFTER.current_id: (25, 2), elsewhere.current_id: (1, 0)}
    assert opened(conn, ALONE) == keys
    assert list(rewrap(conn, MasterKeys(NEW, [LOST])))[-1] == Progress(1, 1)
    assert person_keys.load_sync(conn, ALONE, [UUID(int=99)]) == {UUID(int=99): stranger.key}


def test_damaged_rows_are_named_left_as_they_are_and_keep_nothing_else_from_being_done(
    conn: psycopg.Connection[Any], keys: Keys
) -> None:
    conn.execute(
        "UPDATE person_keys SET wrapped = '\\x00' WHERE person_id = ANY(%s)", (PEOPLE[4:6],)
    )
    with pytest.raises(UnreadableKeysError, match=f"2 of .* that of person:{PEOPLE[4]}"):
        list(rewrap(conn, AFTER, batch=5))
    assert ids(conn) == {AFTER.current_id: (23, 2), BEFORE.current_id: (2, 0)}
    assert person_keys.load_sync(conn, ALONE, PEOPLE[6:]) == {id_: keys[id_] for id_ in PEOPLE[6:]}


def test_what_each_master_key_wraps_is_counted(conn: psycopg.Connection[Any], keys: Keys) -> None:
    service_keys.get_or_make(conn, ALONE, "cursors")
    assert wrapped_by(conn) == sorted(
        [Held(BEFORE.current_id, 25, 2), Held(ALONE.current_id, 0, 1)]
    )
    assert len(keys) == 27

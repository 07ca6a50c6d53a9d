"""The service's keys are made once, and are the same for every process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from application.privacy import service_keys
from application.privacy.master_keys import MasterKeyMissingError, MasterKeys
from application.privacy.sealing import SealBrokenError
from tests.application.privacy.blocking import is_blocked
from tests.conftest import Database
from tests.support.processes import PATIENCE_S
from tests.support.waiting import until

OLD, NEW = bytes(range(32)), bytes(range(100, 132))
MASTERS = MasterKeys(OLD)


def test_a_key_is_made_once_and_found_from_then_on(database: Database) -> None:
    with database.connect() as conn:
        made = service_keys.get_or_make(conn, MASTERS, "emails")
        assert len(made) == 32
        assert service_keys.get_or_make(conn, MASTERS, "emails") == made
        assert service_keys.get_or_make(conn, MasterKeys(NEW, [OLD]), "emails") == made
        assert service_keys.get_or_make(conn, MASTERS, "documents") != made


def test_processes_that_ask_first_at_the_same_time_get_the_same_key(database: Database) -> None:
    together = Barrier(4, timeout=PATIENCE_S)

    def ask(_: int) -> list[bytes]:
        with database.connect() as conn:
            found = []
            for name in map(str, range(20)):
                together.wait()
                found.append(service_keys.get_or_make(conn, MASTERS, name))
            return found

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(ask, range(4))
    assert len(set(first)) == 20
    assert others == [first] * 3


def test_who_comes_second_gets_the_key_of_the_first(database: Database) -> None:
    with (
        database.connect() as first,
        database.connect() as second,
        database.connect() as watch,
        ThreadPoolExecutor(1) as pool,
    ):
        with first.transaction():
            made = service_keys.get_or_make(first, MASTERS, "emails")
            asked = pool.submit(service_keys.get_or_make, second, MASTERS, "emails")
            until(lambda: is_blocked(watch, second.info.backend_pid))
        assert asked.result() == made


def test_a_missing_master_key_never_makes_another_key(database: Database) -> None:
    with database.connect() as conn:
        made = service_keys.get_or_make(conn, MASTERS, "emails")
        with pytest.raises(MasterKeyMissingError, match=MASTERS.current_id):
            service_keys.get_or_make(conn, MasterKeys(NEW), "emails")
        assert service_keys.get_or_make(conn, MASTERS, "emails") == made


def test_a_key_opens_under_its_own_name_only(database: Database) -> None:
    with database.connect() as conn:
        service_keys.get_or_make(conn, MASTERS, "emails")
        conn.execute("UPDATE service_keys SET name = 'documents'")
        with pytest.raises(SealBrokenError, match="service:documents"):
            service_keys.get_or_make(conn, MASTERS, "documents")

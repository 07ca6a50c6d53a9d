"""Trouble of the server is found: who keeps others waiting, what is not safe, and a disk that is full."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from api.doctor.findings import Finding
from tests.api.doctor.conftest import Admit, Conn, Ward
from tests.conftest import Database
from tests.support.waiting import until


def test_a_database_that_answers_is_named(ward: Ward) -> None:
    assert ward.check("database").looked_at.startswith("Postgres 18.")
    assert ward.check("database").looked_at.endswith(", as daybook")


def test_a_long_transaction_is_named_with_how_to_end_it(
    ward: Ward, conn: Conn, admin: Conn
) -> None:
    ward.all_clear("sessions")
    pids = conn.info.backend_pid, admin.info.backend_pid
    for one in (conn, admin):
        one.execute("SET application_name = 'a \x1b[31mreport'")
        one.execute("BEGIN")
    ward.all_clear("sessions")
    found = ward.limited(transaction_s=-1.0).found("sessions")
    for pid, role in zip(pids, ("daybook", "postgres"), strict=True):
        (finding,) = [one for one in found if f"Process {pid} " in one.sentence]
        assert finding.severity == "warning"
        assert rf"(a \x1b[31mreport, role {role}, idle in transaction)" in finding.sentence
        assert f"pg_terminate_backend({pid})" in finding.advice
        assert "idle_in_transaction_session_timeout" in finding.advice


def test_one_that_keeps_others_waiting_is_wrong(ward: Ward, conn: Conn, database: Database) -> None:
    limited = ward.limited(transaction_s=-1.0)
    who = f"Process {conn.info.backend_pid} "

    def finding() -> Finding:
        (found,) = [one for one in limited.found("sessions") if one.sentence.startswith(who)]
        return found

    def wait() -> None:
        with database.connect() as other:
            other.execute("SELECT FROM ledger_head FOR UPDATE")

    other = Thread(target=wait)
    with conn.transaction():
        conn.execute("SELECT FROM ledger_head FOR UPDATE")
        assert finding().severity == "warning"
        other.start()
        until(lambda: finding().severity == "wrong")
        assert "and keeps 1 other session waiting" in finding().sentence
    other.join()


def test_what_the_application_may_not_see_is_said(ward: Ward, admin: Conn) -> None:
    admin.execute("BEGIN")
    alone = Ward(replace(ward.patient, admin_url=ward.patient.conninfo), ward.database)
    alone.limited(transaction_s=-1.0).all_clear("sessions")
    assert "DATABASE_ADMIN_URL" in alone.check("sessions").looked_at
    assert "hidden" not in ward.check("sessions").looked_at


def test_a_prepared_transaction_is_named_with_how_to_end_it(
    admit: Admit, safe_database: Database
) -> None:
    ward = admit(safe_database)
    with safe_database.connect() as conn:
        conn.execute("BEGIN")
        conn.execute("SELECT FROM ledger_head FOR UPDATE")
        conn.execute("PREPARE TRANSACTION 'it''s forgotten'")
        ward.all_clear("sessions")
        finding = ward.limited(transaction_s=-1.0).one("sessions")
        assert finding.severity == "warning"
        assert "of daybook has waited" in finding.sentence
        statement = "ROLLBACK PREPARED 'it''s forgotten'"
        assert statement in finding.advice
        conn.execute(statement)
    ward.all_clear("sessions")


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "synchronous_commit"])
def test_what_makes_data_unsafe_is_wrong(name: str, admit: Admit, safe_database: Database) -> None:
    ward = admit(safe_database)
    ward.all_clear("durability")
    with safe_database.connect(superuser=True) as admin:
        try:
            admin.execute(f"ALTER SYSTEM SET {name} = off".encode())
            admin.execute("SELECT pg_reload_conf()")
            until(lambda: ward.found("durability"))
            finding = ward.one("durability")
            assert finding.severity == "wrong"
            assert finding.sentence.startswith(f"{name} is off (set by: configuration file)")
            assert f"ALTER SYSTEM SET {name} = on" in finding.advice
        finally:
            admin.execute(f"ALTER SYSTEM RESET {name}".encode())
            admin.execute("SELECT pg_reload_conf()")
    until(lambda: not ward.found("durability"))


def test_a_disk_that_is_nearly_full_is_a_warning(ward: Ward) -> None:
    ward.all_clear("disk")
    for limits in ({"free_share": 1.1}, {"free_bytes": 1 << 60}):
        finding = ward.limited(**limits).one("disk")
        assert finding.severity == "warning"
        assert "is free: when it is full, nothing can be written" in finding.sentence


def test_the_folder_of_an_embedded_database_is_looked_at(ward: Ward, tmp_path: Path) -> None:
    assert f" at {tmp_path}" in ward.set(DATABASE_URL=None).check("disk").looked_at
    assert f" at {tmp_path}" not in ward.check("disk").looked_at
    nowhere = ward.set(DATABASE_URL=None, DATA_DIR=tmp_path / "none")
    assert "could not be done" in nowhere.one("disk").sentence


def test_a_disk_that_cannot_be_seen_from_here_is_said_to_be_so(ward: Ward) -> None:
    alone = Ward(replace(ward.patient, admin_url=ward.patient.conninfo), ward.database)
    alone.all_clear("disk")
    assert "cannot be seen from here" in alone.check("disk").looked_at

"""Rebuilds that are refused, killed or fail: the live read model is never the worse for it."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from msgspec.structs import replace
from psycopg.errors import DeadlockDetected, DiskFull, UndefinedColumn

from application.ledger import Ledger
from projections import checkpoints, rebuild, rebuild_state, schemas, shadows, swapping
from projections.catalogue import UnknownReadModelError, read_model
from projections.log import UnreadableEventError, head_position
from projections.rebuild import Options, RebuildFailedError, RebuildRefusedError
from projections.rebuild_state import Rebuild
from tests.conftest import Database
from tests.projections.histories import open_accounts, write_raw
from tests.projections.planted import failing
from tests.projections.running import (
    NAMES,
    end_connections,
    fill,
    no_progress,
    position,
    project_all,
    rows,
    schemas_of,
)

REBUILDER = "daybook rebuild"


def state(conn: psycopg.Connection[Any], name: str) -> Rebuild:
    found = rebuild_state.find(conn, name)
    assert found is not None
    return found


def test_two_rebuilds_of_one_read_model_are_refused(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)
    refusals: list[str] = []

    def again(done: int, total: int) -> None:
        with pytest.raises(RebuildRefusedError) as caught:
            rebuild.rebuild_many(database.url, ["balances", "entries"], no_progress)
        refusals.append(str(caught.value))
        rebuild.rebuild(database.url, "balances", no_progress)

    rebuild.rebuild(database.url, "entries", again)
    assert refusals == [
        "entries is being rebuilt already: wait for that rebuild, or stop it with"
        " `daybook projections cancel entries`"
    ]
    assert (len(rows(conn, "balances")), len(rows(conn, "entries"))) == (3, 4)


def test_what_another_version_of_the_code_left_is_begun_anew(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)
    project_all(database.url, "entries")
    before = rows(conn, "entries")
    entries = read_model("entries")

    with pytest.raises(psycopg.OperationalError):
        rebuild.rebuild(database.url, "entries", lambda *_: end_connections(database, REBUILDER))
    assert schemas_of(conn) == ["entries", "entries_shadow"]
    conn.execute("INSERT INTO entries_shadow.entry SELECT * FROM entries.entry")
    newer = replace(entries, version=entries.version + 1)
    done = rebuild.rebuild(database.url, "entries", no_progress, [newer])
    assert (done.events, done.outcome) == (head_position(conn), "swapped")
    assert rows(conn, "entries") == before


def test_a_rebuild_that_fails_leaves_the_live_read_model_alone(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)
    fill(database.url)
    before = {name: rows(conn, name) for name in NAMES}
    models = [read_model("balances"), failing(read_model("entries"), 8)]
    with pytest.raises(
        RebuildFailedError, match=r"fails between events 5 and 9 \(ZeroDivisionError: out of order"
    ):
        rebuild.rebuild_many(database.url, ["balances", "entries"], no_progress, models)
    assert {name: rows(conn, name) for name in NAMES} == before
    assert schemas_of(conn) == sorted([*NAMES, "balances_shadow"])
    assert (state(conn, "entries").state, state(conn, "balances").state) == ("failed", "paused")
    assert str(state(conn, "balances").error).startswith(
        "entries failed, which was rebuilt together"
    )
    done = rebuild.rebuild(database.url, "balances", no_progress)
    assert (done.outcome, done.events) == ("swapped", 0)


@pytest.mark.parametrize("error", [DeadlockDetected, DiskFull, MemoryError, OSError])
def test_what_is_not_the_codes_fault_costs_no_work_that_was_done(
    error: type[Exception],
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shadows, "BATCH_EVENTS", 5)
    open_accounts(ledger, 10)
    project_all(database.url, "entries")
    entries = read_model("entries")
    with pytest.raises(RebuildRefusedError) as told:
        rebuild.rebuild(database.url, "entries", no_progress, [failing(entries, 12, error=error)])
    assert f"stopped between events 12 and 15 ({error.__name__}: out of order)" in str(told.value)
    assert "daybook projections resume entries" in str(told.value)
    assert (state(conn, "entries").state, state(conn, "entries").done) == ("interrupted", 10)
    done = rebuild.rebuild(database.url, "entries", no_progress)
    assert (done.outcome, done.events) == ("swapped", head_position(conn) - 10)


def test_sql_that_does_not_fit_the_tables_is_the_codes_fault(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)
    broken = failing(read_model("entries"), 8, error=UndefinedColumn)
    with pytest.raises(RebuildFailedError, match="correct its code"):
        rebuild.rebuild(database.url, "entries", no_progress, [broken])
    assert state(conn, "entries").state == "failed"


def test_an_error_of_any_size_and_content_is_noted(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)

    def project(batch: object, db: object) -> None:
        raise ValueError("a \0 in it " + "x" * 1_000_000)

    broken = replace(read_model("entries"), project=project)
    with pytest.raises(RebuildFailedError, match=r"ValueError: a \0 in it x"):
        rebuild.rebuild(database.url, "entries", no_progress, [broken])
    found = state(conn, "entries")
    assert found.state == "failed"
    assert "ValueError: a  in it x" in str(found.error)
    assert len(str(found.error)) <= checkpoints.MAX_ERROR_CHARS


def test_a_rebuild_stops_at_an_event_that_cannot_be_read(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)
    project_all(database.url, "entries")
    write_raw(database, "account.painted", b"{}")
    with pytest.raises(UnreadableEventError, match=r"account\.painted"):
        project_all(database.url, "entries")
    assert (len(rows(conn, "entries")), position(conn, "entries")) == (4, 9)


def test_an_unknown_name_is_answered_with_the_known_ones(database: Database) -> None:
    with pytest.raises(
        UnknownReadModelError,
        match="no read model is called 'sums'; there are: balances, entries, transfers, audit, users,"
        " approvals, security, funds, flows",
    ):
        rebuild.rebuild(database.url, "sums", no_progress)


def test_views_of_analysts_are_not_dropped_behind_their_backs(
    database: Database, conn: psycopg.Connection[Any]
) -> None:
    project_all(database.url, "balances", "entries")
    conn.execute("CREATE SCHEMA reports")
    conn.execute("CREATE VIEW reports.rich AS SELECT id FROM balances.account WHERE balance > 9")
    with pytest.raises(RebuildRefusedError, match=r"reports\.rich would be lost"):
        rebuild.rebuild(database.url, "balances", no_progress)
    rebuild.rebuild(database.url, "entries", no_progress)
    conn.execute("DROP VIEW reports.rich")
    rebuild.rebuild(database.url, "balances", no_progress)


def test_a_view_that_is_made_during_a_rebuild_stops_the_swap(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)
    project_all(database.url, "balances")
    with pytest.raises(RebuildRefusedError, match=r"reports\.rich would be lost"):
        rebuild.rebuild(database.url, "balances", lambda *_: make_view(database, "balances"))
    conn.execute("DROP VIEW reports.rich")
    done = rebuild.rebuild(
        database.url, "balances", no_progress, options=Options(must_be_begun=True)
    )
    assert (done.outcome, done.events) == ("swapped", 0)


def make_view(database: Database, schema: str) -> None:
    with database.connect() as analyst:
        analyst.execute("CREATE SCHEMA IF NOT EXISTS reports")
        analyst.execute(f"CREATE VIEW reports.rich AS SELECT id FROM {schema}.account".encode())


def test_a_view_of_tables_that_were_replaced_is_not_dropped_with_them(
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_accounts(ledger, 3)
    for _ in range(2):
        project_all(database.url, "balances")
    make_view(database, "balances_previous")
    with pytest.raises(RebuildRefusedError, match=r"reports\.rich would be lost"):
        project_all(database.url, "balances")
    conn.execute("DROP VIEW reports.rich")
    real = schemas.rename

    def renamed(conn: psycopg.Connection[Any], schema: str, new_name: str) -> None:
        real(conn, schema, new_name)
        if new_name == "balances_outdated":  # at the last moment
            conn.execute(f"CREATE VIEW reports.rich AS SELECT id FROM {new_name}.account".encode())

    with monkeypatch.context() as patch:
        patch.setattr(schemas, "rename", renamed)
        project_all(database.url, "balances")
    assert conn.execute("SELECT count(*) FROM reports.rich").fetchone() == (3,)
    with pytest.raises(RebuildRefusedError, match=r"reports\.rich would be lost"):
        project_all(database.url, "balances")
    conn.execute("DROP VIEW reports.rich")
    project_all(database.url, "balances")


def test_a_long_query_on_the_old_tables_does_not_hold_up_the_swap(
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(swapping, "DROP_WAIT_S", 0.01)
    open_accounts(ledger, 3)
    project_all(database.url, "entries")
    with database.connect() as analyst, analyst.transaction():
        analyst.execute("SELECT FROM entries.entry")
        project_all(database.url, "entries")
        project_all(database.url, "entries")
        assert len(rows(conn, "entries")) == 4
        assert schemas.exists(conn, "entries_outdated")
        with pytest.raises(RebuildRefusedError, match="queries still read entries_outdated"):
            project_all(database.url, "entries")
    project_all(database.url, "entries")
    assert schemas_of(conn) == ["entries", "entries_previous"]

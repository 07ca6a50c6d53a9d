"""The runner: several read models, several runners, read models that fail, databases that go away."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace

from application.ledger import Ledger
from domain.accounts import ChangeAccountStatus, StatusChanged
from domain.events import Recorded
from projections import checkpoints, runner
from projections.catalogue import READ_MODELS, ReadModel, read_model
from projections.checkpoints import Checkpoint
from projections.log import head_position
from projections.schemas import RUNNER_LOCKS, ensure, lock_key, try_lock
from tests.conftest import Database
from tests.projections.histories import busy_history, open_accounts, recorded, write
from tests.projections.running import NAMES, caught_up, position, project_all, rows, running
from tests.projections.test_log import write_raw
from tests.support.waiting import until


def journal(project: Any = None, version: int = 1) -> ReadModel:
    """A read model of a test's own: the positions of changes of status."""

    def note(batch: Sequence[Recorded], db: psycopg.Cursor[Any]) -> None:
        db.execute("INSERT INTO noted SELECT unnest(%s::bigint[])", ([e.position for e in batch],))

    return ReadModel(
        name="journal",
        version=version,
        tables="CREATE TABLE noted (position bigint PRIMARY KEY)",
        indexes="CREATE INDEX noted_again ON noted (position)",
        topics=frozenset({StatusChanged.topic}),
        project=project or note,
    )


def noted(conn: psycopg.Connection[Any]) -> list[int]:
    return [p for (p,) in conn.execute("SELECT position FROM journal.noted ORDER BY 1")]


def holders(conn: psycopg.Connection[Any], name: str) -> list[int]:
    """The server processes of the runners that have a read model: one at most."""
    found = conn.execute(
        "SELECT pid FROM pg_locks JOIN pg_database AS d ON d.oid = database"
        " WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s"
        " AND datname = current_database()",
        (RUNNER_LOCKS, lock_key(name)),
    )
    return [pid for (pid,) in found]


def end_connections(database: Database, name: str) -> None:
    """As a restart of the database does it."""
    with database.connect(superuser=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = %s",
            (name,),
        )


def test_read_models_follow_the_log_and_are_what_a_rebuild_makes(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    with running(database.url):
        busy_history(ledger, transfers=150)
        caught_up(conn)
    live = {name: rows(conn, name) for name in NAMES}
    project_all(database.url)
    assert {name: rows(conn, name) for name in NAMES} == live


def test_however_batches_are_cut_the_rows_are_the_same(
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy_history(ledger, transfers=60)
    project_all(database.url)
    whole = {name: rows(conn, name) for name in NAMES}
    for size in (1, 2, 7):
        monkeypatch.setattr(runner, "MAX_BATCH_EVENTS", size)
        for name in NAMES:
            conn.execute(f"DROP SCHEMA {name} CASCADE".encode())
        conn.execute("DELETE FROM checkpoints")
        with running(database.url):
            caught_up(conn)
        assert {name: rows(conn, name) for name in NAMES} == whole


def test_checkpoints_advance_over_what_a_read_model_ignores(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    _, account_id = open_accounts(ledger, 2)
    write(ledger, [ChangeAccountStatus(account_id, "frozen")])
    with running(database.url, [journal()]):
        caught_up(conn, "journal")
        open_accounts(ledger, 2)
        caught_up(conn, "journal")
    assert noted(conn) == [e.position for e in recorded(conn) if e.topic == StatusChanged.topic]


def test_a_runner_goes_on_where_the_last_one_stopped(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    seen: list[int] = []

    def note(batch: Sequence[Recorded], db: psycopg.Cursor[Any]) -> None:
        seen.extend(event.position for event in batch)

    model = replace(journal(note), topics=frozenset({"account.opened"}))
    for _ in range(3):
        with running(database.url, [model]):
            open_accounts(ledger, 3)
            caught_up(conn, "journal")
    assert seen == [e.position for e in recorded(conn) if e.topic == "account.opened"]


def test_one_runner_works_and_another_takes_over_when_it_stops(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    first = running(database.url)
    with first:
        until(lambda: holders(conn, "entries"))
        working = holders(conn, "entries")
        second = running(database.url)
        second.__enter__()
        open_accounts(ledger, 5)
        caught_up(conn)
        assert holders(conn, "entries") == working
    try:
        open_accounts(ledger, 5)
        caught_up(conn)
        assert holders(conn, "entries") not in ([], working)
    finally:
        second.__exit__(None, None, None)
    until(lambda: not holders(conn, "entries"))
    assert len(rows(conn, "balances")) == 10


def test_read_models_that_another_runner_has_are_left_alone(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    with database.connect() as other:
        assert try_lock(other, RUNNER_LOCKS, "entries")
        with running(database.url):
            open_accounts(ledger, 2)
            caught_up(conn, "balances", "transfers")
            assert position(conn, "entries") == 0
            other.close()
            caught_up(conn)


def test_a_read_model_that_fails_leaves_the_others_going_and_recovers(
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    is_broken = threading.Event()
    is_broken.set()
    note = journal().project

    def fail(batch: Sequence[Recorded], db: psycopg.Cursor[Any]) -> None:
        note(batch, db)
        if is_broken.is_set() and any(event.position == poison for event in batch):
            raise ZeroDivisionError("out of order")

    _, account_id = open_accounts(ledger, 2)
    for status in ("frozen", "active", "frozen", "active"):
        write(ledger, [ChangeAccountStatus(account_id, status)])
    changes = [e.position for e in recorded(conn) if e.topic == StatusChanged.topic]
    poison = changes[2]

    with running(database.url, [journal(fail), *READ_MODELS]), caplog.at_level(logging.INFO):
        until(lambda: (c := checkpoints.read(conn, "journal")) and c.error)
        caught_up(conn)
        assert checkpoints.read(conn, "journal") == Checkpoint(
            poison - 1,
            1,
            f"fails at {poison} (account.status_changed): ZeroDivisionError: out of order",
        )
        assert noted(conn) == changes[:2]
        open_accounts(ledger, 2)
        caught_up(conn)
        is_broken.clear()
        caught_up(conn, "journal")
    assert noted(conn) == changes
    assert checkpoints.read(conn, "journal") == Checkpoint(head_position(conn), 1, None)
    assert "journal works again" in caplog.messages


def test_a_read_model_that_cannot_be_set_up_leaves_the_others_going(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    broken = replace(journal(), tables="CREATE TABLE noted (position nothing)")
    open_accounts(ledger, 2)
    with running(database.url, [broken, *READ_MODELS]):
        caught_up(conn)
        until(lambda: (c := checkpoints.read(conn, "journal")) and c.error)
    checkpoint = checkpoints.read(conn, "journal")
    assert checkpoint is not None
    assert (checkpoint.error or "").startswith('can\'t be set up: UndefinedObject: type "nothing"')
    with running(database.url, [journal()]):
        caught_up(conn, "journal")
    assert checkpoints.read(conn, "journal") == Checkpoint(head_position(conn), 1, None)


def test_an_event_that_cannot_be_read_stops_all_before_it_and_loses_none(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 2)
    head = head_position(conn)
    write_raw(database, "account.painted", b"{}")
    with running(database.url):
        until(lambda: all((c := checkpoints.read(conn, name)) and c.error for name in NAMES))
    for name in NAMES:
        checkpoint = checkpoints.read(conn, name)
        assert checkpoint is not None
        assert checkpoint.position == head
        assert f"event {head + 1} (account.painted) can't be read" in (checkpoint.error or "")


def test_tables_that_other_code_has_filled_stand_still(
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    balances = read_model("balances")
    project_all(database.url, "balances")
    with running(database.url, [replace(balances, version=9), read_model("entries")]):
        open_accounts(ledger, 2)
        caught_up(conn, "entries")
    assert checkpoints.read(conn, "balances") == Checkpoint(0, balances.version, None)
    stale = [m for m in caplog.messages if "built by version 1, code is version 9" in m]
    assert len(stale) == 1


def test_a_runner_with_old_code_makes_room_for_one_with_the_new(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    old, new = journal(), journal(version=2)
    ensure(conn, old)
    with running(database.url, [old]):
        until(lambda: holders(conn, "journal"))
        with running(database.url, [new]):
            checkpoints.put(conn, "journal", 0, 2)
            open_accounts(ledger, 2)
            caught_up(conn, "journal")
    assert checkpoints.read(conn, "journal") == Checkpoint(head_position(conn), 2, None)


def test_a_checkpoint_that_somebody_moved_is_read_again(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    seen: list[int] = []

    def note(batch: Sequence[Recorded], db: psycopg.Cursor[Any]) -> None:
        seen.extend(event.position for event in batch)

    model = replace(journal(note), topics=frozenset({"account.opened"}))
    open_accounts(ledger, 2)
    with running(database.url, [model]):
        caught_up(conn, "journal")
        checkpoints.put(conn, "journal", 1, 1)
        open_accounts(ledger, 2)
        caught_up(conn, "journal")
    assert seen == [1, 2, 2, 6, 7]


def test_schemas_that_were_dropped_are_filled_again(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 2)
    project_all(database.url)
    before = {name: rows(conn, name) for name in NAMES}
    for name in NAMES:
        conn.execute(f"DROP SCHEMA {name} CASCADE".encode())
    with running(database.url):
        until(lambda: all(holders(conn, name) for name in NAMES))
        caught_up(conn)
    assert {name: rows(conn, name) for name in NAMES} == before


def test_tables_without_a_checkpoint_are_not_trusted(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 2)
    project_all(database.url)
    conn.execute("DELETE FROM checkpoints WHERE name = 'entries'")
    with running(database.url):
        open_accounts(ledger, 2)
        caught_up(conn, "balances", "transfers")
    assert checkpoints.read(conn, "entries") == Checkpoint(0, 0, None)


def test_a_runner_outlives_the_database_connections(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    with running(database.url):
        for _ in range(3):
            end_connections(database, "daybook runner")
            busy_history(ledger, transfers=30)
            caught_up(conn)
    live = {name: rows(conn, name) for name in NAMES}
    project_all(database.url)
    assert {name: rows(conn, name) for name in NAMES} == live


def test_a_connection_lost_within_a_batch_loses_nothing(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    has_failed = threading.Event()
    note = journal().project

    def lose_connection(batch: Sequence[Recorded], db: psycopg.Cursor[Any]) -> None:
        note(batch, db)
        if not has_failed.is_set():
            has_failed.set()
            end_connections(database, "daybook runner")

    _, account_id = open_accounts(ledger, 2)
    write(ledger, [ChangeAccountStatus(account_id, "frozen")])
    with running(database.url, [journal(lose_connection)]):
        caught_up(conn, "journal")
    assert noted(conn) == [head_position(conn)]
    assert checkpoints.read(conn, "journal") == Checkpoint(head_position(conn), 1, None)


def test_a_runner_waits_for_a_database_that_is_not_there_and_stops_when_told(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with running(database.url.replace(database.name, "not_there_yet")):
        until(lambda: sum("wait" in m and "not_there_yet" in m for m in caplog.messages) > 1)

"""The runner: several read models, several runners, and what they find when they start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace

from application.ledger import Ledger
from domain.accounts import ChangeAccountStatus, StatusChanged
from domain.events import Recorded
from projections import checkpoints, runner
from projections.catalogue import read_model
from projections.checkpoints import Checkpoint
from projections.log import head_position
from projections.schemas import RUNNER_LOCKS, ensure, try_lock
from tests.conftest import Database
from tests.projections.histories import busy_history, open_accounts, recorded, write
from tests.projections.planted import journal, noted
from tests.projections.running import (
    NAMES,
    caught_up,
    fill,
    holders,
    position,
    project_all,
    rows,
    running,
)
from tests.support.waiting import until


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
    stale = [
        m for m in caplog.messages if f"built by version {balances.version}, code is version 9" in m
    ]
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
    fill(database.url)
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
    fill(database.url)
    conn.execute("DELETE FROM checkpoints WHERE name = 'entries'")
    with running(database.url):
        open_accounts(ledger, 2)
        caught_up(conn, "balances", "transfers")
    assert checkpoints.read(conn, "entries") == Checkpoint(0, 0, None)

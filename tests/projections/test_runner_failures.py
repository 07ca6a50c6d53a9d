"""Runners when something is wrong: read models that fail, databases that go away."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace

from api.local.postgres import EmbeddedPostgres
from application.ledger import Ledger
from domain.accounts import ChangeAccountStatus, StatusChanged
from domain.events import Recorded
from migrations import runner as migrations
from projections import checkpoints
from projections.catalogue import READ_MODELS
from projections.checkpoints import Checkpoint
from projections.log import head_position
from tests.conftest import Database
from tests.projections.histories import busy_history, open_accounts, recorded, write, write_raw
from tests.projections.planted import journal, noted
from tests.projections.running import (
    NAMES,
    caught_up,
    end_connections,
    project_all,
    rows,
    running,
)
from tests.support.folders import data_folder
from tests.support.waiting import until


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
            raise OSError("out of order")

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
            f"fails at {poison} (account.status_changed): OSError: out of order",
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


def answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_crash_of_the_server_leaves_rows_and_checkpoints_in_step() -> None:
    with data_folder() as folder, EmbeddedPostgres(folder) as server:
        with psycopg.connect(server.url(superuser=True)) as admin:
            migrations.up(admin)
        with Ledger(server.url()) as ledger, running(server.url()):
            for seed in (1, 2):
                busy_history(ledger, seed, transfers=90)
                assert server.pid is not None
                os.kill(server.pid, signal.SIGKILL)
                until(lambda: server.poll() is not None)
                server.launch()
                until(lambda: answers(server.url()))
            busy_history(ledger, 3, transfers=30)
            with psycopg.connect(server.url(), autocommit=True) as conn:
                caught_up(conn)
                live = {name: rows(conn, name) for name in NAMES}
                project_all(server.url())
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

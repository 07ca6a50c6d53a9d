"""A rebuild is compared with the live read model before it may take its place."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace

from application.ledger import Ledger
from domain.accounts import Account, Credited
from projections import checkpoints, rebuild_state
from projections.catalogue import ReadModel, read_model
from projections.rebuild import DEFAULTS, Options, Rebuilt, rebuild
from projections.shadows import RebuildRefusedError
from projections.swapping import cancel, rollback
from tests.conftest import Database
from tests.projections.histories import busy_history, fold, keeping_busy, open_accounts, recorded
from tests.projections.running import (
    NAMES,
    caught_up,
    fill,
    no_progress,
    position,
    project_all,
    rows,
    running,
    schemas_of,
)
from tests.support.waiting import until


def wrong(model: ReadModel, events: int = 1) -> ReadModel:
    """The read model with a project that forgets the last credits of a batch."""

    def project(batch: Any, db: psycopg.Cursor[Any]) -> None:
        credits = [event for event in batch if isinstance(event.data, Credited)]
        forgotten = {event.position for event in credits[-events:]}
        model.project([event for event in batch if event.position not in forgotten], db)

    return replace(model, project=project)


def run(database: Database, name: str, *models: ReadModel, options: Options = DEFAULTS) -> Rebuilt:
    return rebuild(database.url, name, no_progress, models or (read_model(name),), options=options)


def test_equal_rows_are_swapped_in_and_counted(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    busy_history(ledger, transfers=60)
    fill(database.url)
    for name in NAMES:
        done = run(database, name)
        assert done.outcome == "swapped"
        assert done.parity is not None
        assert done.parity.is_equal
        assert not done.parity.differences
        assert done.parity.position == position(conn, name)
        counted = {t.table: (t.live_rows, t.rebuilt_rows) for t in done.parity.tables}
        count = len(rows(conn, name))
        assert (count, count) in counted.values()


def test_a_wrong_project_is_caught_and_both_rows_are_shown(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    accounts = open_accounts(ledger, 30)
    project_all(database.url, "balances")
    before = rows(conn, "balances")
    done = run(database, "balances", wrong(read_model("balances"), events=20))
    assert (done.outcome, rows(conn, "balances")) == ("different", before)
    assert done.parity is not None
    account = next(t for t in done.parity.tables if t.table == "account")
    assert (account.live_rows, account.rebuilt_rows, account.differing_keys) == (30, 30, 20)
    named = [d for d in done.parity.differences if d.table == "account"]
    assert [d.key for d in named] == sorted(str(id_) for id_ in accounts[-20:])[:10]
    for difference in named:
        assert difference.live is not None
        assert difference.rebuilt is not None
        assert (difference.live["balance"], difference.rebuilt["balance"]) == (10_000, 0)
    kept = rebuild_state.find(conn, "balances")
    assert kept is not None
    assert (kept.phase, kept.report) == ("different", done.parity.to_json())
    assert "balances_shadow" in schemas_of(conn)


def test_a_missing_row_is_shown_as_missing(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)
    project_all(database.url, "entries")
    done = run(database, "entries", wrong(read_model("entries")))
    assert done.parity is not None
    (difference,) = done.parity.differences
    assert difference.rebuilt is None
    assert difference.live is not None
    assert difference.live["direction"] == "credit"
    cancel(database.url, "entries")
    assert schemas_of(conn) == ["entries"]


def test_accepted_differences_are_swapped_in_from_the_shadow_that_was_kept(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)
    project_all(database.url, "entries")
    changed = wrong(read_model("entries"))
    assert run(database, "entries", changed).outcome == "different"
    done = run(database, "entries", changed, options=Options(accept_differences=True))
    assert (done.outcome, done.events, len(rows(conn, "entries"))) == ("swapped", 0, 3)


def test_after_a_correction_the_kept_shadow_is_not_gone_on_with(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)
    project_all(database.url, "entries")
    assert run(database, "entries", wrong(read_model("entries"))).outcome == "different"
    done = run(database, "entries")
    assert (done.outcome, done.events) == ("swapped", position(conn, "entries"))


def test_differences_from_another_version_of_the_code_are_told_and_swapped_in(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)
    project_all(database.url, "entries")
    entries = read_model("entries")
    tables = entries.tables.replace("balance         bigint", "after           bigint")
    newer = replace(entries, version=entries.version + 1, tables=tables.split("COMMENT")[0])
    indexes = "ALTER TABLE entry ADD PRIMARY KEY (account_id, position)"
    done = run(database, "entries", wrong(replace(newer, indexes=indexes)))
    assert done.outcome == "swapped"
    assert done.parity is not None
    assert done.parity.expected
    assert [(t.differing_keys, t.columns) for t in done.parity.tables] == [
        (1, ["after", "balance"])
    ]


def test_verifying_compares_and_leaves_nothing_behind(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)
    project_all(database.url, "balances")
    only_verify = Options(only_verify=True)
    assert run(database, "balances", options=only_verify).outcome == "verified"
    conn.execute("UPDATE balances.account SET balance = balance + 1 WHERE name = 'cash'")
    done = run(database, "balances", options=only_verify)
    assert done.outcome == "different"
    assert done.parity is not None
    assert [d.live and d.live["name"] for d in done.parity.differences] == ["cash"]
    assert schemas_of(conn) == ["balances"]


def test_it_is_compared_at_one_position_while_a_writer_posts(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    with running(database.url):
        with keeping_busy(ledger):
            until(lambda: position(conn, "entries") > 100)
            for _ in range(2):
                for name in NAMES:
                    done = run(database, name)
                    assert done.outcome == "swapped"
                    assert done.parity is not None
                    assert done.parity.is_equal
        caught_up(conn)
    for name in NAMES:
        assert run(database, name, options=Options(only_verify=True)).outcome == "verified"


def test_under_load_no_read_fails_waits_for_a_lock_or_is_wrong(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    stop, seen = threading.Event(), set()
    open_accounts(ledger, 5)

    def post() -> None:
        while not stop.wait(0.02):
            open_accounts(ledger, 10)

    def read() -> None:
        query = "SELECT id, version, balance FROM balances.account ORDER BY position DESC LIMIT 20"
        with database.connect() as reader:
            reader.execute("SET lock_timeout TO '100ms'")
            while not stop.wait(0.01):
                seen.update(reader.execute(query.encode(), prepare=True).fetchall())

    with running(database.url), ThreadPoolExecutor() as threads:
        caught_up(conn, "balances")
        busy = [threads.submit(post), threads.submit(read)]
        try:
            for _ in range(4):
                assert run(database, "balances").outcome == "swapped"
            until(lambda: len(seen) > 20 or busy[1].done())
            rollback(database.url, "balances")
            caught_up(conn, "balances")
        finally:
            stop.set()
        for one in busy:
            one.result()
    truth = {(e.stream_id, e.version): state for e, state in fold(recorded(conn))}
    assert len(seen) > 20
    for id_, version, balance in seen:
        state = truth[id_, version]
        assert isinstance(state, Account)
        assert state.balance == balance


def test_rollback_restores_the_old_answers_at_once_and_then_catches_up(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)
    project_all(database.url, "entries")
    before, at = rows(conn, "entries"), position(conn, "entries")
    run(database, "entries", wrong(read_model("entries")), options=Options(accept_differences=True))
    after = rows(conn, "entries")
    assert len(after) == 3
    assert rollback(database.url, "entries").position == at
    assert rows(conn, "entries") == before
    rollback(database.url, "entries")
    assert rows(conn, "entries") == after
    rollback(database.url, "entries")
    open_accounts(ledger, 3)
    with running(database.url):
        caught_up(conn)
    assert len(rows(conn, "entries")) == 8
    assert run(database, "entries", options=Options(only_verify=True)).outcome == "verified"


def test_rollback_under_a_runner_that_works(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    with running(database.url):
        open_accounts(ledger, 3)
        caught_up(conn)
        run(database, "entries")
        open_accounts(ledger, 3)
        caught_up(conn)
        rollback(database.url, "entries")
        caught_up(conn)
        assert len(rows(conn, "entries")) == 8
        checkpoint = checkpoints.read(conn, "entries")
        assert checkpoint is not None
        assert checkpoint.error is None


def test_without_an_earlier_one_there_is_no_rollback(database: Database) -> None:
    project_all(database.url, "entries")
    with pytest.raises(RebuildRefusedError, match="there is no entries_previous to go back to"):
        rollback(database.url, "entries")

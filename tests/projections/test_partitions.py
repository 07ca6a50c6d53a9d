"""Rebuilds by several processes, each with a part of the streams."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace

from application.ledger import Ledger
from domain.events import Recorded
from projections import checkpoints, partitions, rebuild_state, shadows, swapping
from projections.catalogue import READ_MODELS, read_model
from projections.log import Part, head_position, read_part
from projections.rebuild import (
    Options,
    RebuildFailedError,
    RebuildRefusedError,
    rebuild,
    rebuild_many,
)
from tests.conftest import Database
from tests.projections.failing_elsewhere import dying, short_of_space, talkative, with_its_own_key
from tests.projections.histories import busy_history, open_accounts, recorded, write_raw
from tests.projections.running import NAMES, fill, no_progress, project_all, rows
from tests.support.processes import ROOT
from tests.support.waiting import until

TWO = Options(parallel=2)

REBUILD = """
import sys
from projections.rebuild import Options, rebuild_many
if __name__ == "__main__":
    options = Options(parallel=2, throttle=300)
    rebuild_many(sys.argv[1], sys.argv[2:], lambda *_: None, options=options)
"""


def test_each_event_is_in_one_part(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    busy_history(ledger, transfers=30)
    log = recorded(conn)
    topics = sorted({event.topic for event in log})
    parts = [read_part(conn, 0, len(log), topics, Part(n, 3)) for n in range(3)]
    assert sorted((e for part in parts for e in part), key=lambda e: e.position) == log
    assert all(len({e.stream_id for e in part} & {e.stream_id for e in log}) > 5 for part in parts)
    assert read_part(conn, 5, 9, [], Part(0, 1)) == []
    assert read_part(conn, 5, 9, topics, Part(0, 1)) == log[5:9]


def test_two_processes_come_to_what_one_does(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    busy_history(ledger, transfers=150)
    fill(database.url)
    live = {name: rows(conn, name) for name in NAMES}
    told: list[tuple[int, int]] = []
    for done in rebuild_many(database.url, NAMES, lambda *p: told.append(p), options=TWO):
        assert (done.outcome, done.events) == ("swapped", head_position(conn))
        assert done.parity is not None
        assert done.parity.is_equal
    assert {name: rows(conn, name) for name in NAMES} == live
    assert told
    assert all(done <= total == head_position(conn) for done, total in told)


def test_killed_with_its_processes_it_goes_on_in_as_many_parts(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    busy_history(ledger, transfers=150)
    fill(database.url)
    live = {name: rows(conn, name) for name in NAMES}

    def reached() -> list[list[int]]:
        return [rebuild_state.positions(conn, model.name) for model in READ_MODELS]

    def is_past(position: int) -> bool:
        return any(max(positions) > position for positions in reached())

    def is_running() -> bool:
        found = (rebuild_state.find(conn, name) for name in NAMES)
        return any(one is not None and one.is_running for one in found)

    for goal in (100, 200):
        command = [sys.executable, "-c", REBUILD, database.url, *NAMES]
        with subprocess.Popen(command, cwd=ROOT) as process:
            until(lambda: all(len(positions) == 2 for positions in reached()))
            until(partial(is_past, goal))
            process.kill()
        until(lambda: not is_running())
    for done in rebuild_many(database.url, NAMES, no_progress):
        assert done.outcome == "swapped"
        assert done.parity is not None
        assert done.parity.is_equal
    assert {name: rows(conn, name) for name in NAMES} == live


def test_what_fails_in_a_process_is_told(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)
    project_all(database.url, "entries", "balances")
    write_raw(database, "account.opened", b"{}")
    conn.execute("UPDATE checkpoints SET position = position + 1")
    with pytest.raises(RebuildFailedError, match=r"event 10 \(account.opened\) can't be read"):
        rebuild_many(database.url, ["entries", "balances"], no_progress, options=TWO)
    found = rebuild_state.find(conn, "balances")
    assert found is not None
    assert found.state == "failed"


def test_an_error_of_any_length_is_told(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 20)
    broken = replace(read_model("entries"), project=talkative)
    with pytest.raises(RebuildFailedError, match=r"ValueError: xxxx"):
        rebuild(database.url, "entries", no_progress, [broken], Options(parallel=4))
    found = rebuild_state.find(conn, "entries")
    assert found is not None
    assert found.state == "failed"


def test_only_what_has_failed_is_dropped(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 20)
    models = [
        read_model("balances"),
        replace(read_model("transfers"), key_of=with_its_own_key),
    ]
    with pytest.raises(
        RebuildFailedError, match=r"key_of fails; others stopped.* resume balances`"
    ):
        rebuild_many(database.url, ["balances", "transfers"], no_progress, models, TWO)
    states = {name: rebuild_state.find(conn, name) for name in ("balances", "transfers")}
    assert {name: found and found.state for name, found in states.items()} == {
        "balances": "paused",
        "transfers": "failed",
    }
    assert rebuild(database.url, "balances", no_progress).outcome == "swapped"


def test_what_the_database_says_to_a_process_is_told(database: Database, ledger: Ledger) -> None:
    open_accounts(ledger, 20)
    broken = replace(read_model("entries"), project=short_of_space)
    with pytest.raises(RebuildRefusedError, match=r"DiskFull: no space left on device.*resume ent"):
        rebuild(database.url, "entries", no_progress, [broken], TWO)
    assert rebuild(database.url, "entries", no_progress).outcome == "swapped"


def test_processes_that_get_no_connection_say_so(database: Database) -> None:
    with Ledger(database.url) as ledger:
        open_accounts(ledger, 20)

    def connections() -> int:
        found = admin.execute("SELECT FROM pg_stat_activity WHERE usename = 'daybook'")
        return found.rowcount

    with database.connect(superuser=True) as admin:
        until(lambda: connections() == 0)
        admin.execute("ALTER ROLE daybook CONNECTION LIMIT 1")
        try:
            with pytest.raises(RebuildRefusedError) as told:
                rebuild(database.url, "entries", no_progress, options=TWO)
        finally:
            admin.execute("ALTER ROLE daybook CONNECTION LIMIT -1")
    assert 'too many connections for role "daybook"' in str(told.value)
    assert "cancel entries` and start anew with fewer processes" in str(told.value)
    assert rebuild(database.url, "entries", no_progress).outcome == "swapped"


def test_a_process_that_dies_without_a_word_can_be_done_without(
    database: Database, ledger: Ledger
) -> None:
    open_accounts(ledger, 20)
    broken = replace(read_model("entries"), project=dying)
    with pytest.raises(RebuildRefusedError, match=r"has ended: go on with `daybook projections re"):
        rebuild(database.url, "entries", no_progress, [broken], TWO)
    assert rebuild(database.url, "entries", no_progress).outcome == "swapped"


def half_done(conn: psycopg.Connection[Any], events: int) -> None:
    """A rebuild of entries in two parts, of which one has come so far."""
    entries = read_model("entries")
    shadow = swapping.make_shadow(conn, entries, only_verify=False, accept_differences=False)
    rebuild_state.divide(conn, "entries", 2)
    part = shadows.Shadow(entries, shadow.id, part=0, parts=2)
    with conn.transaction():
        part.apply(conn, read_part(conn, 0, events, sorted(entries.topics), part.part), events)


def test_parts_that_are_ahead_of_the_live_read_model_are_brought_together(
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shadows, "_LIVE_PATIENCE_S", 0.1)
    open_accounts(ledger, 20)
    project_all(database.url, "entries")
    head = head_position(conn)
    half_done(conn, head)
    with conn.transaction():
        checkpoints.put(conn, "entries", head - 10, 1)  # as after a rollback, with no runner
    with pytest.raises(RebuildRefusedError, match=f"stands still at event {head - 10}, behind"):
        rebuild(database.url, "entries", no_progress)
    assert rebuild_state.positions(conn, "entries") == [head]
    checkpoints.put(conn, "entries", head, 1)
    done = rebuild(database.url, "entries", no_progress)
    assert (done.outcome, done.parity and done.parity.is_equal) == ("swapped", True)


def test_what_has_keys_of_its_own_is_read_in_batches_of_the_usual_size(
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shadows, "BATCH_EVENTS", 10)
    open_accounts(ledger, 20)
    transfers = read_model("transfers")
    assert transfers.key_of is not None
    ahead: list[int] = []

    def key_of(event: Recorded) -> Any:
        ahead.append(event.position - rebuild_state.positions(conn, "transfers")[1])
        return transfers.key_of and transfers.key_of(event)

    model = replace(transfers, key_of=key_of)
    shadow = swapping.make_shadow(conn, model, only_verify=False, accept_differences=False)
    rebuild_state.divide(conn, "transfers", 4)
    task = partitions._Task(model, shadow.id, head_position(conn))
    assert partitions._fill_part(conn, os.getppid(), [task], Part(1, 4), None)
    assert rebuild_state.positions(conn, "transfers")[1] == head_position(conn)
    assert 1 <= min(ahead) <= max(ahead) <= 10

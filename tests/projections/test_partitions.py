"""Rebuilds by several processes, each with a part of the streams."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import Any

import psycopg
import pytest

from application.ledger import Ledger
from projections import rebuild_state
from projections.catalogue import READ_MODELS
from projections.log import Part, head_position, read_part
from projections.rebuild import Options, RebuildFailedError, rebuild_many
from tests.conftest import Database
from tests.projections.histories import busy_history, open_accounts, recorded, write_raw
from tests.projections.running import NAMES, no_progress, project_all, rows
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
    project_all(database.url)
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
    project_all(database.url)
    live = {name: rows(conn, name) for name in NAMES}

    def reached() -> list[list[int]]:
        return [rebuild_state.positions(conn, model.name) for model in READ_MODELS]

    def is_past(position: int) -> bool:
        return any(max(positions) > position for positions in reached())

    for goal in (100, 200):
        command = [sys.executable, "-c", REBUILD, database.url, *NAMES]
        with subprocess.Popen(command, cwd=ROOT) as process:
            until(lambda: all(len(positions) == 2 for positions in reached()))
            until(partial(is_past, goal))
            process.kill()
    for done in rebuild_many(database.url, NAMES, no_progress):
        assert done.outcome == "swapped"
        assert done.parity is not None
        assert done.parity.is_equal
    assert {name: rows(conn, name) for name in NAMES} == live


def test_what_fails_in_a_process_is_told(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)
    project_all(database.url)
    write_raw(database, "account.opened", b"{}")
    conn.execute("UPDATE checkpoints SET position = position + 1")
    with pytest.raises(RebuildFailedError, match=r"event 10 \(account.opened\) can't be read"):
        rebuild_many(database.url, ["entries", "balances"], no_progress, options=TWO)
    found = rebuild_state.find(conn, "balances")
    assert found is not None
    assert found.state == "failed"

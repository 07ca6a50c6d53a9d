"""A rebuild that was killed, paused or cut off goes on where it was, and comes to the same rows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import psycopg
import pytest

from application.ledger import Ledger
from projections import rebuild_state, schemas, shadows, swapping
from projections.catalogue import READ_MODELS
from projections.log import head_position
from projections.rebuild import Options, rebuild, rebuild_many
from projections.rebuild_state import Rebuild, SupersededError
from projections.shadows import RebuildRefusedError
from projections.swapping import cancel, pause
from tests.conftest import Database
from tests.projections.histories import busy_history, open_accounts
from tests.projections.running import (
    NAMES,
    end_connections,
    no_progress,
    project_all,
    rows,
    schemas_of,
)
from tests.support.processes import ROOT
from tests.support.waiting import until

REBUILD = """
import sys
from projections import shadows
from projections.rebuild import Options, rebuild_many
shadows.BATCH_EVENTS = 40
print(rebuild_many(sys.argv[1], sys.argv[2:], lambda *_: None, options=Options(throttle=300)))
"""


@contextmanager
def rebuilding(database: Database, *names: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that rebuilds in small steps."""
    command = [sys.executable, "-c", REBUILD, database.url, *names]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def state(conn: psycopg.Connection[Any], name: str) -> Rebuild:
    found = rebuild_state.find(conn, name)
    assert found is not None
    return found


def until_done(conn: psycopg.Connection[Any], name: str, events: int) -> None:
    def is_there() -> bool:
        found = state(conn, name)
        return found.state == "filling" and found.done >= events

    until(is_there)


def test_killed_again_and_again_it_comes_to_what_an_undisturbed_one_does(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    busy_history(ledger, transfers=300)
    project_all(database.url)
    live = {name: rows(conn, name) for name in NAMES}
    head, random, reached = head_position(conn), Random(4), 0
    for number in range(4):
        with rebuilding(database, *NAMES) as process:
            # In the first half of the log: there it has some seconds left when it is seen there.
            chosen = random.randint(number * head // 8, (number + 1) * head // 8)
            stop_at = max(chosen, reached + 1)
            until_done(conn, NAMES[-1], stop_at)
            process.kill()
            process.wait()
        until(lambda: not state(conn, "entries").is_running)
        now = state(conn, NAMES[-1])
        assert (now.state, now.done > reached) == ("interrupted", True)
        reached = now.done
    assert {name: rows(conn, name) for name in NAMES} == live
    for done in rebuild_many(database.url, NAMES, no_progress):
        assert done.outcome == "swapped"
        assert done.events <= head - reached + 40
        assert done.parity is not None
        assert done.parity.is_equal
    assert {name: rows(conn, name) for name in NAMES} == live


@pytest.mark.parametrize("step", ["create_indexes", "verify", "swap_in", "compare"])
def test_cut_off_at_any_step_it_goes_on_from_there(
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    module = {"create_indexes": schemas, "swap_in": swapping}.get(step, shadows)
    busy_history(ledger, transfers=30)
    project_all(database.url, "transfers")
    before = rows(conn, "transfers")

    def cut_off(*_: object, **__: object) -> None:
        end_connections(database, "daybook rebuild")
        raise psycopg.OperationalError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(module, step, cut_off)
        with pytest.raises(psycopg.OperationalError):
            rebuild(database.url, "transfers", no_progress)
    assert state(conn, "transfers").state == "interrupted"
    done = rebuild(database.url, "transfers", no_progress)
    assert (done.outcome, done.events) == ("swapped", 0)
    assert rows(conn, "transfers") == before
    assert state(conn, "transfers").state == "swapped"


def test_paused_it_waits_until_it_is_resumed(
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shadows, "BATCH_EVENTS", 5)
    open_accounts(ledger, 10)
    project_all(database.url, "entries")
    done = rebuild(database.url, "entries", lambda *_: _false(pause(database.url, "entries")))
    # One batch has gone when the first wish is heard of, and one more with the wish.
    assert (done.outcome, done.events) == ("paused", 10)
    assert (state(conn, "entries").state, state(conn, "entries").done) == ("paused", 10)
    with pytest.raises(RebuildRefusedError, match="a rebuild of entries is not over"):
        rebuild(database.url, "entries", no_progress, options=Options(only_verify=True))
    done = rebuild(database.url, "entries", no_progress, options=Options(must_be_begun=True))
    assert (done.outcome, done.events) == ("swapped", head_position(conn) - 10)
    with pytest.raises(RebuildRefusedError, match="waits to be resumed: start one"):
        rebuild(database.url, "entries", no_progress, options=Options(must_be_begun=True))
    with pytest.raises(RebuildRefusedError, match="no rebuild of entries is under way"):
        pause(database.url, "entries")


def test_stopped_by_hand_it_is_paused(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)
    project_all(database.url, "entries")

    def control_c(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(database.url, "entries", control_c)
    assert state(conn, "entries").state == "paused"


def test_cancelled_it_leaves_nothing_behind(
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shadows, "BATCH_EVENTS", 5)
    open_accounts(ledger, 10)
    project_all(database.url, "entries")
    done = rebuild(database.url, "entries", lambda *_: _false(cancel(database.url, "entries")))
    assert done.outcome == "cancelled"
    assert state(conn, "entries").state == "cancelled"
    assert schemas_of(conn) == ["entries"]
    rebuild(database.url, "entries", lambda *_: _false(pause(database.url, "entries")))
    assert cancel(database.url, "entries")
    assert schemas_of(conn) == ["entries"]
    with pytest.raises(RebuildRefusedError, match="no rebuild of entries is under way"):
        cancel(database.url, "entries")


def _false(done: bool) -> None:
    assert not done, "it is asked of whoever works, not done behind its back"


def test_one_that_was_begun_anew_is_not_written_to_by_the_old_process(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)
    project_all(database.url, "entries")
    with conn.transaction():
        old = rebuild_state.begin(conn, "entries", 1, only_verify=False, accept_differences=False)
    schemas.create(conn, READ_MODELS[1], "entries_shadow")
    project_all(database.url, "entries")
    with conn.transaction():
        rebuild_state.begin(conn, "entries", 1, only_verify=False, accept_differences=False)
    with pytest.raises(SupersededError), conn.transaction():
        rebuild_state.move(conn, "entries", old, 0, old=0, new=5)
    assert state(conn, "entries").done == 0


def test_events_a_second_are_limited(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 10)
    project_all(database.url, "entries")
    done = rebuild(database.url, "entries", no_progress, options=Options(throttle=40))
    assert done.events / done.seconds <= 40

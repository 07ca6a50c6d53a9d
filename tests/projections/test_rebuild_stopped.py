"""What an operator says of a rebuild holds, at whatever moment it is said."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import psycopg
import pytest

from application.ledger import Ledger
from projections import rebuild_state, schemas, shadows, swapping
from projections.catalogue import read_model
from projections.log import head_position
from projections.rebuild import Options, rebuild
from projections.rebuild_state import Rebuild
from projections.rebuilder import ask, go_on
from projections.shadows import RebuildRefusedError, Shadow
from projections.swapping import cancel, pause, rollback
from tests.conftest import Database
from tests.projections.histories import open_accounts
from tests.projections.running import no_progress, project_all, rebuilding, schemas_of
from tests.support.waiting import until


def state(conn: psycopg.Connection[Any], name: str = "entries") -> Rebuild:
    found = rebuild_state.find(conn, name)
    assert found is not None
    return found


@pytest.fixture
def asked(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> psycopg.Connection[Any]:
    """A connection to a ledger whose entries are to be rebuilt, slowly, by a projector."""
    open_accounts(ledger, 20)
    project_all(database.url, "entries")
    ask(database.url, "entries", Options(throttle=10))
    return conn


@pytest.mark.parametrize(("stop", "outcome"), [(pause, "paused"), (cancel, "cancelled")])
def test_what_is_said_while_the_process_starts_holds(
    database: Database,
    asked: psycopg.Connection[Any],
    stop: Callable[[str, str], bool],
    outcome: str,
) -> None:
    with rebuilding(database.url):
        until(multiprocessing.active_children)
        stop(database.url, "entries")
        until(lambda: not multiprocessing.active_children())
    assert (state(asked).state, state(asked).error) == (outcome, None)


def test_a_projector_leaves_what_was_paused_ended_or_done_meanwhile(
    database: Database, asked: psycopg.Connection[Any]
) -> None:
    entries = read_model("entries")
    assert pause(database.url, "entries")
    go_on(database.url, entries)
    assert (state(asked).state, state(asked).done) == ("paused", 0)
    assert rebuild(database.url, "entries", no_progress).outcome == "swapped"
    go_on(database.url, entries)
    assert (state(asked).state, state(asked).error) == ("swapped", None)
    rebuild(database.url, "entries", no_progress, options=Options(only_verify=True))


@pytest.mark.parametrize(("what", "outcome"), [("pause", "paused"), ("cancel", "cancelled")])
def test_what_was_asked_of_a_process_that_died_holds_for_the_projector(
    database: Database, asked: psycopg.Connection[Any], what: Any, outcome: str
) -> None:
    rebuild_state.request(asked, "entries", what)
    go_on(database.url, read_model("entries"))
    found = state(asked)
    assert (found.state, found.requested, found.done) == (outcome, None, 0)


def test_a_refusal_is_noted_for_the_operator_unless_he_has_ended_the_rebuild(
    database: Database, asked: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.execute("CREATE SCHEMA reports")
    asked.execute("CREATE VIEW reports.mine AS SELECT * FROM entries.entry")
    go_on(database.url, read_model("entries"))
    assert state(asked).state == "paused"
    assert "reports.mine would be lost" in str(state(asked).error)
    rebuild_state.wait(asked, "entries", accept_differences=False, throttle=None, parallel=1)

    def cancelled(*_: object) -> None:
        with database.connect() as operator:
            rebuild_state.request(operator, "entries", "cancel")
        raise RebuildRefusedError("views are in the way")

    monkeypatch.setattr(swapping, "require_swappable", cancelled)
    go_on(database.url, read_model("entries"))
    assert state(asked).state == "cancelled"
    assert schemas_of(asked) == ["entries", "reports"]


def test_a_refusal_is_not_noted_of_a_rebuild_that_is_over(
    database: Database, asked: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def swapped(*_: object) -> None:
        with database.connect() as other:
            rebuild_state.finish(other, "entries", "swapped")
        raise RebuildRefusedError("views are in the way")

    monkeypatch.setattr(swapping, "require_swappable", swapped)
    go_on(database.url, read_model("entries"))
    assert (state(asked).state, state(asked).error) == ("swapped", None)


@pytest.mark.parametrize("stop", [pause, cancel])
def test_what_was_swapped_in_meanwhile_is_neither_paused_nor_cancelled(
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
    stop: Callable[[str, str], bool],
) -> None:
    open_accounts(ledger, 3)
    project_all(database.url, "entries")
    ask(database.url, "entries")
    real = schemas.try_lock

    def after_a_rebuild(*args: Any) -> bool:
        monkeypatch.undo()
        rebuild(database.url, "entries", no_progress)
        return real(*args)

    monkeypatch.setattr(schemas, "try_lock", after_a_rebuild)
    with pytest.raises(RebuildRefusedError, match="no rebuild of entries is under way"):
        stop(database.url, "entries")
    assert state(conn).state == "swapped"


def test_what_ends_while_somebody_has_its_lock_is_not_said_to_be_stopped(
    database: Database, asked: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(conn: psycopg.Connection[Any], kind: int, name: str) -> bool:
        rebuild_state.finish(asked, name, "swapped")
        return False

    monkeypatch.setattr(schemas, "try_lock", too_late)
    with pytest.raises(RebuildRefusedError, match="no rebuild of entries is under way"):
        pause(database.url, "entries")
    assert state(asked).requested is None


def test_a_control_c_is_left_to_the_projector(
    database: Database, asked: psycopg.Connection[Any]
) -> None:
    def is_told_more(done: int) -> bool:
        return state(asked).done > done + 10 or state(asked).phase != "filling"

    with rebuilding(database.url):
        until(lambda: state(asked).done > 0)
        for process in multiprocessing.active_children():
            assert process.pid is not None
            os.kill(process.pid, signal.SIGINT)  # as a terminal does it to all
        until(partial(is_told_more, state(asked).done))
        assert state(asked).phase != "paused"


def test_waiting_for_the_live_read_model_ends_when_something_is_asked(
    asked: psycopg.Connection[Any],
) -> None:
    shadow = Shadow(read_model("entries"), state(asked).id, head_position(asked))
    asked.execute("UPDATE checkpoints SET position = 1 WHERE name = 'entries'")
    rebuild_state.request(asked, "entries", "pause")
    shadows.await_live(asked, shadow)


def test_a_rollback_is_over_when_it_says_so(
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_accounts(ledger, 3)
    for _ in range(2):
        project_all(database.url, "entries")
    with database.connect() as lasting, monkeypatch.context() as patch:
        # A closed connection's locks are let go of some time later: here it does not even close.
        patch.setattr(swapping, "connect", lambda *_: nullcontext(lasting))
        rollback(database.url, "entries")
        assert schemas.try_lock(conn, schemas.REBUILD_LOCKS, "entries")

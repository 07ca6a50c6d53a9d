"""The part of a projector that does rebuilds: what is asked for, and what was interrupted."""

from __future__ import annotations

import os

import psycopg
import pytest
from msgspec.structs import replace

from application.ledger import Ledger
from projections import rebuild_state
from projections.catalogue import READ_MODELS, read_model
from projections.rebuild import Options, rebuild
from projections.rebuilder import ask
from projections.shadows import RebuildRefusedError
from tests.conftest import Database
from tests.projections.histories import open_accounts
from tests.projections.running import end_connections, no_progress, project_all, rebuilding, rows
from tests.support.waiting import until


def state(conn: psycopg.Connection[object], name: str) -> str:
    found = rebuild_state.find(conn, name)
    return "" if found is None else found.state


def test_an_interrupted_rebuild_goes_on_and_a_paused_one_waits(
    database: Database, ledger: Ledger, conn: psycopg.Connection[object]
) -> None:
    open_accounts(ledger, 3)
    project_all(database.url, "entries", "transfers")
    with pytest.raises(psycopg.OperationalError):
        rebuild(database.url, "entries", lambda *_: end_connections(database, "daybook rebuild"))
    ask(database.url, "transfers")
    with rebuilding(database.url):
        until(lambda: state(conn, "entries") == "swapped")
        until(lambda: state(conn, "transfers") == "swapped")


def test_a_rebuild_that_differs_waits_for_an_operator(
    database: Database, ledger: Ledger, conn: psycopg.Connection[object]
) -> None:
    open_accounts(ledger, 3)
    project_all(database.url, "entries")
    conn.execute("UPDATE entries.entry SET description = 'spoiled'")
    with rebuilding(database.url):
        ask(database.url, "entries")
        until(lambda: state(conn, "entries") == "different")
        assert {row[9] for row in rows(conn, "entries")} == {"spoiled"}
        ask(database.url, "entries", Options(accept_differences=True))
        until(lambda: state(conn, "entries") == "swapped")
    assert {row[9] for row in rows(conn, "entries")} == {""}


def test_stopped_in_the_middle_it_is_left_to_the_next(
    database: Database, ledger: Ledger, conn: psycopg.Connection[object]
) -> None:
    open_accounts(ledger, 40)  # some seconds of work
    project_all(database.url, "entries")

    def is_begun() -> bool:
        found = rebuild_state.find(conn, "entries")
        return found is not None and found.state == "filling" and found.done > 0

    ask(database.url, "entries", Options(throttle=10))
    with rebuilding(database.url):
        until(is_begun)
    until(lambda: state(conn, "entries") == "interrupted")
    with pytest.raises(RebuildRefusedError, match="is not over, and verifying"):
        ask(database.url, "entries", Options(only_verify=True))
    done = rebuild(database.url, "entries", no_progress)
    assert (done.outcome, done.events < done.position) == ("swapped", True)


def dying(batch: object, db: object) -> None:
    os._exit(9)


def test_one_whose_process_dies_does_not_keep_the_others_waiting(
    database: Database, ledger: Ledger, conn: psycopg.Connection[object]
) -> None:
    open_accounts(ledger, 3)
    for name in ("balances", "entries"):
        ask(database.url, name)
    with rebuilding(database.url, [replace(read_model("balances"), project=dying), READ_MODELS[1]]):
        until(lambda: state(conn, "entries") == "swapped")
    until(lambda: state(conn, "balances") == "interrupted")

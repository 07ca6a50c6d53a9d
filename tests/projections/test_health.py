"""What operators are told of read models."""

from __future__ import annotations

from typing import Any

import psycopg
from msgspec.structs import replace

from application.ledger import Ledger
from projections import checkpoints
from projections.catalogue import READ_MODELS, read_model
from projections.health import ModelStatus, status, status_of_others
from projections.log import head_position
from projections.rebuild import rebuild
from tests.conftest import Database, MakeDatabase
from tests.projections.histories import open_accounts
from tests.projections.planted import failing, journal
from tests.projections.running import ask, caught_up, no_progress, project_all, running
from tests.support.waiting import until


def by_name(database: Database) -> dict[str, ModelStatus]:
    return {s.name: s for s in ask(database.url, status)}


def test_in_good_order(database: Database, ledger: Ledger, conn: psycopg.Connection[Any]) -> None:
    with running(database.url):
        open_accounts(ledger, 3)
        caught_up(conn)
        head = head_position(conn)
        assert ask(database.url, status) == [
            ModelStatus(m.name, head, head, 0, 0.0, "ok", None, m.version, m.version)
            for m in READ_MODELS
        ]


def test_without_a_runner(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    assert {s.health for s in by_name(database).values()} == {"not running"}
    project_all(database.url, "entries")
    open_accounts(ledger, 3)
    head = head_position(conn)
    for found in by_name(database).values():
        assert (found.position, found.head, found.lag_events) == (0, head, head)
        assert found.health == "not running"
        assert 0 < found.lag_s < 60
    project_all(database.url, "entries")
    found = by_name(database)["entries"]
    assert (found.position, found.lag_events, found.lag_s) == (head, 0, 0)


def test_a_failing_one_says_why_and_how_old_its_last_view_is(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    broken = failing(read_model("entries"), 5, error=OSError)
    with running(database.url, [broken, read_model("balances")]):
        open_accounts(ledger, 2)
        until(lambda: by_name(database)["entries"].health == "failing")
        caught_up(conn, "balances")
        found = by_name(database)
    assert found["balances"].health == "ok"
    assert found["entries"].position == 4
    assert found["entries"].error == ("fails at 5 (account.credited): OSError: out of order")
    assert (found["entries"].lag_events, found["entries"].lag_s > 0) == (1, True)


def test_other_code_asks_for_a_rebuild_whatever_else_is_the_matter(
    database: Database, conn: psycopg.Connection[Any]
) -> None:
    project_all(database.url)
    checkpoints.record_error(conn, "entries", "old trouble")
    newer = [replace(model, version=model.version + 1) for model in READ_MODELS]
    for found, model in zip(ask(database.url, status, newer), READ_MODELS, strict=True):
        versions = (model.version, model.version + 1)
        assert (found.health, found.built_by, found.code_version) == ("stale version", *versions)
        said = f"built by version {versions[0]}, code is version {versions[1]}: rebuild it"
        assert found.error == said


def test_a_runner_of_another_database_does_not_count(
    database: Database, make_database: MakeDatabase
) -> None:
    with running(database.url), make_database() as other:
        until(lambda: {s.health for s in by_name(database).values()} == {"ok"})
        assert {s.health for s in by_name(other).values()} == {"not running"}


def test_a_read_model_that_leaves_keys_out_is_not_well(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    with running(database.url, [failing(read_model("entries"), 5)]):
        open_accounts(ledger, 2)
        caught_up(conn, "entries")
        found = by_name(database)["entries"]
    assert (found.health, found.parked, found.lag_events) == ("parked keys", 1, 0)


def test_read_models_of_ones_own_are_shown_with_the_products(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 2)
    assert ask(database.url, status_of_others) == []
    for _ in range(2):  # the second leaves a journal_previous, which is not one that anybody runs
        rebuild(database.url, "journal", no_progress, [journal(version=3)])
    (found,) = ask(database.url, status_of_others)
    assert (found.name, found.health, found.lag_events) == ("journal", "not running", 0)
    assert (found.built_by, found.code_version) == (3, 3)

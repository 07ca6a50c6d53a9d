"""Rebuilds: the same rows as the live read model, while it is read and written."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace

from application.ledger import Ledger
from domain.events import Recorded
from projections import checkpoints, rebuild, shadows
from projections.catalogue import READ_MODELS, read_model
from projections.checkpoints import Checkpoint
from projections.log import head_position
from projections.rebuild import Options
from tests.conftest import Database
from tests.projections.histories import busy_history, keeping_busy, open_accounts
from tests.projections.planted import failing
from tests.projections.running import (
    NAMES,
    caught_up,
    no_progress,
    position,
    project_all,
    rows,
    running,
    schemas_of,
)
from tests.support.waiting import until


def shape(conn: psycopg.Connection[Any], schema: str) -> list[tuple[str, ...]]:
    """A schema's columns and indexes."""
    columns = conn.execute(
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns"
        " WHERE table_schema = %s ORDER BY 1, ordinal_position",
        (schema,),
    ).fetchall()
    indexes = conn.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = %s ORDER BY 1", (schema,)
    ).fetchall()
    return [*columns, *indexes]


def test_a_rebuild_is_what_the_runner_made_in_rows_and_in_shape(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    with running(database.url):
        busy_history(ledger, transfers=150)
        caught_up(conn)
    live = {name: (rows(conn, name), shape(conn, name)) for name in NAMES}
    told: list[tuple[int, int]] = []
    head = head_position(conn)
    for name in NAMES:
        done = rebuild.rebuild(database.url, name, lambda *progress: told.append(progress))
        assert (done.name, done.position, done.events) == (name, head, head)
        assert done.seconds > 0
    assert {name: (rows(conn, name), shape(conn, name)) for name in NAMES} == live
    assert told == [(head, head)] * len(NAMES)
    assert schemas_of(conn) == sorted([*NAMES, *(f"{name}_previous" for name in NAMES)])


def test_rebuilt_while_a_writer_posts_and_the_runner_runs(
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shadows, "BATCH_EVENTS", 500)
    monkeypatch.setattr(shadows, "NEAR_EVENTS", 50)
    busy_history(ledger)
    with running(database.url):
        with keeping_busy(ledger):
            head = head_position(conn)
            for _ in range(3):
                for done in rebuild.rebuild_many(database.url, NAMES, no_progress):
                    assert done.position >= head
        caught_up(conn)
    live = {name: rows(conn, name) for name in NAMES}
    project_all(database.url)
    assert {name: rows(conn, name) for name in NAMES} == live


def test_reads_go_on_while_it_is_rebuilt_and_prepared_ones_see_the_new_rows(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 5)
    project_all(database.url, "balances")
    stop = threading.Event()
    swaps, seen = [0], set()

    def read() -> None:
        with database.connect() as reader:
            while not stop.is_set():
                before = swaps[0]  # a read that began before a swap may show what was there then
                count = "SELECT count(*), count(*) FILTER (WHERE name = 'spoiled') FROM"
                query = f"{count} balances.account".encode()
                seen.add((before, reader.execute(query, prepare=True).fetchone()))

    def shown() -> set[Any]:
        return {row for before, row in seen.copy() if before == swaps[0]}

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(5):
            conn.execute("UPDATE balances.account SET name = 'spoiled'")
            until(lambda: (5, 5) in shown())
            rebuild.rebuild(
                database.url, "balances", no_progress, options=Options(accept_differences=True)
            )
            swaps[0] += 1
            until(shown)
            assert shown() == {(5, 0)}
    finally:
        stop.set()
        reader.join()


def test_a_read_model_that_is_behind_is_not_seen_to_move_in_the_swap(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    with running(database.url):
        open_accounts(ledger, 3)
        caught_up(conn)
    open_accounts(ledger, 3)
    with conn.transaction():
        # The live read model moves between the rebuild's last batch and its swap.
        checkpoints.lock(conn, "entries")
        thread = threading.Thread(target=project_all, args=(database.url, "entries"))
        thread.start()
        until(lambda: "entries_shadow" in schemas_of(conn))
        until(lambda: _waits_for_checkpoint(database))
        open_accounts(ledger, 3)
        moved = head_position(conn)
        conn.execute("UPDATE checkpoints SET position = %s WHERE name = 'entries'", (moved,))
    thread.join(20)
    assert position(conn, "entries") == moved
    assert len(rows(conn, "entries")) == 12


def _waits_for_checkpoint(database: Database) -> bool:
    with database.connect(superuser=True) as admin:
        return bool(
            admin.execute(
                "SELECT FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'daybook rebuild' AND wait_event_type = 'Lock'"
            ).fetchall()
        )


def test_a_rebuild_brings_a_new_version_of_the_code_to_work(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    balances = read_model("balances")
    open_accounts(ledger, 3)
    project_all(database.url, "balances")

    def project(batch: Sequence[Recorded], db: psycopg.Cursor[Any]) -> None:
        balances.project(batch, db)
        db.execute("INSERT INTO batch VALUES (%s)", (batch[-1].position,))

    tables = f"{balances.tables}; CREATE TABLE batch (position bigint);"
    newer = replace(balances, version=balances.version + 1, tables=tables, project=project)
    with running(database.url, [newer]):
        rebuild.rebuild(database.url, "balances", no_progress, [newer])
        first = head_position(conn)
        open_accounts(ledger, 3)
        caught_up(conn, "balances")
    last = head_position(conn)
    found = conn.execute("SELECT min(position), max(position) FROM balances.batch").fetchone()
    assert found == (first, last)
    assert checkpoints.read(conn, "balances") == Checkpoint(last, newer.version, None)


def test_a_rebuild_mends_a_read_model_that_stands_still(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)
    head = head_position(conn)
    entries = read_model("entries")
    with running(database.url, [failing(entries, head, error=OSError)]):
        until(lambda: (c := checkpoints.read(conn, "entries")) and c.error)
    project_all(database.url, "entries")
    assert checkpoints.read(conn, "entries") == Checkpoint(head, 1, None)
    assert len(rows(conn, "entries")) == 4


def test_a_read_model_is_built_that_never_was(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)
    project_all(database.url, "transfers")
    assert schemas_of(conn) == ["transfers"]
    assert len(rows(conn, "transfers")) == 2
    assert position(conn, "transfers") == head_position(conn)


def test_every_read_model_has_a_schema_of_its_own_name() -> None:
    names = [model.name for model in READ_MODELS]
    assert len(set(names)) == len(names)
    assert not any(name.endswith(("_shadow", "_previous", "_outdated", "_aside")) for name in names)

"""Migrations: up and down as often as one likes, many at once, and never over files that changed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql

from api.local import cluster
from api.local.postgres import EmbeddedPostgres
from migrations import runner
from migrations.runner import Migration, MigrationError
from projections.catalogue import READ_MODELS
from projections.schemas import create, ensure
from tests.support.waiting import until

HEAD = len(runner.load())


@pytest.fixture
def url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A superuser's way to a database without any migration."""
    with psycopg.connect(postgres.url("postgres", superuser=True), autocommit=True) as conn:
        conn.execute("CREATE DATABASE daybook_bare")
        yield postgres.url("daybook_bare", superuser=True)
        conn.execute("DROP DATABASE daybook_bare WITH (FORCE)")


@pytest.fixture
def conn(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as conn:
        yield conn


def schema(url: str) -> str:
    """The database as its own tool writes it down, without what differs from dump to dump."""
    tool = cluster.programs() / "pg_dump"
    dump = subprocess.run([tool, "--schema-only", url], capture_output=True, text=True, check=True)
    return "\n".join(line for line in dump.stdout.splitlines() if "restrict" not in line)


def applied(conn: psycopg.Connection[Any]) -> list[str]:
    return [status.name for status in runner.status(conn) if status.applied_at is not None]


def test_up_down_and_up_again_leaves_the_same_schema(
    url: str, conn: psycopg.Connection[Any]
) -> None:
    runner.status(conn)
    bare = schema(url)
    runner.up(conn)
    first = schema(url)
    assert "CREATE TABLE public.events" in first
    undone = runner.down(conn, steps=HEAD)
    assert [migration.number for migration in undone] == list(range(HEAD, 0, -1))
    assert schema(url) == bare
    runner.up(conn)
    assert schema(url) == first


def test_the_way_down_takes_read_models_along_and_what_rebuilds_left(
    url: str, conn: psycopg.Connection[Any]
) -> None:
    runner.status(conn)
    bare = schema(url)
    runner.up(conn)
    conn.execute("SET ROLE daybook")
    for model in READ_MODELS:
        ensure(conn, model)
        for left in ("shadow", "previous", "outdated"):
            create(conn, model, f"{model.name}_{left}")
    conn.execute("RESET ROLE")
    runner.down(conn, HEAD)
    assert schema(url) == bare


def test_each_step_down_can_be_gone_up_again(url: str, conn: psycopg.Connection[Any]) -> None:
    runner.up(conn)
    whole = schema(url)
    for steps in range(1, HEAD + 1):
        assert len(runner.down(conn, steps)) == steps
        assert len(applied(conn)) == HEAD - steps
        assert len(runner.up(conn)) == steps
        assert schema(url) == whole


def test_down_from_the_bottom_does_nothing(conn: psycopg.Connection[Any]) -> None:
    runner.up(conn)
    assert len(runner.down(conn, steps=HEAD + 5)) == HEAD
    assert runner.down(conn) == []


def test_what_is_there_stays_when_up_comes_again(conn: psycopg.Connection[Any]) -> None:
    assert len(runner.up(conn)) == HEAD
    conn.execute("UPDATE ledger_head SET position = 7")
    assert runner.up(conn) == []
    assert conn.execute("SELECT position FROM ledger_head").fetchone() == (7,)


def migrate(url: str) -> int:
    """One process that brings the database up; answers how many migrations it applied."""
    with psycopg.connect(url, autocommit=True) as conn:
        return len(runner.up(conn))


def test_processes_that_start_at_once_apply_each_migration_once(
    url: str, conn: psycopg.Connection[Any]
) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        # Both are there before the first may begin.
        with conn.transaction():
            conn.execute("SELECT pg_advisory_xact_lock(%s)", (runner._LOCK,))
            starts = [processes.submit(migrate, url) for _ in range(2)]
            until(lambda: waiting(conn) == 2)
        assert sum(start.result(60) for start in starts) == HEAD
    assert len(applied(conn)) == HEAD


def waiting(conn: psycopg.Connection[Any]) -> int:
    conn.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees what it saw first
    row = conn.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND wait_event = 'advisory'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_status_says_what_is_applied_and_what_is_to_come(conn: psycopg.Connection[Any]) -> None:
    migrations = runner.load()
    assert [status.applied_at for status in runner.status(conn)] == [None] * HEAD
    runner.up(conn, migrations[:2])
    first, second, *rest = runner.status(conn)
    assert (first.number, first.name) == (1, "event_log")
    assert first.applied_at is not None
    assert second.applied_at is not None
    assert first.applied_at <= second.applied_at
    assert [status.applied_at for status in rest] == [None] * (HEAD - 2)


def test_a_migration_that_was_edited_after_it_was_applied_is_refused(
    conn: psycopg.Connection[Any],
) -> None:
    runner.up(conn)
    migrations = runner.load()
    edited = [
        replace(migrations[0], up=migrations[0].up + "-- one more thought\n"),
        *migrations[1:],
    ]
    with pytest.raises(MigrationError, match="0001_event_log was edited after it was applied: put"):
        runner.up(conn, edited)
    with pytest.raises(MigrationError, match="was edited"):
        runner.down(conn, migrations=edited)
    with pytest.raises(MigrationError, match="was edited"):
        runner.status(conn, edited)
    assert len(applied(conn)) == HEAD


def test_a_way_down_may_be_mended_later(conn: psycopg.Connection[Any]) -> None:
    runner.up(conn)
    mended = [
        replace(migration, down=migration.down + "\n-- mended") for migration in runner.load()
    ]
    assert len(runner.down(conn, HEAD, mended)) == HEAD


def test_a_database_that_a_newer_version_migrated_is_refused(
    conn: psycopg.Connection[Any],
) -> None:
    newer = [*runner.load(), Migration(HEAD + 1, "from_the_future", "SELECT 1", "SELECT 1")]
    runner.up(conn, newer)
    for action in (runner.up, runner.down, runner.status):
        with pytest.raises(MigrationError, match=r"from_the_future.*run the version that made it"):
            action(conn)


def test_a_migration_that_fails_leaves_nothing_of_itself_and_keeps_those_before(
    conn: psycopg.Connection[Any],
) -> None:
    broken = Migration(HEAD + 1, "broken", "CREATE TABLE half (); SELECT 1 / 0;", "")
    with pytest.raises(errors.DivisionByZero):
        runner.up(conn, [*runner.load(), broken])
    assert conn.execute("SELECT to_regclass('half')").fetchone() == (None,)
    assert len(applied(conn)) == HEAD


def test_a_second_database_of_the_cluster_gets_the_role_that_is_there(
    url: str, conn: psycopg.Connection[Any]
) -> None:
    assert conn.execute("SELECT count(*) FROM pg_roles WHERE rolname = 'daybook'").fetchone() == (
        1,
    )
    runner.up(conn)


@pytest.mark.parametrize("table", ["snapshots", "idempotency_keys", "deadlines", "checkpoints"])
def test_the_applications_role_may_do_what_it_must_to_what_it_keeps(
    table: str, conn: psycopg.Connection[Any]
) -> None:
    runner.up(conn)
    conn.execute("SET ROLE daybook")
    conn.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
    with pytest.raises(errors.InsufficientPrivilege):
        conn.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(table)))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["0001_one.up.sql"], "0001_one.up.sql has no 0001_one.down.sql"),
        (["0002_two.up.sql", "0002_two.down.sql"], "number 0001 is missing or doubled"),
        (
            ["0001_one.up.sql", "0001_one.down.sql", "0001_uno.up.sql", "0001_uno.down.sql"],
            "number 0002 is missing or doubled",
        ),
        (["1_one.up.sql"], "name it NNNN_words.up.sql"),
    ],
)
def test_files_that_do_not_make_a_sequence_are_refused(
    files: list[str], message: str, tmp_path: Path
) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(MigrationError, match=message.replace(".", r"\.")):
        runner.load(tmp_path)


def test_what_is_pending_can_be_asked_as_the_applications_role(
    conn: psycopg.Connection[Any],
) -> None:
    migrations = runner.load()
    runner.up(conn, migrations[:1])
    conn.execute("SET ROLE daybook")
    assert runner.pending(conn) == migrations[1:]
    conn.execute("RESET ROLE")
    runner.up(conn)
    conn.execute("SET ROLE daybook")
    assert runner.pending(conn) == []

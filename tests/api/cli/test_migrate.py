"""`daybook migrate` and `daybook config`, from an empty database to a migrated one and back."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from api.databases import public_only
from api.local.postgres import EmbeddedPostgres
from migrations import runner
from tests.api.cli.conftest import CommandLine

ALL = [f"{migration.number:04}_{migration.name}" for migration in runner.load()]


@pytest.fixture
def empty(postgres: EmbeddedPostgres) -> Iterator[CommandLine]:
    """A command line on a database that nobody has migrated."""
    name = "daybook_test_empty"
    with psycopg.connect(postgres.url("postgres", superuser=True), autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name}")
        yield CommandLine(
            {
                "DATABASE_URL": postgres.url(name),
                "DATABASE_ADMIN_URL": postgres.url(name, superuser=True),
            }
        ).here
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_up_and_down_and_up_again(empty: CommandLine) -> None:
    def applied() -> list[bool]:
        rows = empty.json("migrate", "status")
        assert [f"{row['number']:04}_{row['name']}" for row in rows] == ALL
        return [row["applied_at"] is not None for row in rows]

    advice = "the database is not migrated: run `daybook migrate up` first"
    for command in ("accounts", "serve", "project"):
        assert advice in empty.refused(1, command)
    assert not any(applied())
    assert empty.done("migrate", "up").splitlines() == [f"applied {each}" for each in ALL]
    assert "nothing to do" in empty.done("migrate", "up")
    assert all(applied())
    assert empty.json("accounts") == []
    asked = empty("migrate", "down")
    assert (asked.returncode, "Aborted" in asked.stderr) == (1, True), "nobody has said yes"
    assert empty.done("migrate", "down", "--yes") == f"took back {ALL[-1]}\n"
    assert advice in empty.refused(1, "accounts")
    lines = empty.done("migrate", "down", "--yes", "--steps", 9).splitlines()
    assert lines == [f"took back {each}" for each in reversed(ALL[:-1])]
    assert "nothing to do" in empty.done("migrate", "down", "--yes")


def test_the_applications_role_may_not_migrate(empty: CommandLine) -> None:
    empty.done("migrate", "up")
    for command in ("up", "status"):
        assert "set DATABASE_ADMIN_URL" in empty.refused(
            1, "migrate", command, DATABASE_ADMIN_URL=""
        )
    assert empty.json("accounts", DATABASE_ADMIN_URL="") == []


def test_config_prints_connection_strings(empty: CommandLine, postgres: EmbeddedPostgres) -> None:
    name = "daybook_test_empty"
    assert empty.done("config", "database-url").strip() == public_only(postgres.url(name))
    superuser = empty.done("config", "database-url", "--superuser").strip()
    assert superuser == public_only(postgres.url(name, superuser=True))

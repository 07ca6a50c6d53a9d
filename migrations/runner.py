"""Runs the numbered migrations: each in its own transaction, once, whoever starts it and how often."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row

FOLDER = Path(__file__).parent
_LOCK = 0x6461_7962  # "dayb": one advisory lock for all who migrate this database
_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.up\.sql")


class MigrationError(Exception):
    """The database and the migration files do not fit together; the message says what to do."""


@dataclass(frozen=True)
class Migration:
    number: int
    name: str
    up: str
    down: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the up script: an applied migration must never change."""
        return hashlib.sha256(self.up.encode()).hexdigest()


@dataclass(frozen=True)
class Status:
    number: int
    name: str
    applied_at: datetime | None


def load(folder: Path = FOLDER) -> list[Migration]:
    """The migrations of a folder in order. Raises `MigrationError` on a gap or a missing down file."""
    migrations = []
    for path in sorted(folder.glob("*.up.sql")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name}: name it NNNN_words.up.sql")
        down = path.with_name(path.name.replace(".up.sql", ".down.sql"))
        if not down.exists():
            raise MigrationError(f"{path.name} has no {down.name}: write the way back too")
        migrations.append(Migration(int(match[1]), match[2], path.read_text(), down.read_text()))
    for expected, migration in enumerate(migrations, start=1):
        if migration.number != expected:
            raise MigrationError(
                f"{migration.number:04}_{migration.name}: number {expected:04} is missing or doubled"
            )
    return migrations


def up(conn: Connection[Any], migrations: list[Migration] | None = None) -> list[Migration]:
    """Apply what is missing and answer what was applied. Safe to start many times at once.

    Raises `MigrationError` when an applied migration was edited or is unknown here.
    """
    migrations = load() if migrations is None else migrations
    applied: list[Migration] = []
    while True:
        with conn.transaction():
            done = _locked_state(conn, migrations)
            missing = [m for m in migrations if m.number not in done]
            if not missing:
                return applied
            migration = missing[0]
            conn.execute(migration.up.encode())
            conn.execute(
                "INSERT INTO schema_migrations (number, name, checksum) VALUES (%s, %s, %s)",
                (migration.number, migration.name, migration.checksum),
            )
        applied.append(migration)


def down(
    conn: Connection[Any], steps: int = 1, migrations: list[Migration] | None = None
) -> list[Migration]:
    """Take back the last `steps` migrations, newest first, with all data that they hold."""
    migrations = load() if migrations is None else migrations
    undone = []
    for _ in range(steps):
        with conn.transaction():
            done = _locked_state(conn, migrations)
            if not done:
                break
            migration = migrations[max(done) - 1]
            conn.execute(migration.down.encode())
            conn.execute("DELETE FROM schema_migrations WHERE number = %s", (migration.number,))
        undone.append(migration)
    return undone


def status(conn: Connection[Any], migrations: list[Migration] | None = None) -> list[Status]:
    """Each migration with the time at which it was applied, None when it was not."""
    migrations = load() if migrations is None else migrations
    with conn.transaction():
        done = _locked_state(conn, migrations)
    return [Status(m.number, m.name, done.get(m.number)) for m in migrations]


def _locked_state(conn: Connection[Any], migrations: list[Migration]) -> dict[int, datetime]:
    """What is applied, read under the migration lock; checks that no applied file was edited."""
    conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    conn.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations ("
        " number int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
    )
    return _applied(conn, migrations)


def _applied(conn: Connection[Any], migrations: list[Migration]) -> dict[int, datetime]:
    """When each was applied; raises `MigrationError` for one that was edited or is not known here."""
    cursor = conn.cursor(row_factory=tuple_row)
    rows = cursor.execute(
        "SELECT number, name, checksum, applied_at FROM schema_migrations ORDER BY number"
    ).fetchall()
    known = {m.number: m for m in migrations}
    for number, name, checksum, _ in rows:
        migration = known.get(number)
        if migration is None:
            raise MigrationError(
                f"the database has migration {number:04}_{name}, which this version does not know: "
                "run the version that made it, or go down from there first"
            )
        if migration.checksum != checksum:
            raise MigrationError(
                f"migration {number:04}_{name} was edited after it was applied: put the file back "
                "as it was and write a new migration for the change"
            )
    return {number: applied_at for number, _, _, applied_at in rows}


def pending(conn: Connection[Any], migrations: list[Migration] | None = None) -> list[Migration]:
    """What `up` would apply. Only reads, without the lock. Raises `MigrationError` as `up` does."""
    migrations = load() if migrations is None else migrations
    done = _applied(conn, migrations)
    return [m for m in migrations if m.number not in done]

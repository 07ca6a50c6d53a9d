"""Who waits for whose lock: how tests stop a rotation just where they want it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from psycopg import Connection

from tests.conftest import Database


def is_blocked(conn: Connection[Any], pid: int) -> bool:
    """Whether this server process waits for a lock that another one has."""
    return conn.execute("SELECT pg_blocking_pids(%s) <> '{}'", (pid,)).fetchone() == (True,)


def blocked(conn: Connection[Any], application: str) -> list[int]:
    """The server processes of a program that wait for somebody's lock."""
    rows = conn.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = %s AND pg_blocking_pids(pid) <> '{}'",
        (application,),
    )
    return [pid for (pid,) in rows]


@contextmanager
def held(database: Database, person_id: UUID) -> Iterator[None]:
    """While somebody else has locked a person's row."""
    with database.connect() as conn, conn.transaction():
        conn.execute("SELECT FROM person_keys WHERE person_id = %s FOR UPDATE", (person_id,))
        yield

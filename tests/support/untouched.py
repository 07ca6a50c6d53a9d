"""What attacks must leave as it is: the log, but for what it tells of them, and the tables."""

from __future__ import annotations

from typing import Any

from tests.conftest import Database

Shapes = list[tuple[Any, ...]]


def written(database: Database) -> int:
    """How many events there are, but for the security log, which tells of what is refused."""
    with database.connect(superuser=True) as conn:
        row = conn.execute("SELECT count(*) FROM events WHERE topic NOT LIKE 'security.%'")
        return int((row.fetchone() or (0,))[0])


def shapes(database: Database) -> Shapes:
    """Every table that there is, with its columns."""
    with database.connect(superuser=True) as conn:
        return conn.execute(
            "SELECT attrelid::regclass::text, attname, atttypid FROM pg_attribute"
            " JOIN pg_class ON pg_class.oid = attrelid WHERE relkind IN ('r', 'p', 'v')"
            " AND relnamespace::regnamespace::text !~ '^pg_' ORDER BY 1, 2"
        ).fetchall()

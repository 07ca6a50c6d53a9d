"""The schemas that read models live in: made when missing, filled as a shadow, swapped in whole."""

from __future__ import annotations

from typing import Any
from zlib import crc32

from psycopg import Connection
from psycopg.sql import SQL, Identifier

from projections import checkpoints
from projections.catalogue import ReadModel

RUNNER_LOCKS = 0x6461_7950  # "dayP": advisory locks of those who run a read model
REBUILD_LOCKS = 0x6461_7952  # "dayR": of those who rebuild one
_SCHEMA_LOCKS = 0x6461_7953  # "dayS": of those who make a schema


def lock_key(name: str) -> int:
    """A read model's number among advisory locks."""
    return crc32(name.encode()) & 0x7FFF_FFFF


def try_lock(conn: Connection[Any], kind: int, name: str) -> bool:
    """Take a lock that lasts as long as the connection. False: another connection has it."""
    row = conn.execute("SELECT pg_try_advisory_lock(%s, %s)", (kind, lock_key(name))).fetchone()
    assert row is not None
    return bool(row[0])


def unlock(conn: Connection[Any], kind: int, name: str) -> None:
    conn.execute("SELECT pg_advisory_unlock(%s, %s)", (kind, lock_key(name)))


def ensure(conn: Connection[Any], model: ReadModel) -> None:
    """Make the read model's schema, empty and at position 0, when there is none."""
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_SCHEMA_LOCKS, lock_key(model.name)))
        if not exists(conn, model.name):
            create(conn, model, model.name)
            create_indexes(conn, model, model.name)
            # A checkpoint without tables is worth nothing.
            checkpoints.put(conn, model.name, 0, model.version)
        elif checkpoints.read(conn, model.name) is None:
            # Nobody knows what these tables hold. No code has version 0, so they await a rebuild.
            checkpoints.put(conn, model.name, 0, 0)
        _let_read(conn, model.name)


def exists(conn: Connection[Any], schema: str) -> bool:
    return (
        conn.execute("SELECT FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone()
        is not None
    )


def create(conn: Connection[Any], model: ReadModel, schema: str) -> None:
    """Make the read model's tables, without the indexes that loading does not need."""
    with conn.transaction():
        conn.execute(SQL("CREATE SCHEMA {}").format(Identifier(schema)))
        _execute_in(conn, schema, model.tables)
        _let_read(conn, schema)


def _let_read(conn: Connection[Any], schema: str) -> None:
    """Show a read model to the role that may only read; some schemas are older than that role."""
    row = conn.execute(
        "SELECT has_schema_privilege('daybook_reader', %s, 'USAGE')", (schema,)
    ).fetchone()
    if row == (True,):
        return
    for grant in ("USAGE ON SCHEMA {}", "SELECT ON ALL TABLES IN SCHEMA {}"):
        conn.execute(SQL("GRANT " + grant + " TO daybook_reader").format(Identifier(schema)))


def create_indexes(conn: Connection[Any], model: ReadModel, schema: str) -> None:
    """Make the rest of the indexes, and gather statistics."""
    with conn.transaction():
        _execute_in(conn, schema, model.indexes)
        tables = conn.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,)
        ).fetchall()
        for (table,) in tables:
            conn.execute(SQL("ANALYZE {}").format(Identifier(schema, table)))


def _execute_in(conn: Connection[Any], schema: str, script: str) -> None:
    with conn.transaction():
        search_in(conn, schema)
        conn.execute(script.encode())
        conn.execute("SET LOCAL search_path TO DEFAULT")


def search_in(conn: Connection[Any], schema: str) -> None:
    """Until the transaction ends, tables named without schema are those of `schema`."""
    conn.execute(SQL("SET LOCAL search_path TO {}").format(Identifier(schema)))


_DEPENDENTS = """
SELECT DISTINCT view_schema.nspname || '.' || view.relname
  FROM pg_depend AS dependency
  JOIN pg_rewrite AS rule ON dependency.classid = 'pg_rewrite'::regclass
                         AND dependency.objid = rule.oid
  JOIN pg_class AS view ON view.oid = rule.ev_class
  JOIN pg_namespace AS view_schema ON view_schema.oid = view.relnamespace
  JOIN pg_class AS used ON dependency.refclassid = 'pg_class'::regclass
                       AND dependency.refobjid = used.oid
  JOIN pg_namespace AS used_schema ON used_schema.oid = used.relnamespace
 WHERE used_schema.nspname = %(schema)s AND view_schema.nspname <> %(schema)s
 ORDER BY 1
"""


def dependents(conn: Connection[Any], schema: str) -> list[str]:
    """Views elsewhere that are made of the schema's tables, and would go when those are dropped."""
    return [name for (name,) in conn.execute(_DEPENDENTS, {"schema": schema}).fetchall()]


def drop(conn: Connection[Any], schema: str) -> None:
    """Drop a schema with all that is in it, if there is one."""
    conn.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(schema)))


def rename(conn: Connection[Any], schema: str, new_name: str) -> None:
    conn.execute(
        SQL("ALTER SCHEMA {} RENAME TO {}").format(Identifier(schema), Identifier(new_name))
    )

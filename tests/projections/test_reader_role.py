"""The role for analysts: it sees the log and every read model, and can change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from application.ledger import Ledger
from projections.catalogue import READ_MODELS, ReadModel
from projections.rebuild import rebuild
from tests.conftest import Database, MakeDatabase
from tests.projections.histories import open_accounts, recorded
from tests.projections.planted import journal
from tests.projections.running import caught_up, no_progress, running

MODELS = [*READ_MODELS, journal()]
NAMES = [model.name for model in MODELS]

SHOWN = {"event_log", "checkpoints", "parked_keys"}
"""What it may see in the schema `public`."""


@pytest.fixture(scope="module")
def filled(make_database: MakeDatabase) -> Iterator[Database]:
    """A database with a log, the read models and one of somebody's own, kept up to date."""
    with make_database() as database, database.connect() as conn:
        with Ledger(database.url) as ledger, running(database.url, MODELS):
            open_accounts(ledger, 3)
            caught_up(conn, *NAMES)
        yield database


def reading(database: Database) -> psycopg.Connection[Any]:
    url = database.url.replace("//daybook@", "//daybook_reader@")
    return psycopg.connect(url, autocommit=True)


def relations(database: Database, schema: str) -> set[str]:
    """The tables and views of a schema."""
    with database.connect(superuser=True) as conn:
        found = conn.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace"
            " AND relkind IN ('r', 'v', 'm', 'p')",
            (schema,),
        )
        return {name for (name,) in found}


def sees_all_of(database: Database, model: ReadModel) -> bool:
    """Whether the role reads as many rows of every table as its owner does."""
    tables = relations(database, model.name)
    with reading(database) as reader, database.connect() as owner:
        for table in tables:
            query = f"SELECT count(*) FROM {model.name}.{table}".encode()
            assert reader.execute(query).fetchone() == owner.execute(query).fetchone()
    return bool(tables)


def test_it_reads_the_log(filled: Database) -> None:
    with reading(filled) as reader, filled.connect() as conn:
        found = reader.execute(
            "SELECT position, topic, data ->> 'currency' FROM event_log ORDER BY position"
        ).fetchall()
        log = recorded(conn)
    assert found == [(e.position, e.topic, getattr(e.data, "currency", None)) for e in log]


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_it_reads_a_read_model_also_after_rebuilds(model: ReadModel, filled: Database) -> None:
    assert sees_all_of(filled, model)
    for _ in range(2):
        assert rebuild(filled.url, model.name, no_progress, MODELS).outcome == "swapped"
        assert sees_all_of(filled, model)


def test_a_read_model_older_than_the_role_is_shown_when_it_is_run(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)
    with running(database.url):
        caught_up(conn, "entries")
    for hide in (
        "REVOKE ALL ON SCHEMA entries FROM daybook_reader",
        "REVOKE ALL ON ALL TABLES IN SCHEMA entries FROM daybook_reader",
    ):
        conn.execute(hide.encode())
    with reading(database) as reader, pytest.raises(InsufficientPrivilege):
        reader.execute("SELECT FROM entries.entry")
    open_accounts(ledger, 3)
    with running(database.url):
        caught_up(conn, "entries")
    entries = next(model for model in READ_MODELS if model.name == "entries")
    assert sees_all_of(database, entries)


def test_it_sees_nothing_else(filled: Database) -> None:
    others = relations(filled, "public") - SHOWN
    assert {"events", "ledger_head", "idempotency_keys", "rebuilds"} <= others
    with reading(filled) as reader:
        for table in sorted(others):
            with pytest.raises(InsufficientPrivilege):
                reader.execute(f"SELECT FROM {table}".encode())


@pytest.mark.parametrize("schema", ["public", *NAMES])
def test_it_changes_nothing(schema: str, filled: Database) -> None:
    tables = relations(filled, schema)
    assert tables
    with reading(filled) as reader:
        for name in sorted(tables):
            table = f"{schema}.{name}"
            column = first_column(filled, schema, name)
            for change in (
                f"INSERT INTO {table} DEFAULT VALUES",
                f"UPDATE {table} SET {column} = {column}",
                f"DELETE FROM {table}",
                f"TRUNCATE {table}",
                f"ALTER TABLE {table} RENAME TO mine",
                f"DROP TABLE {table}" if name != "event_log" else f"DROP VIEW {table}",
            ):
                with pytest.raises((InsufficientPrivilege, psycopg.errors.WrongObjectType)):
                    reader.execute(change.encode())
        for make in (
            f"CREATE TABLE {schema}.mine (n int)",
            f"CREATE VIEW {schema}.mine AS SELECT 1",
            f"CREATE FUNCTION {schema}.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            f"DROP SCHEMA {schema} CASCADE",
        ):
            with pytest.raises(InsufficientPrivilege):
                reader.execute(make.encode())


def first_column(database: Database, schema: str, table: str) -> str:
    with database.connect(superuser=True) as conn:
        row = conn.execute(
            "SELECT column_name FROM information_schema.columns"
            " WHERE (table_schema, table_name) = (%s, %s) ORDER BY ordinal_position LIMIT 1",
            (schema, table),
        ).fetchone()
    assert row is not None
    return str(row[0])


def test_it_makes_nothing_and_becomes_nobody(filled: Database) -> None:
    with reading(filled) as reader:
        for refused in (
            "CREATE SCHEMA mine",
            "CREATE ROLE mine",
            "CREATE DATABASE mine",
            "SET ROLE daybook",
            "SET SESSION AUTHORIZATION postgres",
            "COPY event_log TO PROGRAM 'cat'",
            "SELECT pg_read_file('postgresql.conf')",
        ):
            with pytest.raises(InsufficientPrivilege):
                reader.execute(refused.encode())

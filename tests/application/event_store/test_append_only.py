"""The log only grows: what the database itself refuses, whoever asks."""

from __future__ import annotations

from typing import Any, LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors

from application.ledger import Ledger
from tests.conftest import Database
from tests.support.ledgers import open_account
from tests.support.log import head, rows, tampering

CHANGES: list[LiteralString] = [
    "UPDATE events SET topic = 'account.closed'",
    "UPDATE events SET recorded_at = now() WHERE false",
    "DELETE FROM events",
    "TRUNCATE events",
    "INSERT INTO events SELECT * FROM events ON CONFLICT (notification_id) DO UPDATE SET topic = ''",
    "MERGE INTO events USING events AS same ON same.notification_id = events.notification_id"
    " WHEN MATCHED THEN DELETE",
    "DELETE FROM ledger_head",
    "TRUNCATE ledger_head",
]
NEW_ROW = (
    "INSERT INTO events (notification_id, originator_id, originator_version, topic, recorded_at,"
    " metadata, state, hash) VALUES (%(position)s, %(stream)s, %(version)s, 'topic', now(), '',"
    " '{}', %(hash)s)"
)


@pytest.mark.parametrize("change", CHANGES)
def test_the_applications_role_may_not_change_the_log(
    change: LiteralString, ledger: Ledger, database: Database
) -> None:
    open_account(ledger)
    with database.connect() as conn, pytest.raises(errors.InsufficientPrivilege):
        conn.execute(change)


@pytest.mark.parametrize("change", CHANGES)
def test_not_even_a_superuser_changes_the_log_by_mistake(
    change: LiteralString, ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    open_account(ledger)
    before = rows(admin), head(admin)
    with pytest.raises(errors.IntegrityConstraintViolation, match="append-only") as caught:
        admin.execute(change)
    assert caught.value.diag.message_hint is not None
    assert (rows(admin), head(admin)) == before


def test_the_applications_role_may_not_switch_the_triggers_off(database: Database) -> None:
    with database.connect() as conn:
        with pytest.raises(errors.InsufficientPrivilege), tampering(conn):
            pass
        with pytest.raises(errors.InsufficientPrivilege):
            conn.execute("ALTER TABLE events DISABLE TRIGGER ALL")
        with pytest.raises(errors.InsufficientPrivilege):
            conn.execute("DROP TABLE events")


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"position": 0}, "events_notification_id_check"),
        ({"position": -1}, "events_notification_id_check"),
        ({"version": -1}, "events_originator_version_check"),
        ({"hash": b""}, "events_hash_check"),
        ({"hash": bytes(31)}, "events_hash_check"),
        ({"hash": bytes(33)}, "events_hash_check"),
        ({"version": 1}, "events_stream_version"),
        ({"position": 1}, "events_pkey"),
    ],
)
def test_a_row_that_can_not_be_an_event_is_refused(
    change: dict[str, Any], constraint: str, ledger: Ledger, database: Database
) -> None:
    stream = open_account(ledger)
    row = {"position": 2, "stream": stream, "version": 2, "hash": bytes(32)} | change
    with database.connect() as conn:
        with pytest.raises(errors.IntegrityError) as caught:
            conn.execute(NEW_ROW, row)
        assert caught.value.diag.constraint_name == constraint


@pytest.mark.parametrize(
    "column",
    [
        "notification_id", "originator_id", "originator_version", "topic", "recorded_at",
        "metadata", "state", "hash",
    ],
)  # fmt: skip
def test_no_part_of_an_event_is_missing(column: str, admin: psycopg.Connection[Any]) -> None:
    row = admin.execute(
        "SELECT is_nullable FROM information_schema.columns"
        " WHERE table_name = 'events' AND column_name = %s",
        (column,),
    ).fetchone()
    assert row == ("NO",)


def test_the_log_has_one_head(admin: psycopg.Connection[Any]) -> None:
    for only_row, error in ((True, errors.UniqueViolation), (False, errors.CheckViolation)):
        with pytest.raises(error):
            admin.execute(
                "INSERT INTO ledger_head SELECT %s, position, hash, recorded_at FROM ledger_head",
                (only_row,),
            )


def test_a_stream_that_does_not_exist_has_no_version_at_any_position(database: Database) -> None:
    with database.connect() as conn:
        assert conn.execute("SELECT coalesce(version_at(%s, 10), 0)", (uuid4(),)).fetchone() == (0,)

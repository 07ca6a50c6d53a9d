"""The read models against the log: they agree, and whatever is wrong in a table is named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg
import pytest

from application.ledger import Ledger
from domain.events import Recorded
from domain.security import RateLimited, key_of, stream_of
from projections import agreement, people_tallies
from projections.agreement import MAX_DIFFERENCES, hold_against_log
from projections.balances import projection as balances
from projections.catalogue import read_model
from tests.conftest import Database, MakeDatabase
from tests.projections.histories import busy_history
from tests.projections.running import NAMES, fill, kept, project_all, verdict_of
from tests.projections.running import projected as projected_rows
from tests.support.log import head, tampering

Conn = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def shown(make_database: MakeDatabase) -> Iterator[Database]:
    """A log with a bit of everything, and read models that show all of it. Tests leave it as it was."""
    with make_database() as database:
        with Ledger(database.url) as ledger:
            busy_history(ledger)
        fill(database.url)
        yield database


@pytest.fixture
def projected(shown: Database) -> Iterator[Conn]:
    with shown.connect() as conn:
        yield conn


def test_read_models_that_the_runner_filled_agree_with_the_log(
    projected: Conn, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = head(projected)[0]
    for batch in (agreement.BATCH_EVENTS, 37):
        monkeypatch.setattr(agreement, "BATCH_EVENTS", batch)
        told: list[tuple[int, int]] = []
        verdicts = hold_against_log(projected, lambda done, total: told.append((done, total)))  # noqa: B023
        assert {verdict.position for verdict in verdicts} == {last}
        assert {verdict.name: verdict.differences for verdict in verdicts} == {n: [] for n in NAMES}
        assert told[-1] == (last, last)


def test_read_models_that_lag_behind_agree_up_to_where_they_are(
    ledger: Ledger, database: Database, conn: Conn
) -> None:
    busy_history(ledger)
    fill(database.url)
    before = head(conn)[0]
    busy_history(ledger, seed=2)
    assert head(conn)[0] > before
    for verdict in hold_against_log(conn):
        assert (verdict.position, verdict.differences) == (before, [])


CHANGES: list[tuple[LiteralString, str, str]] = [
    ("UPDATE balances.account SET balance = balance + 1", "balances", "balance is"),
    ("UPDATE balances.account SET debits = debits + 1", "balances", "debits is"),
    ("UPDATE balances.account SET held = held + 1", "balances", "held is"),
    ("UPDATE balances.account SET status = 'odd'", "balances", "status is odd, by the log"),
    ("UPDATE balances.account SET name = 'odd'", "balances", "name is odd, by the log"),
    ("UPDATE balances.account SET version = version - 1", "balances", "version is"),
    ("UPDATE balances.account SET opened_at = '1999-01-01'", "balances", "opened_at is 1999"),
    (
        "UPDATE balances.account SET first_position = -first_position",
        "balances",
        "first_position is -",
    ),
    ("UPDATE balances.mark SET debits = debits + 1", "balances", "mark 20000 EUR: debits is"),
    ("UPDATE balances.mark SET accounts = 77", "balances", "accounts is 77, by the log"),
    ("DELETE FROM balances.mark", "balances", "mark 20000 EUR is in the log, and not in"),
    ("DELETE FROM balances.account", "balances", "is in the log, and not in the read model"),
    ("UPDATE entries.entry SET amount = amount + 1", "entries", "is"),
    ("UPDATE entries.entry SET balance = balance + 1", "entries", "sum_of_balances is"),
    ("UPDATE entries.entry SET position = position + 100000", "entries", "sum_of_positions is"),
    ("UPDATE entries.entry SET account_id = gen_random_uuid()", "entries", "not in the log"),
    ("DELETE FROM entries.entry", "entries", "in the read model"),
    *[
        (change, "entries", "checksum_of_all_columns is")
        for change in (
            "UPDATE entries.entry SET effective_at = '1999-01-01'",
            "UPDATE entries.entry SET recorded_at = recorded_at + '1 microsecond'",
            "UPDATE entries.entry SET description = 'forged'",
            "UPDATE entries.entry SET reference = 'forged'",
            "UPDATE entries.entry SET counterparty_id = gen_random_uuid()",
            "UPDATE entries.entry SET transfer_id = gen_random_uuid()",
            "UPDATE entries.entry SET description = reference, reference = description",
        )
    ],
    ("UPDATE transfers.transfer SET amount = amount + 1", "transfers", "amount is"),
    ("UPDATE transfers.transfer SET status = 'odd'", "transfers", "status is odd, by the log"),
    ("UPDATE transfers.transfer SET reversed = 7", "transfers", "reversed is 7, by the log"),
    ("UPDATE transfers.transfer SET description = 'odd'", "transfers", "description is odd"),
    ("UPDATE transfers.transfer SET reference = 'odd'", "transfers", "reference is odd"),
    ("UPDATE transfers.transfer SET reason = 'odd'", "transfers", "reason is odd"),
    ("UPDATE transfers.transfer SET requested = 7", "transfers", "requested is 7"),
    ("UPDATE transfers.transfer SET reverses = id", "transfers", "by the log None"),
    ("UPDATE transfers.transfer SET metadata = '{\"x\": 1}'", "transfers", "metadata is {'x': 1}"),
    ("UPDATE transfers.transfer SET effective_at = '1999-01-01'", "transfers", "effective_at is"),
    ("UPDATE transfers.transfer SET expires_at = '1999-01-01'", "transfers", "expires_at is"),
    ("UPDATE transfers.transfer SET recorded_at = '1999-01-01'", "transfers", "recorded_at is"),
    ("UPDATE transfers.transfer SET updated_at = '1999-01-01'", "transfers", "updated_at is"),
    (
        "UPDATE transfers.transfer SET first_position = -first_position",
        "transfers",
        "first_position is -",
    ),
    ("UPDATE transfers.transfer SET id = gen_random_uuid()", "transfers", "not in the log"),
    ("DELETE FROM transfers.transfer", "transfers", "is in the log, and not in the read model"),
    ("UPDATE audit.event SET actor = 'mallory'", "audit", "event 1: actor is mallory, by the log"),
    ("UPDATE audit.event SET correlation_id = 'x'", "audit", "correlation_id is x"),
    ("UPDATE audit.event SET causation_id = 'x'", "audit", "causation_id is x"),
    ("UPDATE audit.event SET command_id = 'x'", "audit", "command_id is x"),
    ("UPDATE audit.event SET topic = 'odd'", "audit", "topic is odd, by the log account.opened"),
    ("UPDATE audit.event SET version = 77", "audit", "version is 77, by the log 1"),
    ("UPDATE audit.event SET stream_id = gen_random_uuid()", "audit", "stream_id is"),
    ("UPDATE audit.event SET recorded_at = '1999-01-01'", "audit", "recorded_at is 1999"),
    ("UPDATE audit.event SET position = -1 WHERE position = 1", "audit", "not in the log"),
    ("DELETE FROM audit.event", "audit", "event 1 is in the log, and not in the read model"),
]


@pytest.mark.parametrize(("change", "name", "words"), CHANGES)
def test_what_is_wrong_in_a_table_is_named(
    change: LiteralString, name: str, words: str, projected: Conn
) -> None:
    with kept(projected, table_of(change)):
        projected.execute(change)
        found = verdict_of(projected, name)
    assert len(found.differences) <= MAX_DIFFERENCES
    assert any(words in difference for difference in found.differences), found.differences
    assert found.differences[0].startswith(f"{name}: ")


def table_of(change: LiteralString) -> LiteralString:
    """The table that an UPDATE or a DELETE is of."""
    return change.removeprefix("UPDATE ").removeprefix("DELETE FROM ").split()[0]


PEOPLE: dict[LiteralString, list[tuple[LiteralString, str]]] = {
    "users.person": [
        ("email = 'odd'", "email is odd, by the log sealed:1:"),
        ("email = '[erased]'", "email is [erased], by the log sealed:1:"),
        ("full_name = 'odd'", "full_name is odd, by the log sealed:1:"),
        ("full_name = 'odd' WHERE status = 'deleted'", "is odd, by the log [erased]"),
        ("role = 'odd'", "role is odd, by the log"),
        ("status = 'odd'", "status is odd, by the log"),
        ("verified = NOT verified", "verified is True, by the log False"),
        ("registered_by = gen_random_uuid()", "registered_by is"),
        ("registered_at = '1999-01-01'", "registered_at is 1999"),
        ("updated_at = '1999-01-01'", "updated_at is 1999"),
        ("version = version + 1", "version is"),
        ("first_position = -first_position", "first_position is -"),
        ("position = position + 100000", "position is"),
        ("id = gen_random_uuid()", "is there, and not in the log"),
    ],
    "approvals.approval": [
        ("status = 'odd'", "status is odd, by the log"),
        ("kind = 'role_change'", "kind is role_change, by the log transfer"),
        ("maker_id = gen_random_uuid()", "maker_id is"),
        ("checker_id = gen_random_uuid()", "checker_id is"),
        ("checker_id = NULL", "checker_id is None, by the log"),
        ("asked = asked || '{\"amount\": 7000000}'", "'amount': 7000000"),
        ('asked = asked || \'{"role": "odd"}\'', "'role': 'odd'"),
        ("expires_at = '1999-01-01'", "expires_at is 1999"),
        ("reason = 'odd'", "reason is odd, by the log"),
        ("requested_at = '1999-01-01'", "requested_at is 1999"),
        ("decided_at = '1999-01-01'", "decided_at is 1999"),
        ("decided_at = NULL", "decided_at is None, by the log"),
        ("version = version + 1", "version is"),
        ("first_position = -first_position", "first_position is -"),
        ("position = position + 100000", "position is"),
        ("id = gen_random_uuid()", "is there, and not in the log"),
    ],
    "security.notice": [
        ("recorded_at = '1999-01-01'", "recorded_at is 1999"),
        ("kind = 'odd'", "kind is odd, by the log"),
        ("reason = 'odd'", "reason is odd, by the log"),
        ("action = 'odd' WHERE kind = 'admin_action'", "by the log registered as"),
        ("action = 'odd' WHERE kind <> 'admin_action'", "action is odd, by the log"),
        ("actor = 'mallory' WHERE kind = 'admin_action'", "mallory, by the log somebody"),
        ("actor = 'mallory' WHERE kind <> 'admin_action'", "actor is mallory, by the log"),
        ("address = 'odd'", "address is odd, by the log"),
        ("user_agent = 'odd'", "user_agent is odd, by the log"),
        ("key_id = gen_random_uuid()", "key_id is"),
        ("key_id = NULL", "key_id is None, by the log"),
        ("correlation_id = 'x'", "correlation_id is x, by the log"),
        ("count = 77", "count is 77, by the log"),
        ("position = -position", "is there, and not in the log"),
    ],
}
"""Table -> what is set in it, and words that tell of it."""


@pytest.mark.parametrize("table", PEOPLE)
def test_what_is_wrong_in_a_table_of_people_is_named(table: LiteralString, projected: Conn) -> None:
    name = table.partition(".")[0]
    columns = set()
    for change, words in PEOPLE[table]:
        with kept(projected, table):
            projected.execute(f"UPDATE {table} SET {change}")
            found = verdict_of(projected, name).differences
        assert any(words in difference for difference in found), (change, found)
        assert found[0].startswith(f"{name}: ")
        columns.add(change.split()[0])
    assert verdict_of(projected, name).differences == []
    assert columns == set(columns_of(projected, table))
    with kept(projected, table):
        projected.execute(f"DELETE FROM {table}")
        found = verdict_of(projected, name).differences
    assert "is in the log, and not in the read model" in found[0]


def columns_of(conn: Conn, table: LiteralString) -> list[str]:
    cursor = conn.execute(f"SELECT * FROM {table} LIMIT 0")
    return [column.name for column in cursor.description or ()]


def test_a_read_model_that_has_seen_more_than_there_is_says_so(
    ledger: Ledger, database: Database
) -> None:
    busy_history(ledger)
    fill(database.url)
    with database.connect(superuser=True) as conn:
        last = head(conn)[0]
        with tampering(conn):
            conn.execute("DELETE FROM events WHERE notification_id > %s", (last - 5,))
            conn.execute("UPDATE ledger_head SET position = %s", (last - 5,))
    with database.connect() as conn:
        verdicts = hold_against_log(conn)
    for verdict in verdicts:
        assert f"has seen event {last}, and the log ends at {last - 5}" in verdict.differences[0]


def test_marks_of_all_parts_of_the_log_are_compared(
    ledger: Ledger, database: Database, conn: Conn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(balances, "MARK_EVERY", 50)
    monkeypatch.setattr(agreement, "MARK_EVERY", 50)
    busy_history(ledger)
    project_all(database.url)
    assert verdict_of(conn, "balances").differences == []
    conn.execute("UPDATE balances.mark SET credits = credits + 1 WHERE position = 150")
    found = verdict_of(conn, "balances").differences
    assert found
    assert {difference.rpartition(" is ")[0][:19] for difference in found} == {
        "balances: mark 150 "
    }
    assert all(": credits is " in difference for difference in found)


@pytest.mark.parametrize(
    ("where", "name", "words"),
    [
        ("notification_id = 7", "audit", "metadata of one can't be read"),
        (
            "notification_id = (SELECT min(notification_id) FROM events"
            " WHERE topic = 'user.registered')",
            "security",
            "actor is somebody, by the log None",
        ),
    ],
)
def test_metadata_that_can_not_be_read_is_told_among_the_rest(
    where: LiteralString, name: str, words: str, projected: Conn, shown: Database
) -> None:
    with shown.connect(superuser=True) as conn, tampering(conn):
        conn.execute(f"CREATE TEMPORARY TABLE was AS SELECT * FROM events WHERE {where}")
        conn.execute(f"UPDATE events SET metadata = '\\xff' WHERE {where}")
        try:
            found = verdict_of(projected, name).differences
        finally:
            conn.execute(
                "UPDATE events SET metadata = was.metadata FROM was"
                " WHERE events.notification_id = was.notification_id"
            )
    assert len(found) == 1
    assert words in found[0]


@pytest.mark.parametrize("late", [timedelta(0), timedelta(minutes=2)])
def test_the_key_of_a_notice_is_that_of_its_hour_also_when_it_was_recorded_after_it(
    late: timedelta, conn: Conn
) -> None:
    noticed_at = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
    stream_id = stream_of(noticed_at)
    notice = RateLimited("rate_limited", "GET /api/users", address="sealed:1:x")
    event = Recorded(1, stream_id, 1, notice.topic, noticed_at + late, notice, b"{}")
    assert list(people_tallies.of_notices([event])) == projected_rows(
        conn, read_model("security"), [event], 1
    )
    ((*_, key_id, _, _),) = people_tallies.of_notices([event])
    assert key_id == key_of(noticed_at)

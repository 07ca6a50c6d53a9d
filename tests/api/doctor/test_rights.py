"""Trouble of the database's make-up is found: migrations, rights, and what keeps the log as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import LiteralString

import psycopg
import pytest

from api.doctor import rights
from api.doctor.examining import examine
from api.doctor.patient import Patient
from migrations import runner
from tests.api.doctor.conftest import Conn, Ward
from tests.conftest import Database, MakeDatabase


def test_a_database_as_the_migrations_make_it_is_in_order(ward: Ward) -> None:
    ward.all_clear("migrations", "grants", "append-only")


def test_a_database_that_was_never_migrated_is_all_there_is_to_say(
    ward: Ward, make_database: MakeDatabase
) -> None:
    with make_database() as database:
        with database.connect(superuser=True) as admin:
            runner.down(admin, 99)
            admin.execute("DROP TABLE schema_migrations")
        made = examine(Patient(ward.patient.settings, database.url, database.superuser_url))
    assert [check.name for check in made] == ["database", "migrations"]
    assert "`daybook migrate up`" in made[1].findings[0].advice


def test_a_migration_that_is_missing_is_named(ward: Ward, admin: Conn) -> None:
    (undone,) = runner.down(admin, 1)
    finding = ward.one("migrations")
    assert finding.severity == "wrong"
    assert f"Not applied: {undone.number:04}_{undone.name}." in finding.sentence
    assert "`daybook migrate up`" in finding.advice


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE schema_migrations SET checksum = 'odd' WHERE number = 2", "was edited after"),
        ("INSERT INTO schema_migrations VALUES (99, 'later', 'odd')", "0099_later, which this"),
    ],
)
def test_migrations_of_another_version_are_found(
    change: LiteralString, words: str, ward: Ward, admin: Conn
) -> None:
    admin.execute(change)
    assert words in ward.one("migrations").sentence


GRANTS: list[tuple[LiteralString, str]] = [
    ("INSERT ON events", "has no INSERT on events"),
    ("SELECT, UPDATE ON ledger_head", "has no SELECT, UPDATE on ledger_head"),
    ("DELETE ON checkpoints", "has no DELETE on checkpoints"),
    ("INSERT ON parked_keys", "has no INSERT on parked_keys"),
    ("UPDATE ON rebuilds", "has no UPDATE on rebuilds"),
    ("SELECT ON audit_checkpoints", "has no SELECT on audit_checkpoints"),
    ("SELECT ON schema_migrations", "has no SELECT on schema_migrations"),
]


@pytest.mark.parametrize(("right", "words"), GRANTS)
def test_a_right_that_is_missing_is_named_with_the_statement_that_gives_it(
    right: LiteralString, words: str, ward: Ward, admin: Conn
) -> None:
    admin.execute(f"REVOKE {right} FROM daybook".encode())
    finding = ward.one("grants")
    assert finding.severity == "wrong"
    assert words in finding.sentence
    _, _, statement = finding.advice.partition(": GRANT ")
    admin.execute(f"GRANT {statement}".encode())
    ward.all_clear("grants")


def test_rights_on_the_database_are_looked_at_too(ward: Ward, admin: Conn) -> None:
    name = ward.database.name
    admin.execute(f"REVOKE CREATE ON DATABASE {name} FROM daybook".encode())
    admin.execute(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC".encode())
    admin.execute("REVOKE EXECUTE ON FUNCTION version_at FROM PUBLIC")
    admin.execute("ALTER SCHEMA entries OWNER TO postgres")
    found = ward.found("grants")
    for words in ("may not CREATE", "temporary", "version_at", "entries belongs to"):
        assert [one for one in found if words in one.sentence], (words, found)
    admin.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC")
    assert [one for one in ward.found("grants") if "has no USAGE on public" in one.sentence]


FORBIDDEN: list[tuple[LiteralString, str]] = [
    ("UPDATE ON events", "UPDATE on events"),
    ("UPDATE (state) ON events", "UPDATE on events"),
    ("DELETE, TRUNCATE ON events", "DELETE, TRUNCATE on events"),
    ("DELETE ON ledger_head", "DELETE on ledger_head"),
    ("UPDATE ON audit_checkpoints", "UPDATE on audit_checkpoints"),
]


@pytest.mark.parametrize(("right", "words"), FORBIDDEN)
def test_a_right_to_change_the_log_is_wrong(
    right: LiteralString, words: str, ward: Ward, admin: Conn
) -> None:
    admin.execute(f"GRANT {right} TO daybook".encode())
    finding = ward.one("grants")
    assert finding.severity == "wrong"
    assert f"The role daybook has {words}" in finding.sentence
    admin.execute(finding.advice.partition("`): ")[2].encode())
    ward.all_clear("grants")


def test_an_application_that_runs_as_the_owner_is_a_warning(ward: Ward) -> None:
    url = ward.database.superuser_url
    as_owner = Ward(replace(ward.patient, conninfo=url), ward.database)
    finding = as_owner.one("grants")
    assert finding.severity == "warning"
    assert "superuser, and may change and delete events" in finding.sentence
    assert "Let DATABASE_URL name the role daybook" in finding.advice


TRIGGERS: list[tuple[LiteralString, str, str]] = [
    (
        "ALTER TABLE events DISABLE TRIGGER events_append_only",
        "events_append_only on events is disabled",
        "ENABLE TRIGGER events_append_only",
    ),
    (
        "ALTER TABLE events ENABLE REPLICA TRIGGER events_append_only",
        "events_append_only on events is disabled",
        "ENABLE TRIGGER events_append_only",
    ),
    (
        "DROP TRIGGER ledger_head_rises ON ledger_head",
        "ledger_head_rises on ledger_head is gone",
        "as the migrations do",
    ),
    (
        "CREATE OR REPLACE TRIGGER audit_nodes_append_only BEFORE TRUNCATE ON audit_nodes"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_log()",
        "audit_nodes_append_only on audit_nodes is not as it was made",
        "as the migrations do",
    ),
]


@pytest.mark.parametrize(("change", "words", "advice"), TRIGGERS)
def test_a_trigger_that_does_not_refuse_is_wrong(
    change: LiteralString, words: str, advice: str, ward: Ward, admin: Conn
) -> None:
    admin.execute(change)
    finding = ward.one("append-only")
    assert finding.severity == "wrong"
    assert words in finding.sentence
    assert advice in finding.advice
    assert "`daybook audit verify`" in finding.advice


def test_triggers_that_are_switched_off_for_a_role_are_found(
    ward: Ward, admin: Conn, database: Database
) -> None:
    admin.execute(
        f"ALTER ROLE daybook IN DATABASE {database.name}"
        " SET session_replication_role = replica".encode()
    )
    assert "session_replication_role is replica" in ward.one("append-only").sentence


def test_what_is_needed_is_what_the_migrations_grant(database: Database) -> None:
    with psycopg.connect(database.superuser_url) as conn:
        rows = conn.execute(
            "SELECT table_name, array_agg(privilege_type::text ORDER BY privilege_type)"
            "  FROM information_schema.role_table_grants"
            " WHERE grantee = 'daybook' AND table_schema = 'public' GROUP BY table_name"
        ).fetchall()
    assert {name: set(granted) for name, granted in rows} == {
        name: set(needed) for name, needed in rights._NEEDED.items()
    }

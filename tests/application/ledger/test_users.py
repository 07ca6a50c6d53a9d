"""What the ledger keeps of users beside the log: who may come in, whose sessions are over, who is gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from application.ledger import Ledger
from domain.sealed import ERASED
from domain.users import (
    ChangeProfile,
    ChangeRole,
    ChangeUserStatus,
    Command,
    EraseUser,
    IssueApiKey,
    NoteDisclosure,
    NotePasswordChange,
    RegisterUser,
    RevokeApiKey,
    User,
    VerifyEmail,
    mark_of,
)
from tests.conftest import Database
from tests.support.ledgers import accepted, refusal, submit
from tests.support.log import fold, head

PERSONAL = {
    "person_keys": "person_id",
    "user_emails": "user_id",
    "credentials": "user_id",
    "sessions": "user_id",
    "api_keys": "user_id",
    "outgoing_mail": "person_id",
    "webhook_endpoints": "owner_id",
}
"""Table -> its column of the person."""


def registered(ledger: Ledger, role: str = "user") -> UUID:
    user_id = uuid4()
    outcome = accepted(ledger, RegisterUser(user_id, "sealed:1:mail", "sealed:1:name", role))
    assert isinstance(outcome.state, User)
    assert (outcome.id, outcome.state.version, outcome.state.role) == (user_id, 1, role)
    return user_id


def furnish(conn: psycopg.Connection[Any], user_id: UUID) -> UUID:
    """A row of the person in every table, and the id of the session that is open."""
    session_id, until = uuid4(), datetime.now(UTC) + timedelta(days=1)
    for statement, values in (
        ("INSERT INTO person_keys VALUES (%s, 'm', 'w')", (user_id,)),
        ("INSERT INTO user_emails VALUES (%s, %s)", (user_id.bytes, user_id)),
        ("INSERT INTO credentials VALUES (%s, 'hash')", (user_id,)),
        (
            "INSERT INTO sessions VALUES (%s, %s, %s, now(), now(), %s)",
            (session_id, user_id, uuid4(), until),
        ),
        (
            "INSERT INTO api_keys (id, digest, hint, user_id, name, scopes)"
            " VALUES (%s, %s, 'h', %s, 'shop', '{}')",
            (uuid4(), uuid4().bytes, user_id),
        ),
        ("INSERT INTO outgoing_mail VALUES (%s, %s, 'k', 's')", (uuid4(), user_id)),
        (
            "INSERT INTO webhook_endpoints (id, owner_id, url, types, secret)"
            " VALUES (%s, %s, 'u', '{}', 's')",
            (uuid4(), user_id),
        ),
    ):
        conn.execute(statement, values)
    return session_id


def rows(conn: psycopg.Connection[Any], user_id: UUID) -> dict[str, int]:
    """How many rows each table has of a person."""
    counts = {}
    for table, column in PERSONAL.items():
        row = conn.execute(f"SELECT count(*) FROM {table} WHERE {column} = %s", (user_id,))
        counts[table] = row.fetchone()[0]  # type: ignore[index]
    return counts


def access(conn: psycopg.Connection[Any], user_id: UUID) -> tuple[str, str] | None:
    return conn.execute(
        "SELECT role, status FROM user_access WHERE user_id = %s", (user_id,)
    ).fetchone()


def is_open(conn: psycopg.Connection[Any], session_id: UUID) -> bool:
    """Whether a session goes on; when not, its tokens are revoked with it."""
    ended = conn.execute(
        "SELECT ended_at IS NOT NULL FROM sessions WHERE id = %s", (session_id,)
    ).fetchone()
    revoked = conn.execute("SELECT FROM revocations WHERE id = %s", (session_id,)).fetchone()
    has_ended = ended is None or bool(ended[0])
    assert has_ended == (revoked is not None)
    return not has_ended


def test_who_registers_may_come_in(ledger: Ledger, admin: psycopg.Connection[Any]) -> None:
    user_id = registered(ledger, "auditor")
    assert access(admin, user_id) == ("auditor", "active")


@pytest.mark.parametrize(
    ("command", "role", "status"),
    [
        (ChangeRole(UUID(int=0), "support"), "support", "active"),
        (ChangeUserStatus(UUID(int=0), "suspended"), "user", "suspended"),
        (ChangeUserStatus(UUID(int=0), "deleted"), "user", "deleted"),
    ],
)
@pytest.mark.parametrize("writer", ["ledger", "other_ledger"])
def test_a_change_of_role_or_status_ends_the_sessions_with_its_event(
    writer: str,
    command: ChangeRole | ChangeUserStatus,
    role: str,
    status: str,
    ledger: Ledger,
    request: pytest.FixtureRequest,
    admin: psycopg.Connection[Any],
) -> None:
    """By the ledger that registered the user, and by one that knows the user from the log only."""
    user_id, other = registered(ledger), registered(ledger)
    session_id, others = furnish(admin, user_id), furnish(admin, other)
    that: Ledger = request.getfixturevalue(writer)
    if isinstance(command, ChangeRole):
        outcome = accepted(that, ChangeRole(user_id, command.role))
    else:
        outcome = accepted(that, ChangeUserStatus(user_id, command.status))
    assert access(admin, user_id) == (role, status)
    assert not is_open(admin, session_id)
    transactions = admin.execute(
        "SELECT xmin::text FROM events WHERE notification_id = %s"
        " UNION SELECT xmin::text FROM user_access WHERE user_id = %s"
        " UNION SELECT xmin::text FROM sessions WHERE id = %s"
        " UNION SELECT xmin::text FROM revocations WHERE id = %s",
        (outcome.position, user_id, session_id, session_id),
    ).fetchall()
    assert len(transactions) == 1
    assert access(admin, other) == ("user", "active")
    assert is_open(admin, others)


@pytest.mark.parametrize(
    "commands",
    [
        [ChangeProfile(UUID(int=0), "sealed:1:new")],
        [ChangeProfile(UUID(int=0), email="sealed:1:new")],
        [VerifyEmail(UUID(int=0), mark_of("sealed:1:mail"))],
        [NotePasswordChange(UUID(int=0))],
        [NoteDisclosure(UUID(int=0), ("email",), "why")],
        [IssueApiKey(UUID(int=0), UUID(int=1), "k", ()), RevokeApiKey(UUID(int=0), UUID(int=1))],
    ],
)
def test_other_changes_leave_sessions_alone(
    commands: list[Command], ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    user_id = registered(ledger)
    session_id = furnish(admin, user_id)
    for command in commands:
        accepted(ledger, type(command)(user_id, *_fields(command)))
    assert is_open(admin, session_id)
    assert access(admin, user_id) == ("user", "active")
    assert all(count == 1 for count in rows(admin, user_id).values())


def _fields(command: Command) -> list[Any]:
    """All but the user's id."""
    return [getattr(command, name) for name in command.__struct_fields__[1:]]


def test_a_refused_change_ends_nothing(ledger: Ledger, admin: psycopg.Connection[Any]) -> None:
    user_id = registered(ledger)
    session_id = furnish(admin, user_id)
    assert refusal(ledger, ChangeRole(user_id, "user")).reason == "invalid_transition"
    assert refusal(ledger, ChangeUserStatus(user_id, "suspended", by=user_id))
    assert is_open(admin, session_id)


def test_there_and_back_again_in_one_transaction_ends_what_had_to_end(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    user_id = registered(ledger)
    session_id = furnish(admin, user_id)
    done = submit(
        ledger, ChangeUserStatus(user_id, "suspended"), ChangeUserStatus(user_id, "active")
    )
    assert len(done.outcomes) == 2
    assert access(admin, user_id) == ("user", "active")
    assert not is_open(admin, session_id)


@pytest.mark.parametrize("is_deleted_before", [False, True])
@pytest.mark.parametrize("writer", ["ledger", "other_ledger"])
def test_an_erasure_deletes_all_rows_of_the_person_and_of_nobody_else(
    writer: str,
    is_deleted_before: bool,
    ledger: Ledger,
    request: pytest.FixtureRequest,
    admin: psycopg.Connection[Any],
) -> None:
    user_id, other = registered(ledger), registered(ledger)
    session_id = furnish(admin, user_id)
    furnish(admin, other)
    if is_deleted_before:
        accepted(ledger, ChangeUserStatus(user_id, "deleted"))
        assert rows(admin, user_id)["person_keys"] == 1
    outcome = accepted(request.getfixturevalue(writer), EraseUser(user_id, "asked for"))
    assert isinstance(outcome.state, User)
    assert (outcome.state.email, outcome.state.full_name) == (ERASED, ERASED)
    assert set(rows(admin, user_id).values()) == {0}
    assert set(rows(admin, other).values()) == {1}
    assert not is_open(admin, session_id), "its tokens are revoked although it is gone"
    assert access(admin, user_id) == ("user", "deleted")
    user = fold(admin)[user_id]
    assert isinstance(user, User)
    assert user.is_erased


def test_every_table_with_a_person_is_emptied(admin: psycopg.Connection[Any]) -> None:
    """A new table with persons has to be among them, or say that it tells nothing of the person."""
    tables = admin.execute(
        "SELECT DISTINCT table_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name IN ('user_id', 'person_id', 'owner_id')"
    ).fetchall()
    assert {table for (table,) in tables} - {"user_access"} == set(PERSONAL)


def test_a_new_user_takes_no_stream_that_is_there(
    ledger: Ledger, other_ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    """What is sealed is never the same twice, so that the same user again can't be told from another."""
    user_id = registered(ledger)
    before = head(admin)
    for writer in (ledger, other_ledger):
        again = RegisterUser(user_id, "sealed:1:mail", "sealed:1:name", "admin")
        assert refusal(writer, again).reason == "id_reused"
    assert head(admin) == before
    assert access(admin, user_id) == ("user", "active")


def test_servers_are_told_of_what_changed_and_of_nothing_else(
    ledger: Ledger, database: Database
) -> None:
    user_id = registered(ledger)
    with database.connect() as listener:
        listener.execute("LISTEN daybook_access")
        accepted(ledger, ChangeProfile(user_id, "sealed:1:new"))
        accepted(ledger, ChangeUserStatus(user_id, "suspended"))
        told = list(listener.notifies(timeout=30, stop_after=1))
        assert len(told) == 1
        assert access(listener, user_id) == ("user", "suspended")
        assert list(listener.notifies(timeout=0)) == []

"""Registration: whoever comes becomes a user, once for an address, and is kept sealed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx2
import msgspec
import psycopg
import pytest

from application.ledger import Ledger
from domain.users import EraseUser
from tests.api.conftest import problem_of
from tests.conftest import Database
from tests.support.ledgers import accepted
from tests.support.serving import serving
from tests.support.visitors import (
    PASSWORD,
    log_in,
    new_email,
    register,
    registration,
    try_login,
    visiting,
)


@pytest.fixture
def visitor(base_url: str) -> Iterator[httpx2.Client]:
    with visiting(base_url) as client:
        yield client


def test_who_registers_is_a_user_and_can_log_in_at_once(visitor: httpx2.Client) -> None:
    email = new_email()
    answer = visitor.post("/api/users", json=registration(email))
    assert answer.status_code == 201
    user = answer.json()
    assert answer.headers["location"] == f"/api/users/{user['id']}"
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["cache-control"] == "no-store"
    assert (user["email"], user["full_name"]) == (email, "Ann Lee")
    assert (user["role"], user["status"]) == ("user", "ACTIVE")
    assert (user["active"], user["verified"]) == (True, False)
    assert "password" not in answer.text
    assert try_login(visitor, email).status_code == 200


@pytest.mark.parametrize("role", ["admin", "support", "no role at all", 5, None, ["admin"]])
def test_nobody_chooses_his_role(visitor: httpx2.Client, role: object) -> None:
    assert register(visitor, role=role)["role"] == "user"


@pytest.mark.parametrize("name", ["status", "verified", "active", "is_admin"])
def test_what_is_not_known_is_refused(visitor: httpx2.Client, name: str) -> None:
    answer = visitor.post("/api/users", json=registration() | {name: True})
    assert problem_of(answer, 400, "unknown_fields")["details"]["fields"] == [name]


def test_an_address_is_kept_in_one_spelling_and_found_in_any(visitor: httpx2.Client) -> None:
    email = new_email()
    assert register(visitor, f"  {email.upper()} ")["email"] == email
    log_in(visitor, email)
    log_in(visitor, f" {email.title()}")


def test_an_address_belongs_to_one_user(visitor: httpx2.Client) -> None:
    email = new_email()
    register(visitor, email)
    again = visitor.post("/api/users", json=registration(email.upper()))
    problem = problem_of(again, 409, "email_already_exists")
    assert email not in str(problem)


def test_a_refused_registration_leaves_nothing_behind(
    visitor: httpx2.Client, api_database: Database
) -> None:
    tables = ("events", "person_keys", "credentials", "user_access", "outgoing_mail")
    email = new_email()
    register(visitor, email)
    with api_database.connect() as conn:

        def rows() -> list[object]:
            counts = [f"(SELECT count(*) FROM {table})" for table in tables]
            return conn.execute(f"SELECT {', '.join(counts)}".encode()).fetchall()

        before = rows()
        problem_of(
            visitor.post("/api/users", json=registration(email)), 409, "email_already_exists"
        )
        assert rows() == before


def test_nobody_chooses_the_id_that_an_account_may_already_belong_to(
    visitor: httpx2.Client,
) -> None:
    chosen = visitor.post("/api/users", json=registration() | {"id": str(uuid4())})
    problem_of(chosen, 400, "unknown_fields")


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("email", "nobody", "invalid_email_format"),
        ("email", "a@b", "invalid_email_format"),
        ("email", "nul\x00@example.com", "invalid_email_format"),
        ("email", "two@lines\n.example.com", "invalid_email_format"),
        ("email", "a" * 250 + "@example.com", "invalid_email_format"),
        ("email", "' OR 1=1 --", "invalid_email_format"),
        ("email", 5, "invalid_email_format"),
        ("full_name", "A", "invalid_name_format"),
        ("full_name", "A" * 256, "invalid_name_format"),
        ("full_name", "  ", "invalid_name_format"),
        ("full_name", "nul\x00", "invalid_name_format"),
        ("password", "short", "invalid_password_format"),
        ("password", "p" * 129, "invalid_password_format"),
        ("password", " " * 12, "invalid_password_format"),
        ("password", 12345678, "invalid_password_format"),
    ],
)
def test_what_does_not_fit_is_refused(
    visitor: httpx2.Client, field: str, value: object, reason: str
) -> None:
    more: dict[str, object] = {field: value} | (
        {"password_confirmation": value} if field == "password" else {}
    )
    problem_of(visitor.post("/api/users", json=registration() | more), 400, reason)


def test_a_password_is_typed_twice(visitor: httpx2.Client) -> None:
    other = registration(password_confirmation=f"{PASSWORD}!")
    answer = visitor.post("/api/users", json=other)
    problem_of(answer, 400, "invalid_password_format")
    assert PASSWORD not in answer.text


def test_an_installation_may_take_nobody(api_database: Database) -> None:
    with (
        serving(api_database.url, projecting=False, FEATURE_REGISTRATION=False) as url,
        visiting(url) as visitor,
    ):
        problem_of(visitor.post("/api/users", json=registration()), 403, "forbidden")


def test_sent_again_with_its_key_a_registration_is_answered_again(visitor: httpx2.Client) -> None:
    body, key = registration(), {"Idempotency-Key": str(uuid4())}
    first = visitor.post("/api/users", json=body, headers=key)
    again = visitor.post("/api/users", json=body, headers=key)
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["location"] == first.headers["location"]
    for change in [
        {"full_name": "Ann B. Lee"},
        {"password": "another one", "password_confirmation": "another one"},
    ]:
        other = visitor.post("/api/users", json=body | change, headers=key)
        problem_of(other, 422, "idempotency_key_reused")


def rows_with(conn: psycopg.Connection[Any], text: str) -> list[str]:
    """The tables that have a text anywhere in them, bytes as well."""
    tables = conn.execute(
        "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND tableowner = %s"
        " OR schemaname = 'public'",
        ("daybook",),
    ).fetchall()
    return [
        table
        for (table,) in tables
        for row in conn.execute(f"SELECT * FROM {table}".encode())
        if any(text.encode() in bytes_of(value) for value in row)
    ]


def bytes_of(value: object) -> bytes:
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()


def test_what_is_kept_is_sealed_and_goes_with_the_person(
    database: Database,
) -> None:
    body, key = registration(full_name="Zebedee Quux"), {"Idempotency-Key": "one"}
    with serving(database.url) as url, visiting(url) as visitor:
        first = visitor.post("/api/users", json=body, headers=key)
        with database.connect() as conn:
            kept = conn.execute("SELECT body FROM idempotency_keys").fetchall()
            assert len(kept) == 1
            assert rows_with(conn, first.json()["id"]), "it looks everywhere"
            for text in (body["email"], "Quux", PASSWORD):
                assert rows_with(conn, str(text)) == []
        with Ledger(database.url) as ledger:
            accepted(ledger, EraseUser(UUID(first.json()["id"])))
        with database.connect() as conn:
            # Its caller would tell who looks for the address that it was here, and as whom.
            assert conn.execute("SELECT FROM idempotency_keys").fetchall() == []
        again = visitor.post("/api/users", json=body, headers=key)
    assert again.status_code == 201, "a new person, of whom nothing is known"
    assert again.json()["id"] != first.json()["id"]


def test_the_kept_digest_of_a_request_does_not_give_its_password_away(
    visitor: httpx2.Client, api_database: Database
) -> None:
    key = str(uuid4())
    body = registration()
    visitor.post("/api/users", json=body, headers={"Idempotency-Key": key})
    with api_database.connect() as conn:
        kept = conn.execute("SELECT fingerprint FROM idempotency_keys WHERE key = %s", (key,))
        row = kept.fetchone()
    assert row is not None
    assert row[0] != _plain_digest(body)


def _plain_digest(body: object) -> bytes:
    canonical = msgspec.json.encode(body, order="deterministic")
    return hashlib.sha256(b"POST /api/users\n" + canonical).digest()

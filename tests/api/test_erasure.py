"""Erasure: what is known of a person is gone for good, and all that is about money stays as it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl

import httpx2
import pytest

from application.ledger import Ledger
from tests.api.cli.conftest import CommandLine
from tests.api.conftest import Bank, Json, problem_of
from tests.conftest import Database, MakeDatabase
from tests.support.credit import Desk, applying
from tests.support.processes import settings_of
from tests.support.serving import client_of, serving
from tests.support.staff import STAFF_PASSWORD, make, user_body
from tests.support.visitors import (
    Login,
    log_in,
    refresh,
    register,
    registration,
    try_login,
    visiting,
)

FIRST, LAST = "erica.first@example.com", "erica.last@example.com"
DOCUMENT, BORN, PHONE = "53184217Y", "1984-07-30", "+34600111222"
SECRETS = ("erica", "Erica", "Erasmus", DOCUMENT, BORN, PHONE)
"""In all that was ever known of her."""

REGISTERED = registration(FIRST, full_name="Erica Maiden")
REPEATABLE = {"Idempotency-Key": "once"}
KEPT = user_body(email="erica.kept@example.com", full_name="Erica Kept")

PERSONAL = {
    "person_keys": "person_id",
    "user_emails": "user_id",
    "credentials": "user_id",
    "sessions": "user_id",
    "api_keys": "user_id",
    "outgoing_mail": "person_id",
}


class Credit(NamedTuple):
    """Applications of hers, and what became of one."""

    paid: str
    open: str
    loan: str


@dataclass(frozen=True)
class Erased:
    """Somebody who had all that one can have, and what was before and after."""

    database: Database
    bank: Bank
    visitor: httpx2.Client
    id: str
    kept_id: str
    account: str
    credit: Credit
    login: Login
    key: str
    totals: Json
    answer: httpx2.Response

    @property
    def head(self) -> int:
        return self.bank.head()


@pytest.fixture(scope="module")
def erased(make_database: MakeDatabase) -> Iterator[Erased]:
    with (
        make_database() as database,
        serving(database.url, SMTP_URL="smtp://127.0.0.1:9") as url,
        client_of(url) as client,
        visiting(url) as visitor,
    ):
        bank = Bank(client)
        answer = visitor.post("/api/users", json=REGISTERED, headers=REPEATABLE)
        assert answer.status_code == 201, answer.text
        id_ = answer.json()["id"]
        login = log_in(visitor, FIRST)
        account = bank.open(owner_id=id_)
        bank.move(bank.open("cash"), account, "70.00")
        change = {"email": LAST, "full_name": "Erica Erasmus"}
        assert visitor.put("/api/profile", json=change, headers=login.bearer).status_code == 200
        issue = {"name": "k", "scopes": ["accounts:read"]}
        key = visitor.post("/api/api-keys", json=issue, headers=login.bearer).json()["key"]
        disclosed = client.post(
            f"/api/users/{id_}/disclosures", json={"fields": ["email"], "purpose": "a call"}
        )
        assert disclosed.json()["email"] == LAST
        with Ledger(database.url) as ledger:
            desk = Desk(ledger, database.url)
            credit = borrow(desk, bank, account, login)
        kept = client.post("/api/users/admin", json=KEPT, headers=REPEATABLE).json()["id"]
        totals = bank.get("/api/trial-balance", min_position=bank.head())
        for user_id in (kept, id_):
            answer = client.post(f"/api/users/{user_id}/erase", json={"reason": "asked for it"})
            assert answer.status_code == 200, answer.text
        yield Erased(
                database, bank, visitor, id_, kept, account, credit, login, key, totals, answer
            )  # fmt: skip


def borrow(desk: Desk, bank: Bank, account: str, login: Login) -> Credit:
    """She owes 1,200.00, and has asked for more in another country; an officer was shown who she is."""
    paths, base_url = [], bank.client.base_url
    for country, more in (
        ("ES", {"document_number": DOCUMENT, "account_id": account, "amount_requested": "1200.00"}),
        ("MX", {}),
    ):
        person = {"full_name": "Erica Maiden", "email": FIRST, "phone": PHONE}
        body = applying(country, **person, date_of_birth=BORN, months=12) | more
        answer = httpx2.post(
            base_url.join("/api/applications"), json=body, headers=login.bearer, timeout=30
        )
        assert answer.status_code == 202, answer.text
        paths.append(answer.json()["id"])
    paid, open_ = paths
    fields = {"fields": ["full_name", "document_number"], "reason": "a call"}
    shown = bank.client.post(f"/api/applications/{paid}/disclose", json=fields)
    assert shown.json()["document_number"] == DOCUMENT
    lending = {"source_account_id": bank.open("cash"), "amount": "5000.00", "currency": "EUR"}
    assert bank.client.post("/api/loans/funding", json=lending).status_code == 201
    desk.report(paid)
    assert bank.client.post(f"/api/applications/{paid}/accept").status_code == 200
    loan_id = desk.go_on(paid).loan_id
    return Credit(paid, open_, str(loan_id))


def test_the_answer_says_so(erased: Erased) -> None:
    user = erased.answer.json()
    assert (user["email"], user["full_name"], user["status"]) == ("[erased]", "[erased]", "DELETED")
    problem_of(erased.bank.client.get(f"/api/users/{erased.id}"), 404, "user_not_found")
    again = erased.bank.client.post(f"/api/users/{erased.id}/erase")
    problem_of(again, 409, "user_erased")


@pytest.mark.parametrize(
    "path",
    [
        "/api/users?status=DELETED",
        "/api/users/keyset?status=DELETED",
        "/api/streams/{id}/events",
        "/api/streams/{id}/state",
        "/api/streams/{id}/state?version=1",
        "/api/streams/{id}/state?version=3",
        "/api/events?limit=1000",
        "/api/audit?stream_id={id}",
        "/api/audit?limit=1000",
    ],
)
def test_every_answer_has_forgotten_the_person(path: str, erased: Erased) -> None:
    bank = erased.bank
    path, _, query = path.format(id=erased.id).partition("?")
    shown = str(bank.get(path, **dict(parse_qsl(query)), min_position=erased.head))
    assert erased.id in shown
    assert "[erased]" in shown or "/audit" in path
    for secret in (*SECRETS, "sealed:1:"):
        assert secret not in shown


def test_what_was_answered_before_is_answered_without_the_person(erased: Erased) -> None:
    admin = erased.bank.client
    for answer, id_ in (
        (erased.visitor.post("/api/users", json=REGISTERED, headers=REPEATABLE), erased.id),
        (admin.post("/api/users/admin", json=KEPT, headers=REPEATABLE), erased.kept_id),
    ):
        assert answer.headers["idempotent-replayed"] == "true"
        user = answer.json()
        assert user["id"] == id_
        assert (user["email"], user["full_name"]) == ("[erased]", "[erased]")


def test_that_personal_data_were_shown_is_known_on(erased: Erased) -> None:
    (row,) = erased.bank.get(f"/api/users/{erased.id}/disclosures")["data"]
    assert (row["fields"], row["purpose"]) == (["email"], "a call")
    again = erased.bank.client.post(
        f"/api/users/{erased.id}/disclosures", json={"fields": ["email"], "purpose": "a call"}
    )
    problem_of(again, 404, "user_not_found")


def test_nobody_comes_in_any_more(erased: Erased) -> None:
    visitor = erased.visitor
    for email in (FIRST, LAST):
        problem_of(try_login(visitor, email), 401, "invalid_credentials")
    problem_of(visitor.get("/api/profile", headers=erased.login.bearer), 401, "token_revoked")
    assert refresh(visitor, erased.login).status_code in (401, 404)
    key = {"X-API-Key": erased.key}
    problem_of(visitor.get("/api/accounts", headers=key), 401, "invalid_api_key")
    listed = erased.bank.get("/api/api-keys", user_id=erased.id)
    assert listed["data"] == []


def test_no_row_about_the_person_is_left(erased: Erased) -> None:
    with erased.database.connect() as conn:
        for table, column in PERSONAL.items():
            found = conn.execute(
                f"SELECT count(*) FROM {table} WHERE {column} = %s".encode(), (erased.id,)
            ).fetchone()
            assert found == (0,), table


def test_no_table_has_the_person_in_clear(erased: Erased) -> None:
    with erased.database.connect(superuser=True) as conn:
        tables = conn.execute(
            "SELECT format('%I.%I', schemaname, relname) FROM pg_stat_user_tables"
        ).fetchall()
        for (table,) in tables:
            found = conn.execute(
                f"SELECT count(*) FROM {table} AS row"
                " WHERE row::text ~* 'erica|erasmus' OR row::text LIKE ANY(%s)".encode(),
                ([f"%{text}%" for s in SECRETS for text in (s, s.encode().hex())],),
            ).fetchone()
            assert found == (0,), table


def test_an_export_has_forgotten_the_person(erased: Erased, tmp_path: Path) -> None:
    daybook = CommandLine(settings_of(erased.database)).here
    daybook.json("export", "--to", tmp_path, "--format", "ndjson")
    text = "".join(path.read_text() for path in sorted(tmp_path.rglob("*.ndjson")))
    assert erased.id in text
    assert "[erased]" in text
    for secret in (*SECRETS, "sealed:1:"):
        assert secret not in text


def test_the_chain_verifies_and_the_money_is_where_it_was(erased: Erased) -> None:
    bank = erased.bank
    daybook = CommandLine(settings_of(erased.database)).here
    assert daybook("audit", "verify").returncode == 0
    after = bank.get("/api/trial-balance", min_position=erased.head)
    assert after["data"][0] | {"position": 0} == erased.totals["data"][0] | {"position": 0}
    account = bank.account(erased.account)
    assert (account["balance"], account["owner_id"]) == ("1270.00", erased.id)


@pytest.mark.parametrize(
    "path",
    [
        "/api/applications",
        "/api/applications/{paid}",
        "/api/applications/{open}",
        "/api/applications/{paid}/status",
        "/api/streams/{paid}/events",
        "/api/streams/{paid}/state",
        "/api/audit?stream_id={paid}",
        "/api/loans/{loan}",
        "/api/loans/{loan}/schedule",
    ],
)
def test_what_was_lent_is_known_on_and_not_to_whom(path: str, erased: Erased) -> None:
    path, _, query = path.format(**erased.credit._asdict()).partition("?")
    shown = str(erased.bank.get(path, **dict(parse_qsl(query)), min_position=erased.head))
    for secret in (*SECRETS, "sealed:1:"):
        assert secret not in shown
    if path.rpartition("/")[2] in (*erased.credit[:2], "applications", "events"):
        assert "[erased]" in shown


def test_what_is_owed_can_still_be_paid(erased: Erased) -> None:
    path = f"/api/loans/{erased.credit.loan}"
    for amount in ("200.00", "1000.00"):
        body = {"amount": amount, "account_id": erased.account}
        paid = erased.bank.client.post(f"{path}/repayments", json=body)
        assert paid.status_code == 201, paid.text
    loan = erased.bank.get(path, min_position=erased.head)
    assert (loan["status"], loan["outstanding"]) == ("settled", "0.00")
    assert erased.bank.account(erased.account)["balance"] == "70.00"
    (sums,) = erased.bank.get("/api/trial-balance", min_position=erased.head)["data"]
    assert sums["debits"] == sums["credits"]
    daybook = CommandLine(settings_of(erased.database)).here
    assert daybook("audit", "verify").returncode == 0


def test_the_addresses_can_be_registered_anew(erased: Erased) -> None:
    for email in (FIRST, LAST):
        user = register(erased.visitor, email)
        assert user["id"] != erased.id
        assert user["email"] == email
        log_in(erased.visitor, email)


def test_who_was_deleted_before_is_erased_too(erased: Erased) -> None:
    client = erased.bank.client
    user = make(client, email="deleted@example.com")
    path = f"/api/users/{user['id']}"
    assert client.delete(path).status_code == 200
    assert client.post(f"{path}/erase").json()["email"] == "[erased]"
    again = make(client, email="deleted@example.com")
    assert try_login(erased.visitor, "deleted@example.com", STAFF_PASSWORD).status_code == 200
    assert again["id"] != user["id"]


def test_only_an_administrator_erases(erased: Erased) -> None:
    user = make(erased.bank.client)
    for role in ("user", "support", "auditor", "operator"):
        with client_of(str(erased.bank.client.base_url), role) as other:
            answer = other.post(f"/api/users/{user['id']}/erase")
            problem_of(answer, 403, "insufficient_permissions")

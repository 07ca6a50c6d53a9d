"""Who has applied for credit is forgotten: users with all that is not paid out, and who is no user."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

import httpx2
import pytest

from application.ledger import Ledger
from domain.users import EraseUser
from tests.api.cli.conftest import CommandLine
from tests.api.conftest import Bank, Json, problem_of, some_id
from tests.conftest import Database
from tests.support.credit import Desk, applying, submit
from tests.support.ledgers import accepted
from tests.support.processes import settings_of
from tests.support.staff import as_user, make

PATH = "/api/applications"
SAID = "I am Zebedeo Quintanilla, call +34600111222"
SECRETS = ("Zebedeo", "600111222")


class Applied(NamedTuple):
    """A user with an application in each state that matters, each in the country that it is in."""

    user: Json
    referred: str
    offered: str
    rejected: str
    withdrawn: str

    @property
    def erase(self) -> str:
        return f"/api/users/{self.user['id']}/erase"


@pytest.fixture(scope="module")
def ledger(api_database: Database) -> Iterator[Ledger]:
    with Ledger(api_database.url) as ledger:
        yield ledger


@pytest.fixture(scope="module")
def desk(ledger: Ledger, api_database: Database) -> Desk:
    return Desk(ledger, api_database.url)


@pytest.fixture(scope="module")
def officer(base_url: str, client: httpx2.Client) -> Iterator[httpx2.Client]:
    with as_user(base_url, make(client, "officer")) as own:
        yield own


@pytest.fixture
def applied(base_url: str, client: httpx2.Client, desk: Desk) -> Applied:
    user = make(client)
    with as_user(base_url, user) as own:
        account = own.post(
            "/api/accounts", json={"name": "mine", "type": "checking", "currency": "MXN"}
        ).json()["id"]
        referred = submit(own, "ES")["id"]
        offered, rejected = (submit(own, account_id=account)["id"] for _ in range(2))
        withdrawn = submit(own, "IN")["id"]
        called_off = own.post(f"{PATH}/{withdrawn}/withdraw", json={"reason": SAID})
        assert called_off.status_code == 200, called_off.text
    assert desk.no_report(referred).status == "manual_review"
    assert desk.report(offered, 720).offer_status == "made"
    assert desk.report(rejected, 500).status == "rejected"
    return Applied(user, referred, offered, rejected, withdrawn)


def statuses(desk: Desk, of: Applied) -> list[str]:
    return [desk.now(id_).status for id_ in (of.referred, of.offered, of.rejected, of.withdrawn)]


CALLED_OFF = ["withdrawn", "withdrawn", "rejected", "withdrawn"]


def test_what_is_not_paid_out_is_called_off_with_its_user(
    applied: Applied, client: httpx2.Client, desk: Desk
) -> None:
    assert statuses(desk, applied) == ["manual_review", "approved", "rejected", "withdrawn"]
    assert client.post(applied.erase).status_code == 200
    assert statuses(desk, applied) == CALLED_OFF
    assert desk.now(applied.offered).reasons == ("erased",)


def test_so_it_is_by_the_command_line(
    applied: Applied, api_database: Database, desk: Desk, ledger: Ledger
) -> None:
    daybook = CommandLine(settings_of(api_database)).here
    daybook.done("privacy", "erase", applied.user["id"], "--yes")
    assert statuses(desk, applied) == CALLED_OFF


def test_an_erasure_that_was_stopped_is_finished_by_another(
    applied: Applied,
    client: httpx2.Client,
    officer: httpx2.Client,
    desk: Desk,
    ledger: Ledger,
    api_database: Database,
) -> None:
    accepted(ledger, EraseUser(UUID(applied.user["id"])))
    assert statuses(desk, applied)[:2] == ["manual_review", "approved"]
    for who, id_, verb in (
        (officer, applied.referred, "claim"),
        (officer, applied.referred, "approve"),
        (client, applied.offered, "accept"),
    ):
        problem_of(who.post(f"{PATH}/{id_}/{verb}"), 409, "person_erased")
    daybook = CommandLine(settings_of(api_database)).here
    erase = ("privacy", "erase", applied.user["id"], "--yes")
    assert "was erased before" in daybook.refused(1, *erase)
    assert statuses(desk, applied) == CALLED_OFF


def test_another_erasure_is_refused_and_calls_off_what_there_is(
    applied: Applied, client: httpx2.Client, desk: Desk, ledger: Ledger
) -> None:
    accepted(ledger, EraseUser(UUID(applied.user["id"])))
    problem_of(client.post(applied.erase), 409, "user_erased")
    assert statuses(desk, applied) == CALLED_OFF


def test_an_erasure_that_is_refused_calls_nothing_off(
    client: httpx2.Client, officer: httpx2.Client, applied: Applied, desk: Desk
) -> None:
    problem_of(officer.post(applied.erase), 403, "insufficient_permissions")
    assert statuses(desk, applied)[:2] == ["manual_review", "approved"]


def everywhere(client: httpx2.Client, bank: Bank, id_: str) -> Iterator[tuple[str, str]]:
    """Path and answer of all that tells of an application."""
    head = bank.head()
    for path in (
        f"{PATH}/{id_}", f"{PATH}/{id_}/status", f"/api/streams/{id_}/events",
        f"/api/streams/{id_}/state", f"/api/audit?stream_id={id_}",
    ):  # fmt: skip
        answer = client.get(path, params={"min_position": head} if "?" not in path else None)
        assert answer.status_code == 200, answer.text
        yield path, answer.text


def test_nothing_shows_a_part_of_the_document_or_what_was_said(
    applied: Applied, client: httpx2.Client, bank: Bank, desk: Desk
) -> None:
    hints = {id_: desk.now(id_).asked.document_hint for id_ in applied[1:]}
    shown = dict(everywhere(client, bank, applied.withdrawn))
    assert SAID in shown[f"{PATH}/{applied.withdrawn}"]
    assert hints[applied.withdrawn] in shown[f"/api/streams/{applied.withdrawn}/events"]
    assert client.post(applied.erase).status_code == 200
    for id_, hint in hints.items():
        for path, text in everywhere(client, bank, id_):
            assert hint not in text, path
            assert not any(secret in text for secret in SECRETS), path
            assert "[erased]" in text or path.startswith("/api/audit"), path
    found = bank.get(f"{PATH}/{applied.withdrawn}", min_position=bank.head())
    assert found["decision_reasons"] == ["[erased]"]
    assert [step["note"] for step in found["steps"] if step["name"] == "withdrawn"] == ["[erased]"]
    score = bank.get(f"{PATH}/{applied.rejected}", min_position=bank.head())
    assert score["credit_score"] == 500
    assert score["decision_reasons"] != ["[erased]"]


def test_what_the_user_was_answered_is_not_kept(
    base_url: str, client: httpx2.Client, api_database: Database
) -> None:
    user, other = make(client), make(client)
    for one in (user, other):
        with as_user(base_url, one) as own:
            body, headers = applying("ES"), {"Idempotency-Key": some_id()}
            assert own.post(PATH, json=body, headers=headers).status_code == 202

    def kept(of: Json) -> int:
        with api_database.connect() as conn:
            row = conn.execute(
                "SELECT count(*) FROM idempotency_keys WHERE caller LIKE %s", (f"%{of['id']}%",)
            ).fetchone()
        assert row is not None
        return int(row[0])

    assert (kept(user), kept(other)) == (1, 1)
    assert client.post(f"/api/users/{user['id']}/erase").status_code == 200
    assert (kept(user), kept(other)) == (0, 1)


def test_who_is_no_user_is_forgotten_too(
    client: httpx2.Client,
    officer: httpx2.Client,
    bank: Bank,
    desk: Desk,
    api_database: Database,
) -> None:
    asked = submit(officer, "ES", full_name="Zebedeo Quintanilla")
    id_ = asked["id"]
    path, fields = f"{PATH}/{id_}/erase", {"fields": ["full_name"], "reason": "a letter"}
    problem_of(officer.post(path), 403, "insufficient_permissions")
    problem_of(client.post(path), 409, "application_open")
    assert client.post(f"{PATH}/{id_}/disclose", json=fields).json()["full_name"].startswith("Zeb")
    withdrawn = client.post(f"{PATH}/{id_}/withdraw", json={"reason": SAID})
    assert withdrawn.status_code == 200, withdrawn.text
    erased = client.post(path)
    assert erased.status_code == 200, erased.text
    assert erased.json()["document_number"] == "[erased]"
    assert client.post(f"{PATH}/{id_}/disclose", json=fields).json()["full_name"] == "[erased]"
    with api_database.connect() as conn:
        for table in ("person_keys", "outgoing_mail"):
            row = conn.execute(
                f"SELECT count(*) FROM {table} WHERE person_id = %s".encode(), (id_,)
            ).fetchone()
            assert row == (0,), table
    for where, text in everywhere(client, bank, id_):
        assert asked["document_number"] not in text, where
        assert not any(secret in text for secret in SECRETS), where
    events = bank.get(f"/api/streams/{id_}/events", min_position=bank.head())["data"]
    assert "credit_application.erased" in [event["topic"] for event in events]
    problem_of(client.post(path), 409, "nothing_new")


def test_a_users_application_is_erased_with_the_user_only(
    base_url: str, client: httpx2.Client, officer: httpx2.Client
) -> None:
    user = make(client)
    brought = submit(officer, applicant_user_id=user["id"])["id"]
    for id_, status, reason in (
        (brought, 409, "belongs_to_user"),
        (some_id(), 404, "application_not_found"),
    ):
        problem_of(client.post(f"{PATH}/{id_}/erase"), status, reason)
    with as_user(base_url, user) as own:
        problem_of(own.post(f"{PATH}/{brought}/erase"), 403, "insufficient_permissions")

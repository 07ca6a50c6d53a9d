"""Credit from the outside: all over HTTP, with a worker, and a credit bureau that often does wrong."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import httpx2
import pytest
from standardwebhooks import Webhook

from api.workers import running_worker
from tests.api.conftest import Bank, Json, problem_of
from tests.conftest import Database, MakeDatabase
from tests.projections.histories import append
from tests.support import credit_world, people
from tests.support.bureau import SandboxBureau, sandbox_bureau
from tests.support.credit import applying, new_document, submit, until_status
from tests.support.log import assert_sound
from tests.support.receiver import receiving
from tests.support.serving import client_of, serving
from tests.support.staff import as_user, make
from tests.support.visitors import mails
from tests.support.waiting import until

PATH = "/api/applications"
EMAIL = "ana.lopez@example.com"
PATIENCE_S = 4
"""Whose report comes later all the same is decided all the same; whose never comes has waited so long."""


class Case(NamedTuple):
    """What a bureau knows of somebody, what it does wrong, and what comes of it."""

    status: str
    fault: Json | None = None
    score: int | None = 720
    asked: int | None = 1
    """How often the bureau was asked for the report; None where that is not over yet."""
    unavailable: str | None = None


LATER = {"fault": "later", "value": 0.2}
CASES = {
    "a good score": Case("approved"),
    "a bad score": Case("rejected", score=599),
    "a file without a score": Case("manual_review", score=None),
    "500 twice": Case("approved", {"fault": "500", "times": 2}, asked=3),
    "an answer that gets lost": Case(
        "approved", {"fault": "drop_after_accepting", "times": 1}, asked=2
    ),
    "garbage once": Case("approved", {"fault": "garbage", "times": 1}, asked=2),
    "garbage": Case("manual_review", {"fault": "garbage"}, asked=None),
    "no answer": Case("manual_review", {"fault": "never_answer"}, unavailable="timeout"),
    "no score": Case("manual_review", {"fault": "no_score"}),
    "refused": Case("manual_review", {"fault": "refuse:no_file"}, unavailable="no_file"),
    "later": Case("approved", LATER),
    "a lost webhook": Case("approved", {"fault": "lost_webhook"}),
    "a webhook sent twice": Case("approved", {"fault": "duplicate_webhook"}),
}
"""The last two are later, too."""


@dataclass(frozen=True)
class Stack:
    """All that runs, and those who use it."""

    database: Database
    bureau: SandboxBureau
    url: str
    bank: Bank
    user: Json
    customer: httpx2.Client
    officer: httpx2.Client
    folder: Path
    expired: str
    """An application whose offer stood for a day, long ago."""

    def shown(self, application_id: str, part: str = "") -> Json:
        path = f"{PATH}/{application_id}{part}"
        return self.bank.get(path, min_position=self.bank.head())


@pytest.fixture(scope="module")
def stack(make_database: MakeDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with make_database() as database, sandbox_bureau() as bureau:
        expired = offered_long_ago(database)
        folder = tmp_path_factory.mktemp("var")
        there = people.settings(
            BUREAU_URL=bureau.url,
            BUREAU_TOKEN=bureau.token,
            BUREAU_PATIENCE_S=PATIENCE_S,
            BUREAU_LOOK_AFTER_S=1,
            WEBHOOKS_ALLOW_PRIVATE=True,
            DATA_DIR=folder,
        )
        with (
            serving(
                database.url, BUREAU_WEBHOOK_SECRET=bureau.secret, WEBHOOKS_ALLOW_PRIVATE=True
            ) as url,
            running_worker(there, database.url),
            client_of(url) as admin,
        ):
            bureau.send_webhooks_to(f"{url}/api/webhooks/incoming/bureau")
            user, officer = make(admin, email=EMAIL), make(admin, "officer")
            with as_user(url, user) as own, as_user(url, officer) as other:
                yield Stack(database, bureau, url, Bank(admin), user, own, other, folder, expired)


def offered_long_ago(database: Database) -> str:
    """What was asked for by nobody whom a key would be needed for."""
    nobody: Json = dict.fromkeys(("owner_id", "person_id", "account_id"))
    append(
        database,
        *credit_world.submitted(full_name="Somebody", document_number="A document", **nobody),
        *credit_world.reported(),
        *credit_world.decided("approved", "approve"),
        *credit_world.offered(timedelta(days=1)),
    )
    return str(credit_world.APPLICATION)


@pytest.fixture(scope="module")
def told(stack: Stack) -> dict[str, Json]:
    """By the name of the case, the application once it has come to where it should; all go at once."""
    bodies = {name: applying() for name in CASES}
    numbers = {name: body["document_number"] for name, body in bodies.items()}
    stack.bureau.set_scores({numbers[name]: case.score for name, case in CASES.items()})
    stack.bureau.set_faults(*rules(numbers))
    ids = {name: submit(stack.customer, **body)["id"] for name, body in bodies.items()}
    for name, case in CASES.items():
        until_status(stack.customer, ids[name], case.status)
        if case.status == "approved":
            until(lambda: stack.shown(ids[name], "/status")["offer"])  # noqa: B023
    stack.bureau.clear_faults()
    return {name: stack.shown(id_) for name, id_ in ids.items()}


def rules(numbers: dict[str, str]) -> Iterator[dict[str, Any]]:
    for name, case in CASES.items():
        there = [] if case.fault is None else [case.fault]
        if "webhook" in name:
            there.append(LATER)
        for fault in there:
            yield fault | {"match": {"document": numbers[name]}}


def test_whatever_the_bureau_does_wrong_the_end_is_as_it_should_be(
    stack: Stack, told: dict[str, Json]
) -> None:
    for name, case in CASES.items():
        found = told[name]
        assert (found["status"], found["credit_score"] is None) == (
            case.status,
            case.status == "manual_review",
        ), name
        if case.unavailable is not None:
            assert found["report_unavailable"] == case.unavailable, name
        steps = Counter(step["name"] for step in found["steps"])
        has_report = case.status != "manual_review" or name in (
            "a file without a score", "no score",
        )  # fmt: skip
        assert steps["report_received"] == has_report, name
        assert steps["offered"] == (case.status == "approved"), name
        assert found["decision_reasons"], name
    assert told["a bad score"]["decision_reasons"] == ["Low credit score for Mexico"]
    assert told["no score"]["decision_reasons"] == ["Banking data missing"]


def test_each_report_is_asked_for_under_one_id_and_taken_once(
    stack: Stack, told: dict[str, Json]
) -> None:
    asked = stack.bureau.asked()
    for name, case in CASES.items():
        events = stack.bank.get(f"/api/streams/{told[name]['id']}/events")["data"]
        reports = {
            what: [e["data"]["report_id"] for e in events if e["topic"].endswith(f".report_{what}")]
            for what in ("requested", "received")
        }
        (report_id,) = reports["requested"]
        assert reports["received"] in ([], [report_id]), name
        assert case.asked in (None, asked[UUID(report_id)]), name


def test_an_officer_decides_what_the_table_may_not(stack: Stack, told: dict[str, Json]) -> None:
    yes, no = told["no score"]["id"], told["refused"]["id"]
    params = {"min_position": stack.bank.head()}
    waiting = stack.officer.get(f"{PATH}/queue", params=params).json()["data"]
    assert {yes, no} <= {row["id"] for row in waiting}
    for id_, verb, body, status in (
        (yes, "approve", {"amount": "5000.00"}, "approved"),
        (no, "reject", {"reason": "no file"}, "rejected"),
    ):
        for step in ("claim", verb):
            answer = stack.officer.post(f"{PATH}/{id_}/{step}", json=body if step == verb else None)
            assert answer.status_code == 200, answer.text
        assert until_status(stack.customer, id_, status)["credit_score"] is None
    until(lambda: stack.shown(yes)["offer"])
    assert stack.shown(yes)["offer"]["amount"] == "5000.00"
    assert stack.shown(no)["decision_reasons"] == ["no file"]


def test_an_offer_becomes_a_loan_that_is_paid_back(stack: Stack, told: dict[str, Json]) -> None:
    bank, asked = stack.bank, told["a good score"]["id"]
    account = bank.open(currency="MXN", owner_id=stack.user["id"])
    lending = {
        "source_account_id": bank.open("cash", "MXN"), "amount": "100000.00", "currency": "MXN",
    }  # fmt: skip
    assert bank.client.post("/api/loans/funding", json=lending).status_code == 201
    accepted = stack.customer.post(f"{PATH}/{asked}/accept", json={"account_id": account})
    assert accepted.status_code == 200, accepted.text
    until(lambda: stack.shown(asked, "/status")["loan_id"])
    loan = f"/api/loans/{stack.shown(asked, '/status')['loan_id']}"
    assert bank.account(account)["balance"] == "60000.00"
    rows = bank.get(f"{loan}/schedule", min_position=bank.head())["data"]
    assert (len(rows), rows[-1]["balance_after"]) == (24, "0.00")
    for paying in ("first instalment", "the rest"):
        owed = bank.get(loan, min_position=bank.head())
        amount = owed["payoff"]["amount"] if paying == "the rest" else rows[0]["amount"]
        body = {"amount": amount, "account_id": account}
        answer = stack.customer.post(f"{loan}/repayments", json=body)
        assert answer.status_code == 201, answer.text
    settled = bank.get(loan, min_position=bank.head())
    assert (settled["status"], settled["outstanding"]) == ("settled", "0.00")
    assert bank.account(settled["loan_account_id"])["balance"] == "0.00"


def test_an_offer_may_be_declined(stack: Stack, told: dict[str, Json]) -> None:
    path = f"{PATH}/{told['later']['id']}"
    answer = stack.customer.post(f"{path}/decline", json={"reason": "too dear"})
    assert answer.json()["offer"]["status"] == "declined"
    problem_of(stack.customer.post(f"{path}/accept", json={}), 409, "no_open_offer")


def test_an_offer_that_nobody_answers_expires(stack: Stack) -> None:
    until(lambda: stack.shown(stack.expired)["offer"]["status"] == "expired")
    answer = stack.bank.client.post(f"{PATH}/{stack.expired}/accept", json={})
    problem_of(answer, 409, "no_open_offer")
    with stack.database.connect() as conn:
        jobs = conn.execute(
            "SELECT status FROM jobs WHERE payload->>'application_id' = %s", (stack.expired,)
        ).fetchall()
    assert ("dead",) not in jobs


def test_two_at_the_same_instant_are_one_application_and_one_report(stack: Stack) -> None:
    for _ in range(3):
        body = applying(**new_document("MX"))
        stack.bureau.set_scores({body["document_number"]: 720})
        before, together = len(stack.bureau.asked()), threading.Barrier(2)

        def apply(_: int) -> httpx2.Response:
            with as_user(stack.url, stack.user) as own:
                together.wait(30)  # noqa: B023
                return own.post(PATH, json=body)  # noqa: B023

        with ThreadPoolExecutor(2) as pool:
            one, other = sorted(pool.map(apply, range(2)), key=lambda a: a.status_code)
        assert (one.status_code, other.status_code) == (202, 409), other.text
        problem_of(other, 409, "duplicate_application")
        until_status(stack.customer, one.json()["id"], "approved")
        assert len(stack.bureau.asked()) == before + 1


def test_partners_hear_of_each_change_once_and_the_applicant_by_mail(stack: Stack) -> None:
    until(lambda: not under_way(stack))
    before = len(mails(stack.folder))
    with receiving() as receiver:
        wanted = {"url": receiver.url, "types": ["application.*"]}
        endpoint = stack.customer.post("/api/webhooks/endpoints", json=wanted).json()
        body = applying()
        stack.bureau.set_scores({body["document_number"]: 599})
        asked = submit(stack.customer, **body)
        until_status(stack.customer, asked["id"], "rejected")
        until(lambda: len(receiver.got) > 1 and len(mails(stack.folder)) > before)
        until(lambda: not under_way(stack))
        told = [Webhook(endpoint["secret"]).verify(got.body, got.headers) for got in receiver.got]
        stack.customer.delete(f"/api/webhooks/endpoints/{endpoint['id']}")
    assert {each["type"] for each in told} == {"application.status_updated"}
    assert {each["data"]["id"] for each in told} == {asked["id"]}
    assert sorted(each["data"]["new_status"] for each in told) == ["rejected", "risk_check"]
    (mail,) = mails(stack.folder)[before:]
    assert mail["To"] == EMAIL
    for text in (body["document_number"], body["full_name"], "599"):
        assert text not in f"{mail} {told}"


def under_way(stack: Stack) -> list[Any]:
    """Jobs that are not done, but for asking after reports that never come."""
    query = "SELECT kind FROM jobs WHERE finished_at IS NULL AND kind NOT LIKE 'bureau.%'"
    with stack.database.connect() as conn:
        return conn.execute(query).fetchall()


def test_the_older_interface_goes_all_the_way(stack: Stack) -> None:
    body = {
        "pan_number": "ABCDE1234F", "applicant_name": "Asha Rao", "monthly_income_inr": 80000,
        "loan_amount_inr": 1200000, "loan_type": "PERSONAL",
    }  # fmt: skip
    answer = stack.customer.post("/applications", json=body)
    assert (answer.status_code, answer.json()["status"]) == (202, "PENDING")
    path = f"/applications/{answer.json()['application_id']}/status"
    until(lambda: stack.customer.get(path).json()["status"] == "PRE_APPROVED")
    told = stack.customer.get(path).json()
    assert (told["credit_score"], told["max_approved_amount"]) == (790, "3840000.00")
    assert told["pan_number_masked"] == "XXXXX1234F"


def test_the_books_and_the_chain_are_whole_afterwards(stack: Stack) -> None:
    with stack.database.connect(superuser=True) as conn:
        assert_sound(conn)
    for row in stack.bank.get("/api/trial-balance", min_position=stack.bank.head())["data"]:
        assert row["debits"] == row["credits"]

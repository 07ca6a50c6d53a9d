"""A partner who decides on applications says so by signed messages: along the country's table, once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx2
import msgspec
import pytest

from application.ledger import Ledger
from application.webhooks.signing import headers_for, make_secret
from tests.api.conftest import Bank, Json, problem_of, some_id
from tests.conftest import Database
from tests.support.credit import Desk, submit
from tests.support.serving import serving

SECRET, BANKS = make_secret(), make_secret()
_numbers = count(1)


@pytest.fixture(scope="module")
def base_url(api_database: Database) -> Iterator[str]:
    with serving(
        api_database.url, DECISIONS_WEBHOOK_SECRET=SECRET, BANK_WEBHOOK_SECRET=BANKS
    ) as url:
        yield url


@pytest.fixture(scope="module")
def desk(api_database: Database) -> Iterator[Desk]:
    with Ledger(api_database.url) as ledger:
        yield Desk(ledger, api_database.url)


@pytest.fixture(scope="module")
def partner(base_url: str) -> Iterator[httpx2.Client]:
    """A client that says nothing of who it is."""
    with httpx2.Client(base_url=base_url, timeout=30) as client:
        yield client


def tell(
    partner: httpx2.Client,
    application_id: object,
    status: object,
    *,
    id_: str | None = None,
    type_: str = "application.status",
    secret: str = SECRET,
    **more: object,
) -> httpx2.Response:
    data = {"application_id": application_id, "status": status, **more}
    said = {name: value for name, value in data.items() if value is not None}
    return send(partner, {"type": type_, "data": said}, id_=id_, secret=secret)


REPORT = "the bureau answers"


def send(
    partner: httpx2.Client, content: Any, *, id_: str | None = None, secret: str = SECRET
) -> httpx2.Response:
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    headers = headers_for([secret], id_ or f"msg_{next(_numbers)}", datetime.now(UTC), body)
    headers["content-type"] = "application/json"
    return partner.post("/api/webhooks/incoming/decisions", content=body, headers=headers)


def outcome(answer: httpx2.Response) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.json()["outcome"])


def status_of(bank: Bank, id_: str) -> Json:
    return bank.get(f"/api/applications/{id_}/status", min_position=bank.head())


def test_an_application_goes_where_a_partner_says(
    partner: httpx2.Client, client: httpx2.Client, bank: Bank, desk: Desk
) -> None:
    id_ = submit(client, "MX")["id"]
    assert outcome(tell(partner, id_, "risk_check")) == "accepted"
    assert outcome(tell(partner, id_, "manual_review", reason="Income not proved")) == "accepted"
    found = status_of(bank, id_)
    assert (found["status"], found["decision_reasons"]) == ("manual_review", ["Income not proved"])
    problem_of(tell(partner, id_, "approved"), 409, "score_missing")
    assert desk.report(id_, 700).status == "manual_review", "the partner wants it looked at"
    assert outcome(tell(partner, id_, "approved", reason="Payslips seen")) == "accepted"
    assert desk.go_on(id_).offer_status == "made"
    found = status_of(bank, id_)
    assert (found["status"], found["decision_reasons"]) == ("approved", ["Payslips seen"])
    steps = bank.get(f"/api/applications/{id_}")["steps"]
    moved = [step for step in steps if step["name"] == "moved"]
    assert {step["actor"] for step in moved} == {"webhook:decisions"}
    assert [step["status"] for step in moved] == ["risk_check", "manual_review", "approved"]


@pytest.mark.parametrize(
    ("country", "moves", "to", "allowed"),
    [
        ("MX", [], "manual_review", ["risk_check", "approved", "rejected"]),
        ("MX", [], "withdrawn", ["risk_check", "approved", "rejected"]),
        ("MX", ["risk_check"], "pre_approved", ["approved", "rejected", "manual_review"]),
        ("MX", ["risk_check", "manual_review", REPORT, "approved"], "rejected", []),
        ("MX", ["rejected"], "approved", []),
        ("ES", [], "approved", ["risk_check"]),
        ("IN", [], "risk_check", ["pre_approved", "manual_review", "rejected"]),
        ("IN", [REPORT], "manual_review", ["approved", "rejected"]),
    ],
)
def test_a_move_that_is_not_in_the_table_is_refused_each_time_it_is_sent(
    partner: httpx2.Client,
    client: httpx2.Client,
    bank: Bank,
    desk: Desk,
    country: str,
    moves: list[str],
    to: str,
    allowed: list[str],
) -> None:
    id_ = submit(client, country)["id"]
    for status in moves:
        if status == REPORT:
            desk.report(id_, 700)
        else:
            assert outcome(tell(partner, id_, status)) == "accepted"
    before = desk.now(id_).status
    message = f"msg_refused_{id_}"
    for _ in range(2):
        problem = problem_of(tell(partner, id_, to, id_=message), 422, "invalid_transition")
        details = problem["details"]
        assert (details["from"], details["to"], details["allowed"]) == (before, to, allowed)
        assert before in problem["detail"]
    assert status_of(bank, id_)["status"] == before
    row = bank.get("/api/webhooks/received", subject=id_)["data"][0]
    assert (row["outcome"], row["details"]["from"]) == ("invalid_transition", before)
    if country == "MX" and before == "pending":
        # What has become possible since does not turn the answer.
        assert outcome(tell(partner, id_, "risk_check")) == "accepted"
        again = problem_of(tell(partner, id_, to, id_=message), 422, "invalid_transition")
        assert again["details"]["from"] == "pending"


def test_a_message_sent_again_moves_nothing_twice(
    partner: httpx2.Client, client: httpx2.Client, bank: Bank
) -> None:
    id_ = submit(client, "MX")["id"]
    message = f"msg_{id_}"
    first, again = (tell(partner, id_, "rejected", id_=message) for _ in range(2))
    assert first.json() == again.json() == {"message_id": message, "outcome": "accepted"}
    assert outcome(tell(partner, id_, "rejected")) == "nothing_new"
    steps = bank.get(f"/api/applications/{id_}", min_position=bank.head())["steps"]
    assert [step["name"] for step in steps].count("moved") == 1


def test_an_application_that_nobody_knows_may_come_later(partner: httpx2.Client) -> None:
    id_ = some_id()
    for _ in range(2):
        answer = tell(partner, id_, "approved", id_="msg_early")
        problem_of(answer, 404, "application_not_found")


@pytest.mark.parametrize(
    ("said", "reason", "fields"),
    [
        (b"{", "invalid_json", []),
        ({"type": "application.status"}, "missing_fields", ["data"]),
        ({"type": "application.status", "data": []}, "invalid_request", ["data"]),
        (
            {"type": "application.status", "data": {}},
            "missing_fields",
            ["application_id", "status"],
        ),
        ({"data": {"application_id": "7"}}, "invalid_request", ["application_id"]),
        ({"data": {"application_id": 7}}, "invalid_request", ["application_id"]),
        ({"data": {"status": "APPROVED"}}, "invalid_request", ["status"]),
        ({"data": {"status": ["approved"]}}, "invalid_request", ["status"]),
        ({"data": {"reason": 7}}, "invalid_request", ["reason"]),
        ({"data": {"reason": False}}, "invalid_request", ["reason"]),
        ({"data": {"reason": "x" * 256}}, "invalid_request", ["reason"]),
        ({"data": {"reason": "a\u202eb"}}, "invalid_request", ["reason"]),
    ],
)
def test_what_cannot_be_understood_says_where(
    partner: httpx2.Client, said: Any, reason: str, fields: list[str]
) -> None:
    if isinstance(said, dict) and "type" not in said:
        good = {"application_id": some_id(), "status": "approved"}
        said = {"type": "application.status", "data": good | said["data"]}
    problem = problem_of(send(partner, said), 400, reason)
    assert problem["details"].get("fields", []) == fields


def test_other_messages_are_nothing_of_ours(partner: httpx2.Client) -> None:
    assert outcome(tell(partner, some_id(), "approved", type_="application.seen")) == "ignored"


def test_only_the_partner_is_believed(
    partner: httpx2.Client, client: httpx2.Client, bank: Bank
) -> None:
    """Not the bank either, whose secret is another."""
    id_ = submit(client, "MX")["id"]
    for secret in (BANKS, make_secret()):
        answer = tell(partner, id_, "approved", secret=secret)
        problem_of(answer, 401, "invalid_webhook_signature")
    assert status_of(bank, id_)["status"] == "pending"

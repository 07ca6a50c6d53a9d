"""Applications in India in the older API's words: what is sent, what is answered, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from application.ledger import Ledger
from tests.api.conftest import Bank, Json, problem_of, some_id
from tests.conftest import Database
from tests.support.credit import Desk, new_document, submit
from tests.support.staff import as_user, make


@pytest.fixture(scope="module")
def desk(api_database: Database) -> Iterator[Desk]:
    with Ledger(api_database.url) as ledger:
        yield Desk(ledger, api_database.url)


@pytest.fixture(scope="module")
def asha(base_url: str, client: httpx2.Client) -> Iterator[httpx2.Client]:
    with as_user(base_url, make(client)) as own:
        yield own


def body(**more: object) -> Json:
    return {
        "pan_number": new_document("IN")["document_number"],
        "applicant_name": "Asha Rao",
        "monthly_income_inr": 80000,
        "loan_amount_inr": 1200000,
        "loan_type": "PERSONAL",
        **more,
    }


@pytest.mark.parametrize(
    ("score", "income", "status", "most"),
    [
        (790, 80000, "PRE_APPROVED", "3840000.00"),
        (650, "25000.01", "PRE_APPROVED", "1200000.48"),
        (650, 25000.00, "MANUAL_REVIEW", None),
        (649, 80000, "REJECTED", None),
    ],
)
def test_one_is_pending_until_it_is_decided(
    asha: httpx2.Client,
    bank: Bank,
    desk: Desk,
    score: int,
    income: object,
    status: str,
    most: str | None,
) -> None:
    unknown = {"surprise": 1, "status": "APPROVED", "credit_score": 900, "country": "MX"}
    asked = body(monthly_income_inr=income, **unknown)
    answer = asha.post("/applications", json=asked)
    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert told.keys() == {"application_id", "status", "message", "created_at"}
    path = f"/applications/{told['application_id']}/status"
    assert (told["status"], answer.headers["location"]) == ("PENDING", path)
    before = Bank(asha).get(path, min_position=bank.head())
    assert (before["status"], before["credit_score"]) == ("PENDING", None)
    desk.report(told["application_id"], score)
    found = Bank(asha).get(path, min_position=bank.head())
    assert (found["status"], found["credit_score"]) == (status, score)
    assert found["pan_number_masked"] == f"XXXXX{asked['pan_number'][5:]}"
    assert found["created_at"] == told["created_at"] <= found["updated_at"]
    if status != "MANUAL_REVIEW":
        assert found["max_approved_amount"] == most
    if status == "REJECTED":
        assert "649" in found["decision_reason"]
        assert "650" in found["decision_reason"]


def test_names_and_amounts_have_two_spellings(asha: httpx2.Client, client: httpx2.Client) -> None:
    other = body(first_name="Asha", last_name="Rao", requested_amount="500000.50")
    del other["applicant_name"], other["loan_amount_inr"]
    id_ = asha.post("/applications", json=other).json()["application_id"]
    found = client.get(f"/api/applications/{id_}").json()
    assert (found["full_name"], found["amount_requested"]) == ("A. R.", "500000.50")
    more = body(date_of_birth="1990-02-28", email="asha@example.com", phone_number="+919812345678")
    assert asha.post("/applications", json=more).status_code == 202


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"pan_number": "abcde1234f"}, 422, "invalid_document"),
        ({"loan_type": "BOAT"}, 422, "invalid_loan_type"),
        ({"loan_amount_inr": 10_000_000.01}, 422, "above_maximum_amount"),
        ({"date_of_birth": "2015-01-01"}, 422, "invalid_age"),
        ({"loan_amount_inr": None}, 400, "missing_fields"),
        ({"applicant_name": None}, 400, "missing_fields"),
        ({"applicant_name": None, "first_name": "Asha"}, 400, "missing_fields"),
        ({"monthly_income_inr": 0}, 400, "negative_amount"),
        ({"monthly_income_inr": -100}, 400, "negative_amount"),
        ({"monthly_income_inr": 1.005}, 400, "invalid_amount_format"),
        ({"monthly_income_inr": True}, 400, "invalid_amount_format"),
        ({"monthly_income_inr": 1e300}, 400, "invalid_amount_format"),
        ({"phone_number": "123"}, 400, "invalid_phone_format"),
        ({"email": "asha"}, 400, "invalid_email_format"),
    ],
)
def test_what_cannot_be_is_refused(
    asha: httpx2.Client, bank: Bank, change: Json, status: int, reason: str
) -> None:
    before = bank.head()
    answer = asha.post("/applications", json=body() | change)
    details = problem_of(answer, status, reason)["details"]
    if reason == "invalid_document":
        assert details["code"] == "INVALID_PAN_FORMAT"
    assert bank.head() == before


def test_the_same_pan_waits_a_day_unless_it_was_rejected(asha: httpx2.Client, desk: Desk) -> None:
    asked = body()
    first = asha.post("/applications", json=asked).json()["application_id"]
    problem_of(asha.post("/applications", json=asked), 409, "duplicate_application")
    assert desk.report(first, 500).status == "rejected"
    second = asha.post("/applications", json=asked)
    assert second.status_code == 202, second.text
    desk.report(second.json()["application_id"], 790)
    again = problem_of(asha.post("/applications", json=asked), 409, "duplicate_application")
    assert again["details"]["again_at"]


def test_a_key_makes_it_safe_to_send_again(asha: httpx2.Client) -> None:
    headers, asked = {"Idempotency-Key": some_id()}, body()
    one, same = (asha.post("/applications", json=asked, headers=headers) for _ in range(2))
    assert (one.status_code, one.json()) == (202, same.json())
    assert same.headers["idempotent-replayed"] == "true"


def test_others_and_those_of_other_countries_are_not_there(
    asha: httpx2.Client, client: httpx2.Client
) -> None:
    for id_ in (some_id(), submit(asha)["id"], submit(client, "IN")["id"]):
        problem_of(asha.get(f"/applications/{id_}/status"), 404, "application_not_found")

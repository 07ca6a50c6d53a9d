"""What officers do by the API: the queue, claims, decisions, and what they are shown of who asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID, uuid4

import httpx2
import pytest

from application.ledger import Ledger
from tests.api.conftest import Bank, Json, problem_of, some_id
from tests.conftest import Database
from tests.support.credit import Desk, applying, submit
from tests.support.serving import client_of
from tests.support.staff import as_user, make

PATH = "/api/applications"


class Officer(NamedTuple):
    id: str
    client: httpx2.Client


@pytest.fixture(scope="module")
def desk(api_database: Database) -> Iterator[Desk]:
    with Ledger(api_database.url) as ledger:
        yield Desk(ledger, api_database.url)


@pytest.fixture(scope="module")
def olga(base_url: str, client: httpx2.Client) -> Iterator[Officer]:
    user = make(client, "officer")
    with as_user(base_url, user) as own:
        yield Officer(user["id"], own)


@pytest.fixture(scope="module")
def otto(base_url: str, client: httpx2.Client) -> Iterator[Officer]:
    user = make(client, "officer")
    with as_user(base_url, user) as own:
        yield Officer(user["id"], own)


@pytest.fixture(scope="module")
def customer(base_url: str, client: httpx2.Client) -> Iterator[httpx2.Client]:
    with as_user(base_url, make(client)) as own:
        yield own


def waiting(who: httpx2.Client, desk: Desk, country: str = "ES", **more: object) -> str:
    """The id of an application that an officer is to look at."""
    id_: str = submit(who, country, **more)["id"]
    assert desk.no_report(id_).status == "manual_review"
    return id_


def queue(who: httpx2.Client, head: int, **asked: object) -> list[str]:
    params = {"min_position": head, **asked}
    answer = who.get(f"{PATH}/queue", params=params)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["data"]]


def test_officers_take_the_longest_waiting_one_at_a_time(
    olga: Officer, otto: Officer, customer: httpx2.Client, bank: Bank, desk: Desk
) -> None:
    first, second = waiting(customer, desk), waiting(customer, desk, "MX")
    ours = {first, second}
    found = [id_ for id_ in queue(olga.client, bank.head(), limit=1000) if id_ in ours]
    assert found == [first, second]
    assert first not in queue(olga.client, bank.head(), country="MX", limit=1000)
    claimed = olga.client.post(f"{PATH}/{first}/claim")
    assert claimed.status_code == 200, claimed.text
    assert first not in queue(otto.client, bank.head(), limit=1000)
    assert first in queue(olga.client, bank.head(), limit=1000)
    for verb in ("claim", "approve", "reject"):
        body = {"reason": "mine"} if verb != "claim" else None
        taken = otto.client.post(f"{PATH}/{first}/{verb}", json=body)
        problem_of(taken, 409, "claimed_by_another")
    problem_of(otto.client.post(f"{PATH}/{first}/release"), 409, "nothing_new")
    shown = Bank(otto.client).get(f"{PATH}/{first}", min_position=bank.head())
    assert shown["officer_id"] == olga.id
    assert olga.client.post(f"{PATH}/{first}/release").status_code == 200
    assert otto.client.post(f"{PATH}/{first}/claim").status_code == 200
    page = Bank(otto.client).get(f"{PATH}/queue", limit=1, min_position=bank.head())
    assert page["has_more"]
    cursor = {"limit": 1000, "cursor": page["next_cursor"]}
    rest = [row["id"] for row in otto.client.get(f"{PATH}/queue", params=cursor).json()["data"]]
    assert page["data"][0]["id"] not in rest
    assert second in rest


def test_what_is_approved_is_offered(
    olga: Officer, customer: httpx2.Client, bank: Bank, desk: Desk
) -> None:
    whole, part = waiting(customer, desk), waiting(customer, desk)
    answer = olga.client.post(f"{PATH}/{whole}/approve")
    assert (answer.status_code, answer.json()["status"]) == (200, "approved"), answer.text
    too_much = olga.client.post(f"{PATH}/{part}/approve", json={"amount": "60000.01"})
    assert "60000.00 EUR" in problem_of(too_much, 422, "amount_exceeds_request")["detail"]
    less = {"amount": "45000.50", "reason": "income proved"}
    assert olga.client.post(f"{PATH}/{part}/approve", json=less).status_code == 200
    for id_, amount in ((whole, "60000.00"), (part, "45000.50")):
        desk.go_on(id_)
        found = Bank(customer).get(f"{PATH}/{id_}", min_position=bank.head())
        assert (found["offer"]["amount"], found["max_approved_amount"]) == (amount, amount)
        assert found["offer"]["status"] == "made"
    again = olga.client.post(f"{PATH}/{whole}/approve")
    problem_of(again, 422, "invalid_transition")
    problem = problem_of(
        olga.client.post(f"{PATH}/{whole}/reject", json={"reason": "late"}),
        422,
        "invalid_transition",
    )
    assert problem["detail"] == "From approved to rejected is not allowed; allowed: nothing."
    assert problem["details"]["from"] == "approved"


def test_a_rejection_says_why(
    olga: Officer, customer: httpx2.Client, bank: Bank, desk: Desk
) -> None:
    id_ = waiting(customer, desk)
    for body in (None, {}, {"reason": ""}):
        problem_of(olga.client.post(f"{PATH}/{id_}/reject", json=body), 422, "reason_required")
    answer = olga.client.post(f"{PATH}/{id_}/reject", json={"reason": "income not proved"})
    assert answer.json()["decision_reasons"] == ["income not proved"]
    found = Bank(customer).get(f"{PATH}/{id_}/status", min_position=bank.head())
    assert (found["status"], found["decision_reasons"]) == ("rejected", ["income not proved"])
    assert found["max_approved_amount"] is None


def test_before_the_table_has_spoken_there_is_nothing_to_approve(
    olga: Officer, customer: httpx2.Client
) -> None:
    id_ = submit(customer, "ES")["id"]
    problem_of(olga.client.post(f"{PATH}/{id_}/claim"), 409, "not_in_review")
    problem_of(olga.client.post(f"{PATH}/{id_}/approve"), 422, "invalid_transition")
    at_once = submit(customer, "MX")[
        "id"
    ]  # where a table may approve at once, and an officer may not
    problem_of(olga.client.post(f"{PATH}/{at_once}/approve"), 409, "not_in_review")
    problem = problem_of(
        olga.client.post(f"{PATH}/{id_}/reject", json={"reason": "no"}), 422, "invalid_transition"
    )
    assert problem["details"]["allowed"] == ["risk_check"]


def test_nobody_decides_what_is_his_own_or_what_he_brought(
    olga: Officer, otto: Officer, client: httpx2.Client, desk: Desk
) -> None:
    brought = waiting(olga.client, desk)
    own = waiting(client, desk, applicant_user_id=olga.id)
    for id_ in (brought, own):
        for verb in ("claim", "approve", "reject"):
            body = {"reason": "fine"} if verb != "claim" else None
            answer = olga.client.post(f"{PATH}/{id_}/{verb}", json=body)
            problem_of(answer, 403, "own_application")
        assert otto.client.post(f"{PATH}/{id_}/approve").status_code == 200


def test_officers_bring_the_applications_of_others(
    olga: Officer, client: httpx2.Client, base_url: str, bank: Bank
) -> None:
    user = make(client)
    theirs = submit(olga.client, applicant_user_id=user["id"])
    assert theirs["owner_id"] == user["id"]
    nobodys = submit(olga.client)
    assert nobodys["owner_id"] is None
    with as_user(base_url, user) as own:
        params = {"min_position": bank.head()}
        assert own.get(f"{PATH}/{theirs['id']}", params=params).status_code == 200
        problem_of(own.get(f"{PATH}/{nobodys['id']}"), 404, "application_not_found")
    unknown = olga.client.post(PATH, json=applying(applicant_user_id=some_id()))
    problem_of(unknown, 404, "user_not_found")
    # Who is no user has a key of his own, so that what he said can be opened, and forgotten.
    body = {"fields": ["full_name"], "reason": "a letter"}
    shown = olga.client.post(f"{PATH}/{nobodys['id']}/disclose", json=body)
    assert shown.json()["full_name"] == "Ana López"


def test_who_is_shown_who_asks_is_noted_before(
    olga: Officer, customer: httpx2.Client, client: httpx2.Client, base_url: str, bank: Bank
) -> None:
    body = applying(phone="+34912345678", date_of_birth="1984-07-30")
    id_ = customer.post(PATH, json=body).json()["id"]
    asked = {"fields": ["document_number", "phone", "email"], "reason": "asked the bureau"}
    answer = olga.client.post(f"{PATH}/{id_}/disclose", json=asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert told["document_number"] == body["document_number"]
    assert (told["phone"], told["email"]) == ("+34912345678", None)
    assert "full_name" not in told
    events = client.get(
        f"/api/streams/{id_}/events", params={"min_position": told["position"]}
    ).json()["data"]
    noted = events[-1]
    assert noted["topic"] == "credit_application.disclosed"
    assert noted["data"]["fields"] == asked["fields"]
    assert (noted["data"]["reason"], noted["data"]["to"]) == (asked["reason"], olga.id)
    kept = olga.client.post(
        f"{PATH}/{id_}/disclose", json=asked, headers={"Idempotency-Key": some_id()}
    )
    problem_of(kept, 400, "invalid_idempotency_key")
    with client_of(base_url, "support") as support:
        refused = support.post(f"{PATH}/{id_}/disclose", json=asked)
        problem_of(refused, 403, "insufficient_permissions")
    problem_of(customer.post(f"{PATH}/{id_}/disclose", json=asked), 403, "insufficient_permissions")
    for wrong, reason in (
        ({"fields": [], "reason": "why not"}, "invalid_request"),
        ({"fields": ["raw"], "reason": "why not"}, "invalid_request"),
        ({"fields": ["email"], "reason": ""}, "invalid_text"),
        ({"fields": ["email"]}, "missing_fields"),
    ):
        problem_of(olga.client.post(f"{PATH}/{id_}/disclose", json=wrong), 400, reason)
    nobodys = olga.client.post(f"{PATH}/{some_id()}/disclose", json=asked)
    problem_of(nobodys, 404, "application_not_found")


def test_who_saw_the_document_is_listed_for_auditors_and_the_applicant(
    olga: Officer, customer: httpx2.Client, client: httpx2.Client, base_url: str, desk: Desk
) -> None:
    id_ = submit(customer, "ES")["id"]
    opened = desk.open(id_)
    reasons = ["asked the bureau", "called back"]
    for reason in reasons:
        asked = {"fields": ["full_name", "document_number"], "reason": reason}
        shown = olga.client.post(f"{PATH}/{id_}/disclose", json=asked).json()
    path, fresh = f"{PATH}/{id_}/disclosures", {"min_position": shown["position"], "limit": 2}
    told = customer.get(path, params=fresh).json()
    assert (told["has_more"], len(told["data"])) == (True, 2)
    assert [row.pop("why") for row in told["data"]] == reasons[::-1]
    assert told["data"][0] == {
        "at": shown["recorded_at"],
        "service": "api",
        "operation": "reveal",
        "who": f"user:{olga.id}",
        "fields": ["full_name", "document_number"],
        "position": shown["position"],
    }
    with client_of(base_url, "auditor") as auditor:
        rest = auditor.get(path, params={"cursor": told["next_cursor"]}).json()
    (row,) = rest["data"]
    assert rest["has_more"] is False
    assert (row["service"], row["operation"]) == ("worker", "bureau_report")
    assert row["fields"] == ["document_number", "full_name"]
    assert row["why"] == f"asked Equifax for report {opened}"
    with client_of(base_url, "user", uuid4()) as stranger:
        problem_of(stranger.get(path), 404, "application_not_found")
    problem_of(client.get(path, params={"cursor": "x"}), 400, "invalid_cursor")


def test_figures_are_by_country(
    olga: Officer, customer: httpx2.Client, client: httpx2.Client, bank: Bank, desk: Desk
) -> None:
    def figures(**asked: object) -> Json:
        params = {"min_position": bank.head(), "country": "IN", **asked}
        answer = olga.client.get(f"{PATH}/stats", params=params)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        found = answer.json()["data"]
        return dict(found[0]) if found else {}

    assert figures() == {}
    scores = {700: "pre_approved", 640: "rejected", None: "manual_review"}
    for score, status in scores.items():
        id_ = submit(customer, "IN", amount_requested="120000.00")["id"]
        assert desk.report(id_, score).status == status
    found = figures()
    assert (found["country"], found["applications"], found["amount_requested"]) == (
        "IN", 3, "360000.00",
    )  # fmt: skip
    assert {status: one["applications"] for status, one in found["by_status"].items()} == {
        "pre_approved": 1, "rejected": 1, "manual_review": 1,
    }  # fmt: skip
    assert (found["approval_rate"], found["decided"], found["without_score"]) == (0.5, 2, 1)
    assert {band["from_score"]: band["applications"] for band in found["scores"]} == {
        600: 1, 700: 1,
    }  # fmt: skip
    assert found["time_to_decision_p50_s"] >= 0
    assert figures(end_date="2020-01-01") == {}
    problem_of(
        olga.client.get(f"{PATH}/stats", params={"country": "FR"}), 422, "unsupported_country"
    )
    problem_of(customer.get(f"{PATH}/stats"), 403, "insufficient_permissions")


def test_a_pre_approval_is_confirmed_by_an_officer(
    olga: Officer, customer: httpx2.Client, bank: Bank, desk: Desk
) -> None:
    id_ = submit(customer, "IN", amount_requested="120000.00")["id"]
    assert desk.report(id_, 790).status == "pre_approved"
    found = Bank(customer).get(f"{PATH}/{id_}", min_position=bank.head())
    assert (found["max_approved_amount"], found["offer"]) == ("1200000.00", None)
    assert id_ in queue(olga.client, bank.head(), country="IN", limit=1000)
    assert olga.client.post(f"{PATH}/{id_}/approve").json()["status"] == "approved"
    assert desk.go_on(id_).offer is not None
    assert str(UUID(id_)) not in queue(olga.client, bank.head(), limit=1000)

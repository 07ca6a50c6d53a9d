"""Applications for credit by the API: what is asked for, what becomes of it, and what nobody is shown."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import httpx2
import psycopg
import pytest

from application.ledger import Ledger
from tests.api.conftest import Bank, Json, problem_of, some_id
from tests.conftest import Database
from tests.support.credit import Desk, applying, new_document, submit
from tests.support.serving import client_of
from tests.support.staff import as_user, make

PATH = "/api/applications"


class Customer(NamedTuple):
    user: Json
    client: httpx2.Client


@pytest.fixture(scope="module")
def desk(api_database: Database) -> Iterator[Desk]:
    with Ledger(api_database.url) as ledger:
        yield Desk(ledger, api_database.url)


@pytest.fixture(scope="module")
def anna(base_url: str, client: httpx2.Client) -> Iterator[Customer]:
    user = make(client)
    with as_user(base_url, user) as own:
        yield Customer(user, own)


@pytest.fixture(scope="module")
def bert(base_url: str, client: httpx2.Client) -> Iterator[Customer]:
    user = make(client)
    with as_user(base_url, user) as own:
        yield Customer(user, own)


def shown(who: httpx2.Client, bank: Bank, id_: str, part: str = "") -> Json:
    return Bank(who).get(f"{PATH}/{id_}{part}", min_position=bank.head())


def stored(database: Database, id_: str) -> str:
    """All that the log has of an application, as one text."""
    with psycopg.connect(database.url) as conn:
        rows = conn.execute(
            "SELECT convert_from(state, 'UTF8') FROM events WHERE originator_id = %s", (UUID(id_),)
        ).fetchall()
    return "\n".join(row[0] for row in rows)


def test_one_is_taken_in_at_once_and_decided_when_the_report_is_there(
    anna: Customer, client: httpx2.Client, bank: Bank, desk: Desk
) -> None:
    answer = anna.client.post(PATH, json=applying(document_number="BOXW310820HNERXN09"))
    assert answer.status_code == 202, answer.text
    asked = answer.json()
    assert answer.headers["location"] == f"{PATH}/{asked['id']}" == asked["links"]["self"]
    assert (asked["status"], asked["country"]) == ("pending", "MX")
    assert asked["document_number"] == "BO**************09"
    assert asked["position"] > 0
    assert asked["message"]
    assert asked["created_at"] == asked["recorded_at"]
    assert shown(anna.client, bank, asked["id"], "/status")["credit_score"] is None
    desk.report(asked["id"], 720, 1500_00)
    found = shown(anna.client, bank, asked["id"])
    assert (found["status"], found["credit_score"]) == ("approved", 720)
    assert found["decision_reasons"] == ["Passes all business rules"]
    assert (found["full_name"], found["currency"]) == ("A. L.", "MXN")
    assert "report" not in found
    assert "1500" not in str(found)
    assert "Banco Uno" not in str(found)
    assert shown(client, bank, asked["id"])["report"] == {
        "credit_score": 720, "total_debt": "1500.00", "bank_name": "Banco Uno",
        "account_status": "current", "is_verified": True,
    }  # fmt: skip
    assert (found["offer"]["status"], found["offer"]["amount"]) == ("made", "60000.00")
    assert found["decision"]["decision"] == "approve"
    assert [step["name"] for step in found["steps"]] == [
        "submitted", "documents_checked", "report_requested", "report_received", "assessed",
        "decided", "offered",
    ]  # fmt: skip
    assert "actor" not in found["steps"][0]
    status = shown(anna.client, bank, asked["id"], "/status")
    assert (status["status"], status["document_number"]) == ("approved", "BO**************09")


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"country": "FR"}, 422, "unsupported_country"),
        ({"country": "mx"}, 422, "unsupported_country"),
        ({"country": 7}, 400, "invalid_request"),
        ({"document_number": "BOXW310820HNERXN08"}, 422, "invalid_document"),
        ({"document_number": "BOXW310820HNERXN0"}, 422, "invalid_document"),
        ({"document_type": "pan"}, 422, "invalid_document"),
        ({"monthly_income": "0"}, 400, "negative_amount"),
        ({"amount_requested": "-100"}, 400, "negative_amount"),
        ({"amount_requested": "1.005"}, 400, "invalid_amount_format"),
        ({"amount_requested": 5000}, 400, "invalid_amount_format"),
        ({"months": 0}, 400, "invalid_request"),
        ({"months": 61}, 422, "invalid_months"),
        ({"loan_type": "HOME"}, 422, "invalid_loan_type"),
        ({"full_name": "A"}, 400, "invalid_name_format"),
        ({"full_name": "sealed:1:abc"}, 400, "invalid_name_format"),
        ({"date_of_birth": "2020-01-01"}, 422, "invalid_age"),
        ({"date_of_birth": "1.1.1990"}, 400, "invalid_datetime_format"),
        ({"phone": "12345"}, 400, "invalid_phone_format"),
        ({"email": "nobody"}, 400, "invalid_email_format"),
        ({"account_id": some_id()}, 404, "account_not_found"),
        ({"score": 800}, 400, "unknown_fields"),
        ({"status": "approved"}, 400, "unknown_fields"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    anna: Customer, bank: Bank, change: Json, status: int, reason: str
) -> None:
    before = bank.head()
    body = applying() | change
    answer = anna.client.post(PATH, json=body)
    problem = problem_of(answer, status, reason)
    assert body["document_number"] not in answer.text
    if reason == "negative_amount":
        assert "must be greater than 0" in problem["detail"]
    assert bank.head() == before


def test_a_wrong_document_says_what_such_a_number_looks_like(anna: Customer) -> None:
    for number in ("abcde1234f", "ABCDE12345", "ABCDE1234"):
        answer = anna.client.post(PATH, json=applying("IN", document_number=number))
        details = problem_of(answer, 422, "invalid_document")["details"]
        assert (details["document_type"], details["code"]) == ("pan", "INVALID_PAN_FORMAT")
        assert "5 capital letters" in details["why"]
    for loan_type in (None, "BOAT"):
        answer = anna.client.post(PATH, json=applying("IN", loan_type=loan_type))
        allowed = problem_of(answer, 422, "invalid_loan_type")["details"]["allowed"]
        assert allowed == ["PERSONAL", "HOME", "AUTO"]
    answer = anna.client.post(PATH, json=applying("IN", amount_requested="10000000.01"))
    details = problem_of(answer, 422, "above_maximum_amount")["details"]
    assert details["maximum"] == "10000000.00"


def test_a_person_has_one_open_application_with_a_document(
    anna: Customer, bert: Customer, bank: Bank, desk: Desk
) -> None:
    document = new_document("MX")
    first = submit(anna.client, **document)
    spaced = {**document, "document_number": document["document_number"].lower()}
    for who in (anna, bert):
        again = who.client.post(PATH, json=applying() | spaced)
        problem = problem_of(again, 409, "duplicate_application")
        assert problem["details"] == {"country": "MX"}  # and not whose it is
    desk.report(first["id"], 590)
    assert shown(anna.client, bank, first["id"], "/status")["status"] == "rejected"
    second = submit(anna.client, **document)
    assert anna.client.delete(f"{PATH}/{second['id']}").status_code == 204
    submit(bert.client, **document)


def test_two_at_the_same_instant_are_one(anna: Customer, bert: Customer) -> None:
    for _ in range(5):
        body = applying("ES")
        with ThreadPoolExecutor(2) as pool:
            answers = list(
                pool.map(lambda who: who.client.post(PATH, json=body), (anna, bert))  # noqa: B023
            )
        assert sorted(answer.status_code for answer in answers) == [202, 409]


def test_the_same_asked_for_again_is_answered_as_the_first_time(anna: Customer) -> None:
    body = applying(id=some_id())
    one, same = (anna.client.post(PATH, json=body) for _ in range(2))
    assert (one.status_code, one.json()) == (202, same.json())
    assert same.headers["idempotent-replayed"] == "true"
    problem_of(anna.client.post(PATH, json=body | {"amount_requested": "1.00"}), 422, "id_reused")
    headers = {"Idempotency-Key": some_id()}
    body = applying()
    one, same = (anna.client.post(PATH, json=body, headers=headers) for _ in range(2))
    assert (one.status_code, one.text) == (202, same.text)


def test_who_asks_is_nowhere_in_the_clear(anna: Customer, api_database: Database) -> None:
    told = {
        "full_name": "Unmistakable Person",
        "date_of_birth": "1984-07-30",
        "email": "unmistakable@example.com",
        "phone": "+34912345678",
    }
    body = applying("ES", **told)
    asked = submit(anna.client, **body)
    log = stored(api_database, asked["id"])
    for text in (*told.values(), body["document_number"]):
        assert text not in log
    assert body["document_number"][-2:] in asked["document_number"]


def test_a_change_is_looked_at_anew(anna: Customer, bank: Bank, desk: Desk) -> None:
    asked = submit(anna.client, amount_requested="200000.00")
    path = f"{PATH}/{asked['id']}"
    changed = anna.client.put(path, json={"amount_requested": "50000.00", "months": 12})
    assert changed.status_code == 202, changed.text
    assert changed.headers["location"] == path
    assert (changed.json()["amount_requested"], changed.json()["months"]) == ("50000.00", 12)
    assert changed.json()["monthly_income"] == "25000.00"
    same = anna.client.put(path, json={"full_name": "Ana López", "months": 12})
    problem_of(same, 409, "nothing_new")
    named = anna.client.put(path, json={"full_name": "Berta Ruiz"})
    assert named.status_code == 202, named.text
    desk.report(asked["id"], 700)
    found = shown(anna.client, bank, asked["id"])
    assert (found["status"], found["full_name"]) == ("approved", "B. R.")
    names = [step["name"] for step in found["steps"]]
    assert names.count("report_requested") == 3
    late = anna.client.put(path, json={"months": 24})
    assert problem_of(late, 409, "application_closed")["details"]["status"] == "approved"


def test_a_change_may_be_of_the_document_but_not_of_the_country(anna: Customer) -> None:
    asked, other = submit(anna.client), submit(anna.client)
    path = f"{PATH}/{asked['id']}"
    new = new_document("MX")["document_number"]
    changed = anna.client.put(path, json={"document_number": new})
    assert changed.status_code == 202, changed.text
    assert changed.json()["document_number"] == f"{new[:2]}{'*' * 14}{new[-2:]}"
    taken = applying(document_number=new)
    problem_of(anna.client.post(PATH, json=taken), 409, "duplicate_application")
    to_taken = anna.client.put(f"{PATH}/{other['id']}", json={"document_number": new})
    problem_of(to_taken, 409, "duplicate_application")
    for body, status, reason in (
        ({"country": "ES"}, 422, "country_unchangeable"),
        ({"status": "approved"}, 400, "unknown_fields"),
        ({"document_type": "curp"}, 400, "missing_fields"),
        ({"document_number": "nonsense"}, 422, "invalid_document"),
        ({"months": 61}, 422, "invalid_months"),
    ):
        problem_of(anna.client.put(path, json=body), status, reason)


def test_a_change_is_made_to_the_version_that_was_seen(anna: Customer, bank: Bank) -> None:
    asked = submit(anna.client)
    path = f"{PATH}/{asked['id']}"
    read = anna.client.get(path, params={"min_position": bank.head()})
    tag = read.headers["etag"]
    assert anna.client.get(path, headers={"If-None-Match": tag}).status_code == 304
    one = anna.client.put(path, json={"months": 12}, headers={"If-Match": tag})
    assert one.status_code == 202, one.text
    late = anna.client.put(path, json={"months": 18}, headers={"If-Match": tag})
    problem_of(late, 412, "precondition_failed")
    problem_of(anna.client.delete(path, headers={"If-Match": tag}), 412, "precondition_failed")
    newest = {"If-Match": one.headers["etag"]}
    assert anna.client.delete(path, headers=newest).status_code == 204


def test_one_that_is_withdrawn_stays_to_be_seen(anna: Customer, bank: Bank) -> None:
    deleted, withdrawn = submit(anna.client), submit(anna.client)
    answer = anna.client.delete(f"{PATH}/{deleted['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert int(answer.headers["daybook-position"]) > 0
    answer = anna.client.post(f"{PATH}/{withdrawn['id']}/withdraw", json={"reason": "found one"})
    assert (answer.status_code, answer.json()["status"]) == (200, "withdrawn")
    for asked in (deleted, withdrawn):
        assert shown(anna.client, bank, asked["id"])["status"] == "withdrawn"
        again = anna.client.delete(f"{PATH}/{asked['id']}")
        problem_of(again, 409, "application_closed")


def test_an_offer_is_taken_or_declined(
    anna: Customer, bank: Bank, desk: Desk, client: httpx2.Client
) -> None:
    account = bank.open(currency="MXN", owner_id=anna.user["id"])
    taken, declined = submit(anna.client), submit(anna.client)
    early = anna.client.post(f"{PATH}/{taken['id']}/accept", json={"account_id": account})
    problem_of(early, 409, "no_open_offer")
    for asked in (taken, declined):
        desk.report(asked["id"])
    problem_of(anna.client.post(f"{PATH}/{taken['id']}/accept"), 422, "account_required")
    for wrong, status, reason in (
        (some_id(), 404, "account_not_found"),
        (bank.open(currency="MXN"), 404, "account_not_found"),
        (bank.open(currency="EUR", owner_id=anna.user["id"]), 422, "currency_mismatch"),
    ):
        answer = anna.client.post(f"{PATH}/{taken['id']}/accept", json={"account_id": wrong})
        problem_of(answer, status, reason)
    answer = anna.client.post(f"{PATH}/{taken['id']}/accept", json={"account_id": account})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["offer"]["status"], answer.json()["account_id"]) == ("accepted", account)
    answer = anna.client.post(f"{PATH}/{declined['id']}/decline", json={"reason": "too dear"})
    assert answer.json()["offer"]["status"] == "declined"
    late = anna.client.post(f"{PATH}/{declined['id']}/accept", json={"account_id": account})
    assert problem_of(late, 409, "no_open_offer")["details"]["status"] == "declined"


def test_customers_see_and_touch_their_own_only(
    anna: Customer, bert: Customer, bank: Bank, base_url: str
) -> None:
    asked = submit(anna.client)
    path, head = f"{PATH}/{asked['id']}", bank.head()
    assert asked["id"] in ids(anna.client.get(PATH, params={"min_position": head}))
    assert asked["id"] not in ids(bert.client.get(PATH, params={"min_position": head}))
    for method, there in (
        ("GET", path), ("GET", f"{path}/status"), ("GET", f"{path}/stream"), ("DELETE", path),
        ("POST", f"{path}/withdraw"), ("POST", f"{path}/accept"), ("POST", f"{path}/decline"),
    ):  # fmt: skip
        problem_of(bert.client.request(method, there), 404, "application_not_found")
    mine = bert.client.put(path, json={"months": 12})
    problem_of(mine, 404, "application_not_found")
    for verb in ("claim", "release", "approve", "reject"):
        problem_of(anna.client.post(f"{path}/{verb}"), 403, "insufficient_permissions")
    for_another = applying(applicant_user_id=bert.user["id"])
    problem_of(anna.client.post(PATH, json=for_another), 403, "insufficient_permissions")
    with client_of(base_url, "support") as support:
        found = shown(support, bank, asked["id"])
        assert found["steps"][0]["actor"] == f"user:{anna.user['id']}"
        assert found["submitted_by"] == anna.user["id"]
        problem_of(support.delete(path), 403, "insufficient_permissions")
    with client_of(base_url, "operator") as operator:
        problem_of(operator.get(path), 403, "insufficient_permissions")


def ids(answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["data"]]


def test_lists_have_what_is_asked_for_the_newest_first(
    base_url: str, client: httpx2.Client, bank: Bank, desk: Desk
) -> None:
    with as_user(base_url, make(client)) as own:
        mx = [submit(own, amount_requested=f"{n}000.00")["id"] for n in range(1, 5)]
        es = submit(own, "ES")["id"]
        desk.report(mx[0], 500)
        head = bank.head()

        def listed(**asked: str) -> list[str]:
            return ids(own.get(PATH, params={"min_position": str(head)} | asked))

        today = datetime.now(UTC).date().isoformat()
        assert listed() == [es, *reversed(mx)]
        assert listed(country="MX") == list(reversed(mx))
        assert listed(country="MX", status="pending") == [mx[3], mx[2], mx[1]]
        assert listed(status="rejected") == [mx[0]]
        assert listed(start_date=today, end_date=today) == [es, *reversed(mx)]
        assert listed(start_date="2150-01-01") == listed(end_date="2020-01-01") == []
        assert listed(country="MX", min_amount="2000.00", max_amount="3000.00") == [mx[2], mx[1]]
        page = own.get(PATH, params={"limit": 3}).json()
        assert page["has_more"]
        rest = own.get(PATH, params={"limit": 3, "cursor": page["next_cursor"]})
        assert ids(rest) == [mx[1], mx[0]]
        problem_of(own.get(PATH, params={"min_amount": "1.00"}), 400, "missing_fields")
        problem_of(own.get(PATH, params={"country": "FR"}), 422, "unsupported_country")
        problem_of(own.get(PATH, params={"status": "lost"}), 400, "invalid_status")
        assert own.get(PATH).json()["data"][0]["full_name"] == "A. L."


def test_each_of_its_states_is_there_to_be_seen(
    anna: Customer, client: httpx2.Client, bank: Bank, desk: Desk
) -> None:
    asked = submit(anna.client)
    desk.report(asked["id"], 500)
    path, head = f"/api/streams/{asked['id']}/state", bank.head()
    first = Bank(client).get(path, version=1, min_position=head)
    last = Bank(client).get(path, min_position=head)
    assert (first["state"]["status"], last["state"]["status"]) == ("pending", "rejected")
    assert last["diff"]["status"] == {"before": "risk_check", "after": "rejected"}
    assert last["state"]["document_number"] == asked["document_number"]
    applicant = desk.now(asked["id"]).asked.applicant_id
    register = Bank(client).get(f"/api/streams/{applicant}/state", min_position=head)
    assert register["state"]["status"] == "rejected"


def test_what_is_not_there_is_not_found(anna: Customer, bank: Bank) -> None:
    account = bank.open(owner_id=anna.user["id"])
    for id_ in (some_id(), account):
        problem_of(anna.client.get(f"{PATH}/{id_}"), 404, "application_not_found")
        problem_of(anna.client.get(f"{PATH}/{id_}/status"), 404, "application_not_found")
        problem_of(anna.client.delete(f"{PATH}/{id_}"), 404, "application_not_found")
        problem_of(
            anna.client.put(f"{PATH}/{id_}", json={"months": 12}), 404, "application_not_found"
        )


def test_of_who_is_erased_nothing_is_shown(
    base_url: str, client: httpx2.Client, bank: Bank
) -> None:
    user = make(client)
    with as_user(base_url, user) as own:
        asked = submit(own)
    assert client.post(f"/api/users/{user['id']}/erase").is_success
    found = shown(client, bank, asked["id"])
    assert (found["full_name"], found["document_number"]) == ("[erased]", "[erased]")
    shown_to = client.post(
        f"{PATH}/{asked['id']}/disclose", json={"fields": ["full_name"], "reason": "a letter"}
    )
    assert shown_to.json()["full_name"] == "[erased]"
    changed = client.put(f"{PATH}/{asked['id']}", json={"months": 12})
    problem_of(changed, 409, "person_erased")

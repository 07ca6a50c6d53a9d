"""Investments by the API: asked for, driven by what banks say, seen step by step, and called off."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import httpx2
import pytest

from application.ledger import Ledger
from domain.movements import derived_id
from tests.api.conftest import Bank, Json, problem_of, some_id
from tests.conftest import Database
from tests.support.flows import Steps, invest, investing, make_fund
from tests.support.serving import client_of
from tests.support.staff import as_user, make


@pytest.fixture(scope="module")
def steps(api_database: Database) -> Iterator[Steps]:
    with Ledger(api_database.url) as ledger:
        yield Steps(ledger)


@pytest.fixture(scope="module")
def fund(client: httpx2.Client) -> str:
    return make_fund(client, seats=1000)


def shown(bank: Bank, investment_id: str) -> Json:
    return bank.get(f"/api/investments/{investment_id}", min_position=bank.head())


def names(investment: Json) -> list[str]:
    return [step["name"] for step in investment["steps"]]


def test_an_investment_is_taken_on_and_told_where_it_is(
    client: httpx2.Client, bank: Bank, fund: str
) -> None:
    account = bank.funded("500.00")
    answer = client.post("/api/investments", json=investing(account, fund, "250.50"))
    assert answer.status_code == 202, answer.text
    asked = answer.json()
    assert answer.headers["location"] == f"/api/investments/{asked['id']}"
    assert answer.headers["daybook-position"] == str(asked["position"])
    investment = bank.get(answer.headers["location"], min_position=asked["position"])
    for told in (asked, investment):
        assert (told["status"], told["state"]) == ("initiated", "Initiated")
        assert (told["investor_account_id"], told["fund_id"]) == (account, fund)
        assert (told["amount"], told["currency"]) == ("250.50", "EUR")
        assert (told["failed_step"], told["reason"]) == (None, "")
    assert names(investment) == ["requested", "criteria_checked", "seat_reserved"]
    assert investment["legs"] == []
    assert investment["finished_at"] is None


def test_its_states_and_those_of_its_legs_are_the_words_that_people_know(
    client: httpx2.Client, bank: Bank, fund: str, steps: Steps
) -> None:
    account = bank.funded("500.00")
    id_ = invest(client, account, fund)["id"]
    seen = []

    def look() -> None:
        found = shown(bank, id_)
        seen.append((found["state"], [(leg["kind"], leg["status"]) for leg in found["legs"]]))

    look()
    steps.hold(id_)
    look()
    steps.settle(id_, "withdrawal", 0)
    look()
    steps.settle(id_, "deposit", 1)
    look()
    assert seen == [
        ("Initiated", []),
        ("Withdrawal Pending", [("withdrawal", "INITIATED")]),
        ("Deposit Pending", [("withdrawal", "COMPLETED"), ("deposit", "INITIATED")]),
        ("Deposit Completed", [("withdrawal", "COMPLETED"), ("deposit", "COMPLETED")]),
    ]
    found = shown(bank, id_)
    assert found["status"] == "completed"
    assert found["finished_at"] is not None
    withdrawal = found["legs"][0]
    assert withdrawal["bank_reference"].startswith("B-")
    assert [m["name"] for m in withdrawal["history"]] == [
        "instructed",
        "sent",
        "accepted",
        "settled",
    ]
    times = [step["at"] for step in found["steps"]]
    assert times == sorted(times)
    assert bank.account(account)["balance"] == "400.00"


def test_what_fails_says_at_which_step_and_why(
    client: httpx2.Client, bank: Bank, fund: str, steps: Steps
) -> None:
    poor, account = bank.funded("99.99"), bank.funded("100.00")
    short = invest(client, poor, fund)["id"]
    steps.hold(short)
    refused = invest(client, account, fund)["id"]
    steps.hold(refused)
    steps.fail(refused, "withdrawal", 0, "account_blocked")
    for id_, step, reason in (
        (short, "hold", "insufficient_funds"),
        (refused, "withdrawal", "account_blocked"),
    ):
        found = shown(bank, id_)
        assert (found["status"], found["state"]) == ("failed", "Failed")
        assert (found["failed_step"], found["reason"]) == (step, reason)
        assert found["steps"][-1]["name"] == "failed"
        assert found["steps"][-1]["reason"] == reason
    assert shown(bank, refused)["legs"][0]["reason"] == "account_blocked"
    assert bank.account(account)["available"] == "100.00"


@pytest.mark.parametrize(
    ("change", "status", "reason", "said"),
    [
        ({"amount": "99.99"}, 422, "below_minimum_investment", "100.00 EUR"),
        ({"amount": "5000.01"}, 422, "above_maximum_investment", "5000.00 EUR"),
        ({"currency": "USD"}, 422, "currency_mismatch", "USD"),
        ({"fund_id": some_id()}, 404, "fund_not_found", "fund"),
        ({"investor_account_id": some_id()}, 404, "account_not_found", "account"),
        ({"amount": "0"}, 400, "negative_amount", ""),
        ({"amount": 100}, 400, "invalid_amount_format", ""),
        ({"amount": "100.001"}, 400, "invalid_amount_format", ""),
        ({"investor_id": 7}, 400, "unknown_fields", ""),
    ],
)
def test_an_investment_that_cannot_be_is_refused_at_once(
    client: httpx2.Client,
    bank: Bank,
    fund: str,
    change: Json,
    status: int,
    reason: str,
    said: str,
) -> None:
    account = bank.funded("9000.00")
    before = bank.head()
    answer = client.post("/api/investments", json=investing(account, fund) | change)
    assert said in problem_of(answer, status, reason)["detail"]
    assert bank.head() == before


def test_the_same_investment_asked_for_again_reserves_one_seat(
    client: httpx2.Client, bank: Bank
) -> None:
    fund, account = make_fund(client, seats=5), bank.funded()
    body = investing(account, fund, id=some_id())
    by_id = [client.post("/api/investments", json=body) for _ in range(3)]
    assert [a.status_code for a in by_id] == [202, 202, 202]
    assert {a.text for a in by_id} == {by_id[0].text}
    key = {"Idempotency-Key": some_id()}
    by_key = [
        client.post("/api/investments", json=investing(account, fund), headers=key)
        for _ in range(3)
    ]
    assert {(a.status_code, a.text, a.headers["location"]) for a in by_key} == {
        (202, by_key[0].text, by_key[0].headers["location"])
    }
    assert by_key[2].headers["idempotent-replayed"] == "true"
    assert bank.get(f"/api/funds/{fund}", min_position=bank.head())["seats_reserved"] == 2
    other = client.post("/api/investments", json=body | {"amount": "101.00"})
    problem_of(other, 422, "id_reused")


def test_it_is_called_off_until_the_bank_is_asked(
    client: httpx2.Client, bank: Bank, steps: Steps
) -> None:
    fund, account = make_fund(client, seats=3), bank.funded("300.00")
    ids = [invest(client, account, fund)["id"] for _ in range(3)]
    for id_ in ids[1:]:
        steps.hold(id_)
    steps.send(derived_id(UUID(ids[2]), "withdrawal", 0))
    for id_, step in zip(ids, ("request", "withdrawal"), strict=False):
        answer = client.post(f"/api/investments/{id_}/cancel", json={"reason": "changed my mind"})
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["id"], told["status"], told["reason"]) == (id_, "failed", "cancelled")
        assert told["failed_step"] == step
    sent = client.post(f"/api/investments/{ids[2]}/cancel")
    problem_of(sent, 409, "already_sent")
    again = client.post(f"/api/investments/{ids[0]}/cancel")
    problem_of(again, 422, "invalid_transition")
    assert bank.get(f"/api/funds/{fund}", min_position=bank.head())["seats_left"] == 2
    assert bank.account(account)["held"] == "100.00"
    versioned = client.post(f"/api/investments/{ids[2]}/cancel", headers={"If-Match": '"1"'})
    problem_of(versioned, 400, "invalid_if_match")
    problem_of(client.post(f"/api/investments/{some_id()}/cancel"), 404, "investment_not_found")


def test_a_tag_changes_with_what_a_bank_says_too(
    client: httpx2.Client, bank: Bank, fund: str, steps: Steps
) -> None:
    id_ = invest(client, bank.funded(), fund)["id"]
    steps.hold(id_)
    path = f"/api/investments/{id_}"
    shown(bank, id_)
    tag = client.get(path).headers["etag"]
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
    steps.send(derived_id(UUID(id_), "withdrawal", 0))
    shown(bank, id_)
    answer = client.get(path, headers={"If-None-Match": tag})
    assert answer.status_code == 200
    assert answer.json()["legs"][0]["history"][-1]["name"] == "sent"


def test_lists_are_by_status_fund_and_account(
    client: httpx2.Client, bank: Bank, steps: Steps
) -> None:
    fund, other = make_fund(client), make_fund(client)
    one, two = bank.funded("200.00"), bank.funded("200.00")
    first = invest(client, one, fund)["id"]
    second = invest(client, two, fund)["id"]
    third = invest(client, two, other)["id"]
    steps.complete(second)
    head = bank.head()

    def ids(**filters: str) -> list[str]:
        found = bank.get("/api/investments", min_position=head, **filters)["data"]
        return [row["id"] for row in found]

    assert ids(fund_id=fund) == [second, first]
    assert ids(fund_id=fund, status="completed") == [second]
    assert ids(investor_account_id=two) == [third, second]
    page = bank.get("/api/investments", limit=1)
    assert [row["id"] for row in page["data"]] == [third]
    page = bank.get("/api/investments", limit=1, cursor=page["next_cursor"])
    assert [row["id"] for row in page["data"]] == [second]
    problem_of(client.get("/api/investments?status=lost"), 400, "invalid_status")


def test_customers_see_and_touch_their_own_only(
    base_url: str, client: httpx2.Client, bank: Bank, fund: str
) -> None:
    anna, bert = make(client), make(client)
    account = bank.open(owner_id=anna["id"])
    assert bank.move(bank.open("cash"), account, "500.00").status_code == 201
    with as_user(base_url, anna) as own, as_user(base_url, bert) as other:
        id_ = invest(own, account, fund)["id"]
        head = bank.head()
        path = f"/api/investments/{id_}"
        assert Bank(own).get(path, min_position=head)["id"] == id_
        assert [r["id"] for r in Bank(own).get("/api/investments")["data"]] == [id_]
        assert other.get("/api/investments").json()["data"] == []
        for method, there in (("GET", path), ("GET", f"{path}/stream"), ("POST", f"{path}/cancel")):
            problem_of(other.request(method, there), 404, "investment_not_found")
        theirs = other.post("/api/investments", json=investing(account, fund))
        problem_of(theirs, 404, "account_not_found")
        derived = own.post(
            "/api/investments",
            json=investing(account, fund, id="6ba7b811-9dad-51d1-80b4-00c04fd430c8"),
        )
        problem_of(derived, 400, "reserved_id")
        assert own.post(f"{path}/cancel").status_code == 200
    with client_of(base_url, "support") as support, client_of(base_url, "operator") as operator:
        assert support.get(path).json()["id"] == id_
        problem_of(support.post(f"{path}/cancel"), 403, "insufficient_permissions")
        problem_of(operator.get(path), 403, "insufficient_permissions")

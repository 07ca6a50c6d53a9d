"""Funds by the API: their terms, their seats, and who sees who has one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx2
import pytest

from application.ledger import Ledger
from tests.api.conftest import Bank, problem_of, some_id
from tests.conftest import Database
from tests.support.flows import Steps, fund_body, invest, investing, make_fund
from tests.support.serving import client_of
from tests.support.staff import as_user, make


@pytest.fixture(scope="module")
def steps(api_database: Database) -> Iterator[Steps]:
    with Ledger(api_database.url) as ledger:
        yield Steps(ledger)


def test_a_fund_is_opened_with_an_account_of_its_own(client: httpx2.Client, bank: Bank) -> None:
    answer = client.post("/api/funds", json=fund_body())
    assert answer.status_code == 201, answer.text
    fund = answer.json()
    assert answer.headers["location"] == f"/api/funds/{fund['id']}"
    account = bank.account(fund["account_id"], fund["position"])
    assert (account["type"], account["currency"], account["owner_id"]) == ("fund", "EUR", None)
    shown = bank.get(f"/api/funds/{fund['id']}", min_position=fund["position"])
    assert {name: shown[name] for name in fund if name in shown} == {
        name: value for name, value in fund.items() if name != "recorded_at"
    }
    assert (shown["status"], shown["is_open"]) == ("open", True)
    assert [shown[f"seats{n}"] for n in ("", "_left", "_reserved", "_taken")] == [5, 5, 0, 0]
    assert (shown["minimum_investment"], shown["maximum_investment"]) == ("100.00", "5000.00")


def test_a_fund_may_have_an_account_that_is_there(client: httpx2.Client, bank: Bank) -> None:
    account = bank.open("fund")
    answer = client.post("/api/funds", json=fund_body(account_id=account, maximum_investment=None))
    assert answer.json()["account_id"] == account
    assert answer.json()["maximum_investment"] is None
    wrong = client.post("/api/funds", json=fund_body(account_id=bank.open()))
    problem_of(wrong, 400, "invalid_account_type")


def test_the_same_fund_asked_for_again_is_answered_as_the_first_time(
    client: httpx2.Client,
) -> None:
    body = fund_body(id=some_id())
    first, again = (client.post("/api/funds", json=body) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    problem_of(client.post("/api/funds", json=body | {"seats": 6}), 422, "id_reused")


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"maximum_investment": "99.99"}, 422, "invalid_terms"),
        ({"opens_at": "2026-02-01", "closes_at": "2026-01-01"}, 422, "invalid_terms"),
        ({"minimum_investment": "0"}, 400, "negative_amount"),
        ({"minimum_investment": "1.001"}, 400, "invalid_amount_format"),
        ({"seats": 0}, 400, "invalid_request"),
        ({"seats": "5"}, 400, "invalid_request"),
        ({"name": ""}, 400, "invalid_name_format"),
        ({"account_id": some_id()}, 404, "account_not_found"),
    ],
)
def test_a_fund_that_cannot_be_leaves_nothing_behind(
    client: httpx2.Client, bank: Bank, change: dict[str, object], status: int, reason: str
) -> None:
    before = bank.head()
    problem_of(client.post("/api/funds", json=fund_body(**change)), status, reason)
    assert bank.head() == before


def test_terms_change_and_what_is_left_out_stays(client: httpx2.Client, bank: Bank) -> None:
    fund = make_fund(client)
    path = f"/api/funds/{fund}"
    changed = client.patch(path, json={"seats": 9, "maximum_investment": None})
    assert changed.status_code == 200, changed.text
    assert changed.json()["seats_left"] == 9
    assert changed.json()["maximum_investment"] is None
    assert changed.json()["minimum_investment"] == "100.00"
    dated = client.patch(path, json={"opens_at": "2200-01-01"}, headers={"If-Match": '"2"'})
    assert (dated.json()["is_open"], dated.json()["seats"]) == (False, 9)
    stale = client.patch(path, json={"seats": 7}, headers={"If-Match": '"2"'})
    problem_of(stale, 412, "precondition_failed")
    problem_of(client.patch(path, json={"opens_at": None}), 400, "invalid_datetime_format")
    problem_of(client.patch(f"/api/funds/{some_id()}", json={}), 404, "fund_not_found")


def test_a_fund_opens_and_closes_by_itself(client: httpx2.Client, bank: Bank) -> None:
    """Then its dates say so, and no version: whoever has it is told all the same."""
    now = datetime.now(UTC)
    soon = make_fund(client, opens_at=(now + timedelta(days=1)).isoformat())
    over = make_fund(client, closes_at=(now - timedelta(days=1)).isoformat())
    head = bank.head()
    for fund in (soon, over):
        shown = bank.get(f"/api/funds/{fund}", min_position=head)
        assert (shown["status"], shown["is_open"]) == ("open", False)
        answer = client.get(f"/api/funds/{fund}", headers={"If-None-Match": '"1"'})
        assert answer.status_code == 200
        refused = client.post("/api/investments", json=investing(bank.funded(), fund))
        problem_of(refused, 422, "fund_not_open")


def test_a_version_that_one_has_is_not_sent_again(client: httpx2.Client, bank: Bank) -> None:
    fund = make_fund(client)
    path = f"/api/funds/{fund}"
    bank.get(path, min_position=bank.head())
    tag = client.get(path).headers["etag"]
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
    client.patch(path, json={"seats": 6})
    bank.get(path, min_position=bank.head())
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_a_fund_is_suspended_reopened_and_closed_for_good(
    client: httpx2.Client, bank: Bank
) -> None:
    fund, account = make_fund(client), bank.funded("500.00")
    path = f"/api/funds/{fund}"
    suspended = client.post(f"{path}/suspend", json={"reason": "a look at the books"})
    assert suspended.json()["status"] == "suspended"
    refused = client.post("/api/investments", json=investing(account, fund))
    assert problem_of(refused, 422, "fund_not_open")["details"]["status"] == "suspended"
    assert client.post(f"{path}/reopen").json()["status"] == "open"
    assert client.post("/api/investments", json=investing(account, fund)).status_code == 202
    assert client.post(f"{path}/close").json()["status"] == "closed"
    problem_of(client.post(f"{path}/reopen"), 422, "invalid_transition")


def test_lists_are_by_status_and_currency(client: httpx2.Client, bank: Bank) -> None:
    yen = make_fund(
        client, currency="JPY", minimum_investment="100", maximum_investment=None, seats=1
    )
    closed = make_fund(client)
    client.post(f"/api/funds/{closed}/close")
    head = bank.head()
    in_yen = bank.get("/api/funds", currency="JPY", min_position=head)["data"]
    assert [(f["id"], f["minimum_investment"]) for f in in_yen] == [(yen, "100")]
    assert closed in {f["id"] for f in bank.get("/api/funds", status="closed")["data"]}
    assert closed not in {f["id"] for f in bank.get("/api/funds", status="open")["data"]}
    first = bank.get("/api/funds", limit=1)
    assert [f["id"] for f in first["data"]] == [closed]
    second = bank.get("/api/funds", limit=1, cursor=first["next_cursor"])
    assert [f["id"] for f in second["data"]] == [yen]


def test_seats_are_shown_reserved_then_taken_or_free_again(
    client: httpx2.Client, bank: Bank, steps: Steps
) -> None:
    fund, account = make_fund(client, seats=3), bank.funded("1000.00")
    kept, lost = (invest(client, account, fund)["id"] for _ in range(2))

    def seats() -> list[object]:
        shown = bank.get(f"/api/funds/{fund}", min_position=bank.head())
        return [shown[f"seats_{n}"] for n in ("left", "reserved", "taken")]

    assert seats() == [1, 2, 0]
    assert steps.complete(kept).status == "completed"
    assert seats() == [1, 1, 1]
    steps.hold(lost)
    steps.fail(lost, "withdrawal", 0, "account_closed")
    assert seats() == [2, 0, 1]
    rows = bank.get(f"/api/funds/{fund}/allocations", min_position=bank.head())["data"]
    assert [(r["investment_id"], r["status"], r["amount"]) for r in rows] == [
        (lost, "released", "100.00"),
        (kept, "taken", "100.00"),
    ]
    taken = bank.get(f"/api/funds/{fund}/allocations", status="taken")["data"]
    assert [row["investment_id"] for row in taken] == [kept]


def test_who_sees_allocations(base_url: str, client: httpx2.Client, bank: Bank) -> None:
    """An investor his own, the fund's manager and the staff that reads everything all of them."""
    people = [make(client) for _ in range(3)]
    manager, anna, bert = people
    fund = make_fund(client, manager_id=manager["id"])
    theirs = {}
    for person in (anna, bert):
        account = bank.open(owner_id=person["id"])
        assert bank.move(bank.open("cash"), account, "200.00").status_code == 201
        with as_user(base_url, person) as own:
            theirs[person["id"]] = invest(own, account, fund)["id"]
    bank.get(f"/api/funds/{fund}", min_position=bank.head())

    def seen(reader: httpx2.Client) -> set[str]:
        answer = reader.get(f"/api/funds/{fund}/allocations")
        assert answer.status_code == 200, answer.text
        return {row["investment_id"] for row in answer.json()["data"]}

    for person in (anna, bert):
        with as_user(base_url, person) as own:
            assert seen(own) == {theirs[person["id"]]}
    everything = set(theirs.values())
    with as_user(base_url, manager) as own, client_of(base_url, "auditor") as auditor:
        assert seen(own) == seen(auditor) == seen(client) == everything
        other = make_fund(client)
        bank.get(f"/api/funds/{other}", min_position=bank.head())
        assert own.get(f"/api/funds/{other}/allocations").json()["data"] == []
    with client_of(base_url, "support") as support:
        answer = support.get(f"/api/funds/{fund}/allocations")
        problem_of(answer, 403, "insufficient_permissions")
    problem_of(client.get(f"/api/funds/{some_id()}/allocations"), 404, "fund_not_found")


@pytest.mark.parametrize("clients", [20])
def test_the_last_seats_go_to_exactly_as_many(
    base_url: str, client: httpx2.Client, bank: Bank, clients: int
) -> None:
    """Whoever comes too late is told at once, and holds nothing."""
    seats = 7
    fund = make_fund(client, seats=seats)
    accounts = [bank.funded("100.00") for _ in range(clients)]

    def ask(account: str) -> httpx2.Response:
        with client_of(base_url) as own:
            return own.post("/api/investments", json=investing(account, fund))

    with ThreadPoolExecutor(clients) as pool:
        answers = list(pool.map(ask, accounts))
    given = [a for a in answers if a.status_code == 202]
    assert len(given) == seats
    for answer in answers:
        if answer.status_code != 202:
            problem = problem_of(answer, 409, "no_seats_available")
            assert problem["details"]["seats"] == seats
    shown = bank.get(f"/api/funds/{fund}", min_position=bank.head())
    assert (shown["seats_left"], shown["seats_reserved"]) == (0, seats)
    assert UUID(given[0].json()["id"])

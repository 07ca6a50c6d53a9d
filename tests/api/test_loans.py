"""Loans by the API: money to lend, what is owed and by when, and what is paid back, each time once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import NamedTuple
from uuid import UUID

import httpx2
import pytest

from application.ledger import Ledger
from domain.house import house_account
from domain.loans import MarkInstalmentOverdue, RepayLoan
from tests.api.conftest import Bank, Json, problem_of, some_id
from tests.conftest import Database, MakeDatabase
from tests.projections.histories import append
from tests.support.credit import Desk, submit
from tests.support.flows import Heard
from tests.support.loan_world import CUSTOMER, LOAN, OWNER, LoanWorld, opening_of
from tests.support.serving import client_of, serving
from tests.support.staff import as_user, make

PATH = "/api/loans"


class Customer(NamedTuple):
    user: Json
    client: httpx2.Client
    account: str
    """In MXN, with 1,000.00 of one's own."""


@pytest.fixture(scope="module")
def desk(api_database: Database) -> Iterator[Desk]:
    with Ledger(api_database.url) as ledger:
        yield Desk(ledger, api_database.url)


@pytest.fixture(scope="module")
def pesos(client: httpx2.Client) -> str:
    """Where pesos come from, of which there are many to lend."""
    cash = Bank(client).open("cash", "MXN")
    assert fund(client, cash, "1000000.00").status_code == 201
    return cash


@pytest.fixture(scope="module")
def anna(base_url: str, client: httpx2.Client, pesos: str) -> Iterator[Customer]:
    yield from customer(base_url, client, pesos)


@pytest.fixture(scope="module")
def bert(base_url: str, client: httpx2.Client, pesos: str) -> Iterator[Customer]:
    yield from customer(base_url, client, pesos)


def customer(base_url: str, client: httpx2.Client, cash: str) -> Iterator[Customer]:
    user, bank = make(client), Bank(client)
    account = bank.open(currency="MXN", owner_id=user["id"])
    assert bank.move(cash, account, "1000.00", "MXN").status_code == 201
    with as_user(base_url, user) as own:
        yield Customer(user, own, account)


def fund(
    client: httpx2.Client, source: str, amount: str, currency: str = "MXN", **more: object
) -> httpx2.Response:
    body = {"source_account_id": source, "amount": amount, "currency": currency, **more}
    return client.post(f"{PATH}/funding", json=body)


def lend(whom: Customer, desk: Desk) -> str:
    """A loan of 1,200.00 for a year that was asked for, offered, taken and paid out."""
    more = {"amount_requested": "1200.00", "months": 12, "account_id": whom.account}
    asked = submit(whom.client, "MX", **more)["id"]
    desk.report(asked)
    answer = whom.client.post(f"/api/applications/{asked}/accept")
    assert answer.status_code == 200, answer.text
    loan_id = desk.go_on(asked).loan_id
    assert loan_id is not None
    return str(loan_id)


def repay(whom: Customer, loan_id: str, amount: str, **more: object) -> httpx2.Response:
    body = {"amount": amount, "account_id": whom.account, **more}
    return whom.client.post(f"{PATH}/{loan_id}/repayments", json=body)


def shown(bank: Bank, loan_id: str, part: str = "") -> Json:
    return bank.get(f"{PATH}/{loan_id}{part}", min_position=bank.head())


def lent(bank: Bank, currency: str) -> Json:
    rows = bank.get(f"{PATH}/funding", min_position=bank.head())["data"]
    return dict(next(row for row in rows if row["currency"] == currency))


def test_money_to_lend_is_a_transfer_to_an_account_that_is_opened_for_it(
    client: httpx2.Client, bank: Bank
) -> None:
    source = bank.funded("500.00", "CHF")
    answer = fund(client, source, "300.00", "CHF")
    assert answer.status_code == 201, answer.text
    transfer = answer.json()
    assert answer.headers["location"] == f"/api/transfers/{transfer['id']}"
    lending = str(house_account("lending", "CHF"))
    assert (transfer["source_account_id"], transfer["destination_account_id"]) == (source, lending)
    assert (transfer["amount"], transfer["status"]) == ("300.00", "posted")
    assert transfer["source"]["balance"] == "200.00"
    assert bank.account(lending, transfer["position"])["type"] == "lending"
    assert fund(client, source, "50.00", "CHF").json()["destination"]["balance"] == "350.00"
    assert lent(bank, "CHF") == {
        "currency": "CHF", "available": "350.00", "lent": "0.00", "interest_earned": "0.00",
        "loans": 0, "in_arrears": 0, "arrears": [],
    }  # fmt: skip
    got = bank.get(answer.headers["location"], min_position=transfer["position"])
    assert got["amount"] == "300.00"


def test_the_same_funding_asked_for_again_moves_nothing_more(
    client: httpx2.Client, bank: Bank
) -> None:
    source = bank.open("cash", "SEK")
    id_ = some_id()
    first, again = (fund(client, source, "7.00", "SEK", id=id_) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    problem_of(fund(client, source, "8.00", "SEK", id=id_), 422, "id_reused")
    assert lent(bank, "SEK")["available"] == "7.00"


def test_money_that_is_not_there_or_not_free_is_not_lent(
    client: httpx2.Client, bank: Bank, anna: Customer, desk: Desk
) -> None:
    poor = bank.funded("1.00", "CHF")
    problem_of(fund(client, poor, "1.01", "CHF"), 422, "insufficient_funds")
    problem_of(fund(client, poor, "1.00", "EUR"), 422, "currency_mismatch")
    problem_of(fund(client, some_id(), "1.00"), 404, "account_not_found")
    problem_of(fund(client, poor, "0.00", "CHF"), 400, "negative_amount")
    problem_of(fund(client, poor, "0.001", "CHF"), 400, "invalid_amount_format")
    itself = str(house_account("lending", "MXN"))
    problem_of(fund(client, itself, "1.00"), 422, "same_account")
    lend(anna, desk)
    problem_of(fund(client, str(house_account("loans", "MXN")), "1.00"), 409, "reserved_account")


def test_a_loan_shows_what_is_owed_and_by_when(
    anna: Customer, bank: Bank, desk: Desk, base_url: str
) -> None:
    before = lent(bank, "MXN")
    loan_id = lend(anna, desk)
    loan = shown(bank, loan_id)
    today = datetime.now(UTC).date()
    assert (loan["owner_id"], loan["account_id"]) == (anna.user["id"], anna.account)
    assert (loan["status"], loan["currency"], loan["months"]) == ("active", "MXN", 12)
    assert (loan["principal"], loan["outstanding"]) == ("1200.00", "1200.00")
    assert loan["arrears"] is None
    assert loan["payoff"] == {
        "on": loan["started_on"], "amount": "1200.00", "due": "0.00", "interest": "0.00",
        "principal": "1200.00",
    }  # fmt: skip
    assert date.fromisoformat(loan["started_on"]) <= today
    rows = shown(bank, loan_id, "/schedule")["data"]
    assert [row["number"] for row in rows] == list(range(1, 13))
    assert {row["status"] for row in rows} == {"due"}
    assert cents(row["principal"] for row in rows) == 1200_00
    assert rows[-1]["balance_after"] == "0.00"
    assert loan["next_instalment"] == {"due": rows[0]["due"], "amount": rows[0]["amount"]}
    assert bank.account(loan["loan_account_id"])["balance"] == "-1200.00"
    after = lent(bank, "MXN")
    assert cents([before["available"]]) - cents([after["available"]]) == 1200_00
    assert cents([after["lent"]]) - cents([before["lent"]]) == 1200_00
    assert after["loans"] == before["loans"] + 1
    assert [row["days"] for row in after["arrears"]] == ["1-30", "31-60", "61-90", "90+"]


def cents(amounts: Iterable[str]) -> int:
    return sum(int(amount.replace(".", "")) for amount in amounts)


def test_everybody_sees_whose_loans_he_may(
    anna: Customer, bert: Customer, bank: Bank, desk: Desk, base_url: str
) -> None:
    mine, other = lend(anna, desk), lend(bert, desk)
    own = Bank(anna.client).get(PATH, min_position=bank.head(), limit=1000)["data"]
    assert own[0]["id"] == mine
    assert {row["owner_id"] for row in own} == {anna.user["id"]}
    for part in ("", "/schedule", "/repayments", "/stream", f"/repayments/{some_id()}"):
        answer = bert.client.get(f"{PATH}/{mine}{part}")
        problem_of(answer, 404, "loan_not_found")
    problem_of(repay(bert, mine, "1.00"), 404, "loan_not_found")
    problem_of(repay(bert, some_id(), "1.00"), 404, "loan_not_found")
    for role in ("support", "auditor", "officer"):
        with client_of(base_url, role, UUID(some_id())) as staff:
            there = Bank(staff)
            assert [row["id"] for row in there.get(PATH, limit=2)["data"]] == [other, mine]
            assert there.get(f"{PATH}/{mine}")["id"] == mine
            answer = staff.post(f"{PATH}/{mine}/repayments", json={})
            problem_of(answer, 403, "insufficient_permissions")


def test_lists_are_filtered_and_go_on(anna: Customer, bank: Bank, desk: Desk) -> None:
    loans = [lend(anna, desk) for _ in range(3)]
    settled = loans[1]
    assert repay(anna, settled, "1200.00").status_code == 201

    def ids(**params: object) -> list[str]:
        found = bank.get(PATH, min_position=bank.head(), **params)["data"]
        return [row["id"] for row in found if row["id"] in loans]

    assert ids() == loans[::-1]
    assert ids(status="settled") == [settled]
    assert ids(status="active") == [loans[2], loans[0]]
    assert ids(in_arrears="true") == []
    assert ids(in_arrears="false", status="active") == [loans[2], loans[0]]
    application = shown(bank, loans[0])["application_id"]
    assert ids(application_id=application) == [loans[0]]
    first = bank.get(PATH, limit=2)
    assert first["has_more"]
    rest = bank.get(PATH, limit=2, cursor=first["next_cursor"])
    assert loans[0] in [row["id"] for row in rest["data"]]
    problem_of(bank.client.get(PATH, params={"status": "late"}), 400, "invalid_status")
    problem_of(bank.client.get(PATH, params={"in_arrears": "so"}), 400, "invalid_request")
    problem_of(bank.client.get(PATH, params={"cursor": "x"}), 400, "invalid_cursor")


def test_what_is_paid_early_lowers_what_follows(anna: Customer, bank: Bank, desk: Desk) -> None:
    loan_id = lend(anna, desk)
    first = shown(bank, loan_id, "/schedule")["data"][0]
    mine = bank.account(anna.account)["balance"]
    answer = repay(anna, loan_id, "300.00")
    assert answer.status_code == 201, answer.text
    paid = answer.json()
    assert paid.pop("recorded_at")
    position = paid.pop("position")
    assert paid == {
        "id": paid["id"], "loan_id": loan_id, "account_id": anna.account, "currency": "MXN",
        "amount": "300.00", "interest": "0.00", "principal": "300.00", "outstanding": "900.00",
        "early": True,
    }  # fmt: skip
    assert answer.headers["location"] == f"{PATH}/{loan_id}/repayments/{paid['id']}"
    there = bank.get(answer.headers["location"], min_position=position)
    assert {name: there[name] for name in paid} == paid
    assert there["parts"] == [{"number": None, "interest": "0.00", "principal": "300.00"}]
    assert len(there["transfer_ids"]) == 2
    assert there["on"] == shown(bank, loan_id)["payoff"]["on"]
    assert shown(bank, loan_id, "/repayments")["data"] == [there]
    loan = shown(bank, loan_id)
    assert (loan["outstanding"], loan["principal_paid"]) == ("900.00", "300.00")
    assert loan["payoff"]["amount"] == "900.00"
    rows = shown(bank, loan_id, "/schedule")["data"]
    assert cents(row["principal"] for row in rows) == 900_00
    assert cents([rows[0]["amount"]]) < cents([first["amount"]])
    assert cents([bank.account(anna.account)["balance"]]) == cents([mine]) - 300_00
    assert bank.account(loan["loan_account_id"])["balance"] == "-900.00"


def test_a_repayment_sent_again_is_one(anna: Customer, bank: Bank, desk: Desk) -> None:
    loan_id, id_ = lend(anna, desk), some_id()
    first, again = (repay(anna, loan_id, "100.00", id=id_) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first.json()
    problem_of(repay(anna, loan_id, "100.01", id=id_), 422, "id_reused")
    path, body = f"{PATH}/{loan_id}/repayments", {"amount": "50.00", "account_id": anna.account}
    headers = {"Idempotency-Key": some_id()}
    first, again = (anna.client.post(path, json=body, headers=headers) for _ in range(2))
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert shown(bank, loan_id)["outstanding"] == "1050.00"
    rows = bank.get(path, limit=1, min_position=bank.head())
    assert rows["has_more"]
    before = bank.get(path, cursor=rows["next_cursor"])["data"]
    assert [row["id"] for row in before] == [id_]


def test_an_id_of_a_repayment_is_of_its_loan_alone(anna: Customer, bank: Bank, desk: Desk) -> None:
    loans, id_ = [lend(anna, desk) for _ in range(2)], some_id()
    for loan_id, amount in zip(loans, ("10.00", "20.00"), strict=True):
        assert repay(anna, loan_id, amount, id=id_).status_code == 201
    found = [shown(bank, loan_id, f"/repayments/{id_}")["amount"] for loan_id in loans]
    assert found == ["10.00", "20.00"]


def test_no_more_is_taken_than_is_owed(
    anna: Customer, bert: Customer, bank: Bank, desk: Desk
) -> None:
    loan_id = lend(anna, desk)
    problem = problem_of(repay(anna, loan_id, "1200.01"), 422, "exceeds_outstanding")
    assert (problem["details"]["payoff"], problem["details"]["requested"]) == ("1200.00", "1200.01")
    problem_of(repay(anna, loan_id, "0"), 400, "negative_amount")
    problem_of(repay(anna, loan_id, "1.001"), 400, "invalid_amount_format")
    problem_of(repay(anna, loan_id, "1.00", id=str(UUID(int=7))), 400, "reserved_id")
    problem_of(repay(anna, loan_id, "1.00", account_id=bert.account), 404, "account_not_found")
    owed = shown(bank, loan_id)["loan_account_id"]
    problem_of(repay(anna, loan_id, "1.00", account_id=owed), 409, "reserved_account")
    euros = bank.open(owner_id=anna.user["id"])
    problem_of(repay(anna, loan_id, "1.00", account_id=euros), 422, "currency_mismatch")
    empty = bank.open(currency="MXN", owner_id=anna.user["id"])
    problem_of(repay(anna, loan_id, "1.00", account_id=empty), 422, "insufficient_funds")
    headers = {"If-Match": '"1"'}
    answer = anna.client.post(
        f"{PATH}/{loan_id}/repayments",
        json={"amount": "1.00", "account_id": empty},
        headers=headers,
    )
    problem_of(answer, 400, "invalid_if_match")
    assert shown(bank, loan_id)["outstanding"] == "1200.00"
    problem_of(
        bank.client.get(f"{PATH}/{loan_id}/repayments/{some_id()}"), 404, "repayment_not_found"
    )


def test_a_loan_is_followed_until_it_is_settled(anna: Customer, bank: Bank, desk: Desk) -> None:
    loan_id = lend(anna, desk)
    told = []
    with anna.client.stream("GET", f"{PATH}/{loan_id}/stream") as stream:
        for event, id_, data in Heard(stream):
            loan: Json = json.loads(data)
            assert (event, id_) == ("loan", str(loan["position"]))
            told.append((loan["status"], loan["outstanding"]))
            if loan["outstanding"] != "0.00":
                amount = "200.00" if len(told) == 1 else "1000.00"
                assert repay(anna, loan_id, amount).status_code == 201
    assert told == [("active", "1200.00"), ("active", "1000.00"), ("settled", "0.00")]
    loan = shown(bank, loan_id)
    assert loan["payoff"] is None
    assert loan["next_instalment"] is None
    assert loan["settled_on"] is not None
    problem_of(repay(anna, loan_id, "1.00"), 409, "loan_settled")
    seen = {"Last-Event-ID": str(loan["position"])}
    with anna.client.stream("GET", f"{PATH}/{loan_id}/stream", headers=seen) as stream:
        assert list(Heard(stream)) == []


def test_arrears_are_shown_with_what_is_overdue(make_database: MakeDatabase) -> None:
    """A loan of long ago: 340.02 of it was due twice, and 340.03 once; nothing but 40.02 was paid."""
    world = LoanWorld()
    world.lend(opening_of(started_on=date(2020, 1, 31)))
    world.on(date(2020, 3, 1))
    world.submit(MarkInstalmentOverdue(LOAN, 1))
    world.submit(RepayLoan(LOAN, UUID(int=1), CUSTOMER, 40_02, date(2020, 3, 1), OWNER))
    with make_database() as database:
        append(database, *((event.stream_id, event.data) for event in world.events))
        with serving(database.url) as url, client_of(url) as client:
            bank = Bank(client)
            loan = shown(bank, str(LOAN))
            assert loan["arrears"] == {"amount": "300.00", "since": "2020-02-29"}
            assert loan["next_instalment"] == {"due": "2020-02-29", "amount": "300.00"}
            assert loan["payoff"]["due"] == loan["payoff"]["amount"] == "980.05"
            assert loan["interest_paid"] == "10.00"
            first, second, _ = shown(bank, str(LOAN), "/schedule")["data"]
            assert (first["status"], first["paid"], first["missing"]) == (
                "overdue",
                "40.02",
                "300.00",
            )
            assert (second["status"], second["paid"]) == ("due", "0.00")
            assert bank.get(PATH, in_arrears="true")["data"][0]["id"] == str(LOAN)
            found = lent(bank, "EUR")
            assert (found["in_arrears"], found["interest_earned"]) == (1, "10.00")
            assert found["arrears"][-1] == {
                "days": "90+", "loans": 1, "amount": "300.00", "outstanding": "969.98",
            }  # fmt: skip

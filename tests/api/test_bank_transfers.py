"""Deposits and withdrawals by the API: what is asked for, what becomes of it, and what nobody is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

import httpx2
import psycopg
import pytest

from application.ledger import Ledger
from application.privacy.sealing import is_sealed
from domain.movements import derived_id
from tests.api.conftest import Bank, Json, problem_of, some_id
from tests.conftest import Database
from tests.support.flows import IBAN, Steps, transferring
from tests.support.serving import client_of
from tests.support.staff import as_user, make

HINT = "DE" + "*" * 16 + "3000"


class Customer(NamedTuple):
    """A person with an account that has 500.00."""

    user: Json
    client: httpx2.Client
    account: str


@pytest.fixture(scope="module")
def steps(api_database: Database) -> Iterator[Steps]:
    with Ledger(api_database.url) as ledger:
        yield Steps(ledger)


@pytest.fixture
def anna(base_url: str, client: httpx2.Client, bank: Bank) -> Iterator[Customer]:
    user = make(client)
    account = bank.open(owner_id=user["id"])
    assert bank.move(bank.open("cash"), account, "500.00").status_code == 201
    with as_user(base_url, user) as own:
        yield Customer(user, own, account)


def ask(one: Customer, kind: str, amount: str = "50.00", **more: object) -> Json:
    answer = one.client.post(f"/api/{kind}s", json=transferring(one.account, amount, **more))
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/api/{kind}s/{answer.json()['id']}"
    return dict(answer.json())


def shown(bank: Bank, kind: str, id_: str) -> Json:
    return bank.get(f"/api/{kind}s/{id_}", min_position=bank.head())


def stored(database: Database, id_: str) -> list[Json]:
    """All that the log has of a flow's request and its movement."""
    ids = [UUID(id_), derived_id(UUID(id_), "movement")]
    with psycopg.connect(database.url) as conn:
        rows = conn.execute(
            "SELECT convert_from(state, 'UTF8')::jsonb FROM events WHERE originator_id = ANY(%s)",
            (ids,),
        ).fetchall()
    return [data for (data,) in rows]


def test_a_deposit_is_on_the_account_when_the_bank_has_moved_it(
    anna: Customer, bank: Bank, steps: Steps
) -> None:
    asked = ask(anna, "deposit", "75.25", reference="salary")
    assert (asked["status"], asked["state"], asked["bank_account"]) == ("pending", "Pending", HINT)
    assert bank.account(anna.account)["balance"] == "500.00"
    steps.book(asked["id"])
    found = shown(bank, "deposit", asked["id"])
    assert (found["status"], found["state"]) == ("completed", "Completed")
    assert (found["amount"], found["reference"]) == ("75.25", "salary")
    assert [(leg["kind"], leg["direction"], leg["status"]) for leg in found["legs"]] == [
        ("collection", "in", "COMPLETED")
    ]
    assert found["steps"][0]["name"] == "requested"
    assert found["steps"][-1]["name"] == "completed"
    assert bank.account(anna.account)["balance"] == "575.25"


def test_a_withdrawal_is_held_at_once_and_leaves_when_the_bank_has_moved_it(
    anna: Customer, bank: Bank, steps: Steps
) -> None:
    asked = ask(anna, "withdrawal", "120.00")
    account = bank.account(anna.account)
    assert (account["balance"], account["available"]) == ("500.00", "380.00")
    steps.book(asked["id"])
    assert shown(bank, "withdrawal", asked["id"])["status"] == "completed"
    account = bank.account(anna.account)
    assert (account["balance"], account["available"]) == ("380.00", "380.00")


def test_one_that_the_bank_refuses_is_undone_and_says_why(
    anna: Customer, bank: Bank, steps: Steps
) -> None:
    asked = ask(anna, "withdrawal", "120.00")
    steps.refuse(asked["id"], "account_closed")
    found = shown(bank, "withdrawal", asked["id"])
    assert (found["status"], found["reason"]) == ("failed", "account_closed")
    assert found["failed_step"] == "withdrawal"
    assert found["legs"][0]["status"] == "FAILED"
    assert bank.account(anna.account)["available"] == "500.00"


def test_what_is_not_there_is_not_withdrawn(anna: Customer, bank: Bank) -> None:
    before = bank.head()
    answer = anna.client.post("/api/withdrawals", json=transferring(anna.account, "500.01"))
    assert problem_of(answer, 422, "insufficient_funds")["details"]["available"] == "500.00"
    assert bank.head() == before


@pytest.mark.parametrize("kind", ["deposit", "withdrawal"])
@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"bank_account": {"iban": "DE89370400440532013001"}}, 400, "invalid_bank_account"),
        ({"bank_account": {"iban": "not one"}}, 400, "invalid_bank_account"),
        ({"bank_account": {"number": "12345"}}, 400, "invalid_bank_account"),
        ({"bank_account": {}}, 400, "invalid_bank_account"),
        ({"bank_account": {"iban": IBAN, "number": "12345678"}}, 400, "invalid_bank_account"),
        ({"bank_account": {"iban": IBAN, "bic": "X"}}, 400, "unknown_fields"),
        ({"bank_account": IBAN}, 400, "invalid_request"),
        ({"amount": "0"}, 400, "negative_amount"),
        ({"currency": "USD"}, 422, "currency_mismatch"),
        ({"account_id": some_id()}, 404, "account_not_found"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    anna: Customer, bank: Bank, kind: str, change: Json, status: int, reason: str
) -> None:
    before = bank.head()
    answer = anna.client.post(f"/api/{kind}s", json=transferring(anna.account) | change)
    problem_of(answer, status, reason)
    assert "bank_account" not in change or IBAN[4:] not in answer.text
    assert bank.head() == before


def test_the_houses_own_accounts_have_no_deposits(anna: Customer, client: httpx2.Client) -> None:
    cash = Bank(client).open("cash", owner_id=anna.user["id"])
    answer = client.post("/api/deposits", json=transferring(cash))
    problem_of(answer, 400, "invalid_account_type")


@pytest.mark.parametrize("kind", ["deposit", "withdrawal"])
def test_the_same_asked_for_again_is_answered_as_the_first_time(
    anna: Customer, bank: Bank, kind: str
) -> None:
    body = transferring(anna.account, "40.00", id=some_id())
    answers = [anna.client.post(f"/api/{kind}s", json=body) for _ in range(2)]
    assert [a.status_code for a in answers] == [202, 202]
    assert answers[1].json() == answers[0].json()
    assert answers[1].headers["idempotent-replayed"] == "true"
    key = {"Idempotency-Key": some_id()}
    keyed = [
        anna.client.post(f"/api/{kind}s", json=transferring(anna.account, "40.00"), headers=key)
        for _ in range(2)
    ]
    assert keyed[1].text == keyed[0].text
    found = bank.get(f"/api/{kind}s", account_id=anna.account, min_position=bank.head())
    assert len(found["data"]) == 2
    other = anna.client.post(f"/api/{kind}s", json=body | {"amount": "41.00"})
    problem_of(other, 422, "id_reused")


def test_it_is_called_off_until_the_bank_is_asked(anna: Customer, bank: Bank, steps: Steps) -> None:
    asked = ask(anna, "withdrawal", "100.00")
    wrong = anna.client.post(f"/api/deposits/{asked['id']}/cancel")
    problem_of(wrong, 404, "bank_transfer_not_found")
    answer = anna.client.post(f"/api/withdrawals/{asked['id']}/cancel")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["id"], answer.json()["status"]) == (asked["id"], "failed")
    assert answer.json()["reason"] == "cancelled"
    assert bank.account(anna.account)["held"] == "0.00"
    sent = ask(anna, "deposit")
    steps.send(derived_id(UUID(sent["id"]), "movement"))
    late = anna.client.post(f"/api/deposits/{sent['id']}/cancel")
    problem_of(late, 409, "already_sent")


def test_an_account_at_another_bank_is_sealed_for_whose_account_of_ours_it_is(
    anna: Customer, client: httpx2.Client, bank: Bank, api_database: Database
) -> None:
    """Also when staff asks: with the owner's erasure it is gone."""
    body = transferring(anna.account, bank_account={"iban": "de89 3704 0044 0532 0130 00"})
    id_ = client.post("/api/deposits", json=body).json()["id"]
    requested, instructed, _ = sorted(stored(api_database, id_), key=len, reverse=True)
    for sealed in (requested["bank_account"], instructed["account"]):
        assert is_sealed(sealed)
    assert requested["person_id"] == instructed["person_id"] == anna.user["id"]
    assert IBAN not in str(stored(api_database, id_))
    head = bank.head()
    events = client.get(f"/api/streams/{id_}/events", params={"min_position": head}).json()["data"]
    assert events[0]["data"]["bank_account"] == "[sealed]"
    assert shown(bank, "deposit", id_)["bank_account"] == HINT
    assert client.post(f"/api/users/{anna.user['id']}/erase").is_success
    events = client.get(f"/api/streams/{id_}/events").json()["data"]
    assert events[0]["data"]["bank_account"] == "[erased]"
    assert shown(bank, "deposit", id_)["bank_account"] == "[erased]"


def test_of_an_account_that_is_nobodys_it_is_sealed_for_who_asks(
    base_url: str, client: httpx2.Client, bank: Bank, api_database: Database
) -> None:
    admin = make(client, "admin")
    body = transferring(bank.funded(), bank_account={"number": "0012-3456 78"})
    with as_user(base_url, admin) as own:
        answer = own.post("/api/withdrawals", json=body)
    assert answer.status_code == 202, answer.text
    assert answer.json()["bank_account"] == "******5678"
    (requested, *_) = sorted(stored(api_database, answer.json()["id"]), key=len, reverse=True)
    assert requested["person_id"] == admin["id"]
    # The admin of the tests was never registered, and so has no key.
    problem_of(client.post("/api/withdrawals", json=body), 404, "user_not_found")


@pytest.mark.parametrize("kind", ["deposit", "withdrawal"])
def test_customers_see_and_touch_their_own_only(
    anna: Customer, base_url: str, client: httpx2.Client, bank: Bank, kind: str
) -> None:
    id_ = ask(anna, kind)["id"]
    path, head = f"/api/{kind}s/{id_}", bank.head()
    assert Bank(anna.client).get(path, min_position=head)["id"] == id_
    assert [r["id"] for r in Bank(anna.client).get(f"/api/{kind}s")["data"]] == [id_]
    other_kind = {"deposit": "withdrawal", "withdrawal": "deposit"}[kind]
    wrong = anna.client.get(f"/api/{other_kind}s/{id_}")
    problem_of(wrong, 404, "bank_transfer_not_found")
    with as_user(base_url, make(client)) as other:
        assert other.get(f"/api/{kind}s").json()["data"] == []
        for method, there in (("GET", path), ("GET", f"{path}/stream"), ("POST", f"{path}/cancel")):
            problem_of(other.request(method, there), 404, "bank_transfer_not_found")
        theirs = other.post(f"/api/{kind}s", json=transferring(anna.account))
        problem_of(theirs, 404, "account_not_found")
    with client_of(base_url, "support") as support:
        assert support.get(path).json()["id"] == id_
        refused = support.post(f"/api/{kind}s", json=transferring(anna.account))
        problem_of(refused, 403, "insufficient_permissions")


def test_what_was_just_asked_for_is_there_for_who_asks_at_once(anna: Customer) -> None:
    """Nobody has to know of positions to follow the address that a request was answered with."""
    for _ in range(30):
        asked = ask(anna, "deposit", "1.00")
        assert anna.client.get(f"/api/deposits/{asked['id']}").status_code == 200

"""One stream for a person: own balances and payments as they change, and nobody else's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from uuid import UUID

import httpx2
import pytest

from application.ledger import Ledger
from tests.api.conftest import Bank, Json
from tests.conftest import Database
from tests.support.flows import Heard, Steps, invest, make_fund, transferring
from tests.support.staff import as_user, make


@pytest.fixture(scope="module")
def steps(api_database: Database) -> Iterator[Steps]:
    with Ledger(api_database.url) as ledger:
        yield Steps(ledger)


class Person:
    """A customer with an account, and what the stream says to that person."""

    def __init__(self, base_url: str, client: httpx2.Client, bank: Bank, funds: str = "") -> None:
        self.user: Json = make(client)
        self.account = bank.open(owner_id=self.user["id"])
        if funds:
            bank.move(bank.open("cash"), self.account, funds)
        self.base_url = base_url

    def listen(
        self, number: int, after: int | str, own: httpx2.Client
    ) -> list[tuple[str, str, Json]]:
        """So many notices after a position, each with its id."""
        headers = {"Last-Event-ID": str(after)}
        with own.stream("GET", "/api/stream", headers=headers) as stream:
            found = list(islice(iter(Heard(stream)), number))
        return [(event, id_, json.loads(data)) for event, id_, data in found]


def test_a_payment_is_told_to_both_sides_and_to_nobody_else(
    base_url: str, client: httpx2.Client, bank: Bank
) -> None:
    anna, bert, carl = (Person(base_url, client, bank, "100.00") for _ in range(3))
    before = bank.head()
    seen = {"Last-Event-ID": str(before)}
    with as_user(base_url, anna.user) as a, as_user(base_url, bert.user) as b:
        with (
            as_user(base_url, carl.user) as c,
            c.stream("GET", "/api/stream", headers=seen) as carls,
        ):
            paid = Bank(a).move(anna.account, bert.account, "12.50").json()["id"]
            mine = Bank(c).move(bank.funded(), carl.account, "1.00")
            assert mine.status_code == 404
            bank.move(bank.open("cash"), carl.account, "7.00")
            heard = [data for _, _, data in islice(iter(Heard(carls)), 2)]
            assert paid not in str(heard)
            assert anna.account not in str(heard)
        for person, own, balance in ((anna, a, "87.50"), (bert, b, "112.50")):
            told = person.listen(2, before, own)
            assert [event for event, _, _ in told] == ["payment_created", "balance_changed"]
            payment, changed = (data for _, _, data in told)
            assert (payment["id"], payment["status"], payment["amount"]) == (
                paid,
                "posted",
                "12.50",
            )
            assert (changed["account_id"], changed["balance"]) == (person.account, balance)
            assert changed["transfer_id"] == paid


def test_a_hold_is_told_and_so_is_what_becomes_of_it(
    base_url: str, client: httpx2.Client, bank: Bank
) -> None:
    anna = Person(base_url, client, bank, "100.00")
    before = bank.head()
    with as_user(base_url, anna.user) as own:
        for end in ("post", "void"):
            held = Bank(own).move(anna.account, bank.open(), "30.00", pending=True).json()["id"]
            assert own.post(f"/api/transfers/{held}/{end}").status_code == 200
        told = anna.listen(8, before, own)
    said = [
        (event, data.get("status") or f"{data['balance']} {data['held']} {data['available']}")
        for event, _, data in told
    ]
    assert said == [
        ("payment_created", "pending"),
        ("balance_changed", "100.00 30.00 70.00"),
        ("payment_status_changed", "posted"),
        ("balance_changed", "70.00 0.00 70.00"),
        ("payment_created", "pending"),
        ("balance_changed", "70.00 30.00 40.00"),
        ("payment_status_changed", "voided"),
        ("balance_changed", "70.00 0.00 70.00"),
    ]


def test_what_takes_days_is_told_while_it_goes_on(
    base_url: str, client: httpx2.Client, bank: Bank, steps: Steps
) -> None:
    anna = Person(base_url, client, bank, "500.00")
    fund = make_fund(client)
    seen = {"Last-Event-ID": str(bank.head())}
    with (
        as_user(base_url, anna.user) as own,
        own.stream("GET", "/api/stream", headers=seen) as stream,
    ):
        heard = iter(Heard(stream))
        deposit = own.post("/api/deposits", json=transferring(anna.account, "50.00")).json()["id"]
        assert json.loads(next(heard)[2])["id"] == deposit
        steps.book(deposit)
        investment = invest(own, anna.account, fund)["id"]
        steps.complete(investment)
        said: list[tuple[str, str, str]] = []
        while ("investment", "completed") not in [(kind, status) for _, kind, status in said]:
            event, _, data = next(heard)
            body = json.loads(data)
            if event != "balance_changed" and body["kind"] != "transfer":
                said.append((event, body["kind"], body["status"]))
    assert said == [
        ("payment_status_changed", "deposit", "completed"),
        ("payment_created", "investment", "initiated"),
        ("payment_status_changed", "investment", "withdrawal_pending"),
        ("payment_status_changed", "investment", "withdrawal_completed"),
        ("payment_status_changed", "investment", "deposit_pending"),
        ("payment_status_changed", "investment", "deposit_completed"),
        ("payment_status_changed", "investment", "completed"),
    ]


def test_a_lost_connection_loses_nothing_and_repeats_nothing(
    base_url: str, client: httpx2.Client, bank: Bank, steps: Steps
) -> None:
    anna = Person(base_url, client, bank, "500.00")
    fund, before = make_fund(client), bank.head()
    with as_user(base_url, anna.user) as own:
        steps.complete(invest(own, anna.account, fund)["id"])
        for _ in range(3):
            Bank(own).move(anna.account, bank.open(), "1.00")
        with own.stream("GET", "/api/stream", headers={"Last-Event-ID": str(before)}) as stream:
            whole = []
            for event, id_, data in Heard(stream):
                whole.append((event, id_, json.loads(data)))
                if whole[-1][2].get("balance") == "397.00":
                    break
        ids = [int(id_) for _, id_, _ in whole]
        assert ids == sorted(set(ids))
        for broken in range(1, len(whole)):
            rest = anna.listen(len(whole) - broken, whole[broken - 1][1], own)
            assert rest == whole[broken:]


def test_accounts_that_are_opened_meanwhile_are_ones_own_too(
    base_url: str, client: httpx2.Client, bank: Bank
) -> None:
    anna = Person(base_url, client, bank)
    with as_user(base_url, anna.user) as own, own.stream("GET", "/api/stream") as stream:
        new = Bank(own).open()
        bank.move(bank.open("cash"), new, "5.00")
        (_, _, first), (_, _, second) = islice(iter(Heard(stream)), 2)
    assert json.loads(second)["account_id"] == new
    assert json.loads(first)["amount"] == "5.00"


def test_a_stream_begins_with_what_lists_do_not_show_yet(
    client: httpx2.Client, bank: Bank, api_database: Database
) -> None:
    alice, bob = bank.funded(), bank.open()
    with api_database.connect(superuser=True) as conn, conn.transaction():
        conn.execute("LOCK transfers.transfer IN SHARE MODE")
        before = bank.move(alice, bob, "1.00").json()["id"]
        with client.stream("GET", "/api/stream") as stream:
            after = bank.move(alice, bob, "2.00").json()["id"]
            ids = (json.loads(data).get("id") for _, _, data in Heard(stream))
            assert next(id_ for id_ in ids if id_ in (before, after)) == before


def test_much_that_was_missed_is_told_in_parts(
    base_url: str, client: httpx2.Client, bank: Bank
) -> None:
    """More than is read at once."""
    anna, other = Person(base_url, client, bank, "900.00"), bank.open()
    transfers = [
        {"source_account_id": anna.account, "destination_account_id": other, "amount": "0.01",
         "currency": "EUR"}
        for _ in range(1200)
    ]  # fmt: skip
    before = bank.head()
    answer = client.post("/api/transfers/batch", json={"transfers": transfers})
    assert answer.status_code == 200
    with as_user(base_url, anna.user) as own:
        told = anna.listen(2400, before, own)
    assert [event for event, _, _ in told] == ["payment_created", "balance_changed"] * 1200
    balances = [data["balance"] for event, _, data in told if event == "balance_changed"]
    assert balances[-1] == "888.00"
    assert len(set(balances)) == 1200


def test_staff_that_reads_everything_is_told_everything(
    base_url: str, client: httpx2.Client, bank: Bank
) -> None:
    anna, bert = (Person(base_url, client, bank, "10.00") for _ in range(2))
    before = bank.head()
    bank.move(anna.account, bert.account, "1.00")
    headers = {"Last-Event-ID": str(before)}
    with client.stream("GET", "/api/stream", headers=headers) as stream:
        told = [json.loads(data) for _, _, data in islice(iter(Heard(stream)), 3)]
    assert {body.get("account_id") for body in told} == {None, anna.account, bert.account}
    assert UUID(told[0]["id"])

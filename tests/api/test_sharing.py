"""What two customers see of each other: of a payment what a slip says, and of accounts nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from tests.api.conftest import Json, problem_of
from tests.conftest import Database
from tests.support.customers import ALONE, Person, World, three_customers
from tests.support.serving import client_of, serving


@pytest.fixture(scope="module")
def world(api_database: Database) -> Iterator[World]:
    url = api_database.url
    with serving(url, FOUR_EYES_ABOVE=ALONE) as base, three_customers(base, url) as world:
        yield world


SLIP = {
    "id", "status", "source_account_id", "destination_account_id", "amount", "requested_amount",
    "reversed_amount", "currency", "description", "reference", "effective_at", "metadata",
    "expires_at", "reverses", "reason", "position", "recorded_at", "updated_at", "version",
    "entries",
}  # fmt: skip


def test_both_see_the_slip_of_a_payment_and_each_the_own_entry(world: World) -> None:
    for transfer_id in world.shared:
        theirs = {
            person.name: person.bank.get(
                f"/api/transfers/{transfer_id}", min_position=world.admin.head()
            )
            for person in (world.anna, world.bert)
        }
        for person in (world.anna, world.bert):
            shown = theirs[person.name]
            assert shown.keys() == SLIP
            assert {entry["account_id"] for entry in shown.pop("entries")} <= set(person.ids)
        # The payer's own notes are not on the slip.
        source = theirs[world.anna.name]["source_account_id"]
        payer = next(person for person in (world.anna, world.bert) if source in person.ids)
        for person in (world.anna, world.bert):
            assert bool(theirs[person.name].pop("metadata")) == (person is payer)
        assert theirs[world.anna.name] == theirs[world.bert.name]
        answer = world.carl.client.get(f"/api/transfers/{transfer_id}")
        problem_of(answer, 404, "transfer_not_found")


def test_who_is_paid_is_not_told_that_it_was_all_there_was(world: World) -> None:
    """Less than was asked for means that nothing is left."""
    poor = world.anna.open()
    world.anna.move(world.accounts["a1"], poor, "33.09")
    answer = world.anna.bank.move(poor, world.accounts["b1"], "500.00", up_to=True)
    made = answer.json()
    assert (made["amount"], made["requested_amount"]) == ("33.09", "500.00")
    assert made["destination"] is None
    for person, requested in ((world.anna, "500.00"), (world.bert, "33.09")):
        path = f"/api/transfers/{made['id']}"
        one = person.bank.get(path, min_position=made["position"])
        (listed,) = [
            row
            for row in person.bank.get("/api/transfers", min_position=made["position"])["data"]
            if row["id"] == made["id"]
        ]
        for shown in (one, listed):
            assert (shown["amount"], shown["requested_amount"]) == ("33.09", requested)


BOUNDS: dict[str, Callable[[Json], object]] = {
    "version": lambda account: account["version"],
    "balance_at_least": lambda account: account["balance"],
    "balance_at_most": lambda account: account["balance"],
    "available_at_least": lambda account: account["available"],
    "available_at_most": lambda account: account["available"],
}


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("pays", ["anna", "carl"])
def test_a_condition_does_not_find_out_anothers_balance(
    pays: str, bound: str, world: World
) -> None:
    """What holds and what does not get the same answer, also where a second person would be asked."""
    payer: Person = getattr(world, pays)
    b1 = world.accounts["b1"]
    truth = BOUNDS[bound](world.admin.account(b1))
    for amount in ("1.00", "9001.00"):
        answers = []
        for value in (truth, 4_000 if bound == "version" else "4000.00"):
            condition = {"account_id": b1, bound: value}
            own = world.accounts[f"{pays[0]}1"]
            answer = payer.bank.move(own, b1, amount, conditions=[condition])
            problem = problem_of(answer, 422, "condition_account_unknown")
            answers.append(problem["details"])
        assert answers[0] == answers[1] == {"account_id": b1}


def test_another_person_with_the_same_key_asks_something_of_his_own(world: World) -> None:
    a1, b1, c1 = (world.accounts[name] for name in ("a1", "b1", "c1"))
    headers = {"Idempotency-Key": uuid4().hex}
    first = world.anna.bank.move(a1, b1, "3.00", headers=headers)
    assert first.status_code == 201
    same = world.carl.bank.move(a1, b1, "3.00", headers=headers)
    problem_of(same, 404, "account_not_found")
    assert "idempotent-replayed" not in same.headers
    other = world.anna.bank.move(a1, b1, "3.00", headers=headers)
    assert other.headers["idempotent-replayed"] == "true"
    headers = {"Idempotency-Key": uuid4().hex}
    assert world.bert.bank.move(b1, a1, "2.00", headers=headers).status_code == 201
    his = world.carl.bank.move(c1, b1, "2.00", headers=headers)
    assert (his.status_code, his.json()["destination"]) == (201, None)
    assert "idempotent-replayed" not in his.headers


@pytest.mark.parametrize("linked", [False, True])
def test_a_batch_reaches_no_further_than_one_transfer(linked: bool, world: World) -> None:
    a1, b1, c1, c2 = (world.accounts[name] for name in ("a1", "b1", "c1", "c2"))

    def item(source: str, destination: str) -> Json:
        return {
            "source_account_id": source,
            "destination_account_id": destination,
            "amount": "1.00",
            "currency": "EUR",
        }

    items = [item(c1, c2), item(a1, c1), item(c1, b1), item(world.accounts["cash"], c1)]
    body = {"transfers": items, "linked": linked}
    before = world.admin.account(a1)
    results = world.carl.client.post("/api/transfers/batch", json=body).json()["results"]
    assert world.admin.account(a1) == before
    if linked:
        assert [row["reason"] for row in results] == [
            "linked_refused", "account_not_found", "linked_refused", "linked_refused",
        ]  # fmt: skip
        return
    own, theirs, paid, houses = results
    assert own["source"] is not None
    assert own["destination"] is not None
    assert (theirs["reason"], houses["reason"]) == ("account_not_found", "account_not_found")
    assert paid["source"] is not None
    assert paid["destination"] is None


def test_who_sees_everything_sees_both_sides(world: World) -> None:
    entries = world.admin.get(f"/api/transfers/{world.shared[0]}")["entries"]
    assert len(entries) == 2
    with client_of(str(world.admin.client.base_url), "support") as support:
        assert len(support.get(f"/api/transfers/{world.shared[0]}").json()["entries"]) == 2

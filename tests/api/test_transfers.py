"""Transfers over HTTP: at once, in two phases, reversed, in batches."""

from __future__ import annotations

import psycopg
import pytest

from tests.api.conftest import Bank, problem_of, some_id
from tests.conftest import Database


def test_a_transfer_answers_with_what_both_accounts_have_afterwards(bank: Bank) -> None:
    alice, bob = bank.funded("100.00"), bank.open()
    answer = bank.move(alice, bob, "12.50", description="Lunch", metadata={"table": 4})
    body = answer.json()
    assert answer.status_code == 201
    assert body["status"] == "posted"
    assert answer.headers["location"] == f"/api/transfers/{body['id']}"
    assert answer.headers["daybook-position"] == str(body["position"])
    assert body["source"] == {
        "account_id": alice, "balance": "87.50", "held": "0.00", "available": "87.50", "version": 3,
    }  # fmt: skip
    assert body["destination"]["balance"] == "12.50"
    assert bank.account(alice, body["position"])["balance"] == "87.50"
    read = bank.get(f"/api/transfers/{body['id']}", min_position=body["position"])
    assert [e["direction"] for e in read["entries"]] == ["debit", "credit"]
    assert read["metadata"] == {"table": 4}


def test_a_pending_transfer_holds_then_posts_a_part_and_frees_the_rest(bank: Bank) -> None:
    alice, bob = bank.funded("50.00"), bank.open()
    pending = bank.move(alice, bob, "30.00", pending=True, expires_in_s=600).json()
    assert (pending["status"], pending["source"]["held"]) == ("pending", "30.00")
    assert pending["source"]["available"] == "20.00"
    assert pending["destination"]["balance"] == "0.00"
    problem_of(bank.move(alice, bob, "20.01"), 422, "insufficient_funds")
    posted = bank.client.post(
        f"/api/transfers/{pending['id']}/post", json={"amount": "10.00", "reason": "delivered"}
    )
    read = bank.get(f"/api/transfers/{pending['id']}", min_position=posted.json()["position"])
    assert read["reason"] == "delivered"
    assert posted.json()["status"] == "posted"
    assert posted.json()["source"] == {
        "account_id": alice, "balance": "40.00", "held": "0.00", "available": "40.00", "version": 4,
    }  # fmt: skip
    again = bank.client.post(f"/api/transfers/{pending['id']}/post", json={})
    problem_of(again, 409, "transfer_not_pending")


def test_a_pending_transfer_can_be_voided_without_a_body(bank: Bank) -> None:
    alice, bob = bank.funded("50.00"), bank.open()
    pending = bank.move(alice, bob, "30.00", pending=True).json()
    voided = bank.client.post(f"/api/transfers/{pending['id']}/void")
    assert (voided.json()["status"], voided.json()["source"]["held"]) == ("voided", "0.00")


def test_a_pending_transfer_expires_by_itself(bank: Bank, api_database: Database) -> None:
    alice, bob = bank.funded("50.00"), bank.open()
    pending = bank.move(alice, bob, "30.00", pending=True, expires_in_s=1).json()
    events = f"/api/streams/{pending['id']}/events"
    with psycopg.connect(api_database.url, autocommit=True) as conn:
        conn.execute("LISTEN daybook_log")
        for _ in conn.notifies(timeout=20):
            if len(bank.get(events)["data"]) == 2:
                break
    assert bank.get(events)["data"][-1]["topic"] == "transfer.expired"
    assert bank.account(alice)["held"] == "0.00"
    late = bank.client.post(f"/api/transfers/{pending['id']}/post")
    problem_of(late, 409, "transfer_not_pending")


def test_a_reversal_is_a_new_linked_transfer_and_never_more_than_was_posted(bank: Bank) -> None:
    alice, bob = bank.funded("50.00"), bank.open()
    original = bank.move(alice, bob, "30.00").json()["id"]
    first = bank.client.post(f"/api/transfers/{original}/reverse", json={"amount": "10.00"})
    assert first.json()["reverses"] == original
    assert first.json()["source"]["account_id"] == bob
    too_much = bank.client.post(f"/api/transfers/{original}/reverse", json={"amount": "20.01"})
    assert problem_of(too_much, 422, "amount_exceeds_posted")["details"]["reversible"] == "20.00"
    rest = bank.client.post(f"/api/transfers/{original}/reverse", json={"reason": "all of it"})
    assert rest.json()["amount"] == "20.00"
    read = bank.get(f"/api/transfers/{original}", min_position=rest.json()["position"])
    assert read["reversed_amount"] == "30.00"
    of_reversal = bank.client.post(f"/api/transfers/{rest.json()['id']}/reverse")
    problem_of(of_reversal, 422, "not_reversible")


def test_up_to_posts_what_is_available(bank: Bank) -> None:
    alice, bob = bank.funded("50.00"), bank.open()
    body = bank.move(alice, bob, "80.00", up_to=True).json()
    assert (body["amount"], body["requested_amount"]) == ("50.00", "80.00")
    problem_of(bank.move(alice, bob, "1.00", up_to=True), 422, "insufficient_funds")


def test_conditions_are_checked_just_before_the_transfer(bank: Bank) -> None:
    alice, bob = bank.funded("50.00"), bank.open()
    wrong = [{"account_id": alice, "balance_at_most": "49.99"}]
    details = problem_of(bank.move(alice, bob, "1.00", conditions=wrong), 422, "condition_failed")[
        "details"
    ]
    assert (details["wanted"], details["actual"]) == ("49.99", "50.00")
    right = [{"account_id": alice, "version": 2}, {"account_id": bob, "available_at_least": "0"}]
    assert bank.move(alice, bob, "1.00", conditions=right).status_code == 201
    problem_of(bank.move(alice, bob, "1.00", conditions=right), 422, "condition_failed")
    other = [{"account_id": some_id(), "version": 1}]
    problem_of(bank.move(alice, bob, "1.00", conditions=other), 422, "condition_account_unknown")


def test_a_bad_item_of_a_batch_is_refused_in_its_place_and_the_others_go_through(
    bank: Bank,
) -> None:
    alice, bob = bank.funded("50.00"), bank.open()

    def item(amount: object, **more: object) -> dict[str, object]:
        both = {"source_account_id": alice, "destination_account_id": bob}
        return {**both, "amount": amount, "currency": "EUR", **more}

    given = some_id()
    items = [
        item("10.00", id=given),
        item("1e3"),
        "nonsense",
        item("100.00"),
        item("1.00", typo=1),
        item("40.00"),
    ]
    answer = bank.client.post("/api/transfers/batch", json={"transfers": items})
    results = answer.json()["results"]
    assert answer.status_code == 200
    assert [r["status"] for r in results] == [
        "posted", "refused", "refused", "refused", "refused", "posted",
    ]  # fmt: skip
    assert [r.get("reason") for r in results] == [
        None, "invalid_amount_format", "invalid_request", "insufficient_funds", "unknown_fields", None,
    ]  # fmt: skip
    assert results[0]["id"] == given
    assert results[3]["details"]["available"] == "40.00"
    assert answer.headers["daybook-position"] == str(results[5]["position"])
    assert bank.account(alice)["balance"] == "0.00"


@pytest.mark.parametrize("bad", [{"amount": "1000.00"}, {"amount": "x"}])
def test_a_linked_batch_posts_all_or_none(bank: Bank, bad: dict[str, str]) -> None:
    alice, bob = bank.funded("50.00"), bank.open()
    good = {
        "source_account_id": alice,
        "destination_account_id": bob,
        "amount": "10.00",
        "currency": "EUR",
    }
    before = bank.head()
    answer = bank.client.post(
        "/api/transfers/batch", json={"transfers": [good, {**good, **bad}, good], "linked": True}
    )
    results = answer.json()["results"]
    assert [r["status"] for r in results] == ["refused"] * 3
    assert [r["reason"] for r in results][0::2] == ["linked_refused"] * 2
    assert bank.head() == before
    ok = bank.client.post("/api/transfers/batch", json={"transfers": [good] * 5, "linked": True})
    assert {r["status"] for r in ok.json()["results"]} == {"posted"}


def test_search_by_account_status_and_reference(bank: Bank) -> None:
    alice, bob, carol = bank.funded("50.00"), bank.open(), bank.open()
    bank.move(alice, bob, "1.00", reference="INV-1")
    bank.move(alice, carol, "2.00", reference="INV-2", pending=True)
    last = bank.move(bob, carol, "0.50").json()["position"]

    def amounts(**params: object) -> list[str]:
        found = bank.get("/api/transfers", min_position=last, **params)["data"]
        return [t["amount"] for t in found]

    assert amounts(account_id=bob) == ["0.50", "1.00"]
    assert amounts(account_id=alice, status="pending") == ["2.00"]
    assert amounts(account_id=alice, reference="INV-1") == ["1.00"]
    assert amounts(account_id=bob, to="2020-01-01") == []

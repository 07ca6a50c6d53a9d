"""Idempotency over HTTP: by key, by id, racing, across processes' memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx2

from tests.api.conftest import Bank, problem_of, some_id
from tests.support.serving import client_of


def test_the_same_key_gets_the_same_answer_and_has_one_effect(bank: Bank) -> None:
    alice, bob = bank.funded("50.00"), bank.open()
    key = {"Idempotency-Key": f'"{some_id()}"'}
    first = bank.move(alice, bob, "10.00", headers=key)
    bank.move(alice, bob, "1.00")
    again = bank.move(alice, bob, "10.00", headers=key)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["daybook-position"] == first.headers["daybook-position"]
    assert bank.account(alice)["balance"] == "39.00"


def test_a_key_with_another_body_or_path_is_refused(bank: Bank) -> None:
    alice, bob = bank.funded("50.00"), bank.open()
    key = {"Idempotency-Key": some_id()}
    done = bank.move(alice, bob, "10.00", headers=key).json()
    problem_of(bank.move(alice, bob, "11.00", headers=key), 422, "idempotency_key_reused")
    path = f"/api/transfers/{done['id']}/reverse"
    problem_of(bank.client.post(path, headers=key), 422, "idempotency_key_reused")


def test_business_refusals_are_kept_and_validation_errors_are_not(bank: Bank) -> None:
    alice, bob = bank.funded("5.00"), bank.open()
    key = {"Idempotency-Key": some_id()}
    first = bank.move(alice, bob, "10.00", headers=key)
    problem_of(first, 422, "insufficient_funds")
    bank.move(bank.open("cash"), alice, "100.00")
    again = bank.move(alice, bob, "10.00", headers=key)
    assert (again.status_code, again.content) == (422, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    other = {"Idempotency-Key": some_id()}
    problem_of(bank.move(alice, bob, "1e3", headers=other), 400, "invalid_amount_format")
    assert bank.move(alice, bob, "1.00", headers=other).status_code == 201


def test_a_batch_that_posts_nothing_keeps_its_answer_too(bank: Bank) -> None:
    key = {"Idempotency-Key": some_id()}
    path, bad = "/api/transfers/batch", {"transfers": [{"amount": "x"}], "linked": True}
    first = bank.client.post(path, json=bad, headers=key)
    again = bank.client.post(path, json=bad, headers=key)
    assert (first.status_code, again.content) == (200, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    other = bank.client.post(path, json={"transfers": [{}]}, headers=key)
    problem_of(other, 422, "idempotency_key_reused")


def test_metadata_is_compared_exactly(bank: Bank) -> None:
    alice, bob, given = bank.funded("5.00"), bank.open(), some_id()
    assert bank.move(alice, bob, "1.00", id=given, metadata={"a": 1}).status_code == 201
    other = bank.move(alice, bob, "1.00", id=given, metadata={"a": True})
    problem_of(other, 422, "id_reused")


def test_every_post_takes_a_key(bank: Bank) -> None:
    alice, bob = bank.funded("50.00"), bank.open()
    pending = bank.move(alice, bob, "10.00", pending=True).json()["id"]
    item = {
        "source_account_id": alice,
        "destination_account_id": bob,
        "amount": "1.00",
        "currency": "EUR",
    }
    requests: list[tuple[str, object]] = [
        ("/api/accounts", {"name": "x", "type": "savings", "currency": "EUR"}),
        (f"/api/transfers/{pending}/post", {"amount": "4.00"}),
        (f"/api/transfers/{pending}/reverse", {"amount": "1.00"}),
        ("/api/transfers/batch", {"transfers": [item, {"amount": "bad"}]}),
        (f"/api/accounts/{bob}/freeze", {"reason": "test"}),
    ]
    for path, body in requests:
        key = {"Idempotency-Key": some_id()}
        first = bank.client.post(path, json=body, headers=key)
        head = bank.head()
        again = bank.client.post(path, json=body, headers=key)
        assert (again.status_code, again.content) == (first.status_code, first.content), path
        assert again.headers.get("idempotent-replayed") == "true", path
        assert bank.head() == head, path


def test_racing_duplicates_have_one_effect_and_one_answer(base_url: str, bank: Bank) -> None:
    alice, bob = bank.funded("50.00"), bank.open()
    body = {
        "source_account_id": alice,
        "destination_account_id": bob,
        "amount": "10.00",
        "currency": "EUR",
    }

    def send(how: dict[str, dict[str, str]]) -> httpx2.Response:
        with client_of(base_url) as client:
            return client.post("/api/transfers", json=body | how["body"], headers=how["headers"])

    for how in (
        {"headers": {"Idempotency-Key": some_id()}, "body": {}},
        {"headers": {}, "body": {"id": some_id()}},
    ):
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(send, [how] * 16))
        assert {a.status_code for a in answers} == {201}
        assert len({a.content for a in answers}) == 1
        assert sum("idempotent-replayed" not in a.headers for a in answers) == 1
    assert bank.account(alice)["balance"] == "30.00"


def test_an_id_sent_again_answers_as_the_first_time(bank: Bank) -> None:
    alice, bob, given = bank.funded("50.00"), bank.open(), some_id()
    first = bank.move(alice, bob, "10.00", id=given)
    bank.move(alice, bob, "1.00")
    again = bank.move(alice, bob, "10.00", id=given)
    assert (again.status_code, again.json()) == (201, first.json())
    problem_of(bank.move(alice, bob, "10.01", id=given), 422, "id_reused")
    problem_of(bank.move(alice, bob, "10.00", id=alice), 422, "id_reused")
    account = {"id": some_id(), "name": "Once", "type": "checking", "currency": "EUR"}
    opened = bank.client.post("/api/accounts", json=account)
    assert bank.client.post("/api/accounts", json=account).json() == opened.json()
    renamed = bank.client.post("/api/accounts", json=account | {"name": "Twice"})
    problem_of(renamed, 422, "id_reused")


def test_a_bad_key_is_refused(bank: Bank) -> None:
    alice, bob = bank.funded("5.00"), bank.open()
    for bad in ("", "x" * 256):
        answer = bank.move(alice, bob, "1.00", headers={"Idempotency-Key": bad})
        problem_of(answer, 400, "invalid_idempotency_key")

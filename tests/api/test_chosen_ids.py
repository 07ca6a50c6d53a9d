"""Ids that clients choose: customers choose random ones, so that nobody takes what the house derives."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4, uuid5

import httpx2
import pytest

from domain import security
from tests.api.conftest import Bank, problem_of
from tests.support.people import bearer
from tests.support.serving import client_of
from tests.support.staff import user_body

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TAKEN = {
    "an hour's log": security.stream_of(NOON),
    "a month's key": security.key_of(NOON),
    "an import's": uuid5(UUID(int=1), "account"),
    "by time and place": UUID("fc616264-e638-11f1-ad7a-02fc00000001"),
    "no version": UUID(int=7),
}


@pytest.mark.parametrize("id_", TAKEN.values(), ids=TAKEN.keys())
def test_a_customer_takes_no_id_that_is_not_random(base_url: str, id_: UUID, bank: Bank) -> None:
    source, destination = str(uuid4()), str(uuid4())
    with client_of(base_url, "user", uuid4()) as customer:
        opening = {"id": str(id_), "name": "mine", "type": "checking", "currency": "EUR"}
        problem_of(customer.post("/api/accounts", json=opening), 400, "reserved_id")
        moving = {
            "id": str(id_),
            "source_account_id": source,
            "destination_account_id": destination,
            "amount": "1.00",
            "currency": "EUR",
        }
        problem_of(customer.post("/api/transfers", json=moving), 400, "reserved_id")
        batch = customer.post("/api/transfers/batch", json={"transfers": [moving]})
        assert batch.json()["results"][0]["reason"] == "reserved_id"
        assert customer.post("/api/accounts", json=opening | {"id": str(uuid4())}).is_success


@pytest.mark.parametrize("id_", TAKEN.values(), ids=TAKEN.keys())
def test_no_user_has_an_id_that_is_not_random(client: httpx2.Client, id_: UUID) -> None:
    answer = client.post("/api/users/admin", json=user_body(id=str(id_)))
    problem_of(answer, 400, "reserved_id")


def test_the_house_derives_ids_as_it_likes(bank: Bank) -> None:
    assert bank.open(id=str(uuid5(uuid4(), "ours")))


def test_anothers_transfer_id_tells_nothing(base_url: str, bank: Bank) -> None:
    """As one that nobody has."""
    source, destination = bank.funded("5.00"), bank.open()
    there = bank.move(source, destination, "1.00").json()["id"]
    with client_of(base_url, "user", uuid4()) as stranger:
        for id_ in (there, str(uuid4())):
            answer = Bank(stranger).move(source, destination, "1.00", id=id_)
            problem_of(answer, 404, "account_not_found")


def test_staff_is_made_by_people_not_by_keys(client: httpx2.Client, base_url: str) -> None:
    admin = client.post("/api/users/admin", json=user_body("admin")).json()
    mine = bearer("admin", UUID(admin["id"]))
    body = {"name": "directory", "scopes": ["users:write"]}
    key = client.post("/api/api-keys", json=body, headers=mine).json()["key"]
    with httpx2.Client(base_url=base_url, timeout=30, headers={"X-API-Key": key}) as program:
        assert program.post("/api/users/admin", json=user_body()).status_code == 201
        for role in ("admin", "support", "auditor", "operator"):
            answer = program.post("/api/users/admin", json=user_body(role))
            problem_of(answer, 403, "insufficient_permissions")

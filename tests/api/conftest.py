"""An API over a database of its own for each module, and short words for what tests do with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.conftest import Database, MakeDatabase
from tests.support.serving import client_of, serving

Json = dict[str, Any]

_TRIES = 20
"""Each lasts two seconds, since the API waits so long for its read models."""


@pytest.fixture(scope="module")
def api_database(make_database: MakeDatabase) -> Iterator[Database]:
    with make_database() as database:
        yield database


@pytest.fixture(scope="module")
def base_url(api_database: Database) -> Iterator[str]:
    with serving(api_database.url) as url:
        yield url


@pytest.fixture(scope="module")
def client(base_url: str) -> Iterator[httpx2.Client]:
    with client_of(base_url) as client:
        yield client


class Bank:
    """The API in the words of its users."""

    def __init__(self, client: httpx2.Client) -> None:
        self.client = client

    def open(self, type_: str = "checking", currency: str = "EUR", **more: object) -> str:
        body = {"name": "An account", "type": type_, "currency": currency, **more}
        answer = self.client.post("/api/accounts", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def funded(self, amount: str = "100.00", currency: str = "EUR") -> str:
        account = self.open(currency=currency)
        assert self.move(self.open("cash", currency), account, amount, currency).status_code == 201
        return account

    def move(
        self, source: str, destination: str, amount: str, currency: str = "EUR", **more: object
    ) -> httpx2.Response:
        headers = more.pop("headers", {})
        body = {
            "source_account_id": source,
            "destination_account_id": destination,
            "amount": amount,
            "currency": currency,
            **more,
        }
        return self.client.post("/api/transfers", json=body, headers=headers)  # type: ignore[arg-type]

    def account(self, account_id: str, min_position: int | None = None) -> Json:
        """The account; by default as fresh as the log is now."""
        if min_position is None:
            min_position = self.head()
        return self.get(f"/api/accounts/{account_id}", min_position=min_position)

    def head(self) -> int:
        return int(self.client.get("/api/projections").json()["position"])

    def get(self, path: str, **params: Any) -> Json:
        """What is answered; asked for again, as clients are told to, while it isn't visible yet."""
        for _ in range(_TRIES):
            answer = self.client.get(path, params=params)
            if '"not_yet_visible"' not in answer.text:
                break
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@pytest.fixture
def bank(client: httpx2.Client) -> Bank:
    return Bank(client)


def problem_of(answer: httpx2.Response, status: int, reason: str) -> Json:
    """The problem that an answer is; fails when it is another or not one at all."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = dict(answer.json())
    assert (answer.status_code, problem["reason"]) == (status, reason), answer.text
    assert problem["status"] == status
    assert problem["detail"]
    assert "{" not in problem["detail"], "a sentence with a hole in it"
    assert problem["correlation_id"] == answer.headers["x-correlation-id"]
    return problem


def some_id() -> str:
    return str(uuid4())

"""Bodies say one thing: no member twice, and no value that only looks like one of its type."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.api.conftest import Bank, problem_of


@pytest.mark.parametrize(
    "body",
    [
        '{"name": "A", "type": "checking", "currency": "EUR", "currency": "USD"}',
        '{"name": "A", "type": "checking", "currency": "EUR", "more": {"a": 1, "a": 1}}',
    ],
)
def test_a_member_that_comes_twice_is_refused(client: httpx2.Client, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.post("/api/accounts", content=body, headers=headers)
    problem_of(answer, 400, "invalid_json")


def test_a_member_that_comes_twice_in_one_item_refuses_the_whole_batch(
    client: httpx2.Client,
) -> None:
    body = '{"transfers": [{"amount": "1.00", "amount": "2.00"}]}'
    headers = {"Content-Type": "application/json"}
    answer = client.post("/api/transfers/batch", content=body, headers=headers)
    problem_of(answer, 400, "invalid_json")


def test_a_whole_number_may_be_written_with_a_point(bank: Bank) -> None:
    """JSON has one kind of number, and the description says integer: 60.0 was refused."""
    source, destination = bank.funded(), bank.open()
    more: dict[str, Any] = {"pending": True, "expires_in_s": 60.0, "metadata": {"order": 7.0}}
    answer = bank.move(source, destination, "1.00", **more)
    assert answer.status_code == 201, answer.text
    assert answer.json()["metadata"] == {"order": 7}
    for wrong in (60.5, "60", True):
        answer = bank.move(source, destination, "1.00", **{**more, "expires_in_s": wrong})
        problem_of(answer, 400, "invalid_request")


@pytest.mark.parametrize(
    "body", [{"accept_differences": 1}, {"accept_differences": "yes"}, {"parallel": "2"}]
)
def test_a_rebuild_takes_no_lookalikes(client: httpx2.Client, body: dict[str, object]) -> None:
    """`accept_differences: 1` was taken for true."""
    answer = client.post("/api/projections/balances/rebuild", json=body)
    problem_of(answer, 400, "invalid_request")

"""Processes over the API: looked at by operators and auditors, and set going again by operators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from tests.api.conftest import problem_of
from tests.conftest import Database
from tests.support.serving import client_of
from tests.support.stuck import PROCESS, Stuck, getting_stuck

PATH = "/api/processes"


@pytest.fixture(scope="module")
def stuck(api_database: Database) -> Iterator[Stuck]:
    with getting_stuck(api_database.url) as stuck:
        yield stuck


@pytest.fixture
def operator(base_url: str) -> Iterator[httpx2.Client]:
    with client_of(base_url, "operator", uuid4()) as client:
        yield client


def path(key: UUID, verb: str = "") -> str:
    return f"{PATH}/{PROCESS}/{key}" + (f"/{verb}" if verb else "")


def done(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_one_that_is_stuck_at_an_event_is_found_looked_into_and_retried(
    operator: httpx2.Client, stuck: Stuck
) -> None:
    key = stuck.at_an_event()
    listed = done(operator.get(PATH, params={"status": "stuck", "limit": 1}))["data"]
    assert [(row["name"], row["key"]) for row in listed] == [(PROCESS, str(key))]
    found = done(operator.get(path(key)))
    assert found["error"] == "StuckOnPurposeError: on purpose"
    assert found["inbox"] == [found["stuck_at"]]
    (tried,) = found["history"]
    assert (tried["step"], tried["did"]) == ("investment.requested", [])

    retried = done(operator.post(path(key, "retry")))
    assert (retried["status"], retried["inbox"], retried["error"]) == ("started", [], None)
    assert stuck.money.state(key).status == "withdrawal_pending"
    assert retried["history"][-1]["did"] == ["HoldSource"]


def test_an_event_is_skipped(operator: httpx2.Client, stuck: Stuck) -> None:
    key = stuck.at_an_event()
    skipped = done(operator.post(path(key, "skip")))
    assert (skipped["status"], skipped["inbox"]) == ("waiting", [])
    assert skipped["history"][-1]["step"] == "skipped by an operator"
    assert skipped["history"][-1]["did"][0].startswith("by ")
    assert stuck.money.state(key).status == "initiated", "nothing followed"


def test_one_that_waits_for_a_decision_is_tried_again(
    operator: httpx2.Client, stuck: Stuck
) -> None:
    key = stuck.for_a_decision()
    found = done(operator.get(path(key)))
    assert (found["status"], found["stuck_at"]) == ("stuck", None)
    assert found["error"] == "needs an operator: withdrawal: bank_silent"
    problem_of(operator.post(path(key, "skip")), 409, "nothing_to_skip")
    retried = done(operator.post(path(key, "retry")))
    assert retried["history"][-1]["step"] == "retry by an operator"
    assert stuck.money.state(key).status == "withdrawal_pending"
    stuck.go_on()
    waiting = done(operator.get(path(key)))
    assert waiting["history"][-1]["did"][0] == "job bank.instruct"
    assert [row["deadline"] for row in waiting["deadlines"]] == [
        str(stuck.money.state(key).legs["withdrawal"])
    ]


def test_one_that_waits_for_a_decision_is_given_up(operator: httpx2.Client, stuck: Stuck) -> None:
    key = stuck.for_a_decision()
    done(operator.post(path(key, "compensate"), json={"reason": "the bank says no"}))
    investment = stuck.money.state(key)
    assert (investment.status, investment.reason) == ("failed", "the bank says no")
    stuck.go_on()
    assert done(operator.get(path(key)))["status"] == "compensated"
    problem_of(operator.post(path(key, "compensate")), 409, "process_not_stuck")


def test_what_goes_well_is_left_alone(operator: httpx2.Client, stuck: Stuck) -> None:
    key = stuck.running()
    for verb in ("retry", "skip", "compensate"):
        problem_of(operator.post(path(key, verb)), 409, "process_not_stuck")
    problem_of(operator.get(path(uuid4())), 404, "process_not_found")
    problem_of(operator.post(path(uuid4(), "retry")), 404, "process_not_found")
    problem_of(operator.get(f"{PATH}/dreams/{key}"), 404, "process_not_found")


def test_auditors_look_and_do_not_touch(base_url: str, stuck: Stuck) -> None:
    key = stuck.at_an_event()
    with client_of(base_url, "auditor", uuid4()) as auditor:
        assert done(auditor.get(path(key)))["status"] == "stuck"
        problem_of(auditor.post(path(key, "retry")), 403, "insufficient_permissions")
    with client_of(base_url, "user", uuid4()) as somebody:
        problem_of(somebody.get(PATH), 403, "insufficient_permissions")


def test_pages_have_each_flow_once_the_last_moved_first(
    operator: httpx2.Client, stuck: Stuck
) -> None:
    keys = [str(stuck.running()) for _ in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    while cursor is not None or not seen:
        params = {"name": PROCESS, "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = done(operator.get(PATH, params=params))
        seen += [row["key"] for row in page["data"]]
        cursor = page["next_cursor"]
    assert seen[:5] == keys[::-1]
    problem_of(operator.get(PATH, params={"cursor": "x"}), 400, "invalid_cursor")
    problem_of(operator.get(PATH, params={"status": "lazy"}), 400, "invalid_status")


def test_each_process_says_how_far_it_is(operator: httpx2.Client, stuck: Stuck) -> None:
    stuck.running()
    before = {row["name"]: row for row in done(operator.get(f"{PATH}/stats"))["data"]}
    assert set(before) == {"investments", "bank_transfers", "credit", "loans", "notifications"}
    assert before[PROCESS]["flows"]["waiting"] >= 1
    stuck.money.invest(stuck.money.fund())
    after = {row["name"]: row for row in done(operator.get(f"{PATH}/stats"))["data"]}
    assert after[PROCESS]["behind"] > before[PROCESS]["behind"]
    assert after[PROCESS]["position"] == before[PROCESS]["position"]

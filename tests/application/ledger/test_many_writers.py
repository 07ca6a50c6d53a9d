"""Several processes write to one hot account at once: nothing is lost, doubled, or out of order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any
from uuid import UUID

import psycopg

from application.ledger import Accepted, Ledger
from application.ledger.outcomes import Done
from domain.accounts import Account
from tests.conftest import Database
from tests.support.ledgers import accepted, open_account, pay, submission
from tests.support.log import assert_sound, head

PROCESSES = 4
TRANSFERS = 2_000
EACH_SUBMISSION = 4
UNDER_WAY = 8


def write(conninfo: str, source: UUID, hot: UUID, first_id: int) -> list[tuple[UUID, int]]:
    """One process: small submissions, a few of them under way at a time. Answers ids and positions."""
    answers: list[tuple[UUID, int]] = []
    under_way: deque[Future[Done]] = deque()

    def settle() -> None:
        for outcome in under_way.popleft().result(60).outcomes:
            assert isinstance(outcome, Accepted), outcome
            assert not outcome.replayed
            answers.append((outcome.id, outcome.position))

    with Ledger(conninfo) as ledger:
        for number in range(first_id, first_id + TRANSFERS, EACH_SUBMISSION):
            transfers = [
                pay(source, hot, 1, UUID(int=number + more)) for more in range(EACH_SUBMISSION)
            ]
            under_way.append(ledger.submit(submission(*transfers)))
            if len(under_way) == UNDER_WAY:
                settle()
        while under_way:
            settle()
    return answers


def test_four_processes_lose_and_double_nothing_on_a_hot_account(
    ledger: Ledger, database: Database, admin: psycopg.Connection[Any]
) -> None:
    hot = open_account(ledger)
    sources = [open_account(ledger, "cash") for _ in range(PROCESSES)]
    before = head(admin)[0]
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as processes:
        writers = [
            processes.submit(write, database.url, source, hot, 1_000_000 * (number + 1))
            for number, source in enumerate(sources)
        ]
        answers = [answer for writer in writers for answer in writer.result(120)]
    total = PROCESSES * TRANSFERS
    assert len(dict(answers)) == total
    assert sorted(position for _, position in answers) == list(
        range(before + 3, before + 3 * total + 1, 3)
    )
    states = assert_sound(admin)
    assert set(dict(answers)) < set(states)
    balance = {state.id: state.balance for state in states.values() if isinstance(state, Account)}
    assert balance == {hot: total} | dict.fromkeys(sources, -TRANSFERS)
    after = accepted(ledger, pay(sources[0], hot, 1)).accounts[1]
    assert (after.balance, after.version) == (total + 1, total + 2)

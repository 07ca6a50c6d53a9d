"""Connections that break, also in the middle of a commit: every command has its effect exactly once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from random import Random
from typing import Any

import psycopg
import pytest

from application.ledger import Accepted, Answer, Ledger, Outcome, Receipt, WriteFailedError
from application.ledger import ledger as ledger_module
from domain.transfers import PostTransfer
from tests.conftest import Database
from tests.support.ledgers import (
    accepted,
    ask,
    balances,
    open_account,
    pay,
    receipt,
    render,
    submission,
    submit,
)
from tests.support.log import assert_sound, busy, head, writers_waiting
from tests.support.proxy import Moment, Proxy
from tests.support.waiting import until

MOMENTS: list[Moment] = ["before", "after", "under way", "late"]


@pytest.fixture
def proxy(database: Database) -> Iterator[Proxy]:
    with Proxy(database.url) as proxy:
        yield proxy


@pytest.fixture
def far(proxy: Proxy) -> Iterator[Ledger]:
    """A ledger whose way to the database can be cut."""
    with Ledger(proxy.conninfo) as ledger:
        yield ledger


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "_RETRY_S", (0.0, 0.01))


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_commit_that_is_cut_has_its_effect_once_and_is_answered(
    moment: Moment, proxy: Proxy, far: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(far, "cash"), open_account(far)
    proxy.cut_at(moment, deliver_when=lambda: until(lambda: writers_waiting(admin) == 1))
    for number in range(1, 4):
        outcome = accepted(far, pay(house, shop, 10))
        assert balances(outcome) == (-10 * number, 10 * number)
        assert (outcome.position, outcome.replayed) == (2 + 3 * number, False)
    assert proxy.cuts == 1
    assert_sound(admin)
    assert head(admin)[0] == 2 + 3 * 3


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_whole_group_that_is_cut_is_answered_one_by_one(
    moment: Moment, proxy: Proxy, far: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(far, "cash"), open_account(far)
    with busy(admin):
        far.submit(submission())
        until(lambda: writers_waiting(admin) == 1)
        alone = far.submit(submission(pay(house, shop, 10)))
        refused = far.submit(submission(pay(shop, house, 1_000)))
        linked = far.submit(submission(pay(house, shop, 1), pay(shop, house, 11), linked=True))
        keyed = far.submit(submission(pay(house, shop, 5), receipt=receipt("k")))
        proxy.cut_at(moment, deliver_when=lambda: until(lambda: writers_waiting(admin) == 1))
    assert balances(alone.result(30).outcomes[0]) == (-10, 10)
    assert not isinstance(refused.result(30).outcomes[0], Accepted)
    assert [balances(outcome) for outcome in linked.result(30).outcomes] == [(-11, 11), (0, 0)]
    done = keyed.result(30)
    assert balances(done.outcomes[0]) == (-5, 5)
    assert proxy.cuts == 1
    assert submit(far, receipt=receipt("k")).answer == done.answer
    assert head(admin)[0] == 2 + 4 * 3
    assert_sound(admin)


@pytest.mark.parametrize("moment", ["before", "after", "under way"])
def test_a_stored_refusal_whose_commit_is_cut_stays_the_answer(
    moment: Moment, proxy: Proxy, far: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(far, "cash"), open_account(far)
    transfer = pay(shop, house, 5)
    proxy.cut_at(moment)
    first = submit(far, transfer, receipt=receipt("k"))
    assert proxy.cuts == 1
    assert first.answer is not None
    assert first.answer.body == b"insufficient_funds"
    submit(far, pay(house, shop, 5))
    assert submit(far, transfer, receipt=receipt("k")).answer == first.answer
    assert_sound(admin)


@pytest.mark.usefixtures("_impatient")
def test_a_database_that_stays_away_is_told_and_nothing_was_written(
    proxy: Proxy, far: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(far, "cash"), open_account(far)
    before = head(admin)
    proxy.go_away()
    with pytest.raises(WriteFailedError, match="not reachable") as caught:
        ask(far, pay(house, shop, 1))
    assert caught.value.outcome_known
    assert head(admin) == before
    proxy.let_through()
    assert balances(ask(far, pay(house, shop, 1))) == (-1, 1)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize(("moment", "was_written"), [("before", False), ("after", True)])
def test_when_nobody_can_know_the_outcome_the_same_id_finds_it_out_later(
    moment: Moment, was_written: bool, proxy: Proxy, far: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(far, "cash"), open_account(far)
    transfer = pay(house, shop, 10)
    proxy.cut_at(moment, away=True)
    with pytest.raises(WriteFailedError, match="during a commit") as caught:
        ask(far, transfer)
    assert not caught.value.outcome_known
    proxy.let_through()
    outcome = accepted(far, transfer)
    assert outcome.replayed == was_written
    assert balances(outcome) == (-10, 10)
    assert head(admin)[0] == 5
    assert_sound(admin)


def test_a_cut_is_not_noticed_by_the_next_caller(
    proxy: Proxy, far: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(far, "cash"), open_account(far)
    proxy.go_away()
    proxy.let_through()
    assert balances(ask(far, pay(house, shop, 1))) == (-1, 1)


def test_a_writer_that_stood_still_too_long_starts_its_transaction_again(
    database: Database, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server takes the head back from a writer that hangs, so that the others can go on."""
    monkeypatch.setattr(ledger_module, "_IDLE_S", 0.02)
    calls = []

    def hang_at_first(outcomes: Sequence[Outcome]) -> Answer:
        calls.append(outcomes)
        if len(calls) == 1:
            until(lambda: writers(admin) == [])
        return render(outcomes)

    with Ledger(database.url) as ledger:
        house, shop = open_account(ledger, "cash"), open_account(ledger)
        until(lambda: len(writers(admin)) == 1)
        slow = Receipt("shop", "k", b"", hang_at_first)
        done = submit(ledger, pay(house, shop, 10), receipt=slow)
        assert balances(done.outcomes[0]) == (-10, 10)
    assert len(calls) == 2
    assert head(admin)[0] == 5
    assert_sound(admin)


def test_connections_that_are_ended_at_random_under_load_lose_and_double_nothing(
    ledger: Ledger, other_ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    chance = Random(11)

    def load(writer: Ledger) -> list[PostTransfer]:
        transfers = [pay(house, shop, 1) for _ in range(150)]
        for transfer in transfers:
            accepted(writer, transfer)
        return transfers

    with ThreadPoolExecutor(6) as threads:
        loads = [threads.submit(load, writer) for writer in [ledger, other_ledger] * 3]
        kills = 0
        while not all(done.done() for done in loads):
            wait_for_progress(admin, chance.randrange(1, 60), loads)
            kills += end_a_writer(admin, chance)
        transfers = [transfer for done in loads for transfer in done.result()]
    assert kills > 5
    states = assert_sound(admin)
    assert {transfer.transfer_id for transfer in transfers} < set(states)
    assert head(admin)[0] == 2 + 3 * len(transfers)
    assert balances(accepted(ledger, pay(house, shop, 1)))[1] == len(transfers) + 1


def wait_for_progress(
    conn: psycopg.Connection[Any], events: int, loads: list[Future[list[PostTransfer]]]
) -> None:
    goal = head(conn)[0] + events
    until(lambda: head(conn)[0] >= goal or all(load.done() for load in loads))


def writers(conn: psycopg.Connection[Any]) -> list[int]:
    """The server's processes that serve ledgers."""
    rows = conn.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'daybook ledger'"
    ).fetchall()
    return [pid for (pid,) in rows]


def end_a_writer(conn: psycopg.Connection[Any], chance: Random) -> int:
    pids = writers(conn)
    if not pids:
        return 0
    conn.execute("SELECT pg_terminate_backend(%s)", (chance.choice(pids),))
    return 1

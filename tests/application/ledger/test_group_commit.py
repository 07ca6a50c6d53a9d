"""Group commit: whatever has queued up shares a transaction, and every caller gets an answer of its own."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg
import pytest

from application.ledger import Accepted, Ledger, LedgerClosedError, QueueFullError, Refused
from application.ledger.outcomes import Done
from tests.conftest import Database
from tests.support.ledgers import ask, balances, open_account, pay, submission, submit
from tests.support.log import assert_sound, busy, head, transactions
from tests.support.waiting import until

CALLERS = 50


def test_what_queues_up_during_a_commit_is_written_with_the_next_one(
    ledger: Ledger, admin: psycopg.Connection[Any], database: Database
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    before = transactions(admin)
    with busy(admin):
        first = ledger.submit(submission(pay(house, shop, 1)))
        until(lambda: ledger.waiting_commands == 0)
        rest = [ledger.submit(submission(pay(house, shop, 1))) for _ in range(CALLERS)]
        assert ledger.waiting_commands == CALLERS
    outcomes = [future.result(30).outcomes[0] for future in [first, *rest]]
    assert transactions(admin) == before + 2
    assert [balances(outcome) for outcome in outcomes] == [(-n, n) for n in range(1, CALLERS + 2)]
    assert_sound(admin)


def test_callers_on_many_threads_each_get_their_own_answer(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    transfers = [pay(house, shop, 1) for _ in range(CALLERS * 4)]
    with ThreadPoolExecutor(16) as threads:
        outcomes = list(threads.map(lambda transfer: ask(ledger, transfer), transfers))
    assert sorted(balances(outcome)[1] for outcome in outcomes) == list(range(1, CALLERS * 4 + 1))
    for transfer, outcome in zip(transfers, outcomes, strict=True):
        assert isinstance(outcome, Accepted)
        assert outcome.id == transfer.transfer_id
    assert_sound(admin)


def test_callers_on_an_event_loop_each_get_their_own_answer(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    transfers = [pay(house, shop, 1) for _ in range(CALLERS)]

    async def all_at_once() -> list[Done]:
        return await asyncio.gather(*(ledger.post(submission(t)) for t in transfers))

    outcomes = [done.outcomes[0] for done in asyncio.run(all_at_once())]
    assert sorted(balances(outcome)[1] for outcome in outcomes) == list(range(1, CALLERS + 1))
    assert_sound(admin)


def test_what_an_event_loop_brings_at_once_is_written_with_one_commit(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    before = transactions(admin)

    async def after(turns: int) -> Done:
        for _ in range(turns):  # as requests that are read later
            await asyncio.sleep(0)
            admin.execute("SELECT")  # lets the writer's thread have the interpreter
        return await ledger.post(submission(pay(house, shop, 1)))

    async def all_at_once() -> list[Done]:
        return await asyncio.gather(*(after(n % 2 * 2) for n in range(CALLERS)))

    assert all(isinstance(d.outcomes[0], Accepted) for d in asyncio.run(all_at_once()))
    assert transactions(admin) == before + 1


def test_what_an_event_loop_gathers_is_written_when_another_thread_asks(ledger: Ledger) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)

    async def ask_meanwhile() -> tuple[int, ...]:
        tasks = [asyncio.ensure_future(ledger.post(submission(pay(house, shop, 1)))) for _ in "ab"]
        await asyncio.sleep(0)
        now = balances(ask(ledger, pay(house, shop, 1)))  # the loop stands still for that
        await asyncio.gather(*tasks)
        return now

    assert asyncio.run(ask_meanwhile()) == (-3, 3)


def test_what_an_event_loop_gathers_is_written_when_the_ledger_closes(database: Database) -> None:
    with Ledger(database.url) as ledger:
        house, shop = open_account(ledger, "cash"), open_account(ledger)

        async def close_meanwhile() -> list[Done]:
            tasks = [
                asyncio.ensure_future(ledger.post(submission(pay(house, shop, 1)))) for _ in "ab"
            ]
            await asyncio.sleep(0)
            ledger.close()
            return await asyncio.gather(*tasks)

        outcomes = [done.outcomes[0] for done in asyncio.run(close_meanwhile())]
    assert [balances(outcome) for outcome in outcomes] == [(-1, 1), (-2, 2)]


def test_what_an_event_loop_has_gathered_is_written_when_it_stops(ledger: Ledger) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    with closing(asyncio.new_event_loop()) as loop:
        tasks = [loop.create_task(ledger.post(submission(pay(house, shop, 1)))) for _ in "ab"]
        loop.call_soon(loop.stop)
        loop.run_forever()
        assert ledger.waiting_commands == 2, "it has had no further turn"
        until(lambda: ledger.waiting_commands == 0)
        outcomes = [loop.run_until_complete(task).outcomes[0] for task in tasks]
    assert [balances(outcome) for outcome in outcomes] == [(-1, 1), (-2, 2)]


def test_a_caller_who_gave_up_harms_nobody(ledger: Ledger, admin: psycopg.Connection[Any]) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)

    async def give_up() -> Done:
        with busy(admin):
            impatient = asyncio.ensure_future(ledger.post(submission(pay(house, shop, 1))))
            patient = asyncio.ensure_future(ledger.post(submission(pay(house, shop, 2))))
            await asyncio.sleep(0)
            impatient.cancel()
        return await patient

    assert isinstance(asyncio.run(give_up()).outcomes[0], Accepted)
    with busy(admin):
        future = ledger.submit(submission(pay(house, shop, 4)))
        assert not future.cancel()
    assert balances(future.result(30).outcomes[0]) == (-7, 7)


def test_an_event_loop_that_is_gone_harms_nobody(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)

    async def leave() -> None:
        task = asyncio.ensure_future(ledger.post(submission(pay(house, shop, 1))))
        await asyncio.sleep(0)
        task.cancel()

    with busy(admin):
        asyncio.run(leave())
    assert balances(ask(ledger, pay(house, shop, 2))) == (-3, 3)


def test_commands_of_one_submission_see_the_ones_before_them(ledger: Ledger) -> None:
    house, shop, supplier = (open_account(ledger, type_) for type_ in ("cash", "checking", "fee"))
    outcomes = submit(
        ledger, pay(shop, supplier, 5), pay(house, shop, 5), pay(shop, supplier, 5)
    ).outcomes
    assert [type(outcome) for outcome in outcomes] == [Refused, Accepted, Accepted]


def test_positions_rise_by_what_each_command_wrote(ledger: Ledger) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    first, refused, second = submit(
        ledger, pay(house, shop, 5), pay(shop, house, 6), pay(shop, house, 5)
    ).outcomes
    assert isinstance(first, Accepted)
    assert isinstance(refused, Refused)
    assert isinstance(second, Accepted)
    assert (first.position, second.position) == (5, 8)
    assert first.recorded_at == second.recorded_at


def test_a_refused_command_leaves_nothing(ledger: Ledger, admin: psycopg.Connection[Any]) -> None:
    shop, house = open_account(ledger), open_account(ledger, "cash")
    before = head(admin)
    refused = ask(ledger, pay(shop, house, 1))
    assert isinstance(refused, Refused)
    assert refused.reason == "insufficient_funds"
    assert head(admin) == before


def test_a_submission_without_commands_is_answered(ledger: Ledger) -> None:
    assert submit(ledger).outcomes == []
    assert submit(ledger, linked=True).outcomes == []


def test_a_full_queue_refuses_more_and_takes_it_once_there_is_room(
    database: Database, admin: psycopg.Connection[Any]
) -> None:
    with Ledger(database.url, queue_limit=10) as ledger:
        house, shop = open_account(ledger, "cash"), open_account(ledger)
        with busy(admin):
            ledger.submit(submission(pay(house, shop, 1)))
            until(lambda: ledger.waiting_commands == 0)
            futures = [ledger.submit(submission(pay(house, shop, 1))) for _ in range(10)]
            with pytest.raises(QueueFullError, match="try again in 1 s"):
                ledger.submit(submission(pay(house, shop, 1)))
            assert ledger.waiting_commands == ledger.queue_limit
        for future in futures:
            future.result(30)
        assert balances(ask(ledger, pay(house, shop, 1))) == (-12, 12)


def test_one_submission_larger_than_the_queue_is_taken_when_nobody_waits(
    database: Database,
) -> None:
    with Ledger(database.url, queue_limit=3) as ledger:
        house, shop = open_account(ledger, "cash"), open_account(ledger)
        assert len(submit(ledger, *[pay(house, shop, 1) for _ in range(5)]).outcomes) == 5


def test_a_ledger_that_closes_writes_what_is_queued_and_takes_no_more(
    database: Database, admin: psycopg.Connection[Any]
) -> None:
    ledger = Ledger(database.url)
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    futures = [ledger.submit(submission(pay(house, shop, 1))) for _ in range(CALLERS)]
    ledger.close()
    assert all(future.done() for future in futures)
    with pytest.raises(LedgerClosedError):
        ledger.submit(submission(pay(house, shop, 1)))
    assert head(admin)[0] == 2 + 3 * CALLERS


def test_two_ledgers_take_turns(
    ledger: Ledger, other_ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    with busy(admin):
        futures = [
            which.submit(submission(pay(house, shop, 1)))
            for _ in range(CALLERS)
            for which in (ledger, other_ledger)
        ]
    answers = [balances(future.result(30).outcomes[0])[1] for future in futures]
    assert sorted(answers) == list(range(1, 2 * CALLERS + 1))
    assert_sound(admin)

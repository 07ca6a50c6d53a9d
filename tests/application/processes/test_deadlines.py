"""Deadlines of processes: each has its effect once, and one that cannot be dealt with holds up no other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4, uuid5

from application.ledger import Ledger
from application.processes import deadlines, operating
from application.processes.deadlines import Clock
from application.processes.definitions import Process, Reaction
from domain.accounts import OpenAccount
from domain.events import Recorded
from domain.transfers import PostTransfer
from tests.support.money import AMOUNT, CURRENCY, Money
from tests.support.stepping import made_up, stepping
from tests.support.waiting import until

OPERATOR = "operator:test"
NAME = "too long"

OnDeadline = Callable[[UUID, str], Reaction]


def opened_for(key: UUID) -> UUID:
    return uuid5(key, NAME)


def open_one(key: UUID, name: str) -> Reaction:
    """What happens when nothing goes wrong."""
    return Reaction(OpenAccount(opened_for(key), name, "checking", CURRENCY), status="compensating")


def waiting(on_deadline: OnDeadline = open_one) -> Process:
    """Whatever is paid into an account, something else is waited for."""

    def react(event: Recorded) -> Reaction:
        return Reaction(deadlines={NAME: event.recorded_at + timedelta(days=1)})

    return made_up(react, on_deadline)


def paid(money: Money) -> UUID:
    """A flow that waits."""
    return money.customer(AMOUNT)


def test_a_deadline_is_fired_when_its_time_has_come_and_then_gone(money: Money) -> None:
    with stepping(money.ledger, money.conninfo, waiting()) as steps:
        account = paid(money)
        steps.work()
        assert (steps.fire(), steps.deadlines()) == (0, [NAME])
        steps.make_due()
        assert (steps.fire(), steps.fire()) == (1, 0)
        assert steps.row(account) == ("compensating", f"deadline {NAME}", None)
        assert money.state(opened_for(account)) is not None


def test_a_deadline_that_two_clocks_have_seen_is_fired_once(money: Money) -> None:
    process = waiting(lambda key, name: Reaction(OpenAccount(uuid4(), name, "checking", CURRENCY)))
    with (
        stepping(money.ledger, money.conninfo, process) as steps,
        Ledger(money.conninfo) as elsewhere,
        ThreadPoolExecutor(2) as threads,
    ):
        accounts = [paid(money) for _ in range(10)]
        steps.work()
        steps.make_due()
        seen = deadlines.due(steps.conn, {process.name: process})
        assert {one.key for one in seen} == set(accounts)
        before = steps.head()

        def fire_all(ledger: Ledger) -> None:
            for one in seen:
                deadlines.fire(ledger, process, one)

        list(threads.map(fire_all, [money.ledger, elsewhere]))
        assert steps.head() - before == len(accounts), "an account each"
        assert steps.deadlines() == []


def test_an_answer_that_comes_in_time_ends_a_deadline(money: Money) -> None:
    in_time: list[Recorded] = []

    def react(event: Recorded) -> Reaction:
        in_time.append(event)
        due_at = event.recorded_at if len(in_time) == 1 else None
        return Reaction(deadlines={NAME: due_at})

    with stepping(money.ledger, money.conninfo, made_up(react, open_one)) as steps:
        account = paid(money)
        steps.work()
        seen = deadlines.due(steps.conn, {"made_up": made_up(react, open_one)})
        pay_again(money, account)
        steps.work()
        for one in seen:  # it was about to be fired
            deadlines.fire(money.ledger, made_up(react, open_one), one)
        assert money.state(opened_for(account)) is None
        assert steps.row(account)[:2] == ("waiting", "account.credited")


def pay_again(money: Money, account: UUID) -> None:
    payer = uuid4()
    money.submit(
        OpenAccount(payer, "Payer", "cash", CURRENCY),
        PostTransfer(uuid4(), payer, account, AMOUNT, CURRENCY),
    )


def test_a_deadline_whose_command_is_refused_waits_for_an_operator(money: Money) -> None:
    refused = {True: PostTransfer(uuid4(), uuid4(), uuid4(), 1, CURRENCY)}

    def on_deadline(key: UUID, name: str) -> Reaction:
        return Reaction(refused[True]) if refused else open_one(key, name)

    process = waiting(on_deadline)
    with stepping(money.ledger, money.conninfo, process) as steps:
        account = paid(money)
        steps.work()
        steps.make_due()
        steps.fire()
        assert steps.row(account) == (
            "stuck", f"deadline {NAME}", "refused: account_not_found",
        )  # fmt: skip
        assert (steps.fire(), steps.deadlines()) == (0, [NAME]), "it is not tried all the time"

        refused.clear()
        operating.retry(steps.conn, money.ledger, process, account, OPERATOR)
        assert steps.fire() == 1
        assert money.state(opened_for(account)) is not None
        assert steps.deadlines() == []


def test_a_deadline_that_is_skipped_is_gone(money: Money) -> None:
    process = waiting(lambda key, name: Reaction(PostTransfer(uuid4(), uuid4(), key, 1, CURRENCY)))
    with stepping(money.ledger, money.conninfo, process) as steps:
        account = paid(money)
        steps.work()
        steps.make_due()
        steps.fire()
        operating.skip(steps.conn, money.ledger, process, account, OPERATOR)
        assert (steps.row(account)[0], steps.deadlines(), steps.fire()) == ("waiting", [], 0)


def test_one_that_nobody_has_thought_of_does_not_hold_up_the_others(money: Money) -> None:
    broken = paid(money)

    def on_deadline(key: UUID, name: str) -> Reaction:
        if key == broken:
            raise LookupError("nobody has thought of this")
        return open_one(key, name)

    process = waiting(on_deadline)
    stop = threading.Event()
    with stepping(money.ledger, money.conninfo, process) as steps:
        others = [paid(money) for _ in range(3)]
        steps.work()
        steps.make_due()
        clock = Clock(money.conninfo, money.ledger, {process.name: process})
        thread = threading.Thread(target=clock.run, args=(stop,))
        thread.start()
        try:
            until(lambda: steps.deadlines() == [NAME])
            until(lambda: steps.row(broken)[0] == "stuck")
        finally:
            stop.set()
            thread.join()
        assert all(money.state(opened_for(other)) for other in others)
        assert steps.row(broken)[2] == "LookupError: nobody has thought of this"

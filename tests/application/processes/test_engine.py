"""What a process makes of its events, and of what goes wrong with them: with a process of the test's own."""

from __future__ import annotations

import threading
from uuid import UUID, uuid4

import pytest

from application.processes import operating
from application.processes.definitions import Reaction, job_id
from application.processes.follower import Follower, reaction_to
from application.processes.reading import read_event
from domain.events import Recorded
from domain.movements import SendMovement
from domain.refusals import Refusal
from domain.transfers import PostTransfer
from tests.application.processes.conftest import Pay
from tests.projections.running import project_all
from tests.support.money import CURRENCY, Money
from tests.support.stepping import MADE_UP, made_up, respond, stepping
from tests.support.waiting import until

OPERATOR = "operator:test"


class TroubleError(Exception):
    """What a process of the tests' raises."""


class Fragile:
    """Responds, except to the flows that it is broken for. What it saw is in order."""

    def __init__(self) -> None:
        self.broken: set[UUID] = set()
        self.seen: list[int] = []

    def __call__(self, event: Recorded) -> Reaction:
        self.seen.append(event.position)
        if event.stream_id in self.broken:
            raise TroubleError("nobody has thought of this")
        return respond(event)


def test_each_event_is_reacted_to_once_and_the_checkpoint_follows(
    money: Money, account: UUID, pay: Pay
) -> None:
    first, second = pay(account), pay(account)
    with stepping(money.ledger, money.conninfo, made_up(respond)) as steps:
        steps.work()
        steps.work()
        assert steps.history(account) == [first, second]
        assert steps.jobs() == [job_id(MADE_UP, first), job_id(MADE_UP, second)]
        assert steps.deadlines() == sorted(map(str, [first, second]))
        assert steps.row(account) == ("waiting", "account.credited", None)
        assert steps.checkpoint() == steps.head() - 1  # the last event is one of its own making


def test_a_flow_that_cannot_be_reacted_to_waits_in_order_while_others_go_on(
    money: Money, account: UUID, other: UUID, pay: Pay
) -> None:
    react = Fragile()
    react.broken = {account}
    process = made_up(react)
    mine = [pay(account), pay(account)]
    others = [pay(other)]
    mine.append(pay(account))
    with stepping(money.ledger, money.conninfo, process) as steps:
        steps.work()
        assert steps.row(account) == (
            "stuck", "account.credited", "TroubleError: nobody has thought of this",
        )  # fmt: skip
        assert (steps.inbox(account), steps.history(account)) == (mine, mine[:1])
        assert (steps.inbox(other), steps.history(other)) == ([], others)
        assert steps.jobs() == [job_id(MADE_UP, position) for position in others]

        react.broken = set()
        mine.append(pay(account))
        steps.work()
        assert steps.inbox(account) == mine, "what comes later does not overtake"

        react.seen = []
        operating.retry(steps.conn, money.ledger, process, account, OPERATOR)
        assert react.seen == mine
        assert steps.inbox(account) == []
        assert steps.row(account) == ("waiting", "account.credited", None)
        assert set(steps.jobs()) == {job_id(MADE_UP, position) for position in mine + others}

        mine.append(pay(account))
        steps.work()
        assert steps.history(account)[-1] == mine[-1]


def test_a_retry_may_get_stuck_again_further_on(money: Money, account: UUID, pay: Pay) -> None:
    first, second, third = pay(account), pay(account), pay(account)
    broken = {first}

    def react(event: Recorded) -> Reaction:
        if event.position in broken:
            raise TroubleError(str(event.position))
        return respond(event)

    process = made_up(react)
    with stepping(money.ledger, money.conninfo, process) as steps:
        steps.work()
        broken.clear()
        broken.add(second)
        operating.retry(steps.conn, money.ledger, process, account, OPERATOR)
        assert steps.inbox(account) == [second, third]
        assert steps.row(account) == ("stuck", "account.credited", f"TroubleError: {second}")


def test_skipping_leaves_out_one_event(money: Money, account: UUID, pay: Pay) -> None:
    react = Fragile()
    react.broken = {account}
    process = made_up(react)
    first, second = pay(account), pay(account)
    with stepping(money.ledger, money.conninfo, process) as steps:
        steps.work()
        react.broken = set()
        operating.skip(steps.conn, money.ledger, process, account, OPERATOR)
        assert steps.jobs() == [job_id(MADE_UP, second)]
        assert (steps.inbox(account), steps.history(account)) == ([], [first, first, second])
        assert steps.row(account) == ("waiting", "account.credited", None)


def test_what_is_stuck_with_an_event_is_not_undone_before_that(
    money: Money, account: UUID, pay: Pay
) -> None:
    react = Fragile()
    react.broken = {account}
    process = made_up(react)
    pay(account)
    with stepping(money.ledger, money.conninfo, process) as steps:
        steps.work()
        with pytest.raises(Refusal) as refused:
            operating.compensate(steps.conn, money.ledger, process, account, OPERATOR)
        assert refused.value.reason == "event_waits"
        assert steps.row(account)[0] == "stuck"


def test_a_refused_command_makes_a_flow_stuck_with_the_reason(
    money: Money, account: UUID, pay: Pay
) -> None:
    commands = {True: PostTransfer(uuid4(), uuid4(), account, 1, CURRENCY)}

    def react(event: Recorded) -> Reaction:
        jobs = respond(event).jobs
        return Reaction(commands.get(True), jobs=jobs, deadlines={"never": event.recorded_at})

    process = made_up(react)
    position = pay(account)
    with stepping(money.ledger, money.conninfo, process) as steps:
        steps.work()
        assert steps.row(account) == (
            "stuck", "account.credited", "refused: account_not_found",
        )  # fmt: skip
        assert steps.inbox(account) == [position]
        assert (steps.jobs(), steps.deadlines()) == ([], []), "they belong to the command"
        commands.clear()
        operating.retry(steps.conn, money.ledger, process, account, OPERATOR)
        assert steps.inbox(account) == []
        assert steps.jobs() == [job_id(MADE_UP, position)]


def test_a_command_that_is_no_news_is_as_good_as_done(
    money: Money, account: UUID, pay: Pay
) -> None:
    transfer_id = money.bank_transfer("deposit")
    movement_id = money.state(transfer_id).movement_id
    money.submit(SendMovement(movement_id))
    position = pay(account)

    def react(event: Recorded) -> Reaction:
        return Reaction(SendMovement(movement_id), jobs=respond(event).jobs)

    with stepping(money.ledger, money.conninfo, made_up(react)) as steps:
        steps.work()
        assert steps.row(account) == ("waiting", "account.credited", None)
        assert job_id(MADE_UP, position) in steps.jobs()


def test_nothing_follows_from_what_is_ignored_but_the_checkpoint_moves(
    money: Money, account: UUID, pay: Pay
) -> None:
    pay(account)
    stop = threading.Event()
    with stepping(money.ledger, money.conninfo, made_up(lambda event: None)) as steps:
        follower = Follower(money.conninfo, money.ledger, made_up(lambda event: None))
        thread = threading.Thread(target=follower.run, args=(stop,))
        thread.start()
        try:
            until(lambda: steps.checkpoint() == steps.head())
            money.customer(0)  # of no topic of its own
            until(lambda: steps.checkpoint() == steps.head())
        finally:
            stop.set()
            thread.join()
        assert steps.history(account) == []


def test_who_ends_while_an_inbox_is_emptied_leaves_a_flow_that_can_be_retried(
    money: Money, account: UUID, pay: Pay
) -> None:
    react = Fragile()
    react.broken = {account}
    process = made_up(react)
    positions = [pay(account), pay(account), pay(account)]
    with stepping(money.ledger, money.conninfo, process) as steps:
        steps.work()
        react.broken = set()
        first = read_event(steps.conn, positions[0])
        money.ledger.submit_and_wait(reaction_to(process, account, first, 0, 0, from_inbox=True))
        assert steps.row(account)[0] == "stuck"
        operating.retry(steps.conn, money.ledger, process, account, OPERATOR)
        assert steps.history(account)[1:] == positions
        assert steps.row(account)[0] == "waiting"


def test_reading_the_log_again_asks_nobody_for_anything(
    money: Money, account: UUID, pay: Pay
) -> None:
    """Read models are built from the same events, and have no way to the ledger or to the jobs."""
    pay(account)
    with stepping(money.ledger, money.conninfo, made_up(respond)) as steps:
        steps.work()
        before = (steps.head(), steps.jobs(), steps.deadlines(), steps.history(account))
        project_all(money.conninfo)
        assert (steps.head(), steps.jobs(), steps.deadlines(), steps.history(account)) == before

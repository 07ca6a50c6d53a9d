"""The engine: what a process makes of its events, whatever goes wrong, with a process of the test's own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID, uuid4, uuid5

import pytest

from application.jobs import NewJob
from application.ledger import Accepted, Ledger, Refused, Submission
from application.ledger.outcomes import Step
from application.processes import operating
from application.processes.definitions import Process, Reaction, job_id
from application.processes.follower import Follower, reaction_to
from application.processes.reading import read_event
from domain.accounts import OpenAccount
from domain.events import Recorded
from domain.movements import SendMovement
from domain.refusals import Refusal
from domain.transfers import PostTransfer
from tests.conftest import Database
from tests.support.log import busy, writers_waiting
from tests.support.money import AMOUNT, CURRENCY, WHO, Money
from tests.support.proxy import Moment, Proxy
from tests.support.stepping import MADE_UP, Steps, made_up, stepping
from tests.support.waiting import until

OPERATOR = "operator:test"


class TroubleError(Exception):
    """What a process of the tests' raises."""


def opened_by(event: Recorded) -> UUID:
    """The account that `respond` opens for an event."""
    return uuid5(event.stream_id, str(event.position))


def respond(event: Recorded) -> Reaction:
    """A command, a job and a deadline: all that can follow from an event."""
    return Reaction(
        OpenAccount(opened_by(event), "Follows", "checking", CURRENCY),
        jobs=(NewJob(id=job_id(MADE_UP, event.position), kind="thing", payload={}),),
        deadlines={str(event.position): event.recorded_at + timedelta(days=1)},
    )


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


@pytest.fixture
def payer(money: Money) -> UUID:
    """Has money, and no flow of the tests'."""
    account_id = uuid4()
    money.submit(OpenAccount(account_id, "Payer", "cash", CURRENCY))
    return account_id


@pytest.fixture
def account(money: Money) -> UUID:
    return money.customer(0)


@pytest.fixture
def other(money: Money) -> UUID:
    return money.customer(0)


@pytest.fixture
def pay(money: Money, payer: UUID) -> Callable[[UUID], int]:
    """Pays into an account; answers the position of the event that tells so."""

    def pay(account_id: UUID) -> int:
        done = money.submit(PostTransfer(uuid4(), payer, account_id, AMOUNT, CURRENCY))
        (outcome,) = done.outcomes
        assert isinstance(outcome, Accepted)
        return outcome.position  # the credit is the last event of a transfer

    return pay


Pay = Callable[[UUID], int]


@contextmanager
def engine(money: Money, process: Process) -> Iterator[Steps]:
    with stepping(money.ledger, money.conninfo, process) as steps:
        yield steps


def test_each_event_is_reacted_to_once_and_the_checkpoint_follows(
    money: Money, account: UUID, pay: Pay
) -> None:
    first, second = pay(account), pay(account)
    with engine(money, made_up(respond)) as steps:
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
    with engine(money, process) as steps:
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
    with engine(money, process) as steps:
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
    with engine(money, process) as steps:
        steps.work()
        react.broken = set()
        operating.skip(steps.conn, money.ledger, process, account, OPERATOR)
        assert steps.jobs() == [job_id(MADE_UP, second)]
        assert (steps.inbox(account), steps.history(account)) == ([], [first, first, second])
        assert steps.row(account) == ("waiting", "account.credited", None)


def test_a_refused_command_makes_a_flow_stuck_with_the_reason(
    money: Money, account: UUID, pay: Pay
) -> None:
    missing = uuid4()
    commands = {True: PostTransfer(uuid4(), missing, account, 1, CURRENCY)}

    def react(event: Recorded) -> Reaction:
        jobs = respond(event).jobs
        return Reaction(commands.get(True), jobs=jobs, deadlines={"never": event.recorded_at})

    process = made_up(react)
    position = pay(account)
    with engine(money, process) as steps:
        steps.work()
        status, _, error = steps.row(account)
        assert (status, error) == (
            "stuck", f"refused: account_not_found (account_id {missing})",
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

    with engine(money, made_up(react)) as steps:
        steps.work()
        assert steps.row(account) == ("waiting", "account.credited", None)
        assert job_id(MADE_UP, position) in steps.jobs()


def test_nothing_follows_from_what_is_ignored_but_the_checkpoint_moves(
    money: Money, account: UUID, pay: Pay
) -> None:
    pay(account)
    stop = threading.Event()
    with engine(money, made_up(lambda event: None)) as steps:
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


def test_of_two_followers_at_one_place_the_second_writes_nothing(
    money: Money, account: UUID, pay: Pay
) -> None:
    process = made_up(respond)
    positions = [pay(account), pay(account)]
    with engine(money, process) as steps, Ledger(money.conninfo) as elsewhere:
        late = Follower(money.conninfo, elsewhere, process)
        late.resume(steps.conn)
        steps.work()
        head = steps.head()
        with pytest.raises(Refusal, match="process_moved"):
            _work_on(late, steps)
        assert (steps.history(account), steps.head()) == (positions, head)


def _work_on(follower: Follower, steps: Steps) -> None:
    while follower.work(steps.conn):
        pass


def test_of_two_followers_that_run_one_works_and_the_other_takes_over(
    money: Money, account: UUID, pay: Pay
) -> None:
    process = made_up(respond)
    with engine(money, process) as steps, Ledger(money.conninfo) as elsewhere:
        stops = [threading.Event(), threading.Event()]
        threads = [
            threading.Thread(target=Follower(money.conninfo, ledger, process).run, args=(stop,))
            for ledger, stop in zip([money.ledger, elsewhere], stops, strict=True)
        ]
        for thread in threads:
            thread.start()
        try:
            positions = [pay(account) for _ in range(20)]
            until(lambda: len(steps.history(account)) == 20)
            stops[0].set()
            threads[0].join()
            positions += [pay(account) for _ in range(20)]
            until(lambda: len(steps.history(account)) == 40)
        finally:
            for stop, thread in zip(stops, threads, strict=True):
                stop.set()
                thread.join()
        assert steps.history(account) == positions


@pytest.mark.parametrize("moment", ["before", "after", "under way"])
def test_a_reaction_is_written_whole_or_not_at_all(
    money: Money, account: UUID, pay: Pay, moment: Moment
) -> None:
    """Its command's events, the checkpoint, the job and the deadline are in one transaction."""
    positions = [pay(account), pay(account)]
    with (
        Proxy(money.conninfo) as proxy,
        Ledger(proxy.conninfo) as ledger,
        stepping(ledger, money.conninfo, made_up(respond)) as steps,
    ):
        proxy.cut_at(moment)
        steps.work()
        assert proxy.cuts == 1
        assert steps.history(account) == positions
        assert steps.jobs() == [job_id(MADE_UP, position) for position in positions]
        assert len(steps.deadlines()) == 2


def test_nothing_of_a_reaction_is_there_when_its_commit_fails(
    database: Database, money: Money, account: UUID, other: UUID, pay: Pay
) -> None:
    position = pay(account)
    process = made_up(respond)
    with engine(money, process) as steps:
        before = steps.head()
        with _jobs_fail_at_commit(database):
            steps.work()
        assert steps.head() == before, "no event without the job"
        assert (steps.jobs(), steps.deadlines()) == ([], [])
        status, _, error = steps.row(account)
        assert status == "stuck"
        assert "RaiseException" in str(error)
        assert steps.checkpoint() == before, "others go on"
        pay(other)
        steps.work()
        assert steps.row(other)[0] == "waiting"
        operating.retry(steps.conn, money.ledger, process, account, OPERATOR)
        assert job_id(MADE_UP, position) in steps.jobs()


@contextmanager
def _jobs_fail_at_commit(database: Database) -> Iterator[None]:
    with database.connect(superuser=True) as conn:
        conn.execute(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE 'the disk is full'; END $$"
        )
        conn.execute(
            "CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON jobs DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION fail()"
        )
        try:
            yield
        finally:
            conn.execute("DROP FUNCTION fail CASCADE")


def test_a_reaction_that_is_written_again_puts_no_second_job(
    money: Money, account: UUID, pay: Pay
) -> None:
    """As after a checkpoint was set back by hand."""
    position = pay(account)
    process = made_up(respond)
    with engine(money, process) as steps:
        steps.work()
        steps.conn.execute("UPDATE process_checkpoints SET position = 0")
    with engine(money, process) as steps:
        before = steps.head()
        steps.work()
        assert steps.history(account) == [position, position]
        assert steps.jobs() == [job_id(MADE_UP, position)]
        assert steps.head() == before, "the command was done before"


def test_what_gets_stuck_in_the_transaction_of_another_step_stays_to_be_seen(
    database: Database, money: Money, account: UUID, pay: Pay
) -> None:
    position = pay(account)
    refused = PostTransfer(uuid4(), uuid4(), account, 1, CURRENCY)
    process = made_up(lambda event: Reaction(refused))
    with engine(money, process) as steps:
        reaction = reaction_to(process, account, read_event(steps.conn, position), 0, position)
        deadline = Step(MADE_UP, 0, 0, account, step="something else")
        with database.connect(superuser=True) as admin, busy(admin):
            money.ledger.submit(Submission((), WHO))  # the writer waits with it
            until(lambda: writers_waiting(admin) == 1)
            first = money.ledger.submit(reaction)
            second = money.ledger.submit(Submission((), WHO, step=deadline))
        assert isinstance(first.result().outcomes[0], Refused)
        with pytest.raises(Refusal, match="process_moved"):
            second.result()
        assert steps.row(account)[0] == "stuck"
        assert steps.inbox(account) == [position]
        operating.skip(steps.conn, money.ledger, process, account, OPERATOR)


def test_who_ends_while_an_inbox_is_emptied_leaves_a_flow_that_can_be_retried(
    money: Money, account: UUID, pay: Pay
) -> None:
    react = Fragile()
    react.broken = {account}
    process = made_up(react)
    positions = [pay(account), pay(account), pay(account)]
    with engine(money, process) as steps:
        steps.work()
        react.broken = set()
        first = read_event(steps.conn, positions[0])
        money.ledger.submit_and_wait(reaction_to(process, account, first, 0, 0, from_inbox=True))
        assert steps.row(account)[0] == "stuck"
        operating.retry(steps.conn, money.ledger, process, account, OPERATOR)
        assert steps.history(account)[1:] == positions
        assert steps.row(account)[0] == "waiting"

"""Followers: however they end and however many there are, each event is reacted to once, and wholly."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

import pytest

from application.ledger import Ledger, Refused, Submission
from application.ledger.outcomes import Step
from application.processes import operating
from application.processes.definitions import Reaction, job_id
from application.processes.follower import Follower, reaction_to
from application.processes.reading import read_event
from domain.refusals import Refusal
from domain.transfers import PostTransfer
from tests.application.processes.conftest import Pay
from tests.conftest import Database
from tests.support.log import busy, writers_waiting
from tests.support.money import CURRENCY, WHO, Money
from tests.support.proxy import Moment, Proxy
from tests.support.stepping import MADE_UP, Steps, made_up, respond, stepping
from tests.support.waiting import until

OPERATOR = "operator:test"


def test_of_two_followers_at_one_place_the_second_writes_nothing(
    money: Money, account: UUID, pay: Pay
) -> None:
    process = made_up(respond)
    positions = [pay(account), pay(account)]
    with (
        stepping(money.ledger, money.conninfo, process) as steps,
        Ledger(money.conninfo) as elsewhere,
    ):
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
    with (
        stepping(money.ledger, money.conninfo, process) as steps,
        Ledger(money.conninfo) as elsewhere,
    ):
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
    with stepping(money.ledger, money.conninfo, process) as steps:
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
    with stepping(money.ledger, money.conninfo, process) as steps:
        steps.work()
        steps.conn.execute("UPDATE process_checkpoints SET position = 0")
    with stepping(money.ledger, money.conninfo, process) as steps:
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
    with stepping(money.ledger, money.conninfo, process) as steps:
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

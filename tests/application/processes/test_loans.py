"""The process that watches loans: the day after each due date, whatever has become of those before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from uuid import uuid4

from application.ledger import Ledger
from application.ledger.reading import load
from application.processes import loans
from domain.loans import Loan, RepayLoan
from tests.conftest import Database
from tests.projections.histories import append
from tests.support.ledgers import accepted
from tests.support.loan_world import CUSTOMER, LOAN, OWNER, LoanWorld, opening_of
from tests.support.log import assert_sound
from tests.support.stepping import Steps, stepping

LONG_AGO = date(2020, 1, 31)


@contextmanager
def watched(database: Database, started_on: date) -> Iterator[tuple[Ledger, Steps]]:
    """A loan for three months that the process has heard of; the log is sound in the end."""
    world = LoanWorld()
    world.lend(opening_of(started_on=started_on))
    append(database, *((event.stream_id, event.data) for event in world.events))
    with (
        Ledger(database.url) as ledger,
        stepping(ledger, database.url, loans.process()) as steps,
        database.connect(superuser=True) as admin,
    ):
        steps.work()
        yield ledger, steps
        assert_sound(admin)


def loan(steps: Steps) -> Loan:
    found = load(steps.conn, [LOAN])[LOAN]
    assert isinstance(found, Loan)
    return found


def pay(ledger: Ledger, steps: Steps, amount: int) -> None:
    today = datetime.now(UTC).date()
    accepted(ledger, RepayLoan(LOAN, uuid4(), CUSTOMER, amount, today, OWNER))
    steps.work()


def test_each_due_date_is_looked_at_whether_or_not_the_one_before_was_paid(
    database: Database,
) -> None:
    with watched(database, LONG_AGO) as (ledger, steps):
        assert steps.deadlines() == ["1/3/2020-01-31"]
        pay(ledger, steps, 340_02)
        for number, overdue in ((2, set()), (3, {2}), (None, {2, 3})):
            assert steps.fire() == 1
            left = [] if number is None else [f"{number}/3/2020-01-31"]
            assert (steps.deadlines(), set(loan(steps).overdue)) == (left, overdue)
        assert loan(steps).arrears == 340_02 + 340_03
        assert steps.row(LOAN)[0] == "waiting"
        pay(ledger, steps, loan(steps).arrears)
        assert loan(steps).status == "settled"
        assert steps.row(LOAN)[0] == "completed"


def test_what_is_not_due_yet_is_left_alone(database: Database) -> None:
    with watched(database, datetime.now(UTC).date()) as (_, steps):
        assert len(steps.deadlines()) == 1
        assert steps.fire() == 0
        assert not loan(steps).overdue


def test_what_is_paid_back_is_watched_no_longer(database: Database) -> None:
    with watched(database, datetime.now(UTC).date()) as (ledger, steps):
        pay(ledger, steps, 1_000_00)
        assert (loan(steps).status, steps.deadlines()) == ("settled", [])
        assert steps.row(LOAN)[0] == "completed"

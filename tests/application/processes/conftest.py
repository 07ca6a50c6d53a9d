"""One database for all tests of processes, emptied for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import pytest

from application.ledger import Accepted, Ledger
from domain.accounts import OpenAccount
from domain.transfers import PostTransfer
from tests.conftest import Database
from tests.support.log import make_empty
from tests.support.money import AMOUNT, CURRENCY, Money

Pay = Callable[[UUID], int]

_TABLES = (
    "process_checkpoints", "processes", "process_history", "process_inbox", "process_deadlines",
    "jobs", "job_keys",
)  # fmt: skip


def make_all_empty(database: Database) -> None:
    """Back to a log without events, of which nobody has made anything."""
    with database.connect(superuser=True) as conn:
        make_empty(conn)
        conn.execute(f"TRUNCATE {', '.join(_TABLES)} CASCADE".encode())


@pytest.fixture
def database(shared_database: Database) -> Database:
    make_all_empty(shared_database)
    return shared_database


@pytest.fixture
def money(database: Database) -> Iterator[Money]:
    with Ledger(database.url) as ledger:
        yield Money(ledger, database.url)


@pytest.fixture
def account(money: Money) -> UUID:
    return money.customer(0)


@pytest.fixture
def other(money: Money) -> UUID:
    return money.customer(0)


@pytest.fixture
def pay(money: Money) -> Pay:
    """Pays into an account; answers the position of the event that tells so."""
    payer = uuid4()
    money.submit(OpenAccount(payer, "Payer", "cash", CURRENCY))

    def pay(account_id: UUID) -> int:
        done = money.submit(PostTransfer(uuid4(), payer, account_id, AMOUNT, CURRENCY))
        (outcome,) = done.outcomes
        assert isinstance(outcome, Accepted)
        return outcome.position  # the credit is the last event of a transfer

    return pay

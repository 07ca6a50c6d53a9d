"""One database for all tests of processes, emptied for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from application.ledger import Ledger
from tests.conftest import Database
from tests.support.log import make_empty
from tests.support.money import Money

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

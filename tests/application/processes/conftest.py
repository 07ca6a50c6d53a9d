"""One database for all tests of processes, emptied for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from application.ledger import Ledger
from tests.conftest import Database
from tests.support.flows import Money


@pytest.fixture
def database(empty_database: Database) -> Database:
    with empty_database.connect() as conn:
        for table in _TABLES:
            conn.execute(f"DELETE FROM {table}".encode())
    return empty_database


_TABLES = (
    "process_checkpoints", "processes", "process_history", "process_inbox", "process_deadlines",
    "jobs", "job_keys",
)  # fmt: skip


@pytest.fixture
def money(database: Database) -> Iterator[Money]:
    with Ledger(database.url) as ledger:
        yield Money(ledger, database.url)

"""Ledgers for the tests of the write side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from application.ledger import Ledger
from tests.conftest import Database, MakeDatabase
from tests.support.log import make_empty


@pytest.fixture(scope="session")
def shared_database(make_database: MakeDatabase) -> Iterator[Database]:
    with make_database() as database:
        yield database


@pytest.fixture
def empty_database(shared_database: Database) -> Database:
    """A database with nothing in its log; much cheaper than one of the test's own."""
    with shared_database.connect(superuser=True) as conn:
        make_empty(conn)
    return shared_database


@pytest.fixture
def ledger(database: Database) -> Iterator[Ledger]:
    with Ledger(database.url) as ledger:
        yield ledger


@pytest.fixture
def other_ledger(database: Database) -> Iterator[Ledger]:
    """A second writer on the same database, as another process would be: with a cache of its own."""
    with Ledger(database.url) as ledger:
        yield ledger


@pytest.fixture
def admin(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """A superuser's connection."""
    with database.connect(superuser=True) as conn:
        yield conn

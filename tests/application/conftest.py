"""Ledgers for the tests of the write side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from application.ledger import Ledger
from tests.conftest import Database


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

"""Ledgers and connections for the tests of the read side."""

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
def conn(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """A connection as the application's role, in autocommit mode."""
    with database.connect() as conn:
        yield conn

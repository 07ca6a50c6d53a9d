"""One database for all tests of ledgers, emptied for each."""

from __future__ import annotations

import pytest

from tests.conftest import Database


@pytest.fixture
def database(empty_database: Database) -> Database:
    return empty_database

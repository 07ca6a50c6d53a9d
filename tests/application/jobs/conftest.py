"""What the database says of a test's jobs, and a Redis."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Database
from tests.support.jobs import Jobs
from tests.support.redis import RedisServer


@pytest.fixture
def jobs(database: Database) -> Iterator[Jobs]:
    with database.connect() as conn:
        yield Jobs(conn)


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server

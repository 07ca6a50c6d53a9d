"""A real Postgres for the tests: one server a test process, a migrated database when asked."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from api.local.postgres import EmbeddedPostgres
from migrations import runner
from tests.support.folders import data_folder

# Started in the background of a shell, this process may ignore what its children are to be stopped by.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)

# Told to leave no bytecode beside the sources, each of the hundreds of processes that the tests start
# would compile a thousand modules first: a second or two. So it goes where it is in nobody's way.
if sys.dont_write_bytecode:
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).parents[1] / ".pytest_cache" / "__pycache__")
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# How long an example takes says how busy the machine is.
settings.register_profile("daybook", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("daybook")

_TEMPLATE = "daybook_template"
_numbers = count(1)


@dataclass(frozen=True)
class Database:
    """A database with all migrations, and nothing in it."""

    name: str
    url: str
    """As the role `daybook`, which the application runs as."""
    superuser_url: str

    def connect(self, *, superuser: bool = False) -> psycopg.Connection[Any]:
        """A connection in autocommit mode; use it with `with`."""
        return psycopg.connect(self.superuser_url if superuser else self.url, autocommit=True)


MakeDatabase = Callable[[], AbstractContextManager[Database]]


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    # These data need not outlive the machine, and tests of what does have a server of their own.
    settings = {"fsync": "off", "shared_buffers": "64MB", "max_wal_size": "128MB"}
    with data_folder() as folder, EmbeddedPostgres(folder, settings=settings) as server:
        _make_template(server)
        yield server


@pytest.fixture(scope="session")
def make_database(postgres: EmbeddedPostgres) -> MakeDatabase:
    """Makes databases for fixtures of any scope: `with make_database() as database: ...`."""

    @contextmanager
    def make() -> Iterator[Database]:
        name = f"daybook_test_{next(_numbers)}"
        with _administration(postgres) as conn:
            conn.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
            # A template's own grants stay with the template.
            conn.execute(f"GRANT CREATE ON DATABASE {name} TO daybook")
        try:
            yield Database(name, postgres.url(name), postgres.url(name, superuser=True))
        finally:
            with _administration(postgres) as conn:
                conn.execute(f"DROP DATABASE {name} WITH (FORCE)")

    return make


@pytest.fixture
def database(make_database: MakeDatabase) -> Iterator[Database]:
    """A database of the test's own."""
    with make_database() as made:
        yield made


def _make_template(server: EmbeddedPostgres) -> None:
    with _administration(server) as conn:
        conn.execute(f"CREATE DATABASE {_TEMPLATE}")
    with psycopg.connect(server.url(_TEMPLATE, superuser=True)) as conn:
        runner.up(conn)
    with _administration(server) as conn:
        conn.execute(f"ALTER DATABASE {_TEMPLATE} ALLOW_CONNECTIONS false")


def _administration(server: EmbeddedPostgres) -> psycopg.Connection[Any]:
    return psycopg.connect(server.url("postgres", superuser=True), autocommit=True)

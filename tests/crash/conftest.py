"""Chance that can be repeated, and a whole Daybook with a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from api.local.postgres import EmbeddedPostgres
from tests.conftest import Database
from tests.support.folders import data_folder
from tests.support.processes import Daybook, free_port, settings_at


@pytest.fixture
def random() -> Random:
    """Set DAYBOOK_TEST_SEED to what a failed test has printed to have the same chances again."""
    seed = int(os.environ.get("DAYBOOK_TEST_SEED") or Random().getrandbits(32))
    print(f"DAYBOOK_TEST_SEED={seed}")
    return Random(seed)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def base_url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


class Up:
    """`daybook up` on a folder and a port of its own, without demo data."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.daybook = Daybook("up", "--no-demo", settings=settings_at(folder, port))

    def database(self) -> Database:
        """Its database, while it runs."""
        with EmbeddedPostgres(self.folder) as server:
            assert server.adopted
            return Database("daybook", server.url(), server.url(superuser=True))


@pytest.fixture
def up(port: int) -> Iterator[Up]:
    with data_folder() as folder:
        yield Up(folder, port)

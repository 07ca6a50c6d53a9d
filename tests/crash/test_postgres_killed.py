"""Postgres itself is killed under a whole Daybook, which gets it going again without help."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from random import Random

from tests.crash.checks import assert_nothing_lost
from tests.crash.conftest import Up
from tests.crash.load import Load, open_accounts
from tests.support.processes import wait_until_ready

ROUNDS = 4
"""One less than the deaths in half a minute at which the supervisor gives up."""
RETRYABLE = {(503, "database_unavailable"), (503, "outcome_unknown")}


def postmaster(folder: Path) -> int:
    """The process id that its server has written to a data folder."""
    return int((folder / "postgres" / "postmaster.pid").read_text().split("\n")[0])


def test_a_killed_postgres_comes_back_with_all_that_was_acknowledged(
    up: Up, random: Random, port: int, base_url: str
) -> None:
    with up.daybook as daybook:
        wait_until_ready(daybook, port)
        database = up.database()
        load = Load(base_url, open_accounts(base_url), random)
        with load:
            for _ in range(ROUNDS):
                load.goes_on(random.randint(50, 400))
                os.kill(postmaster(up.folder), signal.SIGKILL)
            load.goes_on(50)
        assert daybook.output.count("postgres was ended by SIGKILL") == ROUNDS
        assert load.unanswered == 0, "the API itself lived on"
        assert set(load.problems) <= RETRYABLE, load.problems
        assert_nothing_lost(database, load, base_url)
        assert daybook.stop() == 0

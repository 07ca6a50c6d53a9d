"""The whole of `daybook up` is killed: nothing of it lives on, and the next one has all data."""

from __future__ import annotations

from random import Random

from tests.crash.checks import assert_nothing_lost
from tests.crash.conftest import Up
from tests.crash.load import Load, open_accounts
from tests.support.processes import Daybook, are_gone, end, names, tree, wait_until_ready
from tests.support.waiting import until

ROUNDS = 2
RETRYABLE = {(503, "database_unavailable"), (503, "outcome_unknown"), (503, "shutting_down")}
"""The parts of what is killed end one after the other."""


def test_a_killed_daybook_leaves_no_process_and_loses_nothing(
    up: Up, random: Random, port: int, base_url: str
) -> None:
    with up.daybook as daybook:
        wait_until_ready(daybook, port)
        load = Load(base_url, open_accounts(base_url), random)
        with load:
            for _ in range(ROUNDS):
                load.goes_on(random.randint(50, 400))
                kill_and_look_behind(daybook)
                daybook.start()
                wait_until_ready(daybook, port)
        assert set(load.problems) <= RETRYABLE, load.problems
        assert_nothing_lost(up.database(), load, base_url)
        assert daybook.stop() == 0


def kill_and_look_behind(daybook: Daybook) -> None:
    everything = tree(daybook.pid)
    assert "postgres" in names(everything)
    daybook.kill()
    try:
        until(lambda: are_gone(everything))
    finally:
        end(everything)

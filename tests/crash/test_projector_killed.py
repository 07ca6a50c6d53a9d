"""The process that fills the read models is killed while it catches up, again and again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random
from typing import Any

from psycopg import Connection

from application.ledger import Ledger, Submission
from projections.log import head_position
from tests.conftest import Database
from tests.crash.checks import assert_read_models_are_folds
from tests.projections.histories import WHO, busy_history, recorded
from tests.projections.running import NAMES, caught_up, holders, position, runners
from tests.support.ledgers import pay
from tests.support.processes import projector

KILLS = 5
TRANSFERS = 16_000
"""Makes ten batches for the runner."""


def test_read_models_of_a_killed_projector_have_everything_once(
    database: Database, random: Random
) -> None:
    fill(database, random)
    with database.connect() as conn, projector(database) as process:
        head = head_position(conn)
        for number in range(KILLS):
            name = random.choice(NAMES)
            target = random.randint(head * number // KILLS + 1, head * (number + 1) // KILLS)
            process.wait_for(partial(is_at, conn, name, target))
            killed = holders(conn, NAMES[0])
            process.kill()
            process.start()
        caught_up(conn)
        process.wait_for(lambda: holders(conn, NAMES[0]) not in ([], killed))
        assert process.stop() == 0
        assert_read_models_are_folds(database, recorded(conn))


def test_one_that_stands_by_goes_on_where_a_killed_one_was(
    database: Database, random: Random
) -> None:
    with database.connect() as conn, projector(database) as first:
        first.wait_for(lambda: holders(conn, NAMES[0]))
        killed = holders(conn, NAMES[0])
        with projector(database) as second, ThreadPoolExecutor() as threads:
            second.wait_for(lambda: runners(database) == 2)
            filling = threads.submit(fill, database, random)
            target = random.randint(1, 2 * TRANSFERS)
            first.wait_for(partial(is_at, conn, random.choice(NAMES), target))
            first.kill()
            filling.result()
            caught_up(conn)
            second.wait_for(lambda: holders(conn, NAMES[0]) not in ([], killed))
            assert_read_models_are_folds(database, recorded(conn))
            assert second.stop() == 0


def is_at(conn: Connection[Any], name: str, target: int) -> bool:
    return position(conn, name) >= target


def fill(database: Database, random: Random) -> None:
    """A log with a bit of everything and a lot of transfers."""
    with Ledger(database.url) as ledger:
        accounts = busy_history(ledger, seed=random.getrandbits(32))["EUR"]
        source, *others = accounts
        for _ in range(TRANSFERS // 1_000):
            commands = [pay(source, random.choice(others), 1) for _ in range(1_000)]
            ledger.submit_and_wait(Submission(commands, WHO))

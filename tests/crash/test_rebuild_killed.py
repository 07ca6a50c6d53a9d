"""The process that rebuilds read models is killed again and again, while a writer posts."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Any

from psycopg import Connection

from application.ledger import Ledger
from projections import rebuild_state
from projections.agreement import hold_against_log
from projections.rebuild_state import Rebuild
from tests.conftest import Database
from tests.crash.test_projector_killed import fill
from tests.projections.histories import open_accounts, write
from tests.projections.running import NAMES, caught_up, project_all, rows, running
from tests.support.ledgers import pay
from tests.support.processes import PATIENCE_S, Daybook, settings_of
from tests.support.waiting import until

KILLS = 10
REBUILT = ["balances", "entries", "transfers"]
LATER = ["indexing", "verifying", "swapping"]
"""What follows filling. It goes by fast, so that not every process is caught in it."""

Moment = Callable[[Rebuild], bool]


def test_rebuilds_that_are_killed_come_to_what_an_undisturbed_one_does(
    database: Database, random: Random
) -> None:
    fill(database, random)
    project_all(database.url)
    with database.connect() as conn:
        with running(database.url):
            with posting(database, random):
                kills = 0
                while kills < KILLS:
                    kills += run_and_kill(database, conn, random)
                # Also the processes that a killed one had started for its parts.
                until(lambda: rebuilding(conn) == 0, PATIENCE_S)
                with rebuild(database, random) as last:
                    last.wait_for(lambda: last.status() == 0)
            caught_up(conn)
        live = {name: rows(conn, name) for name in NAMES}
        assert all(live.values())
        differences = {verdict.name: verdict.differences for verdict in hold_against_log(conn)}
        assert differences == {name: [] for name in NAMES}
        project_all(database.url)
        assert {name: rows(conn, name) for name in NAMES} == live


@contextmanager
def posting(database: Database, random: Random) -> Iterator[None]:
    """While the block runs, somebody posts transfers."""
    stop = threading.Event()

    def post_on(ledger: Ledger) -> None:
        source, *others = open_accounts(ledger, 5)
        while not stop.wait(0.05):
            write(ledger, [pay(source, random.choice(others), 1) for _ in range(5)])

    with Ledger(database.url) as ledger:
        thread = threading.Thread(target=post_on, args=(ledger,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def rebuild(database: Database, random: Random) -> Daybook:
    """Begins a rebuild, by one process or two, or goes on with the one that was interrupted."""
    parallel = random.choice([[], ["--parallel", "2"]])
    return Daybook("projections", "rebuild", *REBUILT, *parallel, settings=settings_of(database))


def run_and_kill(database: Database, conn: Connection[Any], random: Random) -> bool:
    """Rebuild until a moment of chance. False: it had come to its end before that."""
    name = random.choice(REBUILT)
    before = rebuild_state.find(conn, name)
    with rebuild(database, random) as process:
        process.wait_for(partial(is_there, conn, name, moment(before, random), process))
        process.kill()
        status = process.status()
        assert status in (0, -signal.SIGKILL), process.output
    until(lambda: not any(is_running(conn, one) for one in REBUILT), PATIENCE_S)
    return status != 0


def moment(before: Rebuild | None, random: Random) -> Moment:
    """Some share of the events that are left, or the step that comes after them."""
    phase, share = random.choice(LATER), random.random()
    if random.random() < 0.4:
        return lambda now: now.phase == phase
    done = before.done if before is not None and before.is_unfinished else 0
    return lambda now: now.done > done + share * (now.total - done) and now.phase == "filling"


def is_there(conn: Connection[Any], name: str, reached: Moment, process: Daybook) -> bool:
    found = rebuild_state.find(conn, name)
    assert found is not None
    return process.status() == 0 or (found.is_running and reached(found))


def is_running(conn: Connection[Any], name: str) -> bool:
    found = rebuild_state.find(conn, name)
    return found is not None and found.is_running


def rebuilding(conn: Connection[Any]) -> int:
    """Connections of rebuilds."""
    row = conn.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name LIKE 'daybook rebuild%'"
    ).fetchone()
    assert row is not None
    return int(row[0])

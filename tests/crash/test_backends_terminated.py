"""The application's connections to Postgres are cut at random, the writer's among them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import httpx2
import psycopg

from tests.conftest import Database
from tests.crash.checks import assert_nothing_lost
from tests.crash.load import Load, open_accounts
from tests.support.people import bearer
from tests.support.processes import PATIENCE_S, api, projector

ROUNDS = 60
RETRYABLE = {(503, "database_unavailable"), (503, "outcome_unknown")}


@contextmanager
def reading(base_url: str) -> Iterator[Counter[int]]:
    """While the block runs, somebody looks at the trial balance: answers' statuses, counted."""
    stop = threading.Event()
    seen: Counter[int] = Counter()
    unbalanced: list[str] = []

    def read_on() -> None:
        with httpx2.Client(base_url=base_url, timeout=PATIENCE_S, headers=bearer()) as client:
            while not stop.is_set():
                answer = client.get("/api/trial-balance")
                seen[answer.status_code] += 1
                if answer.status_code == 200:
                    totals = answer.json()["data"]
                    unbalanced.extend(c for c in totals if c["difference"] != "0.00")

    thread = threading.Thread(target=read_on)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()
    assert not unbalanced


def terminate_one(conn: psycopg.Connection[Any], random: Random, cut: Counter[str]) -> None:
    """Cut a connection of the part of the application that has lost the fewest so far."""
    found: list[tuple[int, str]] = []
    while not found:  # all may be on their way back at this moment
        found = conn.execute(
            "SELECT pid, application_name FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = 'daybook' ORDER BY pid"
        ).fetchall()
    spared = min(cut[name] for _, name in found)
    pid, name = random.choice([one for one in found if cut[one[1]] == spared])
    conn.execute("SELECT pg_terminate_backend(%s)", (pid,))
    cut[name] += 1


def test_clients_of_a_database_that_drops_connections_lose_nothing(
    database: Database, random: Random, port: int, base_url: str
) -> None:
    cut: Counter[str] = Counter()
    with projector(database), api(database, port), database.connect(superuser=True) as admin:
        load = Load(base_url, open_accounts(base_url), random)
        with reading(base_url) as seen, load:
            for _ in range(ROUNDS):
                load.goes_on(random.randint(1, 40))
                terminate_one(admin, random, cut)
        assert {"daybook ledger", "daybook reads", "daybook runner"} <= set(cut), cut
        assert load.unanswered == 0
        assert set(load.problems) <= RETRYABLE, load.problems
        assert seen[200]
        assert set(seen) <= {200, 503}, seen
        assert_nothing_lost(database, load, base_url)

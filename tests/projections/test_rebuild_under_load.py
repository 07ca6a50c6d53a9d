"""Readers while read models are rebuilt and rolled back: no read fails, none waits, and none is wrong."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from random import Random
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection

from application.ledger import Ledger
from domain.accounts import Account
from domain.events import Recorded
from projections.balances import queries as balances
from projections.balances.queries import AccountRow
from projections.entries import queries as entries
from projections.entries.queries import EntryRow
from projections.rebuild import Options, rebuild_many
from projections.swapping import rollback
from tests.conftest import Database
from tests.projections.histories import fold, open_accounts, recorded, write
from tests.projections.running import no_progress, project_all, running
from tests.projections.test_entries import entries_of
from tests.support.ledgers import pay
from tests.support.waiting import until

READERS = 2
REBUILT = ["balances", "entries"]
LINES = 10
_EVERY_S = 0.01


class Readers:
    """Threads that ask for accounts, one and many, and for an account's last lines. A read that waits
    for a lock, for longer than a commit takes, fails."""

    def __init__(self, url: str, accounts: list[UUID]) -> None:
        self.reads = 0
        self.accounts: set[AccountRow] = set()
        self.pages: set[tuple[EntryRow, ...]] = set()
        self._url = url
        self._ids = accounts
        self._stop = threading.Event()
        self._threads = ThreadPoolExecutor(READERS)
        self._running: list[Future[None]] = []

    @contextmanager
    def reading(self) -> Iterator[None]:
        """They read while the block runs. Raises what a read has failed with."""
        self._running = [self._threads.submit(self._run, seed) for seed in range(READERS)]
        try:
            yield
        finally:
            self._stop.set()
            self._threads.shutdown()
        for thread in self._running:
            thread.result()

    def go_on(self) -> None:
        """Return once they have read some more, and lines that nobody had read before."""
        reads, pages = self.reads + 20, len(self.pages) + 5
        until(
            lambda: (
                (self.reads >= reads and len(self.pages) >= pages)
                or any(one.done() for one in self._running)
            )
        )

    def _run(self, seed: int) -> None:
        asyncio.run(self._read_on(Random(seed)))

    async def _read_on(self, random: Random) -> None:
        async with await AsyncConnection.connect(self._url, autocommit=True) as conn:
            await conn.execute("SET lock_timeout TO '100ms'")
            while not self._stop.wait(_EVERY_S):
                await self._read(conn, random.choice(self._ids))
                self.reads += 1

    async def _read(self, conn: AsyncConnection[Any], id_: UUID) -> None:
        account = await balances.account(conn, id_)
        assert account is not None
        listed = await balances.list_accounts(conn, limit=len(self._ids))
        assert len(listed.rows) == len(self._ids)
        self.accounts |= {account, *listed.rows}
        lines = await entries.list_entries(conn, id_, limit=LINES)
        self.pages.add(tuple(lines.rows))


@contextmanager
def posting(ledger: Ledger, accounts: list[UUID]) -> Iterator[None]:
    """While the block runs, somebody moves money between accounts."""
    stop = threading.Event()
    random = Random(5)

    def post_on() -> None:
        while not stop.wait(0.005):
            pairs = (random.sample(accounts, 2) for _ in range(5))
            write(ledger, [pay(source, destination, 1) for source, destination in pairs])

    thread = threading.Thread(target=post_on)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_no_read_fails_or_waits_or_is_wrong_while_read_models_are_swapped(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    ids = open_accounts(ledger, 8)
    write(ledger, [pay(ids[0], id_, 1) for id_ in ids[1:] for _ in range(LINES)])
    project_all(database.url, *REBUILT)
    readers = Readers(database.url, ids)
    with running(database.url), posting(ledger, ids), readers.reading():
        for parallel in (1, 2, 1):
            readers.go_on()
            done = rebuild_many(
                database.url, REBUILT, no_progress, options=Options(parallel=parallel)
            )
            assert [one.outcome for one in done] == ["swapped", "swapped"]
            for _ in range(2):
                readers.go_on()
                for name in REBUILT:
                    rollback(database.url, name)
    log = recorded(conn)
    assert_accounts_are_of_the_log(readers.accounts, log)
    assert_lines_are_of_the_log(readers.pages, log)


def assert_accounts_are_of_the_log(seen: set[AccountRow], log: list[Recorded]) -> None:
    """Each is what a fold of the log up to its position has."""
    folded = {
        (state.id, event.position): (state.balance, state.held, state.status, state.version)
        for event, state in fold(log)
        if isinstance(state, Account)
    }
    for row in seen:
        shown = (row.balance, row.held, row.status, row.version)
        assert folded[row.id, row.position] == shown, row


def assert_lines_are_of_the_log(seen: set[tuple[EntryRow, ...]], log: list[Recorded]) -> None:
    """Each page is an account's last lines at some moment: none is missing in between."""
    lines: dict[UUID, list[EntryRow]] = {}
    places: dict[tuple[UUID, int], int] = {}
    assert len(seen) >= 9 * 5
    for page in seen:
        id_ = page[0].account_id
        if id_ not in lines:
            own = [event for event in log if event.stream_id == id_]
            lines[id_] = entries_of(own, id_)
            places |= {(id_, line.position): n for n, line in enumerate(lines[id_])}
        first = places[id_, page[0].position]
        assert list(page) == lines[id_][first : first + LINES]

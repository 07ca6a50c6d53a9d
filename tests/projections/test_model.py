"""After every step of the ledger's model test, each read model equals a fold of the log."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from psycopg import AsyncConnection

from projections.balances import queries as balances
from projections.entries import queries as entries
from projections.entries.queries import EntryRow
from projections.runner import Runner
from projections.transfers import queries as transfers
from tests.conftest import Database
from tests.projections.histories import recorded
from tests.projections.running import NAMES, ask, caught_up
from tests.projections.test_balances import accounts_by_fold
from tests.projections.test_entries import entries_of
from tests.projections.test_transfers import transfers_by_fold
from tests.support.machine import LedgerMachine

ALL = 10_000


async def everything(
    conn: AsyncConnection[Any],
) -> tuple[list[balances.AccountRow], list[list[EntryRow]], list[transfers.TransferRow]]:
    accounts = (await balances.list_accounts(conn, limit=ALL)).rows
    lines = [(await entries.list_entries(conn, a.id, limit=ALL)).rows for a in accounts]
    return accounts, lines, (await transfers.search_transfers(conn, limit=ALL)).rows


class ReadModelMachine(LedgerMachine):
    def __init__(self) -> None:
        super().__init__()
        for name in NAMES:
            self.admin.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
        self.admin.execute("DELETE FROM checkpoints")
        self.stop = threading.Event()
        self.runner = threading.Thread(target=Runner(self.database.url).run, args=(self.stop,))
        self.runner.start()

    def look(self, conn: psycopg.Connection[Any]) -> None:
        caught_up(conn)
        log = recorded(conn)
        accounts, lines, moved = ask(self.database.url, everything)
        by_fold = accounts_by_fold(log)
        assert {a.id: a for a in accounts} == by_fold
        assert lines == [entries_of(log, a.id) for a in accounts]
        assert {t.id: t for t in moved} == transfers_by_fold(log)
        trial = ask(self.database.url, balances.trial_balance)
        assert all(c.difference == c.balances == 0 for c in trial.currencies)

    def teardown(self) -> None:
        self.stop.set()
        self.runner.join()
        super().teardown()


def test_each_read_model_equals_a_fold_of_the_log_after_every_step(database: Database) -> None:
    class Machine(ReadModelMachine):
        pass

    Machine.database = database
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

"""Pending transfers expire when their time is over, whatever is wrong with one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from psycopg import AsyncConnection

from application import deadlines
from application.ledger import Ledger, LedgerClosedError
from domain.transfers import PostTransfer, VoidPending
from tests.conftest import Database
from tests.support.ledgers import accepted, open_account
from tests.support.log import write_raw


def overdue(database: Database, count: int) -> list[UUID]:
    """Holds whose time is over by the ledger's clock."""
    with Ledger(database.url) as ledger:
        house, shop = open_account(ledger, "cash"), open_account(ledger)
        holds = [
            PostTransfer(uuid4(), house, shop, 10, "EUR", pending=True, expires_in_s=60)
            for _ in range(count)
        ]
        done = [accepted(ledger, hold) for hold in holds]
    with database.connect(superuser=True) as conn:
        later = done[-1].recorded_at + timedelta(seconds=62)
        conn.execute("UPDATE ledger_head SET recorded_at = %s", (later,))
        conn.execute("UPDATE deadlines SET due_at = clock_timestamp()")
    return [hold.transfer_id for hold in holds]


def due(database: Database, but: Collection[UUID] = ()) -> set[UUID]:
    async def ask() -> list[UUID]:
        async with await AsyncConnection.connect(database.url, autocommit=True) as conn:
            return await deadlines.due(conn, but)

    return set(asyncio.run(ask()))


def expire(database: Database, transfer_ids: list[UUID]) -> list[UUID]:
    with Ledger(database.url) as ledger:
        return asyncio.run(deadlines.expire(ledger, transfer_ids))


def test_what_is_overdue_expires(database: Database) -> None:
    holds = overdue(database, 3)
    assert due(database) == set(holds)
    assert expire(database, holds) == []
    assert due(database) == set()


def test_one_that_cannot_expire_stops_no_other(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    holds = overdue(database, 4)
    write_raw(database.url, holds[1], 2, "transfer.vanished", b"{}")
    assert expire(database, holds) == [holds[1]]
    assert due(database) == {holds[1]}
    assert due(database, [holds[1]]) == set()
    told = [one.getMessage() for one in caplog.records if one.name == "daybook"]
    assert told == [f"transfer {holds[1]} cannot expire"]


def test_one_that_was_over_before_is_told_and_stays_over(database: Database) -> None:
    holds = overdue(database, 2)
    with Ledger(database.url) as ledger:
        accepted(ledger, VoidPending(holds[0]))
    assert expire(database, holds) == [holds[0]]
    assert due(database) == set()


def test_when_the_ledger_is_away_nothing_is_wrong_with_transfers(database: Database) -> None:
    holds = overdue(database, 2)
    ledger = Ledger(database.url)
    ledger.close()
    with pytest.raises(LedgerClosedError):
        asyncio.run(deadlines.expire(ledger, holds))
    assert due(database) == set(holds)

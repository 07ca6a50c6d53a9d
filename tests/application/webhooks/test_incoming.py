"""That a message was taken is written with its effect: not before, not after, and once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

import pytest
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from application.ledger import Ledger
from application.webhooks.incoming import Pool, Provider, Received, Told, receive
from application.webhooks.signing import Proven
from domain.accounts import Account, ChangeAccountStatus, OpenAccount
from tests.conftest import Database
from tests.support.log import fold

OPENED = uuid4()
PROVEN = Proven("msg_1", datetime(2026, 3, 1, 12, 0, tzinfo=UTC))


def read(type_: str, data: Any) -> Told:
    """Opens an account by its first message, and freezes it by another."""
    if type_ == "opened":
        return Told(str(OPENED), OpenAccount(OPENED, "any", "checking", "EUR"))
    return Told(str(OPENED), ChangeAccountStatus(OPENED, "frozen"))


class Flaky:
    """A pool that has connections so many times and then none."""

    def __init__(self, pool: Pool, times: int) -> None:
        self._pool = pool
        self._times = times

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        self._times -= 1
        if self._times < 0:
            raise PoolTimeout
        async with self._pool.connection() as conn:
            yield conn


def told(database: Database, ledger: Ledger, type_: str, times: int = 100) -> Received:
    """What is answered while the pool has connections so many times."""

    async def tell() -> Received:
        kwargs = {"autocommit": True}
        async with AsyncConnectionPool(database.url, min_size=1, kwargs=kwargs) as pool:
            body = f'{{"type":"{type_}","data":{{}}}}'.encode()
            flaky = cast(Pool, Flaky(pool, times))
            provider = Provider(("unused",), read)
            return await receive(ledger, flaky, "house", provider, PROVEN, body, "request-7")

    return asyncio.run(tell())


def account(database: Database) -> Account:
    with database.connect() as conn:
        found = fold(conn)[OPENED]
    assert isinstance(found, Account)
    return found


def test_who_dies_after_the_effect_has_told_that_there_was_one(
    database: Database, ledger: Ledger
) -> None:
    with pytest.raises(PoolTimeout):
        told(database, ledger, "opened", times=1)  # looks whether it is new, writes, and is gone
    with database.connect() as conn:
        rows = conn.execute("SELECT message_id, outcome FROM webhooks_received").fetchall()
    assert rows == [("msg_1", "accepted")]
    assert told(database, ledger, "opened").outcome == "accepted"
    assert account(database).version == 1


def test_the_same_id_with_something_else_changes_nothing(
    database: Database, ledger: Ledger
) -> None:
    first = told(database, ledger, "opened")
    assert told(database, ledger, "frozen") == first
    assert account(database).status == "active"

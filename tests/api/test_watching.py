"""The end of the log is read once for all who follow what is theirs."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from api.watching import Watch
from application.ledger import Ledger
from projections.freshness import Freshness
from tests.conftest import Database
from tests.support.ledgers import open_account, pay, submit

_SOON_S = 30.0
_QUIET_S = 0.05


def test_all_who_follow_share_one_look_and_hear_of_theirs_only(database: Database) -> None:
    with Ledger(database.url) as ledger:
        watched = [open_account(ledger, balance=100) for _ in range(20)]
        other = open_account(ledger)
        asyncio.run(_follow(database.url, ledger, watched, other))


async def _follow(url: str, ledger: Ledger, watched: list[UUID], other: UUID) -> None:
    pool: AsyncConnectionPool[AsyncConnection[object]] = AsyncConnectionPool(url, open=False)
    async with pool, Freshness(url) as freshness:
        watch = Watch(pool, freshness)
        assert await freshness.log_moved(0, _SOON_S)
        head = freshness.head

        quiet = await asyncio.gather(*(watch.look([id_], head, _QUIET_S) for id_ in watched))
        assert quiet == [(head, None)] * len(watched)
        assert _reads(pool) == 0

        looks = [asyncio.create_task(watch.look([id_], head, _SOON_S)) for id_ in watched]
        await asyncio.to_thread(submit, ledger, pay(watched[0], other, 1))
        seen = await asyncio.gather(*looks)
        assert seen[0].last is not None
        assert all(one.last is None for one in seen[1:])
        assert {one.to for one in seen} == {head + 3}
        assert _reads(pool) == 1

        # Whoever is behind what is kept, or ahead of all, is told what is true.
        assert (await watch.look([uuid4()], head, _SOON_S)).last is None
        assert (await watch.look([other], head, _SOON_S)).last == head + 3
        assert _reads(pool) == 1


def _reads(pool: AsyncConnectionPool[AsyncConnection[object]]) -> int:
    return pool.get_stats().get("requests_num", 0)


def test_whoever_is_far_behind_is_told_that_there_may_be_something(database: Database) -> None:
    with Ledger(database.url) as ledger:
        account, other = open_account(ledger, balance=10_000), open_account(ledger)
        submit(ledger, *(pay(account, other, 1) for _ in range(400)))
        asyncio.run(_come_late(database.url, ledger, account, other))


async def _come_late(url: str, ledger: Ledger, account: UUID, other: UUID) -> None:
    pool: AsyncConnectionPool[AsyncConnection[object]] = AsyncConnectionPool(url, open=False)
    async with pool, Freshness(url) as freshness:
        watch, nobody = Watch(pool, freshness), uuid4()
        assert await freshness.log_moved(1000, _SOON_S)
        head = freshness.head
        assert await watch.look([nobody], 1, _SOON_S) == (head, head)
        await asyncio.to_thread(submit, ledger, *(pay(account, other, 1) for _ in range(1000)))
        # More than is read at once, so that it begins anew where the newest are.
        at = head
        while at < head + 3000:
            seen = await watch.look([other], at, _SOON_S)
            assert seen.last is not None
            at = seen.to
        assert await watch.look([other], at, _QUIET_S) == (at, None)

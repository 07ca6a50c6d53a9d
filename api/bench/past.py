"""What was at a past position: one account's balance, and the totals of all accounts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection

from api.bench.freshness import row_of
from api.bench.posting import BenchError
from api.bench.rebuilds import rebuild
from api.bench.rows import Row
from api.bench.sizes import ACCOUNTS
from api.bench.stage import Stage
from projections.balances.past import trial_balance_at
from projections.balances.queries import account_at_position
from projections.log import head_position

Ask = Callable[[AsyncConnection[Any], int], Awaitable[None]]


def measure(stage: Stage) -> list[Row]:
    """Each question by itself over one connection, at the same positions of the whole log. The spread
    is over their ages."""
    conninfo = stage.long_log()
    rebuild(conninfo, ["balances"])  # whose marks the totals start from
    with psycopg.connect(conninfo) as conn:
        head = head_position(conn)
    random = Random(1)  # noqa: S311 - the same questions in each run
    # After all accounts were opened, so that each was there.
    positions = random.sample(range(ACCOUNTS + 1, head + 1), stage.sizes.past_questions)
    accounts = stage.spread.accounts

    async def balance(conn: AsyncConnection[Any], position: int) -> None:
        id_: UUID = random.choice(accounts)
        found = await account_at_position(conn, id_, position)
        if found is None or found.position > position:
            raise BenchError(f"account {id_} was not found at position {position}")

    async def totals(conn: AsyncConnection[Any], position: int) -> None:
        found = await trial_balance_at(conn, position)
        if [one.accounts for one in found.currencies] != [ACCOUNTS]:
            raise BenchError(f"the totals at position {position} are not of all accounts: {found}")

    return [
        row_of(name, asyncio.run(_times_ms(conninfo, ask, positions)), 0.50)
        for name, ask in (("as_of_ms", balance), ("as_of_trial_balance_ms", totals))
    ]


async def _times_ms(conninfo: str, ask: Ask, positions: list[int]) -> list[float]:
    """Milliseconds of each answer, from the oldest position to the newest."""
    taken: dict[int, float] = {}
    async with await AsyncConnection.connect(conninfo, autocommit=True) as conn:
        await ask(conn, positions[0])  # the first one plans
        for position in positions:
            start = time.perf_counter()
            await ask(conn, position)
            taken[position] = (time.perf_counter() - start) * 1000
    return [taken[position] for position in sorted(taken)]

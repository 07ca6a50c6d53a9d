"""Freshness: waits end within milliseconds of what they wait for, and outlive lost connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from application.ledger import Ledger
from projections import checkpoints
from projections import freshness as module
from projections.connecting import connect_async
from projections.freshness import Freshness, Watermark
from projections.log import LOG_CHANNEL, head_position
from tests.conftest import Database
from tests.projections.histories import open_accounts
from tests.projections.running import NAMES, caught_up, end_connections, running


@asynccontextmanager
async def freshness(database: Database) -> AsyncIterator[Freshness]:
    """One that has heard of the read model `any`."""
    async with Freshness(database.url) as fresh:
        assert await fresh.wait_for("any", 1, 10)
        yield fresh


@pytest.fixture(autouse=True)
def any_read_model(conn: psycopg.Connection[Any]) -> None:
    checkpoints.put(conn, "any", 1, 1)


def move(conn: psycopg.Connection[Any], position: int, name: str = "any") -> None:
    with conn.transaction():
        checkpoints.put(conn, name, position, 1)
        checkpoints.notify(conn, name, position)


async def later(wait: Awaitable[bool]) -> asyncio.Task[bool]:
    """The wait, begun."""
    task = asyncio.ensure_future(wait)
    await asyncio.sleep(0)
    assert isinstance(task, asyncio.Task)
    assert not task.done()
    return task


def test_a_wait_ends_when_the_read_model_gets_there(
    database: Database, conn: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that nothing but what the mover tells can end a wait.
    monkeypatch.setattr(module, "_REFRESH_S", 600)

    async def run() -> None:
        async with freshness(database) as fresh:
            far = await later(fresh.wait_for("any", 7, 10))
            near = await later(fresh.wait_for("any", 5, 10))
            move(conn, 9, name="other")
            move(conn, 6)
            assert await near
            assert not far.done()
            move(conn, 7)
            assert await far
            assert await fresh.wait_for("any", 7, 0)
            assert fresh.position("any") == 7
            assert fresh.position("never heard of") == 0

    asyncio.run(run())


def test_a_wait_that_takes_too_long_is_given_up(database: Database) -> None:
    async def run() -> None:
        async with freshness(database) as fresh:
            assert not await fresh.wait_for("any", 2, 0.01)
            assert not await fresh.wait_for("never heard of", 1, 0.01)
            assert not await fresh.log_moved(0, timeout_s=0.01)

    asyncio.run(run())


def test_who_gave_up_does_not_pile_up() -> None:
    async def run() -> Watermark:
        mark = Watermark()
        stays = await later(mark.reached(10**15, None))
        for n in range(100):
            assert not await mark.reached(10**15 + n, 0)
        gone = await later(mark.reached(3, 10))
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert len(mark._waiting) == 1
        mark.set(10**15)
        assert await stays
        return mark

    assert asyncio.run(run())._waiting == []


def test_a_write_is_visible_in_all_read_models_soon_after_it(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    async def run() -> None:
        async with freshness(database) as fresh:
            for _ in range(5):
                moved = await later(fresh.log_moved(fresh.head))
                await asyncio.to_thread(open_accounts, ledger, 2)
                assert await moved
                head = head_position(conn)
                for name in NAMES:
                    assert await fresh.wait_for(name, head, 10)
                assert fresh.head == head

    with running(database.url):
        open_accounts(ledger, 2)
        caught_up(conn)
        asyncio.run(run())


def test_it_starts_with_what_is_already_there(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 2)
    move(conn, 3)

    async def run() -> None:
        async with freshness(database) as fresh:
            assert await fresh.log_moved(head_position(conn) - 1, 10)
            assert (fresh.position("any"), fresh.head) == (3, head_position(conn))

    asyncio.run(run())


def test_what_somebody_else_says_there_only_makes_it_look(
    database: Database, conn: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_REFRESH_S", 600)

    async def run() -> None:
        async with freshness(database) as fresh:
            channels = (LOG_CHANNEL, checkpoints.CHANNEL, checkpoints.CHANGED_CHANNEL)
            for position, channel in enumerate(channels, 5):
                wait = await later(fresh.wait_for("any", position, 20))
                checkpoints.put(conn, "any", position, 1)  # nobody is told of it
                conn.execute(f"NOTIFY {channel}, 'any:thing'".encode())
                assert await wait

    asyncio.run(run())


def test_a_lost_connection_is_made_up_for(
    database: Database, conn: psycopg.Connection[Any]
) -> None:
    async def run() -> None:
        async with freshness(database) as fresh:
            for position in (5, 6, 7):
                wait = await later(fresh.wait_for("any", position, 20))
                end_connections(database, "daybook freshness")
                checkpoints.put(conn, "any", position, 1)  # nobody hears of it
                assert await wait

    asyncio.run(run())


def test_without_a_database_waits_end_in_time(database: Database) -> None:
    async def run() -> None:
        nowhere = database.url.replace(database.name, "not_there")
        async with Freshness(nowhere) as fresh:
            assert not await fresh.wait_for("any", 1, 0.1)

    asyncio.run(run())


def test_each_change_of_rows_is_known_and_a_move_without_is_none(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    async def run() -> None:
        async with freshness(database) as fresh:
            before = fresh.last_change("users")
            opened = fresh.last_change("balances")
            await asyncio.to_thread(open_accounts, ledger, 1)
            head = head_position(conn)
            for name in ("users", "balances"):
                assert await fresh.wait_for(name, head, 60)
            assert fresh.last_change("users") == before, "no user is in it"
            changed = fresh.last_change("balances")
            assert None not in (before, opened, changed)
            assert changed > opened  # type: ignore[operator]
            assert changed.position == head  # type: ignore[union-attr]

    with running(database.url):
        open_accounts(ledger, 1)
        caught_up(conn)
        asyncio.run(run())


def test_other_tables_at_the_same_position_are_a_change(
    database: Database, conn: psycopg.Connection[Any]
) -> None:
    async def run() -> None:
        async with freshness(database) as fresh:
            first = fresh.last_change("any")
            move(conn, 1)
            move(conn, 1, name="afterwards")
            assert await fresh.wait_for("afterwards", 1, 60)
            second = fresh.last_change("any")
            async with await psycopg.AsyncConnection.connect(
                database.url, autocommit=True
            ) as other:
                await checkpoints.renew(other, ["any"])
            move(conn, 2, name="afterwards")
            assert await fresh.wait_for("afterwards", 2, 60)
            third = fresh.last_change("any")
            assert [c and c.position for c in (first, second, third)] == [1, 1, 1]
            assert len({first, second, third}) == 3
            assert fresh.last_change("never heard of") is None

    asyncio.run(run())


def test_while_the_connection_is_lost_no_change_is_known(
    database: Database, conn: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with freshness(database) as fresh:
            before = fresh.last_change("any")
            assert before is not None
            lost = asyncio.Event()
            go_on = asyncio.Event()

            async def wait(conninfo: str, name: str) -> psycopg.AsyncConnection[Any]:
                lost.set()
                await go_on.wait()
                return await connect_async(conninfo, name)

            monkeypatch.setattr(module, "connect_async", wait)
            end_connections(database, "daybook freshness")
            await lost.wait()
            assert fresh.last_change("any") is None
            # As a runner moves it, and nobody hears of it.
            conn.execute("UPDATE checkpoints SET position = 2 WHERE name = 'any'")
            go_on.set()
            assert await fresh.wait_for("any", 2, 60)
            while (after := fresh.last_change("any")) is None:
                await asyncio.sleep(0.001)
            assert after > before

    asyncio.run(run())


def test_a_read_model_that_went_back_is_known_to_be_behind(
    database: Database, conn: psycopg.Connection[Any]
) -> None:
    async def run() -> None:
        async with freshness(database) as fresh:
            move(conn, 9)
            assert await fresh.wait_for("any", 9, 10)
            move(conn, 2)
            move(conn, 1, name="afterwards")
            assert await fresh.wait_for("afterwards", 1, 10)
            assert not await fresh.wait_for("any", 9, 0)

    asyncio.run(run())

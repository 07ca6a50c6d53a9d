"""Access: what one process changes, every other knows within moments, over lost connections too."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import AsyncConnection

from application.identity import access as module
from application.identity import api_keys, sessions
from application.identity.access import Access, KeyPrincipal
from application.identity.api_keys import NewKey, new_key
from tests.application.identity.times import NOW, after
from tests.conftest import Database
from tests.projections.running import end_connections

USER, OTHER_USER = UUID(int=1), UUID(int=2)


@pytest.fixture
def no_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is told is heard."""
    monkeypatch.setattr(module, "_PROOF_S", 600)
    monkeypatch.setattr(module, "_READ_S", 600)


async def becomes(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.002)


def put_user(database: Database, user_id: UUID, role: str = "user", status: str = "active") -> None:
    """Without telling anybody."""
    with database.connect() as conn:
        conn.execute(
            "INSERT INTO user_access VALUES (%s, %s, %s)"
            " ON CONFLICT (user_id) DO UPDATE SET role = EXCLUDED.role, status = EXCLUDED.status",
            (user_id, role, status),
        )


def put_key(database: Database, user_id: UUID = USER, expires_at: Any = None) -> NewKey:
    key = new_key()
    with database.connect() as conn:
        api_keys.keep(conn, key, user_id, "billing", ["read"], expires_at)
    return key


async def log_out(database: Database) -> UUID:
    async with await AsyncConnection.connect(database.url, autocommit=True) as conn:
        sid = uuid4()
        await conn.execute(
            "INSERT INTO sessions VALUES (%s, %s, %s, %s, %s, %s)",
            (sid, USER, uuid4(), NOW, NOW, after(days=7)),
        )
        assert await sessions.end(conn, sid, NOW)
    return sid


@pytest.mark.usefixtures("no_polls")
def test_every_process_hears_of_a_revocation(database: Database) -> None:
    async def run() -> None:
        async with Access(database.url) as one, Access(database.url) as other:
            sid = await log_out(database)
            await becomes(lambda: one.is_revoked(sid, uuid4(), USER))
            await becomes(lambda: other.is_revoked(sid, uuid4(), USER))
            assert not one.is_revoked(uuid4(), uuid4(), USER)

    asyncio.run(run())


def test_it_opens_with_what_is_already_there(database: Database) -> None:
    put_user(database, USER, "admin")
    put_user(database, OTHER_USER, status="suspended")
    key = put_key(database)

    async def run() -> None:
        sid = await log_out(database)
        async with Access(database.url) as access:
            assert access.is_current
            assert access.is_revoked(sid, uuid4(), USER)
            assert access.is_revoked(None, sid, USER)
            assert access.is_revoked(None, uuid4(), sid)
            assert access.status(USER) == "active"
            assert access.status(uuid4()) == "active"
            assert access.status(OTHER_USER) == "suspended"
            assert access.key(key.digest, NOW) == KeyPrincipal(
                key.id, USER, frozenset({"read"}), None, "admin", "active"
            )
            assert access.key(new_key().digest, NOW) is None

    asyncio.run(run())


@pytest.mark.usefixtures("no_polls")
def test_api_keys_come_and_go(database: Database) -> None:
    put_user(database, USER)

    async def run() -> None:
        async with Access(database.url) as access:
            key = put_key(database)
            await becomes(lambda: access.key(key.digest, NOW))
            assert access.key_by_id(key.id, NOW) == access.key(key.digest, NOW)
            with database.connect() as conn:
                assert api_keys.revoke(conn, key.id, NOW)
            await becomes(lambda: access.key(key.digest, NOW) is None)
            assert access.key_by_id(key.id, NOW) is None

    asyncio.run(run())


def test_an_api_key_expires(database: Database) -> None:
    put_user(database, USER)
    now, hour = datetime.now(UTC), timedelta(hours=1)
    key, over = put_key(database, expires_at=now + hour), put_key(database, expires_at=now - hour)

    async def run() -> None:
        async with Access(database.url) as access:
            for found in (
                access.key(key.digest, now + hour / 2),
                access.key_by_id(key.id, now + hour / 2),
            ):
                assert found is not None
                assert found.key_id == key.id
            assert access.key(key.digest, now + hour) is None
            assert access.key_by_id(key.id, now + hour) is None
            assert access.key(over.digest, now - 2 * hour) is None, "it is not even read"

    asyncio.run(run())


def test_a_key_is_what_its_user_is(database: Database) -> None:
    put_user(database, USER)
    key, orphan = put_key(database), put_key(database, OTHER_USER)

    async def run() -> None:
        async with Access(database.url) as access:
            assert access.key(orphan.digest, NOW) is None
            put_user(database, USER, "auditor", "suspended")
            assert await access.refresh()
            found = access.key(key.digest, NOW)
            assert found is not None
            assert (found.role, found.status) == ("auditor", "suspended")
            assert access.status(USER) == "suspended"

    asyncio.run(run())


def test_what_nobody_told_is_found_all_the_same(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_READ_S", 0.01)

    async def run() -> None:
        async with Access(database.url) as access:
            put_user(database, USER, status="suspended")
            await becomes(lambda: access.status(USER) == "suspended")
            put_user(database, USER)
            await becomes(lambda: access.status(USER) == "active")

    asyncio.run(run())


@pytest.mark.usefixtures("no_polls")
def test_what_the_process_itself_did_is_known_at_once(database: Database) -> None:
    async def run() -> None:
        async with Access(database.url) as access:
            noted, noted_too = uuid4(), uuid4()
            access.note_revoked(noted, noted_too)
            assert access.is_revoked(noted, uuid4(), USER)
            assert access.is_revoked(None, noted_too, USER)
            # The database has the last word: these were never committed.
            assert await access.refresh()
            assert not access.is_revoked(noted, noted_too, USER)

    asyncio.run(run())


@pytest.mark.usefixtures("no_polls")
def test_a_reading_that_was_under_way_does_not_forget_what_was_noted(database: Database) -> None:
    async def run() -> None:
        async with Access(database.url) as access:
            with database.connect() as conn, conn.transaction():
                conn.execute("LOCK TABLE user_access")
                reading = asyncio.create_task(access.refresh(60))
                await becomes(lambda: waiting(database))
                sid = await log_out(database)  # after the reading has seen the revocations
                access.note_revoked(sid)
            assert await reading
            assert access.is_revoked(sid, uuid4(), USER)

    asyncio.run(run())


@pytest.mark.usefixtures("no_polls")
def test_who_asks_during_a_reading_is_answered_by_the_next(database: Database) -> None:
    async def run() -> None:
        async with Access(database.url) as access:
            with database.connect() as conn, conn.transaction():
                conn.execute("LOCK TABLE user_access")
                first = asyncio.create_task(access.refresh(60))
                await becomes(lambda: waiting(database))
                second = asyncio.create_task(access.refresh(60))
                await asyncio.sleep(0)
            assert await first
            assert not second.done()
            assert await second

    asyncio.run(run())


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When everything was read."""
    found = []
    read = Access._read

    async def counted(access: Access, conn: AsyncConnection[Any]) -> None:
        found.append(time.monotonic())
        await read(access, conn)

    monkeypatch.setattr(Access, "_read", counted)
    return found


def test_without_news_the_connection_only_proves_that_it_lives(
    database: Database, readings: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PROOF_S", 0.01)
    monkeypatch.setattr(module, "_READ_S", 600)
    monkeypatch.setattr(module, "_ANSWER_S", 60)

    async def run() -> None:
        async with Access(database.url) as access:
            before = len(readings)
            put_user(database, USER, status="suspended")
            for _ in range(5):
                heard_at = access._heard_at
                await becomes(lambda known=heard_at: access._heard_at != known)  # type: ignore[misc]
            assert len(readings) == before
            assert access.status(USER) == "active"
            sid = await log_out(database)
            await becomes(lambda: access.is_revoked(sid, uuid4(), USER))
            assert access.status(USER) == "suspended", "then everything was read"

    asyncio.run(run())


@pytest.mark.usefixtures("no_polls")
def test_of_news_one_after_the_other_not_each_is_read(
    database: Database, readings: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ANSWER_S", 60)

    async def run() -> None:
        async with Access(database.url) as access:
            for _ in range(20):
                sid = await log_out(database)
            await becomes(lambda: access.is_revoked(sid, uuid4(), USER))

    began = time.monotonic()
    asyncio.run(run())
    lasted_s = time.monotonic() - began
    assert len(readings) <= 2 + lasted_s / module._APART_S


@pytest.mark.usefixtures("no_polls")
def test_a_burst_of_changes_is_read_at_once(
    database: Database, readings: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ANSWER_S", 60)

    async def run() -> None:
        async with Access(database.url) as access:
            with database.connect() as conn, conn.transaction():
                conn.execute("LOCK TABLE user_access")
                reading = asyncio.create_task(access.refresh(60))
                await becomes(lambda: waiting(database))
                burst = [await log_out(database) for _ in range(30)]
            assert await reading
            await becomes(lambda: all(access.is_revoked(sid, sid, USER) for sid in burst))
            assert await access.refresh(60)

    asyncio.run(run())
    assert len(readings) < 10


@pytest.mark.usefixtures("no_polls")
def test_a_lost_connection_is_made_up_for(database: Database) -> None:
    async def run() -> None:
        async with Access(database.url) as access:
            for _ in range(3):
                end_connections(database, "daybook access")
                sid = await log_out(database)
                await becomes(partial(access.is_revoked, sid, uuid4(), USER))
                assert access.is_current

    asyncio.run(run())


def test_without_a_database_it_is_not_current(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ANSWER_S", 0.1)

    async def run() -> None:
        nowhere = database.url.replace(database.name, "not_there")
        async with Access(nowhere) as access:
            assert not access.is_current
            assert not await access.refresh(0.01)

    asyncio.run(run())


def test_a_database_that_does_not_answer_is_not_trusted_for_long(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_READ_S", 0.01)
    monkeypatch.setattr(module, "_ANSWER_S", 0.5)
    monkeypatch.setattr(module, "_CURRENT_S", 1.0)

    async def run() -> None:
        async with Access(database.url) as access:
            await becomes(lambda: access.is_current)
            with database.connect() as conn, conn.transaction():
                conn.execute("LOCK TABLE user_access")
                await becomes(lambda: not access.is_current)
                assert not await access.refresh(0.01)
            await becomes(lambda: access.is_current)

    asyncio.run(run())


def waiting(database: Database) -> bool:
    """Whether the reading waits for a lock."""
    with database.connect(superuser=True) as conn:
        found = conn.execute(
            "SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'daybook access' AND wait_event_type = 'Lock'"
        )
        return found.rowcount == 1

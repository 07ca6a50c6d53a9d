"""Sessions: a refresh token is good once, and one that comes back ends all that came of it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from msgspec.structs import replace
from psycopg import AsyncConnection

from application.identity import sessions
from application.identity.errors import TokenError
from application.identity.sessions import ACCESS_LIFE, REFRESH_LIFE, CleanedUp, Session
from application.ledger.companions import keep_users
from domain.users import User
from tests.application.identity.times import NOW, after
from tests.conftest import Database
from tests.projections.running import ask
from tests.support.waiting import until

USER, OTHER_USER = UUID(int=1), UUID(int=2)


def put_user(database: Database, user_id: UUID = USER, role: str = "user") -> None:
    with database.connect() as conn:
        conn.execute(
            "INSERT INTO user_access VALUES (%s, %s, 'active')"
            " ON CONFLICT (user_id) DO UPDATE SET role = EXCLUDED.role",
            (user_id, role),
        )
        conn.execute(
            "INSERT INTO credentials VALUES (%s, '', %s) ON CONFLICT DO NOTHING", (user_id, NOW)
        )


def start(database: Database, user_id: UUID = USER, now: datetime = NOW) -> Session:
    put_user(database, user_id)
    session = ask(database.url, sessions.start, user_id, "user", NOW, now)
    assert session is not None
    return session


def rotate(database: Database, session: Session, now: datetime = NOW) -> Session:
    return ask(database.url, sessions.rotate, session.id, session.refresh_id, now)


def refused(database: Database, session: Session, now: datetime = NOW) -> str:
    with pytest.raises(TokenError) as error:
        rotate(database, session, now)
    return error.value.reason


def revoked(database: Database) -> dict[UUID, datetime]:
    with database.connect() as conn:
        return dict(conn.execute("SELECT id, until FROM revocations").fetchall())


def ended(database: Database) -> set[UUID]:
    with database.connect() as conn:
        found = conn.execute("SELECT id FROM sessions WHERE ended_at IS NOT NULL").fetchall()
    return {row[0] for row in found}


def listening(database: Database) -> psycopg.Connection[Any]:
    conn = database.connect()
    conn.execute("LISTEN daybook_access")
    return conn


def told(conn: psycopg.Connection[Any]) -> int:
    """How often a change was told since it was asked last. What is committed is told by then."""
    conn.execute("SELECT")
    return len(list(conn.notifies(timeout=0)))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE user_access SET role = 'admin'",
        "UPDATE user_access SET status = 'suspended'",
        "UPDATE credentials SET changed_at = changed_at + interval '1 day'",
        "DELETE FROM credentials",
    ],
)
def test_a_session_begins_only_as_the_user_still_is(database: Database, change: str) -> None:
    put_user(database)
    with database.connect() as conn:
        conn.execute(change.encode())
    assert ask(database.url, sessions.start, USER, "user", NOW, NOW) is None


def test_a_session_that_waits_for_a_change_of_the_user_does_not_begin(database: Database) -> None:
    put_user(database)
    with (
        database.connect() as conn,
        database.connect() as watching,
        ThreadPoolExecutor() as threads,
    ):
        with conn.transaction():
            conn.execute("UPDATE user_access SET role = 'admin'")
            begun = threads.submit(ask, database.url, sessions.start, USER, "user", NOW, NOW)
            until(lambda: watching.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall())
        assert begun.result() is None


def test_a_session_that_begins_while_its_user_is_barred_ends_with_the_others(
    database: Database,
) -> None:
    put_user(database)
    before = User(USER, 1, "user", "active", False, "an address", "a name")
    after_it = replace(before, version=2, status="suspended")

    def bar() -> None:
        with database.connect() as conn, conn.transaction():
            keep_users(conn, [(before, after_it)], NOW)

    with (
        database.connect() as beginning,
        database.connect() as watching,
        ThreadPoolExecutor() as threads,
    ):
        with beginning.transaction():
            beginning.execute("SELECT FROM user_access FOR SHARE")
            sid = uuid4()
            beginning.execute(
                "INSERT INTO sessions VALUES (%s, %s, %s, %s, %s, %s)",
                (sid, USER, uuid4(), NOW, NOW, after(days=7)),
            )
            barred = threads.submit(bar)
            until(lambda: watching.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall())
        barred.result()
    assert ended(database) == {sid}


def test_open_sessions_are_told_the_last_used_first(database: Database) -> None:
    first, over, used = start(database), start(database), start(database, now=after(seconds=1))
    start(database, OTHER_USER)
    ask(database.url, sessions.end, over.id, NOW)
    told = ask(database.url, sessions.open_of, USER, NOW)
    assert [session.id for session in told] == [used.id, first.id]
    assert ask(database.url, sessions.open_of, USER, after(days=8)) == []


def test_nobody_ends_the_session_of_another(database: Database) -> None:
    session = start(database)
    assert not ask(database.url, sessions.end_own, session.id, OTHER_USER, NOW)
    assert ended(database) == set()
    assert ask(database.url, sessions.end_own, session.id, USER, NOW)
    assert ended(database) == {session.id}


def test_a_session_goes_on_from_one_refresh_token_to_the_next(database: Database) -> None:
    first = start(database)
    assert first.expires_at == NOW + REFRESH_LIFE
    second = rotate(database, first, after(days=6))
    assert (second.id, second.user_id) == (first.id, USER)
    assert second.refresh_id != first.refresh_id
    assert second.expires_at == after(days=6) + REFRESH_LIFE
    assert rotate(database, second, after(days=12)).expires_at == after(days=12) + REFRESH_LIFE
    assert not revoked(database)


def test_a_session_ends_after_ninety_days_all_the_same(database: Database) -> None:
    session = start(database)
    for day in range(6, 90, 6):
        session = rotate(database, session, after(days=day))
    assert session.expires_at == after(days=90)
    session = rotate(database, session, after(days=90, seconds=-1))
    assert session.expires_at == after(days=90)
    assert refused(database, session, after(days=90)) == "token_expired"


def test_a_session_that_was_left_alone_is_over(database: Database) -> None:
    session = start(database)
    assert refused(database, session, NOW + REFRESH_LIFE) == "token_expired"
    rotate(database, session, NOW + REFRESH_LIFE - timedelta(microseconds=1))


def test_a_session_that_never_was_is_not_found(database: Database) -> None:
    assert refused(database, Session(uuid4(), USER, uuid4(), NOW)) == "token_not_found"


def test_a_refresh_token_that_comes_back_ends_the_session(database: Database) -> None:
    first, other = start(database), start(database)
    second = rotate(database, first)
    with listening(database) as conn:
        assert refused(database, first, after(minutes=1)) == "token_revoked"
        assert told(conn) == 1
    assert refused(database, second, after(minutes=1)) == "token_revoked"
    assert ended(database) == {first.id}
    assert list(revoked(database)) == [first.id]
    # No access token that came of it lives longer.
    assert revoked(database)[first.id] >= after(minutes=1) + ACCESS_LIFE
    rotate(database, other)


def test_of_two_uses_at_once_one_wins_and_the_other_ends_the_session(database: Database) -> None:
    session = start(database)

    async def run() -> tuple[Any, Any]:
        async with (
            await AsyncConnection.connect(database.url, autocommit=True) as one,
            await AsyncConnection.connect(database.url, autocommit=True) as two,
        ):
            return await asyncio.gather(
                sessions.rotate(one, session.id, session.refresh_id, NOW),
                sessions.rotate(two, session.id, session.refresh_id, NOW),
                return_exceptions=True,
            )

    answers = asyncio.run(run())
    won = [answer for answer in answers if isinstance(answer, Session)]
    lost = [answer for answer in answers if isinstance(answer, TokenError)]
    assert [error.reason for error in lost] == ["token_revoked"]
    assert len(won) == 1
    assert refused(database, won[0]) == "token_revoked"
    assert ended(database) == {session.id}


def test_who_waits_for_a_use_that_is_under_way_has_lost(database: Database) -> None:
    session = start(database)

    async def run() -> None:
        async with (
            await AsyncConnection.connect(database.url) as one,
            await AsyncConnection.connect(database.url, autocommit=True) as two,
        ):
            await sessions.rotate(one, session.id, session.refresh_id, NOW)
            second = asyncio.create_task(sessions.rotate(two, session.id, session.refresh_id, NOW))
            while not await waits(two.info.backend_pid):
                await asyncio.sleep(0.002)
            await one.commit()
            with pytest.raises(TokenError, match="token_revoked"):
                await second

    async def waits(pid: int) -> bool:
        with database.connect() as conn:
            found = conn.execute("SELECT cardinality(pg_blocking_pids(%s))", (pid,)).fetchone()
        return found != (0,)

    asyncio.run(run())
    assert ended(database) == {session.id}


def test_logging_out_ends_a_session_once(database: Database) -> None:
    session, other = start(database), start(database)
    with listening(database) as conn:
        assert ask(database.url, sessions.end, session.id, NOW)
        assert told(conn) == 1
        assert not ask(database.url, sessions.end, session.id, after(minutes=1))
        assert not ask(database.url, sessions.end, uuid4(), NOW)
        assert told(conn) == 0
    assert refused(database, session) == "token_revoked"
    assert list(revoked(database)) == [session.id]
    rotate(database, other)


def test_all_sessions_of_a_user_end(database: Database) -> None:
    mine, other = [start(database) for _ in range(3)], start(database, OTHER_USER)
    ask(database.url, sessions.end, mine[0].id, NOW)
    assert ask(database.url, sessions.end_all, USER, NOW) == 2
    assert ended(database) == {session.id for session in mine}
    assert set(revoked(database)) == ended(database)
    assert ask(database.url, sessions.end_all, USER, NOW) == 0
    rotate(database, other)


def test_all_sessions_but_the_own_end(database: Database) -> None:
    mine = [start(database) for _ in range(3)]
    assert ask(database.url, sessions.end_all, USER, NOW, but=mine[1].id) == 2
    assert ended(database) == {mine[0].id, mine[2].id}


def test_sessions_end_with_the_transaction_that_ends_them(database: Database) -> None:
    mine = [start(database) for _ in range(2)]
    with listening(database) as hears, database.connect() as conn:
        with conn.transaction(force_rollback=True):
            assert sessions.end_all_sync(conn, USER, NOW) == 2
        assert told(hears) == 0
        assert not ended(database)
        with conn.transaction():
            assert sessions.end_all_sync(conn, USER, NOW, but=mine[0].id) == 1
            assert told(hears) == 0
        assert told(hears) == 1
    assert ended(database) == set(revoked(database)) == {mine[1].id}


def test_what_is_over_is_removed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_AT_ONCE", 2)
    over = [start(database) for _ in range(5)]
    open_still = start(database, now=after(days=1))
    ask(database.url, sessions.end, over[0].id, NOW)
    assert ask(database.url, sessions.clean_up, NOW + ACCESS_LIFE) == CleanedUp(0, 0)
    assert ask(database.url, sessions.clean_up, after(hours=1)) == CleanedUp(0, 1)
    assert refused(database, over[0], after(hours=1)) == "token_revoked"
    # It can still be ended as long as one of its access tokens may be good.
    assert ask(database.url, sessions.clean_up, NOW + REFRESH_LIFE) == CleanedUp(0, 0)
    assert ask(database.url, sessions.clean_up, NOW + REFRESH_LIFE + timedelta(hours=1)) == (5, 0)
    assert refused(database, over[1], after(days=7)) == "token_not_found"
    rotate(database, open_still, after(days=7))

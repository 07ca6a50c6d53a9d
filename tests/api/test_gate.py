"""The gate: who was let in is so only as long as that is true, and is counted however he comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import AsyncConnection

from api.callers import Caller
from api.guard import Gate
from api.limits import Limiter, Rates
from api.problems import ProblemError
from application.identity import api_keys
from application.identity.access import Access
from application.identity.api_keys import NewKey, new_key
from application.identity.tokens import Signer, VerifiedTokens
from tests.conftest import Database
from tests.support.people import JWT_SECRET

SIGNER = Signer([JWT_SECRET])
USER = UUID(int=7)
HOUR = timedelta(hours=1)

Act = Callable[[AsyncConnection[Any]], Awaitable[Any]]


def gate_of(access: Access, limiter: Limiter | None = None) -> Gate:
    return Gate(SIGNER, access, limiter, VerifiedTokens(SIGNER))


def with_token(**more: Any) -> Caller:
    return Caller(
        USER, "auditor", uuid4(), uuid4(), int(datetime.now(UTC).timestamp()) + 3600, **more
    )


def let_in_after(database: Database, caller: Caller, act: str, now: datetime) -> bool:
    """Whether a caller is still let in after a statement; without it he was."""

    async def run() -> bool:
        async with Access(database.url) as access:
            gate = gate_of(access)
            assert gate.still_lets_in(caller, now)
            with database.connect() as conn:
                conn.execute(
                    act.encode(), {"user": USER, "key": caller.key_id, "sid": caller.session_id}
                )
            assert await access.refresh(60)
            return gate.still_lets_in(caller, now)

    return asyncio.run(run())


def put_key(database: Database, expires_at: datetime | None = None) -> NewKey:
    key = new_key()
    with database.connect() as conn:
        conn.execute("INSERT INTO user_access VALUES (%s, 'auditor', 'active')", (USER,))
        api_keys.keep(conn, key, USER, "reports", ["audit:read"], expires_at)
    return key


BARRED = (
    "INSERT INTO user_access VALUES (%(user)s, 'auditor', 'suspended')"
    " ON CONFLICT (user_id) DO UPDATE SET status = 'suspended'"
)
NOTHING = "SELECT 1"


@pytest.mark.parametrize(
    ("act", "stays"),
    [
        (NOTHING, True),
        (BARRED, False),
        ("INSERT INTO revocations VALUES (%(sid)s, clock_timestamp())", False),
    ],
)
def test_who_came_with_a_token_stays_until_that_is_taken_back(
    act: str, stays: bool, database: Database
) -> None:
    assert let_in_after(database, with_token(), act, datetime.now(UTC)) is stays


@pytest.mark.parametrize(
    ("act", "stays"),
    [
        (NOTHING, True),
        (BARRED, False),
        ("UPDATE api_keys SET revoked_at = clock_timestamp() WHERE id = %(key)s", False),
        ("UPDATE user_access SET role = 'admin'", False),
        ("DELETE FROM api_keys", False),
    ],
)
def test_who_came_with_a_key_stays_until_that_is_taken_back(
    act: str, stays: bool, database: Database
) -> None:
    caller = Caller(USER, "auditor", key_id=put_key(database).id)
    assert let_in_after(database, caller, act, datetime.now(UTC)) is stays


def test_nobody_stays_beyond_the_time_that_he_was_given(database: Database) -> None:
    now = datetime.now(UTC)
    key = put_key(database, now + HOUR)

    async def run() -> None:
        async with Access(database.url) as access:
            gate = gate_of(access)
            for caller in (
                Caller(USER, "auditor", key_id=key.id),
                Caller(USER, "auditor", uuid4(), uuid4(), int((now + HOUR).timestamp())),
            ):
                assert gate.still_lets_in(caller, now + HOUR / 2)
                assert not gate.still_lets_in(caller, now + HOUR)

    asyncio.run(run())


def test_nobody_stays_when_nothing_is_known(database: Database) -> None:
    assert not gate_of(Access(database.url)).still_lets_in(with_token(), datetime.now(UTC))


RATES = Rates(per_person="4/year", per_machine="6/year", writes_per_person="2/year")


def counted(callers: list[Caller], method: str) -> list[bool]:
    """Which of these requests, one after the other, were not too many."""

    async def run() -> list[bool]:
        gate, found = gate_of(Access(""), Limiter(None, RATES)), []
        for caller in callers:
            try:
                await gate.count(caller, {"method": method, "state": {}})
            except ProblemError as error:
                found.append(error.reason != "rate_limited")
            else:
                found.append(True)
        return found

    return asyncio.run(run())


def keys_of(role: str, user_id: UUID, count: int) -> list[Caller]:
    return [Caller(user_id, role, key_id=uuid4()) for _ in range(count)]


def test_a_customers_keys_are_counted_as_the_customer() -> None:
    person = Caller(USER, "user", uuid4(), uuid4())
    callers = [person, *keys_of("user", USER, 4)]
    assert counted(callers, "GET") == [True] * 4 + [False]
    assert counted(callers[:3], "POST") == [True] * 2 + [False]


def test_many_keys_of_one_user_are_one_machine() -> None:
    callers = [*keys_of("support", USER, 7), *keys_of("support", UUID(int=8), 1)]
    for method in ("GET", "POST"):
        assert counted(callers, method) == [True] * 6 + [False, True]


def test_the_person_and_the_machine_of_staff_are_counted_apart() -> None:
    person = Caller(USER, "support", uuid4(), uuid4())
    assert counted([*keys_of("support", USER, 6), person], "GET") == [True] * 7

"""Old answers go, fresh ones stay."""

from __future__ import annotations

import asyncio

from psycopg import AsyncConnection

from application.housekeeping import forget_old_answers
from tests.conftest import Database


def test_answers_are_forgotten_after_thirty_days(database: Database) -> None:
    with database.connect() as conn:
        for key, age in (("old", "31 days"), ("fresh", "29 days")):
            conn.execute(
                "INSERT INTO idempotency_keys VALUES"
                " ('somebody', %s, '', 200, '', 0, clock_timestamp() - %s::interval)",
                (key, age),
            )

    async def forget() -> int:
        async with await AsyncConnection.connect(database.url, autocommit=True) as conn:
            return await forget_old_answers(conn)

    assert asyncio.run(forget()) == 1
    with database.connect() as conn:
        assert conn.execute("SELECT key FROM idempotency_keys").fetchall() == [("fresh",)]

"""Old answers and webhooks go, fresh ones stay."""

from __future__ import annotations

import asyncio

from psycopg import AsyncConnection

from application.housekeeping import forget_old_answers, forget_old_webhooks
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


def test_webhooks_are_forgotten_after_thirty_days(database: Database) -> None:
    with database.connect() as conn:
        conn.execute(
            "INSERT INTO webhook_endpoints (id, owner_id, url, types, secret)"
            " VALUES (gen_random_uuid(), gen_random_uuid(), '', '{}', '')"
        )
        for key, age in (("old", "31 days"), ("fresh", "29 days")):
            conn.execute(
                "INSERT INTO webhook_deliveries (id, endpoint_id, message_id, type, body, created_at)"
                " SELECT gen_random_uuid(), id, %s, '', '', clock_timestamp() - %s::interval"
                " FROM webhook_endpoints",
                (key, age),
            )
            conn.execute(
                "INSERT INTO webhooks_received"
                " VALUES ('bank', %s, '', '', '', clock_timestamp() - %s::interval)",
                (key, age),
            )

    async def forget() -> int:
        async with await AsyncConnection.connect(database.url, autocommit=True) as conn:
            return await forget_old_webhooks(conn)

    assert asyncio.run(forget()) == 2
    with database.connect() as conn:
        for table in ("webhook_deliveries", "webhooks_received"):
            left = conn.execute(f"SELECT message_id FROM {table}".encode()).fetchall()
            assert left == [("fresh",)]

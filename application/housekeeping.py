"""Forgets what need not be kept for ever. The log is not among it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from psycopg import AsyncConnection

KEEP_ANSWERS = timedelta(days=30)
"""So long a request can be repeated with its Idempotency-Key; ids work for ever."""

KEEP_WEBHOOKS = timedelta(days=30)
"""So long it is known what was sent where, and what came in: much longer than a message is good for."""

_AT_ONCE = 10_000


async def forget_old_answers(conn: AsyncConnection[Any]) -> int:
    """Delete answers past `KEEP_ANSWERS`, some at a time; how many were deleted."""
    cursor = await conn.execute(
        "DELETE FROM idempotency_keys WHERE (caller, key) IN ("
        " SELECT caller, key FROM idempotency_keys"
        " WHERE answered_at < clock_timestamp() - %s::interval LIMIT %s)",
        (KEEP_ANSWERS, _AT_ONCE),
    )
    return cursor.rowcount


async def forget_old_webhooks(conn: AsyncConnection[Any]) -> int:
    """Delete what was sent and what came in past `KEEP_WEBHOOKS`, some at a time; how many were
    deleted. What is still tried is younger."""
    sent = await conn.execute(
        # The first ones by number are the oldest: the others need not be looked at.
        "DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM"
        " (SELECT id, created_at FROM webhook_deliveries ORDER BY number LIMIT %s) AS oldest"
        " WHERE created_at < clock_timestamp() - %s::interval)",
        (_AT_ONCE, KEEP_WEBHOOKS),
    )
    received = await conn.execute(
        "DELETE FROM webhooks_received WHERE (provider, message_id) IN ("
        " SELECT provider, message_id FROM webhooks_received"
        " WHERE received_at < clock_timestamp() - %s::interval LIMIT %s)",
        (KEEP_WEBHOOKS, _AT_ONCE),
    )
    return sent.rowcount + received.rowcount

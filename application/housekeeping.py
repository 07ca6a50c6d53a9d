"""Forgets what need not be kept for ever. The log is not among it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from psycopg import AsyncConnection

KEEP_ANSWERS = timedelta(days=30)
"""So long a request can be repeated with its Idempotency-Key; ids work for ever."""

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

"""Forgets jobs that are over for long, and keys whose time is over."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from psycopg import Connection

_log = logging.getLogger("daybook.jobs")

KEEP = timedelta(days=7)
"""So long jobs that are done or cancelled can be looked at. The dead stay until an operator has decided."""

_AT_ONCE = 5_000

_JOBS = f"""
DELETE FROM jobs WHERE id IN (
    SELECT id FROM jobs
    WHERE finished_at < now() - %s::interval AND status IN ('done', 'cancelled')
    LIMIT {_AT_ONCE}
    FOR UPDATE SKIP LOCKED
)
"""
_KEYS = f"""
DELETE FROM job_keys WHERE key IN (
    SELECT key FROM job_keys WHERE until < now() LIMIT {_AT_ONCE} FOR UPDATE SKIP LOCKED
)
"""


def prune(conn: Connection[Any], keep: timedelta = KEEP) -> int:
    """Delete what need not be kept, some at a time; how many jobs were deleted."""
    deleted = 0
    while (jobs := conn.execute(_JOBS.encode(), (keep,)).rowcount) > 0:
        deleted += jobs
    while conn.execute(_KEYS.encode()).rowcount > 0:
        pass
    if deleted:
        _log.info("forgot %d jobs that were over", deleted)
    return deleted

"""Who has a job: a worker takes it for a while, says that it is still there, or is taken to be gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from application.jobs.jobs import Job

# Locked ones are left alone everywhere here: whoever waits for several locks may be waited for.
_TAKE = """
WITH next AS (
    SELECT id FROM jobs
    WHERE status = 'waiting' AND queue = %(queue)s AND due_at <= now() AND kind = ANY(%(kinds)s)
    ORDER BY priority, due_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
UPDATE jobs SET status = 'running', attempts = attempts + 1, worker = %(worker)s,
    lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s),
    started_at = clock_timestamp()
FROM next WHERE jobs.id = next.id
RETURNING jobs.id, kind, queue, priority, payload, attempts AS attempt, worker, created_at,
    started_at, failures, lost, max_attempts, time_limit_s, correlation_id, causation_id,
    cancel_asked, category, error, trace
"""
_KEEP = """
UPDATE jobs SET lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE id IN (
    SELECT id FROM jobs
    WHERE id = ANY(%(ids)s) AND status = 'running' AND worker = %(worker)s
    FOR UPDATE SKIP LOCKED
)
RETURNING id, attempts
"""
_GIVE_BACK = """
WITH gone AS (
    SELECT id, worker FROM jobs WHERE status = 'running' AND lease_until < now()
    LIMIT 1000
    FOR UPDATE SKIP LOCKED
), given AS (
    UPDATE jobs SET status = 'waiting', lost = lost + 1, lease_until = NULL,
        due_at = clock_timestamp(),
        category = 'lost', error = 'its worker is gone: ' || gone.worker, trace = NULL
    FROM gone WHERE jobs.id = gone.id
    RETURNING jobs.id, attempts, started_at, error
)
INSERT INTO job_attempts (job_id, number, started_at, outcome, error)
SELECT id, attempts, started_at, 'lost', error FROM given
RETURNING job_id
"""


def take(
    conn: Connection[Any], queue: str, kinds: Sequence[str], worker: str, lease_s: float
) -> Job | None:
    """The first job of a queue that is due and of these kinds, for this worker alone."""
    given = {"queue": queue, "kinds": kinds, "worker": worker, "lease_s": lease_s}
    with conn.cursor(row_factory=class_row(Job)) as cursor:
        return cursor.execute(_TAKE, given).fetchone()


def keep(
    conn: Connection[Any], worker: str, ids: Iterable[UUID], lease_s: float
) -> set[tuple[UUID, int]]:
    """Go on having these jobs; the (id, attempt) of those that could be had on. One that is missing
    belongs to somebody else, or is just being ended."""
    given = {"ids": list(ids), "worker": worker, "lease_s": lease_s}
    return set(conn.execute(_KEEP, given).fetchall())


def give_back(conn: Connection[Any]) -> list[UUID]:
    """Jobs whose workers are gone, for others to take."""
    return [row[0] for row in conn.execute(_GIVE_BACK).fetchall()]

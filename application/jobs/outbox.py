"""Puts jobs in, in the transaction of what asks for them: both are there, or neither is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from psycopg import AsyncConnection, Connection

from application.jobs.jobs import NewJob

CHANNEL = "daybook_jobs"
"""Postgres channel on which it is told that there is something to do."""

# A key that is taken stays with its job until the window is over, whatever becomes of the job.
_PUT = f"""
WITH given AS (
    SELECT * FROM unnest(
        %(ids)s::uuid[], %(kinds)s::text[], %(queues)s::text[], %(priorities)s::smallint[],
        %(payloads)s::jsonb[], %(delays_s)s::float8[], %(keys)s::text[], %(windows_s)s::float8[],
        %(max_attempts)s::int[], %(time_limits_s)s::int[], %(correlations)s::text[],
        %(causations)s::text[]
    ) AS t (id, kind, queue, priority, payload, delay_s, unique_key, window_s, max_attempts,
            time_limit_s, correlation_id, causation_id)
), keyed AS (
    INSERT INTO job_keys (key, job_id, until)
    SELECT unique_key, id, clock_timestamp() + make_interval(secs => window_s)
    FROM given WHERE unique_key IS NOT NULL ORDER BY unique_key
    ON CONFLICT (key) DO UPDATE SET job_id = excluded.job_id, until = excluded.until
        WHERE job_keys.until <= clock_timestamp()
    RETURNING job_id
), added AS (
    INSERT INTO jobs (id, kind, queue, priority, payload, due_at, unique_key, max_attempts,
                      time_limit_s, correlation_id, causation_id)
    SELECT id, kind, queue, priority, payload,
           clock_timestamp() + make_interval(secs => delay_s), unique_key, max_attempts,
           time_limit_s, correlation_id, causation_id
    FROM given WHERE unique_key IS NULL OR id IN (SELECT job_id FROM keyed)
    ON CONFLICT (id) DO NOTHING
    RETURNING id
)
SELECT added.id, pg_notify('{CHANNEL}', '') FROM added
"""


def put(conn: Connection[Any], jobs: Iterable[NewJob]) -> list[UUID]:
    """Put jobs in and answer the ids of those that are new: not put in before, and the first of their
    key in its time. They are there once the transaction of `conn` commits."""
    given = _given(jobs)
    return [row[0] for row in conn.execute(_PUT, given).fetchall()] if given else []


def take_out(conn: Connection[Any], ids: Sequence[UUID]) -> None:
    """Remove jobs that wait and are needed no longer. One that a worker has in its hands goes on: whoever
    holds the log's head waits for no worker."""
    if ids:
        conn.execute(
            "DELETE FROM jobs WHERE id IN ("
            " SELECT id FROM jobs WHERE id = ANY(%s) AND status = 'waiting' FOR UPDATE SKIP LOCKED)",
            (list(ids),),
            prepare=True,
        )


async def put_async(conn: AsyncConnection[Any], jobs: Iterable[NewJob]) -> list[UUID]:
    """As `put`."""
    given = _given(jobs)
    if not given:
        return []
    cursor = await conn.execute(_PUT, given)
    return [row[0] for row in await cursor.fetchall()]


def _given(jobs: Iterable[NewJob]) -> dict[str, list[Any]]:
    """The statement's parameters, by the column; of a key that is there twice the first job only."""
    first: dict[object, NewJob] = {}
    for job in jobs:
        first.setdefault(job.unique_key or job.id, job)
    if not first:
        return {}
    rows = first.values()
    return {
        "ids": [job.id for job in rows],
        "kinds": [job.kind for job in rows],
        "queues": [job.queue for job in rows],
        "priorities": [job.priority for job in rows],
        "payloads": [msgspec.json.encode(job.payload).decode() for job in rows],
        "delays_s": [float(job.delay_s) for job in rows],
        "keys": [job.unique_key for job in rows],
        "windows_s": [float(job.unique_for_s) for job in rows],
        "max_attempts": [job.max_attempts for job in rows],
        "time_limits_s": [job.time_limit_s for job in rows],
        "correlations": [job.correlation_id for job in rows],
        "causations": [job.causation_id for job in rows],
    }

"""How an attempt ends. Each of these is for the worker that has the job, and for no other."""

from __future__ import annotations

from typing import Any

import msgspec
from psycopg import Connection

from application.jobs.errors import LeaseLostError
from application.jobs.jobs import Failure, Job

_MAX_TEXT = 8_000
"""Characters of an error or a trace that are kept: the end of a trace says most."""

_MINE = "id = %(id)s AND attempts = %(attempt)s AND worker = %(worker)s"
_NOTE = """
INSERT INTO job_attempts (job_id, number, started_at, outcome, error)
SELECT id, attempts, started_at, %(outcome)s, %(error)s FROM ended
"""
_FINISH = f"""
WITH ended AS (
    UPDATE jobs SET status = 'done', result = %(result)s::jsonb, lease_until = NULL,
        finished_at = clock_timestamp(), category = NULL, error = NULL, trace = NULL
    WHERE {_MINE} AND status = 'running'
    RETURNING id, attempts, started_at
)
{_NOTE}
"""
_BURY = f"""
WITH ended AS (
    UPDATE jobs SET status = 'dead', lease_until = NULL, finished_at = clock_timestamp(),
        failures = failures + 1, category = %(outcome)s, error = %(error)s, trace = %(trace)s
    WHERE {_MINE} AND status = 'running'
    RETURNING id, attempts, started_at
)
{_NOTE}
"""
_FAIL = f"""
WITH ended AS (
    UPDATE jobs SET lease_until = NULL, failures = failures + 1,
        category = %(outcome)s, error = %(error)s, trace = %(trace)s,
        due_at = clock_timestamp() + make_interval(secs => %(wait_s)s),
        status = CASE WHEN cancel_asked THEN 'cancelled' ELSE 'waiting' END,
        finished_at = CASE WHEN cancel_asked THEN clock_timestamp() END
    WHERE {_MINE} AND status = 'running'
    RETURNING id, attempts, started_at
)
{_NOTE}
"""
_AGAIN = f"""
UPDATE jobs SET lease_until = NULL, failures = 0, lost = 0,
    category = NULL, error = NULL, trace = NULL,
    due_at = clock_timestamp() + make_interval(secs => %(wait_s)s),
    status = CASE WHEN cancel_asked THEN 'cancelled' ELSE 'waiting' END,
    finished_at = CASE WHEN cancel_asked THEN clock_timestamp() END
WHERE {_MINE} AND status = 'running'
"""
_STATUS = f"SELECT status FROM jobs WHERE {_MINE}"


def finish(conn: Connection[Any], job: Job, result: dict[str, Any] | None = None) -> None:
    """The job is done, once the transaction of `conn` commits. Raises `LeaseLostError`."""
    finish_with(conn, job, encoded(result))


def encoded(result: dict[str, Any] | None) -> str | None:
    """A result as it is kept. Raises `TypeError` or `ValueError` when it isn't JSON."""
    return None if result is None else msgspec.json.encode(result).decode()


def finish_with(conn: Connection[Any], job: Job, result: str | None) -> None:
    """As `finish`, with an encoded result."""
    _end(conn, job, _FINISH, {"outcome": "done", "error": None, "result": result})


def bury(conn: Connection[Any], job: Job, failure: Failure) -> None:
    """The job is dead: it waits for an operator. Raises `LeaseLostError`."""
    _end(conn, job, _BURY, _told(failure))


def fail(conn: Connection[Any], job: Job, failure: Failure, wait_s: float) -> None:
    """The job is tried again later, unless it was to be cancelled. Raises `LeaseLostError`."""
    _end(conn, job, _FAIL, _told(failure) | {"wait_s": wait_s})


def again(conn: Connection[Any], job: Job, wait_s: float) -> None:
    """As `fail`, though nothing failed. Such attempts are not noted: there may be thousands."""
    _end(conn, job, _AGAIN, {"wait_s": wait_s})


def status_of(conn: Connection[Any], job: Job) -> str | None:
    """The status that this attempt's end has left, None when somebody else has the job."""
    row = conn.execute(_STATUS, _fence(job)).fetchone()
    return None if row is None else str(row[0])


def _end(conn: Connection[Any], job: Job, statement: str, given: dict[str, Any]) -> None:
    if conn.execute(statement.encode(), _fence(job) | given).rowcount != 1:
        raise LeaseLostError(f"job {job.id} is no longer this worker's")


def _fence(job: Job) -> dict[str, Any]:
    return {"id": job.id, "attempt": job.attempt, "worker": job.worker}


def _told(failure: Failure) -> dict[str, Any]:
    # Postgres' text has no NUL, and an error of somebody else's may have one.
    error, trace = (text[-_MAX_TEXT:].replace("\0", "") for text in (failure.error, failure.trace))
    return {"outcome": failure.category, "error": error, "trace": trace}

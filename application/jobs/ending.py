"""How an attempt ends. Each of these is for the worker that has the job, and for no other.

None waits for a lock: while somebody else has the job's row, they raise `LockNotAvailable`.
"""

from __future__ import annotations

from typing import Any

import msgspec
from psycopg import Connection

from application.jobs.errors import LeaseLostError
from application.jobs.jobs import Failure, Job

_MAX_TEXT = 8_000
"""Characters of an error or a trace that are kept: the end of a trace says most."""

_HAD = "id = %(id)s AND attempts = %(attempt)s AND worker = %(worker)s"
# Whoever ends a job may hold the log's head, for which all writers wait: so it waits for nobody.
_MINE = f"mine AS (SELECT id FROM jobs WHERE {_HAD} AND status = 'running' FOR UPDATE NOWAIT)"
_NOTE = """
INSERT INTO job_attempts (job_id, number, started_at, outcome, error)
SELECT id, attempts, started_at, %(outcome)s, %(noted)s FROM ended
"""
# When it was cancelled meanwhile, a worker ends it at once; when that has failed, it waits as others do.
_WAIT = """
    status = 'waiting', lease_until = NULL, due_at = clock_timestamp() + CASE
        WHEN cancel_asked AND NOT %(was_cancelled)s THEN interval '0'
        ELSE make_interval(secs => %(wait_s)s) END
"""
_FINISH = f"""
WITH {_MINE}, ended AS (
    UPDATE jobs SET status = 'done', result = %(result)s::jsonb, lease_until = NULL,
        finished_at = clock_timestamp(), category = NULL, error = NULL, trace = NULL
    FROM mine WHERE jobs.id = mine.id
    RETURNING jobs.id, attempts, started_at
)
{_NOTE}
"""
_BURY = f"""
WITH {_MINE}, ended AS (
    UPDATE jobs SET status = 'dead', lease_until = NULL, finished_at = clock_timestamp(),
        failures = failures + 1, category = %(category)s, error = %(error)s, trace = %(trace)s
    FROM mine WHERE jobs.id = mine.id
    RETURNING jobs.id, attempts, started_at
)
{_NOTE}
"""
_FAIL = f"""
WITH {_MINE}, ended AS (
    UPDATE jobs SET {_WAIT}, failures = failures + 1,
        category = %(category)s, error = %(error)s, trace = %(trace)s
    FROM mine WHERE jobs.id = mine.id
    RETURNING jobs.id, attempts, started_at
)
{_NOTE}
"""
_PUT_OFF = f"""
WITH {_MINE}
UPDATE jobs SET {_WAIT} FROM mine WHERE jobs.id = mine.id
"""
_AGAIN = _PUT_OFF.replace(
    "SET", "SET failures = 0, lost = 0, category = NULL, error = NULL, trace = NULL, ", 1
)
_CANCEL = f"""
WITH {_MINE}
UPDATE jobs SET status = 'cancelled', lease_until = NULL, finished_at = clock_timestamp()
FROM mine WHERE jobs.id = mine.id
"""
_STATUS = f"SELECT status FROM jobs WHERE {_HAD}"


def finish(conn: Connection[Any], job: Job, result: dict[str, Any] | None = None) -> None:
    """The job is done, once the transaction of `conn` commits. Raises `LeaseLostError`."""
    finish_with(conn, job, encoded(result))


def encoded(result: dict[str, Any] | None) -> str | None:
    """A result as it is kept. Raises `TypeError` or `ValueError` when it isn't JSON."""
    return None if result is None else msgspec.json.encode(result).decode()


def finish_with(conn: Connection[Any], job: Job, result: str | None) -> None:
    """As `finish`, with an encoded result."""
    _end(conn, job, _FINISH, {"outcome": "done", "noted": None, "result": result})


def bury(conn: Connection[Any], job: Job, failure: Failure) -> None:
    """The job is dead: it waits for an operator. Raises `LeaseLostError`."""
    _end(conn, job, _BURY, _told(failure))


def cancel(conn: Connection[Any], job: Job) -> None:
    """The job is over without a try, as an operator has asked. Raises `LeaseLostError`."""
    _end(conn, job, _CANCEL, {})


def fail(
    conn: Connection[Any], job: Job, failure: Failure, wait_s: float, noted: str | None = None
) -> None:
    """The job is taken again later. `noted`: of this attempt, when it ended by something else than what
    the job has failed with. Raises `LeaseLostError`."""
    told = _told(failure)
    if noted is not None:
        told |= {"outcome": "system", "noted": _kept(noted)}
    _end(conn, job, _FAIL, told | _wait(job, wait_s))


def again(conn: Connection[Any], job: Job, wait_s: float) -> None:
    """As `fail`, though nothing failed. Such attempts are not noted: there may be thousands."""
    _end(conn, job, _AGAIN, _wait(job, wait_s))


def put_off(conn: Connection[Any], job: Job, wait_s: float) -> None:
    """As `again`, with what had failed before."""
    _end(conn, job, _PUT_OFF, _wait(job, wait_s))


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
    category, error = failure.category, _kept(failure.error)
    return {
        "outcome": category, "noted": error,
        "category": category, "error": error, "trace": _kept(failure.trace),
    }  # fmt: skip


def _kept(text: str) -> str:
    # Postgres' text has no NUL, and an error of somebody else's may have one.
    return text[-_MAX_TEXT:].replace("\0", "")


def _wait(job: Job, wait_s: float) -> dict[str, Any]:
    return {"wait_s": wait_s, "was_cancelled": job.cancel_asked}

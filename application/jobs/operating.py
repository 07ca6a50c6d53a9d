"""What operators see of jobs, and do with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NoReturn
from uuid import UUID

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import class_row

from application.jobs.outbox import CHANNEL
from domain.refusals import Refusal

STATUSES = ("waiting", "running", "done", "dead", "cancelled")

_COLUMNS = (
    "id, kind, queue, priority, status, due_at, attempts, failures, lost, max_attempts, time_limit_s,"
    " unique_key, worker, lease_until, cancel_asked, category, error, trace, payload, result,"
    " correlation_id, causation_id, created_at, started_at, finished_at"
)
_SELECT = f"SELECT {_COLUMNS} FROM jobs"

# Found by the index of each status: of those that are over there may be millions.
_STATS = """
SELECT queue,
    count(*) FILTER (WHERE status = 'waiting') AS waiting,
    count(*) FILTER (WHERE status = 'waiting' AND due_at <= now()) AS due,
    count(*) FILTER (WHERE status = 'running') AS running,
    count(*) FILTER (WHERE status = 'dead') AS dead,
    count(*) FILTER (WHERE status = 'waiting' AND failures > 0) AS failing,
    count(*) FILTER (WHERE status = 'done') AS done_last_minutes,
    coalesce(extract(epoch FROM now() - min(due_at)
        FILTER (WHERE status = 'waiting' AND due_at <= now())), 0)::float8 AS behind_s
FROM (
    SELECT queue, status, due_at, failures FROM jobs WHERE status = 'waiting'
    UNION ALL SELECT queue, status, due_at, failures FROM jobs WHERE status = 'running'
    UNION ALL SELECT queue, status, due_at, failures FROM jobs WHERE status = 'dead'
    UNION ALL SELECT queue, status, due_at, failures FROM jobs
        WHERE status = 'done' AND finished_at > now() - interval '5 minutes'
) AS counted
GROUP BY queue ORDER BY queue
"""
_ANEW = """
UPDATE jobs SET status = 'waiting', due_at = now(), failures = 0, lost = 0, cancel_asked = false,
    finished_at = NULL
"""
_RETRY = (
    f"{_ANEW} WHERE id = %s AND status IN ('dead', 'cancelled', 'waiting') RETURNING {_COLUMNS}"
)
_RETRY_DEAD = f"""
{_ANEW} WHERE status = 'dead' AND (%(kind)s::text IS NULL OR kind = %(kind)s)
    AND (%(queue)s::text IS NULL OR queue = %(queue)s)
"""
_CANCEL = f"""
UPDATE jobs SET cancel_asked = status <> 'dead',
    status = CASE WHEN status = 'dead' THEN 'cancelled' ELSE status END,
    finished_at = CASE WHEN status = 'dead' THEN now() END,
    due_at = CASE WHEN status = 'waiting' THEN now() ELSE due_at END
WHERE id = %s AND status IN ('waiting', 'running', 'dead') RETURNING {_COLUMNS}
"""


class JobRow(Struct, frozen=True, kw_only=True):
    """A job. `cancel_asked`: there will be no further attempt, and a worker ends it."""

    id: UUID
    kind: str
    queue: str
    priority: int
    status: str
    due_at: datetime
    attempts: int
    failures: int
    lost: int
    max_attempts: int | None
    time_limit_s: int | None
    unique_key: str | None
    worker: str | None
    lease_until: datetime | None
    cancel_asked: bool
    category: str | None
    error: str | None
    trace: str | None
    payload: dict[str, Any]
    result: dict[str, Any] | None
    correlation_id: str
    causation_id: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Attempt(Struct, frozen=True):
    """One try. `outcome`: done, lost, or the category of its error."""

    number: int
    started_at: datetime
    ended_at: datetime
    outcome: str
    error: str | None


class QueueStats(Struct, frozen=True):
    """A queue now: `due` of the `waiting` could run at once, the first for `behind_s` already; `failing`
    are to be tried again. `done_last_minutes`: in the last five."""

    queue: str
    waiting: int
    due: int
    running: int
    dead: int
    failing: int
    done_last_minutes: int
    behind_s: float


async def list_jobs(
    conn: AsyncConnection[Any],
    *,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
    status: str | None = None,
    kind: str | None = None,
    queue: str | None = None,
) -> list[JobRow]:
    """Jobs, the last put in first; `after` is the time and the id of the row before the first."""
    asked: dict[str, object] = {"status = %s": status, "kind = %s": kind, "queue = %s": queue}
    conditions = [condition for condition, value in asked.items() if value is not None]
    given = [value for value in asked.values() if value is not None]
    if after is not None:
        conditions.append("(created_at, id) < (%s, %s)")
        given += after
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    query = f"{_SELECT}{where} ORDER BY created_at DESC, id DESC LIMIT {int(limit)}"
    return await _rows(conn, query, given)


async def find(conn: AsyncConnection[Any], job_id: UUID) -> JobRow:
    """One job. Refuses `job_not_found`."""
    rows = await _rows(conn, f"{_SELECT} WHERE id = %s", [job_id])
    if not rows:
        raise Refusal("job_not_found", job_id=job_id)
    return rows[0]


async def attempts_of(conn: AsyncConnection[Any], job_id: UUID) -> list[Attempt]:
    """What became of each try of a job, the first one first. Looking again is no try."""
    async with conn.cursor(row_factory=class_row(Attempt)) as cursor:
        await cursor.execute(
            "SELECT number, started_at, ended_at, outcome, error FROM job_attempts"
            " WHERE job_id = %s ORDER BY number",
            (job_id,),
        )
        return await cursor.fetchall()


async def stats(conn: AsyncConnection[Any]) -> list[QueueStats]:
    """The queues that have something to tell."""
    async with conn.cursor(row_factory=class_row(QueueStats)) as cursor:
        await cursor.execute(_STATS)
        return await cursor.fetchall()


async def retry(conn: AsyncConnection[Any], job_id: UUID) -> JobRow:
    """Have a job run now, with all its tries anew, and the same id. Refuses `job_not_found`,
    `job_running` and `job_over`."""
    rows = await _rows(conn, _RETRY, [job_id])
    if not rows:
        await _refuse(conn, job_id)
    await conn.execute(f"NOTIFY {CHANNEL}".encode())
    return rows[0]


async def retry_dead(
    conn: AsyncConnection[Any], *, kind: str | None = None, queue: str | None = None
) -> int:
    """Have all dead jobs run again, or those of a kind or a queue; how many they are."""
    cursor = await conn.execute(_RETRY_DEAD.encode(), {"kind": kind, "queue": queue})
    await conn.execute(f"NOTIFY {CHANNEL}".encode())
    return cursor.rowcount


async def cancel(conn: AsyncConnection[Any], job_id: UUID) -> JobRow:
    """Give a job up. Refuses `job_not_found` and `job_over`.

    A worker ends one that waits, since somebody may have to hear of its end. One that runs may have
    reached the outside world, so its attempt goes on, and counts if it succeeds; there will be no other. A
    dead one is discarded.
    """
    rows = await _rows(conn, _CANCEL, [job_id])
    if not rows:
        await _refuse(conn, job_id)
    await conn.execute(f"NOTIFY {CHANNEL}".encode())
    return rows[0]


async def _refuse(conn: AsyncConnection[Any], job_id: UUID) -> NoReturn:
    found = await find(conn, job_id)
    reason = "job_running" if found.status == "running" else "job_over"
    raise Refusal(reason, job_id=job_id, status=found.status)


async def _rows(conn: AsyncConnection[Any], query: str, given: Sequence[object]) -> list[JobRow]:
    async with conn.cursor(row_factory=class_row(JobRow)) as cursor:
        await cursor.execute(query.encode(), given)
        return await cursor.fetchall()

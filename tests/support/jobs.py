"""Short words for tests of jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID, uuid4

from psycopg import AsyncConnection, Connection

from application.jobs import Job, Kind, Kinds, NewJob, put
from application.jobs.workers import Workers
from tests.conftest import Database
from tests.support.waiting import until

Answer = TypeVar("Answer")
Handler = Callable[[Job, Any], dict[str, Any] | None]


def job(kind: str = "thing", **more: Any) -> NewJob:
    return NewJob(id=uuid4(), kind=kind, payload=more.pop("payload", {}), **more)


def put_one(database: Database, new: NewJob) -> UUID:
    with database.connect() as conn:
        assert put(conn, [new]) == [new.id]
    return new.id


def working(database: Database, kinds: Kinds | Handler, **more: Any) -> Workers:
    """Workers of these kinds, or of jobs of the kind `thing` with this handler."""
    return Workers(database.url, {"thing": Kind(kinds)} if callable(kinds) else kinds, **more)


class Jobs:
    """What the database says of jobs."""

    def __init__(self, conn: Connection[Any]) -> None:
        self.conn = conn

    def of(self, job_id: UUID, column: str) -> Any:
        row = self.conn.execute(f"SELECT {column} FROM jobs WHERE id = %s", (job_id,)).fetchone()
        assert row is not None
        return row[0]

    def outcomes(self, job_id: UUID) -> list[str]:
        found = self.conn.execute(
            "SELECT outcome FROM job_attempts WHERE job_id = %s ORDER BY number", (job_id,)
        )
        return [row[0] for row in found.fetchall()]

    def count(self, status: str) -> int:
        row = self.conn.execute("SELECT count(*) FROM jobs WHERE status = %s", (status,)).fetchone()
        assert row is not None
        return int(row[0])

    def is_idle(self) -> bool:
        """Whether everything that was put in is over."""
        return self.count("waiting") + self.count("running") == 0

    def hurry(self) -> None:
        """What waits for its time has waited long enough."""
        self.conn.execute(
            "UPDATE jobs SET due_at = now() WHERE status = 'waiting' AND due_at > now()"
        )
        self.conn.execute("NOTIFY daybook_jobs")

    def becomes(self, job_id: UUID, status: str) -> None:
        """Return once it has this status; it need not sit out the waits before."""

        def is_so() -> bool:
            found = self.of(job_id, "status")
            if found == "waiting" != status:
                self.hurry()
            return bool(found == status)

        until(is_so)


def asked(
    database: Database, question: Callable[..., Awaitable[Answer]], *given: Any, **more: Any
) -> Answer:
    """What is answered by something that is asked with an asynchronous connection."""

    async def ask() -> Answer:
        async with await AsyncConnection.connect(database.url, autocommit=True) as conn:
            return await question(conn, *given, **more)

    return asyncio.run(ask())

"""Deliveries: what was sent where and what became of it, and sending it once more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from psycopg import AsyncConnection, Connection
from psycopg.rows import args_row

from application.jobs import NewJob
from application.jobs.outbox import put_async

DELIVER = "webhook.deliver"
"""The kind of the job that each delivery has; the job has the delivery's id."""
QUEUE = "webhooks"
"""Of their own: others' servers that are silent hold up no mail."""

MOST_REPLAYED = 500
"""In one request; the next one goes on after them."""
_LESS_URGENT = 7


class Delivery(NamedTuple):
    """One message for one endpoint. `number` orders deliveries as they were made; `replays` is the one
    that this one repeats; `owner_id` is the endpoint's."""

    id: UUID
    number: int
    endpoint_id: UUID
    owner_id: UUID
    message_id: str
    type: str
    body: str
    status: str
    attempts: int
    answer_status: int | None
    error: str | None
    replays: UUID | None
    created_at: datetime
    tried_at: datetime | None


class Attempt(NamedTuple):
    """One try. They are forgotten with their job; the delivery itself says how the last one ended."""

    number: int
    started_at: datetime
    ended_at: datetime
    outcome: str
    error: str | None


SELECT = (
    "SELECT d.id, d.number, d.endpoint_id, e.owner_id, d.message_id, d.type, d.body, d.status,"
    " d.attempts, d.answer_status, d.error, d.replays, d.created_at, d.tried_at"
    " FROM webhook_deliveries AS d JOIN webhook_endpoints AS e ON e.id = d.endpoint_id"
)


def job_of(
    delivery_id: UUID, *, priority: int = 5, correlation_id: str = "", causation_id: str = ""
) -> NewJob:
    """The job that sends a delivery."""
    return NewJob(
        id=delivery_id,
        kind=DELIVER,
        payload={"delivery_id": str(delivery_id)},
        queue=QUEUE,
        priority=priority,
        correlation_id=correlation_id,
        causation_id=causation_id,
    )


_INSERT = (
    "INSERT INTO webhook_deliveries (id, endpoint_id, message_id, type, body)"
    " SELECT %s, id, %s, %s, %s FROM webhook_endpoints WHERE id = %s FOR KEY SHARE"
    " ON CONFLICT DO NOTHING"
)


def insert(
    conn: Connection[Any], id_: UUID, endpoint_id: UUID, message_id: str, type_: str, body: bytes
) -> None:
    """A delivery that is to be made, unless the endpoint has had the message, or is gone."""
    conn.execute(_INSERT, (id_, message_id, type_, body.decode(), endpoint_id))


async def send(
    conn: AsyncConnection[Any], endpoint_id: UUID, type_: str, body: bytes, correlation_id: str
) -> Delivery | None:
    """A message for this endpoint alone, whatever it asks for; None when it is gone."""
    id_ = uuid4()
    async with conn.transaction():
        await conn.execute(_INSERT, (id_, f"msg_{id_.hex}", type_, body.decode(), endpoint_id))
        await put_async(conn, [job_of(id_, correlation_id=correlation_id)])
    return await find(conn, id_)


async def find(conn: AsyncConnection[Any], delivery_id: UUID) -> Delivery | None:
    """One delivery, whoever's it is; None when there is none."""
    async with conn.cursor(row_factory=args_row(Delivery)) as cursor:
        await cursor.execute(f"{SELECT} WHERE d.id = %s".encode(), (delivery_id,))
        return await cursor.fetchone()


class Wanted(NamedTuple):
    """Which deliveries are looked for; None: whichever."""

    owner_id: UUID | None = None
    endpoint_id: UUID | None = None
    status: str | None = None
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None


_CONDITIONS = (
    "e.owner_id = %s", "d.endpoint_id = %s", "d.status = %s", "d.type = %s", "d.created_at >= %s",
    "d.created_at < %s",
)  # fmt: skip
"""In the order of `Wanted`."""


async def listed(
    conn: AsyncConnection[Any], wanted: Wanted, *, before: int | None, limit: int
) -> list[Delivery]:
    """Deliveries, the newest first, made before the one with this number."""
    given: list[tuple[str, object]] = [
        (c, value) for c, value in zip(_CONDITIONS, wanted, strict=True) if value is not None
    ]
    if before is not None:
        given.append(("d.number < %s", before))
    where = f" WHERE {' AND '.join(c for c, _ in given)}" if given else ""
    async with conn.cursor(row_factory=args_row(Delivery)) as cursor:
        await cursor.execute(
            f"{SELECT}{where} ORDER BY d.number DESC LIMIT %s".encode(),
            [*(value for _, value in given), limit],
        )
        return await cursor.fetchall()


async def attempts_of(conn: AsyncConnection[Any], delivery_id: UUID) -> list[Attempt]:
    """The tries of a delivery, the first one first."""
    async with conn.cursor(row_factory=args_row(Attempt)) as cursor:
        await cursor.execute(
            "SELECT number, started_at, ended_at, outcome, error FROM job_attempts"
            " WHERE job_id = %s ORDER BY number",
            (delivery_id,),
        )
        return await cursor.fetchall()


async def is_under_way(conn: AsyncConnection[Any], delivery_id: UUID) -> bool:
    """Whether a delivery is still tried by itself."""
    cursor = await conn.execute(
        "SELECT FROM jobs WHERE id = %s AND status IN ('waiting', 'running')", (delivery_id,)
    )
    return await cursor.fetchone() is not None


async def replay(
    conn: AsyncConnection[Any], deliveries: Iterable[Delivery], correlation_id: str
) -> list[UUID]:
    """Send messages again, with the ids that they had: whoever has had one can tell. The ids of the new
    deliveries, in the same order."""
    made = [(uuid4(), delivery) for delivery in deliveries]
    async with conn.transaction():
        for id_, old in made:
            await conn.execute(
                "INSERT INTO webhook_deliveries (id, endpoint_id, message_id, type, body, replays)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                (id_, old.endpoint_id, old.message_id, old.type, old.body, old.id),
            )
        await put_async(
            conn,
            [
                job_of(
                    id_,
                    priority=_LESS_URGENT,
                    correlation_id=correlation_id,
                    causation_id=str(old.id),
                )
                for id_, old in made
            ],
        )
    return [id_ for id_, _ in made]


class ReplayUnderWayError(Exception):
    """Messages that were sent to the endpoint again are still tried."""


async def replay_since(
    conn: AsyncConnection[Any],
    endpoint_id: UUID,
    since: datetime,
    correlation_id: str,
    *,
    only_failed: bool,
) -> tuple[list[UUID], datetime | None]:
    """Replay what `over_since` finds: the new deliveries, and where the next replay begins when there is
    more. Raises `ReplayUnderWayError`: one after the other, or a few requests would make any number."""
    async with conn.transaction():
        await conn.execute(
            "SELECT FROM webhook_endpoints WHERE id = %s FOR NO KEY UPDATE", (endpoint_id,)
        )
        cursor = await conn.execute(_REPLAYED, (endpoint_id,))
        if await cursor.fetchone() is not None:
            raise ReplayUnderWayError
        found = await over_since(
            conn, endpoint_id, since, only_failed=only_failed, limit=MOST_REPLAYED + 1
        )
        made = await replay(conn, found[:MOST_REPLAYED], correlation_id)
    later = found[MOST_REPLAYED].created_at if len(found) > MOST_REPLAYED else None
    return made, later


_REPLAYED = (
    "SELECT FROM webhook_deliveries AS d JOIN jobs AS j ON j.id = d.id"
    " WHERE d.endpoint_id = %s AND d.replays IS NOT NULL AND j.status IN ('waiting', 'running')"
    " LIMIT 1"
)


async def over_since(
    conn: AsyncConnection[Any], endpoint_id: UUID, since: datetime, *, only_failed: bool, limit: int
) -> list[Delivery]:
    """First deliveries of messages since a time, the oldest first, which are no longer under way.

    With `only_failed` those whose message never got there, by a replay neither.
    """
    never_got_there = (
        " AND NOT EXISTS (SELECT FROM webhook_deliveries AS other WHERE other.endpoint_id ="
        " d.endpoint_id AND other.message_id = d.message_id AND other.status <> 'failed')"
    )
    async with conn.cursor(row_factory=args_row(Delivery)) as cursor:
        await cursor.execute(
            f"{SELECT} WHERE d.endpoint_id = %s AND d.created_at >= %s AND d.replays IS NULL"
            " AND NOT EXISTS (SELECT FROM jobs WHERE jobs.id = d.id"
            "  AND jobs.status IN ('waiting', 'running'))"
            f"{never_got_there if only_failed else ''} ORDER BY d.number LIMIT %s".encode(),
            (endpoint_id, since, limit),
        )
        return await cursor.fetchall()

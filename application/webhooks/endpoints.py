"""Endpoints: where somebody wants to hear of what is one's own, and with which secret it is signed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from psycopg import AsyncConnection, Connection
from psycopg.rows import args_row

from application.webhooks.secrets import Secrets
from application.webhooks.signing import make_secret

OVERLAP = timedelta(hours=24)
"""So long an old secret signs beside the new one."""

MAX_ENDPOINTS = 20
"""Of one owner: each message is sent once for each."""


class TooManyEndpointsError(Exception):
    """The owner has as many endpoints as there may be."""


class Endpoint(NamedTuple):
    """What may be told of an endpoint. Without `types` it gets all. `old_secret_until`: until then two
    secrets sign."""

    id: UUID
    owner_id: UUID
    url: str
    types: list[str]
    description: str
    status: str
    disabled_because: str | None
    old_secret_until: datetime | None
    created_at: datetime


class Registered(NamedTuple):
    """An endpoint with its secret, which is shown this once."""

    endpoint: Endpoint
    secret: str


_COLUMNS = (
    "id, owner_id, url, types, description, status, disabled_because, old_secret_until, created_at"
)


async def register(
    conn: AsyncConnection[Any],
    secrets: Secrets,
    owner_id: UUID,
    *,
    url: str,
    types: Sequence[str],
    description: str,
) -> Registered:
    """A new endpoint, whose URL was checked. Raises `TooManyEndpointsError`."""
    endpoint_id, secret = uuid4(), make_secret()
    async with conn.transaction():
        # One at a time of an owner, so that two do not count each other out.
        await conn.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"webhooks:{owner_id}",)
        )
        found = await _one(
            conn,
            "INSERT INTO webhook_endpoints (id, owner_id, url, types, description, secret)"
            " SELECT %s, %s, %s, %s, %s, %s WHERE"
            " (SELECT count(*) FROM webhook_endpoints WHERE owner_id = %s) < %s"
            f" RETURNING {_COLUMNS}",
            endpoint_id, owner_id, url, list(types), description,
            secrets.seal(endpoint_id, secret), owner_id, MAX_ENDPOINTS,
        )  # fmt: skip
    if found is None:
        raise TooManyEndpointsError
    return Registered(found, secret)


async def find(conn: AsyncConnection[Any], endpoint_id: UUID) -> Endpoint | None:
    """One endpoint, whoever's it is; None when there is none."""
    return await _one(conn, f"SELECT {_COLUMNS} FROM webhook_endpoints WHERE id = %s", endpoint_id)


async def listed(
    conn: AsyncConnection[Any],
    owner_id: UUID | None,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Endpoint]:
    """Endpoints of an owner (None: of all), the newest first, older than `after`."""
    created_at, id_ = after or (None, None)
    async with conn.cursor(row_factory=args_row(Endpoint)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM webhook_endpoints"
            " WHERE (%(owner)s::uuid IS NULL OR owner_id = %(owner)s)"
            " AND (%(at)s::timestamptz IS NULL OR (created_at, id) < (%(at)s, %(id)s::uuid))"
            " ORDER BY created_at DESC, id DESC LIMIT %(limit)s",
            {"owner": owner_id, "at": created_at, "id": id_, "limit": limit},
        )
        return await cursor.fetchall()


async def update(
    conn: AsyncConnection[Any],
    endpoint_id: UUID,
    *,
    url: str | None,
    types: Sequence[str] | None,
    description: str | None,
) -> Endpoint | None:
    """Change what is given; None leaves as it is. A URL was checked."""
    return await _one(
        conn,
        "UPDATE webhook_endpoints SET url = coalesce(%s, url), types = coalesce(%s, types),"
        f" description = coalesce(%s, description) WHERE id = %s RETURNING {_COLUMNS}",
        url, None if types is None else list(types), description, endpoint_id,
    )  # fmt: skip


async def enable(conn: AsyncConnection[Any], endpoint_id: UUID) -> Endpoint | None:
    """Send to it again, from the next message on."""
    return await _one(
        conn,
        "UPDATE webhook_endpoints SET status = 'enabled', disabled_because = NULL WHERE id = %s"
        f" RETURNING {_COLUMNS}",
        endpoint_id,
    )


async def disable(conn: AsyncConnection[Any], endpoint_id: UUID, why: str) -> Endpoint | None:
    """Send nothing more to it, not even what waits."""
    return await _one(
        conn,
        "UPDATE webhook_endpoints SET status = 'disabled', disabled_because = %s WHERE id = %s"
        f" RETURNING {_COLUMNS}",
        why, endpoint_id,
    )  # fmt: skip


def disable_sync(conn: Connection[Any], endpoint_id: UUID, why: str) -> None:
    """As `disable`, of one that is enabled."""
    conn.execute(
        "UPDATE webhook_endpoints SET status = 'disabled', disabled_because = %s"
        " WHERE id = %s AND status = 'enabled'",
        (why, endpoint_id),
    )


async def delete(conn: AsyncConnection[Any], endpoint_id: UUID) -> Endpoint | None:
    """Forget an endpoint and what was sent to it."""
    return await _one(
        conn, f"DELETE FROM webhook_endpoints WHERE id = %s RETURNING {_COLUMNS}", endpoint_id
    )


async def rotate(
    conn: AsyncConnection[Any], secrets: Secrets, endpoint_id: UUID, now: datetime
) -> Registered | None:
    """Give an endpoint a new secret. The one before signs beside it for `OVERLAP`, so that whoever
    verifies has the time to change over; one from before that no longer does."""
    secret = make_secret()
    found = await _one(
        conn,
        "UPDATE webhook_endpoints SET old_secret = secret, old_secret_until = %s, secret = %s"
        f" WHERE id = %s RETURNING {_COLUMNS}",
        now + OVERLAP, secrets.seal(endpoint_id, secret), endpoint_id,
    )  # fmt: skip
    return None if found is None else Registered(found, secret)


async def _one(conn: AsyncConnection[Any], query: str, *params: object) -> Endpoint | None:
    async with conn.cursor(row_factory=args_row(Endpoint)) as cursor:
        await cursor.execute(query.encode(), params)
        return await cursor.fetchone()

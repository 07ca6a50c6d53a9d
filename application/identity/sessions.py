"""Sessions: one a login, kept alive by refresh tokens that are good once, and ended for good."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID, uuid4

from psycopg import AsyncConnection, Connection
from psycopg.rows import args_row

from application.identity.access import CHANNEL
from application.identity.errors import TokenError

ACCESS_LIFE = timedelta(seconds=900)
"""Of an access token."""

REFRESH_LIFE = timedelta(seconds=604_800)
"""Of a refresh token; unused for so long, a session is over."""

SESSION_LIFE = timedelta(days=90)
"""Of a session, however often it is refreshed."""

_REVOKED_FOR = ACCESS_LIFE + timedelta(seconds=60)
"""Until the last access token of an ended session has expired, by whichever machine's clock."""

_AT_ONCE = 10_000


_ROTATE = (
    "UPDATE sessions SET refresh_id = %(next)s, used_at = %(now)s,"
    " expires_at = LEAST(%(now)s + %(refresh_life)s, created_at + %(session_life)s)"
    " WHERE id = %(id)s AND refresh_id = %(presented)s AND ended_at IS NULL"
    " AND expires_at > %(now)s"
    " RETURNING id, user_id, refresh_id, expires_at"
)


class Session(NamedTuple):
    """An open session. `refresh_id` is the `jti` of the one refresh token that is good for it."""

    id: UUID
    user_id: UUID
    refresh_id: UUID
    expires_at: datetime


class OpenSession(NamedTuple):
    """What its user is told of a session. It is over at `expires_at` unless it is refreshed."""

    id: UUID
    created_at: datetime
    used_at: datetime
    expires_at: datetime


class CleanedUp(NamedTuple):
    """How many rows were removed."""

    sessions: int
    revocations: int


async def start(
    conn: AsyncConnection[Any], user_id: UUID, role: str, password_of: datetime, now: datetime
) -> Session | None:
    """Begin a session for somebody who has just proved to be this user, in this role, by the password
    that was given at `password_of`.

    None when the password, the role or the status has changed since: whoever changes one of them ends
    the sessions after it, and this one would come too late for that.
    """
    session = Session(uuid4(), user_id, uuid4(), now + REFRESH_LIFE)
    cursor = await conn.execute(
        "WITH still AS (SELECT FROM user_access JOIN credentials USING (user_id)"
        "  WHERE user_id = %(user_id)s AND role = %(role)s AND status = 'active'"
        "  AND changed_at = %(password_of)s FOR SHARE)"
        " INSERT INTO sessions (id, user_id, refresh_id, created_at, used_at, expires_at)"
        " SELECT %(id)s, %(user_id)s, %(refresh_id)s, %(now)s, %(now)s, %(expires_at)s FROM still",
        {**session._asdict(), "role": role, "password_of": password_of, "now": now},
    )
    return session if cursor.rowcount == 1 else None


async def rotate(
    conn: AsyncConnection[Any], session_id: UUID, presented: UUID, now: datetime
) -> Session:
    """Put a new refresh token in the place of the one that is presented, by its `jti`.

    A token that was used before ends the session, with all that came of it: two hold it, and one of
    them has stolen it. So of two uses at once one gets a new token, and the other ends the session
    for both; a client must not refresh twice at a time.

    Raises `TokenError`: `token_not_found`, `token_revoked`, `token_expired`.
    """
    cursor = await conn.execute(
        _ROTATE,
        {
            "id": session_id,
            "presented": presented,
            "next": uuid4(),
            "now": now,
            "refresh_life": REFRESH_LIFE,
            "session_life": SESSION_LIFE,
        },
    )
    row = await cursor.fetchone()
    if row is not None:
        return Session(*row)
    cursor = await conn.execute(
        "SELECT refresh_id = %s AND ended_at IS NULL FROM sessions WHERE id = %s",
        (presented, session_id),
    )
    row = await cursor.fetchone()
    if row is None:
        raise TokenError("token_not_found")
    if row[0]:
        raise TokenError("token_expired")
    await end(conn, session_id, now)
    raise TokenError("token_revoked")


async def end(conn: AsyncConnection[Any], session_id: UUID, now: datetime) -> bool:
    """End a session; its tokens are refused from now on. False when it is not open."""
    cursor = await conn.execute(_end("id = %(id)s"), _values(now, id=session_id))
    return cursor.rowcount == 1


async def end_own(
    conn: AsyncConnection[Any], session_id: UUID, user_id: UUID, now: datetime
) -> bool:
    """As `end`; False also for somebody else's session."""
    cursor = await conn.execute(
        _end("id = %(id)s AND user_id = %(user_id)s"), _values(now, id=session_id, user_id=user_id)
    )
    return cursor.rowcount == 1


async def open_of(conn: AsyncConnection[Any], user_id: UUID, now: datetime) -> list[OpenSession]:
    """The sessions of a user that are not over, the last used first."""
    async with conn.cursor(row_factory=args_row(OpenSession)) as cursor:
        await cursor.execute(
            "SELECT id, created_at, used_at, expires_at FROM sessions"
            " WHERE user_id = %s AND ended_at IS NULL AND expires_at > %s"
            " ORDER BY used_at DESC, id",
            (user_id, now),
        )
        return await cursor.fetchall()


async def end_all(
    conn: AsyncConnection[Any], user_id: UUID, now: datetime, but: UUID | None = None
) -> int:
    """End all sessions of a user, except perhaps one; how many were open."""
    cursor = await conn.execute(_END_ALL, _values(now, user_id=user_id, but=but))
    return cursor.rowcount


def end_all_sync(
    conn: Connection[Any], user_id: UUID, now: datetime, but: UUID | None = None
) -> int:
    """As `end_all`, within whatever transaction `conn` is in."""
    return conn.execute(_END_ALL, _values(now, user_id=user_id, but=but)).rowcount


async def clean_up(conn: AsyncConnection[Any], now: datetime) -> CleanedUp:
    """Remove what is of no more use, some at a time: sessions that are over, and their revocations."""
    return CleanedUp(
        # For a while yet a session can be ended: its last access token may outlive it.
        await _remove(conn, "sessions", "expires_at", now - _REVOKED_FOR),
        await _remove(conn, "revocations", "until", now),
    )


async def _remove(
    conn: AsyncConnection[Any], table: LiteralString, column: LiteralString, until: datetime
) -> int:
    removed = 0
    while True:
        cursor = await conn.execute(
            f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE {column} <= %s"
            " LIMIT %s FOR UPDATE SKIP LOCKED)",
            (until, _AT_ONCE),
        )
        removed += cursor.rowcount
        if cursor.rowcount < _AT_ONCE:
            return removed


def _end(which: LiteralString) -> LiteralString:
    """Ends sessions, revokes their tokens and tells the servers, all in one statement.

    Rows are taken in one order, so that two who end the same sessions don't wait for each other.
    """
    return (
        f"WITH due AS (SELECT id FROM sessions WHERE {which} AND ended_at IS NULL"
        "  ORDER BY id FOR UPDATE),"
        " ended AS (UPDATE sessions SET ended_at = %(now)s FROM due WHERE sessions.id = due.id"
        "  RETURNING sessions.id),"
        " revoked AS (INSERT INTO revocations (id, until)"
        "  SELECT id, %(until)s FROM ended ORDER BY id"
        "  ON CONFLICT (id) DO UPDATE SET until = GREATEST(revocations.until, EXCLUDED.until))"
        " SELECT pg_notify(%(channel)s, '') FROM ended"
    )


_END_ALL = _end("user_id = %(user_id)s AND id IS DISTINCT FROM %(but)s")


def _values(now: datetime, **which: UUID | None) -> dict[str, object]:
    return {"now": now, "until": now + _REVOKED_FOR, "channel": CHANNEL, **which}

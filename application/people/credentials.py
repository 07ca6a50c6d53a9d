"""Passwords and API keys of users: the commands that note their changes, and the rows that go with them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection, Connection

from application.identity import api_keys, sessions
from application.identity.api_keys import NewKey
from application.people.registering import Beside, Prepared, keep_password
from application.people.vault import Login
from domain.policies import scopes_of
from domain.refusals import Refusal
from domain.users import IssueApiKey, NotePasswordChange, RevokeApiKey

_BY_ID = (
    "SELECT user_id, password_hash, role, status, changed_at"
    "  FROM user_access LEFT JOIN credentials USING (user_id) WHERE user_id = %s"
)


class PreparedKey(NamedTuple):
    """A new API key. It is good once the command is accepted; nobody can be told its text later."""

    key: NewKey
    command: IssueApiKey
    beside: Beside


async def login_by_id(conn: AsyncConnection[Any], user_id: UUID) -> Login | None:
    """What `Vault.login_of` says of who has an address; None when there never was such a user."""
    row = await (await conn.execute(_BY_ID, (user_id,))).fetchone()
    return None if row is None else Login(*row)


def password_change(
    user_id: UUID, password_hash: str, now: datetime, *, proved_at: datetime, keep: UUID | None
) -> Prepared:
    """A new password from somebody who knew the one that was given at `proved_at`.

    All sessions end but `keep`. Its `beside` refuses `already_processed` when it was changed meanwhile.
    """

    def beside(conn: Connection[Any]) -> None:
        still = conn.execute(
            "SELECT FROM credentials WHERE user_id = %s AND changed_at = %s FOR UPDATE",
            (user_id, proved_at),
        )
        if still.rowcount == 0:
            raise Refusal("already_processed", user_id=user_id)
        keep_password(conn, user_id, password_hash)
        sessions.end_all_sync(conn, user_id, now, keep)

    return Prepared(NotePasswordChange(user_id), beside)


def password_reset(user_id: UUID, password_hash: str, now: datetime) -> Prepared:
    """A new password for somebody who does not have to know the old one. All sessions end."""

    def beside(conn: Connection[Any]) -> None:
        keep_password(conn, user_id, password_hash)
        sessions.end_all_sync(conn, user_id, now)

    return Prepared(NotePasswordChange(user_id, reset=True), beside)


def key_issue(
    user_id: UUID,
    role: str,
    *,
    name: str,
    scopes: Iterable[str],
    now: datetime,
    expires_at: datetime | None = None,
) -> PreparedKey:
    """An API key for a user in this role; without `expires_at` it is good until it is revoked.

    Refuses `invalid_scope` for scopes of no use to the role or for none, and `invalid_expiry`.
    """
    asked, allowed = sorted(set(scopes)), scopes_of(role)
    if not asked or not allowed.issuperset(asked):
        raise Refusal("invalid_scope", allowed=sorted(allowed), role=role)
    if expires_at is not None and expires_at <= now:
        raise Refusal("invalid_expiry", expires_at=expires_at.isoformat())
    key = api_keys.new_key()

    def beside(conn: Connection[Any]) -> None:
        api_keys.keep(conn, key, user_id, name, asked, expires_at)

    return PreparedKey(key, IssueApiKey(user_id, key.id, name, tuple(asked)), beside)


def key_revocation(user_id: UUID, key_id: UUID, now: datetime) -> Prepared:
    """An API key's end."""

    def beside(conn: Connection[Any]) -> None:
        api_keys.revoke(conn, key_id, now)

    return Prepared(RevokeApiKey(user_id, key_id), beside)

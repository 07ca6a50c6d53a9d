"""API keys: for programs, which log in nowhere. A key is shown once; only its digest is kept."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from psycopg import AsyncConnection, Connection
from psycopg.rows import args_row

from application.identity.access import CHANNEL
from application.identity.errors import TokenError

_PREFIX = "dbk_"
_FORM = re.compile(r"(dbk_[A-Za-z0-9_-]{43})_([0-9A-Za-z]{6})")
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase


class NewKey(NamedTuple):
    """`text` is the key, for its owner's eyes only; `hint` its first characters, to know it by."""

    id: UUID
    text: str
    digest: bytes
    hint: str


class ApiKey(NamedTuple):
    """What may be told of a key. Without `expires_at` it is good until it is revoked."""

    id: UUID
    user_id: UUID
    hint: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


_SELECT = "SELECT id, user_id, hint, name, scopes, created_at, expires_at, revoked_at FROM api_keys"


def new_key() -> NewKey:
    """A key of 256 random bits. Its checksum tells scanners that it is one, and us when it is mistyped."""
    body = secrets.token_urlsafe(32)
    text = f"{_PREFIX}{body}_{_checksum(_PREFIX + body)}"
    return NewKey(uuid4(), text, _digest(text), body[:8])


def parse(text: str) -> bytes:
    """The digest to find a key by. Raises `TokenError("invalid_api_key")` when the text is none."""
    parts = _FORM.fullmatch(text)
    if parts is None or _checksum(parts[1]) != parts[2]:
        raise TokenError("invalid_api_key")
    return _digest(text)


def keep(
    conn: Connection[Any],
    key: NewKey,
    user_id: UUID,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
) -> None:
    """Let a key in from now on, within whatever transaction `conn` is in."""
    conn.execute(
        "WITH kept AS (INSERT INTO api_keys (id, digest, hint, user_id, name, scopes, expires_at)"
        "  VALUES (%s, %s, %s, %s, %s, %s, %s))"
        " SELECT pg_notify(%s, '')",
        (key.id, key.digest, key.hint, user_id, name, list(scopes), expires_at, CHANNEL),
    )


def revoke(conn: Connection[Any], key_id: UUID, now: datetime) -> bool:
    """Refuse a key from now on. False when there is none, or it is revoked already."""
    cursor = conn.execute(
        "WITH revoked AS (UPDATE api_keys SET revoked_at = %s"
        "  WHERE id = %s AND revoked_at IS NULL RETURNING id)"
        " SELECT pg_notify(%s, '') FROM revoked",
        (now, key_id, CHANNEL),
    )
    return cursor.rowcount == 1


async def of_user(conn: AsyncConnection[Any], user_id: UUID) -> list[ApiKey]:
    """All keys of a user, the revoked ones too, the newest first."""
    async with conn.cursor(row_factory=args_row(ApiKey)) as cursor:
        await cursor.execute(
            f"{_SELECT} WHERE user_id = %s ORDER BY created_at DESC, id", (user_id,)
        )
        return await cursor.fetchall()


async def find(conn: AsyncConnection[Any], key_id: UUID) -> ApiKey | None:
    """One key, which may be revoked; None when there is none."""
    async with conn.cursor(row_factory=args_row(ApiKey)) as cursor:
        await cursor.execute(f"{_SELECT} WHERE id = %s", (key_id,))
        return await cursor.fetchone()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _checksum(text: str) -> str:
    """CRC-32 in base 62."""
    number = zlib.crc32(text.encode())
    digits = ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = _DIGITS[digit] + digits
    return digits

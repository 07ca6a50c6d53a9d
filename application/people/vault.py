"""Seals and opens what is personal of users, and finds them by their e-mail addresses."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg import AsyncConnection

from application.privacy import person_keys, service_keys
from application.privacy.blind_index import BlindIndex
from application.privacy.master_keys import MasterKeys
from application.privacy.opening import open_text
from application.privacy.sealing import ERASED, is_sealed, place, seal

_AGGREGATE = "user"
_INDEX = "blind index"


class Login(NamedTuple):
    """Who has an e-mail address, with what proves it. `role` and `status` are as the log has them; the
    password was given at `changed_at`."""

    user_id: UUID
    password_hash: str | None
    role: str
    status: str
    changed_at: datetime | None


_LOGIN = (
    "SELECT user_id, password_hash, role, status, changed_at FROM user_emails"
    "  JOIN user_access USING (user_id) LEFT JOIN credentials USING (user_id)"
    "  WHERE email_index = %s"
)


class Vault:
    """The one place that holds master keys and the key of the blind index."""

    def __init__(self, masters: MasterKeys, index: BlindIndex) -> None:
        self.masters = masters
        self.index = index

    @classmethod
    def open(cls, conninfo: str, masters: MasterKeys) -> Vault:
        """With the index key of this database, which is made when it is first asked for.

        Raises `MasterKeyMissingError` when that is wrapped by a key that is not given.
        """
        with psycopg.connect(conninfo, autocommit=True) as conn:
            return cls(masters, BlindIndex(service_keys.get_or_make(conn, masters, _INDEX)))

    def seal(self, key: bytes, user_id: UUID, field: str, text: str) -> str:
        """A field of a user, as the log has it."""
        return seal(key, text, place(user_id, _AGGREGATE, field))

    def open_user(self, key: bytes | None, user_id: UUID, row: Mapping[str, Any]) -> dict[str, Any]:
        """A user's row with texts in place of sealed ones, `[erased]` without the key."""
        return {
            name: open_text(key, value, place(user_id, _AGGREGATE, name))
            if is_sealed(value)
            else value
            for name, value in row.items()
        }

    async def keys(
        self, conn: AsyncConnection[Any], user_ids: Collection[UUID]
    ) -> dict[UUID, bytes]:
        """The keys of those that are not erased."""
        return await person_keys.load(conn, self.masters, user_ids) if user_ids else {}

    async def open_one(
        self, conn: AsyncConnection[Any], user_id: UUID, row: Mapping[str, Any]
    ) -> dict[str, Any]:
        """As `open_user`, with the key that is kept."""
        return self.open_user((await self.keys(conn, [user_id])).get(user_id), user_id, row)

    async def login_of(self, conn: AsyncConnection[Any], email: str) -> Login | None:
        """Who has this address, None when nobody has."""
        cursor = await conn.execute(_LOGIN, (self.index.email(email),))
        row = await cursor.fetchone()
        return None if row is None else Login(*row)


def is_erased(text: str) -> bool:
    """Whether a field says that it was forgotten."""
    return text == ERASED

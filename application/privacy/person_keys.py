"""One key a person, wrapped by a master key: destroying the row erases what the log holds of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection, Connection

from application.privacy.master_keys import MasterKeys, Wrapped
from application.privacy.sealing import new_key

PREFIX = "person:"
"""Wrapped keys are bound to this and the person's id."""

_LOAD = b"SELECT person_id, master_key_id, wrapped FROM person_keys WHERE person_id = ANY(%s)"


@dataclass(frozen=True)
class PersonKey:
    """A person's key in the clear; not printed, so that no log gets it."""

    person_id: UUID
    key: bytes = field(repr=False)


def new(person_id: UUID) -> PersonKey:
    """A key for somebody who has none yet. Nothing can be opened with it later unless it is kept."""
    return PersonKey(person_id, new_key())


def keep(conn: Connection[Any], masters: MasterKeys, person_key: PersonKey) -> None:
    """Insert the person's row, in the caller's transaction: with the first events that need the key.

    Raises `UniqueViolation` when the person has a key: replacing it would erase what it sealed.
    """
    person_id = person_key.person_id
    conn.execute(
        "INSERT INTO person_keys (person_id, master_key_id, wrapped) VALUES (%s, %s, %s)",
        (person_id, *masters.wrap(person_key.key, f"{PREFIX}{person_id}")),
    )


async def load(
    conn: AsyncConnection[Any], masters: MasterKeys, person_ids: Iterable[UUID]
) -> dict[UUID, bytes]:
    """Keys by person; who is not among them is erased, or never was.

    Raises `MasterKeyMissingError`, `SealBrokenError`: neither is taken for erased.
    """
    cursor = await conn.execute(_LOAD, (list(person_ids),))
    return _unwrapped(await cursor.fetchall(), masters)


def load_sync(
    conn: Connection[Any], masters: MasterKeys, person_ids: Iterable[UUID]
) -> dict[UUID, bytes]:
    """As `load`."""
    return _unwrapped(conn.execute(_LOAD, (list(person_ids),)).fetchall(), masters)


def is_there(conn: Connection[Any], person_id: UUID) -> bool:
    """Whether a person has a key: without one, he is erased."""
    found = conn.execute("SELECT FROM person_keys WHERE person_id = %s", (person_id,), prepare=True)
    return found.rowcount == 1


def destroy(conn: Connection[Any], person_id: UUID) -> bool:
    """Delete a person's key, and with it all that it sealed; whether there was one.

    There is no way back, except out of a backup: those have to expire too.
    """
    deleted = conn.execute("DELETE FROM person_keys WHERE person_id = %s", (person_id,))
    return deleted.rowcount == 1


def _unwrapped(rows: Iterable[tuple[UUID, str, bytes]], masters: MasterKeys) -> dict[UUID, bytes]:
    return {
        person_id: masters.unwrap(Wrapped(master_key_id, wrapped), f"{PREFIX}{person_id}")
        for person_id, master_key_id, wrapped in rows
    }

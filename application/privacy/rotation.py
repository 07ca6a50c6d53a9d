"""Wraps all keys anew when the master key has changed; what they sealed stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection

from application.privacy import person_keys, service_keys
from application.privacy.errors import PrivacyError
from application.privacy.master_keys import MasterKeyMissingError, MasterKeys, Wrapped
from application.privacy.sealing import SealBrokenError


class Progress(NamedTuple):
    """Keys that were wrapped anew, of those that had to be. Another rotation may do its part of them."""

    done: int
    total: int


class Held(NamedTuple):
    """How many keys a master key wraps."""

    master_key_id: str
    persons: int
    services: int


class UnreadableKeysError(PrivacyError):
    """Some keys cannot be unwrapped although their master key is here; all others were wrapped anew."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(
            f"{len(names)} of the wrapped keys cannot be opened, the first is that of {names[0]}: their"
            " rows are not as they were written, restore them from a backup; all others are done"
        )


class _Table(NamedTuple):
    name: str
    column: str
    prefix: str


_TABLES = (
    _Table("person_keys", "person_id", person_keys.PREFIX),
    _Table("service_keys", "name", service_keys.PREFIX),
)


def rewrap(conn: Connection[Any], masters: MasterKeys, batch: int = 500) -> Iterator[Progress]:
    """Wrap what is under older master keys with the current one, `batch` keys a transaction.

    `conn` is in autocommit mode. Whenever it ends, what is done is done and the next one does the rest;
    beside it servers and other rotations may run. Raises `MasterKeyMissingError` and
    `UnreadableKeysError` at its end, for keys that it could not open.
    """
    done, total = 0, _to_do(conn, masters)
    unreadable: dict[str, None] = {}
    yield Progress(done, total)
    is_moving = True
    while is_moving:  # a server that has not got the new key yet adds rows behind a round's back
        is_moving = False
        for table in _TABLES:
            for count in _round(conn, masters, table, batch, unreadable):
                done += count
                is_moving = is_moving or count > 0
                yield Progress(done, max(done, total))
    for held in wrapped_by(conn):
        if held.master_key_id not in masters.ids:
            raise MasterKeyMissingError(held.master_key_id)
    if unreadable:
        raise UnreadableKeysError(list(unreadable))


def wrapped_by(conn: Connection[Any]) -> list[Held]:
    """What each master key wraps, by its id; one that wraps nothing is not among them."""
    rows = conn.execute(
        "SELECT master_key_id, sum(persons)::int, sum(services)::int FROM ("
        "  SELECT master_key_id, count(*) AS persons, 0 AS services FROM person_keys GROUP BY 1"
        "  UNION ALL SELECT master_key_id, 0, count(*) FROM service_keys GROUP BY 1"
        ") AS held GROUP BY 1 ORDER BY 1"
    )
    return [Held(*row) for row in rows]


def _to_do(conn: Connection[Any], masters: MasterKeys) -> int:
    older = set(masters.older_ids)
    return sum(h.persons + h.services for h in wrapped_by(conn) if h.master_key_id in older)


def _round(
    conn: Connection[Any],
    masters: MasterKeys,
    table: _Table,
    batch: int,
    unreadable: dict[str, None],
) -> Iterator[int]:
    """Once through a table; yields after each transaction how many keys it has wrapped."""
    after: UUID | str | None = None
    while True:
        with conn.transaction():
            rows = _lock(conn, masters, table, batch, after)
            anew: dict[UUID | str, Wrapped] = {}
            for id_, master_key_id, wrapped in rows:
                name = f"{table.prefix}{id_}"
                try:
                    key = masters.unwrap(Wrapped(master_key_id, wrapped), name)
                    anew[id_] = masters.wrap(key, name)
                except SealBrokenError:  # it must not keep all the others from being done
                    unreadable[name] = None
            _write(conn, table, anew)
        if not rows:
            return
        after = rows[-1][0]
        yield len(anew)


def _lock(
    conn: Connection[Any], masters: MasterKeys, table: _Table, batch: int, after: UUID | str | None
) -> list[tuple[Any, str, bytes]]:
    """The next rows, for this transaction alone. In one order, so that two rotations never block each
    other for good; the one that waits leaves out what the other has done."""
    beyond = "" if after is None else f" AND {table.column} > %(after)s"
    return conn.execute(
        f"SELECT {table.column}, master_key_id, wrapped FROM {table.name}"
        f" WHERE master_key_id = ANY(%(older)s){beyond}"
        f" ORDER BY {table.column} LIMIT %(batch)s FOR UPDATE".encode(),
        {"older": masters.older_ids, "after": after, "batch": batch},
    ).fetchall()


def _write(conn: Connection[Any], table: _Table, anew: dict[UUID | str, Wrapped]) -> None:
    with conn.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {table.name} SET master_key_id = %s, wrapped = %s WHERE {table.column} = %s".encode(),
            [(*wrapped, id_) for id_, wrapped in anew.items()],
        )

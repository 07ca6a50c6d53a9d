"""How far each read model is: moved in the transaction that writes its rows, never by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg
from eventsourcing.persistence import (
    IntegrityError,
    OperationalError,
    Tracking,
    TrackingRecorder,
)
from psycopg import AsyncConnection, Connection
from psycopg_pool import ConnectionPool

CHANNEL = "daybook_projected"
"""Postgres channel on which each move is told, as `name:position`, in the transaction that makes it."""

CHANGED_CHANNEL = "daybook_changed"
"""Postgres channel on which each change of a read model's rows is told, as `name:epoch:position`, in the
transaction that makes it and before its move is told."""

MAX_ERROR_CHARS = 2_000

_RENEW = (
    "WITH renewed AS (UPDATE checkpoints SET epoch = epoch + 1 WHERE name = ANY(%s)"
    " RETURNING name, epoch, position)"
    " SELECT pg_notify(%s, concat_ws(':', name, epoch, position)) FROM renewed"
)


class Checkpoint(NamedTuple):
    """`code_version` is the version of the read model's code that filled its tables; `parked` counts
    the keys that it leaves out."""

    position: int
    code_version: int
    error: str | None
    parked: int = 0


def read(conn: Connection[Any], name: str) -> Checkpoint | None:
    """A read model's checkpoint, None when it was never built."""
    row = conn.execute(
        "SELECT position, code_version, error, parked FROM checkpoints WHERE name = %s", (name,)
    ).fetchone()
    return None if row is None else Checkpoint(*row)


def lock(conn: Connection[Any], name: str) -> Checkpoint | None:
    """As `read`, and nobody moves it until this transaction ends."""
    row = conn.execute(
        "SELECT position, code_version, error, parked FROM checkpoints WHERE name = %s FOR UPDATE",
        (name,),
    ).fetchone()
    return None if row is None else Checkpoint(*row)


def epoch(conn: Connection[Any], name: str) -> int:
    """Rises with each change of a read model's tables that its runner does not make; 0 at first."""
    row = conn.execute("SELECT epoch FROM checkpoints WHERE name = %s", (name,)).fetchone()
    return 0 if row is None else int(row[0])


def put(
    conn: Connection[Any], name: str, position: int, code_version: int, parked: int = 0
) -> None:
    """Set a checkpoint, wherever it was: the read model's tables are now exactly this."""
    conn.execute(
        "INSERT INTO checkpoints (name, position, code_version, parked) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (name) DO UPDATE SET position = excluded.position,"
        " code_version = excluded.code_version, parked = excluded.parked, error = NULL,"
        " epoch = checkpoints.epoch + 1, updated_at = clock_timestamp()",
        (name, position, code_version, parked),
    )


def begin_move(
    conn: Connection[Any], name: str, *, old: int, new: int, code_version: int, epoch: int
) -> bool:
    """Begin a transaction that writes to the schema `name` and moves its checkpoint.

    False: the checkpoint isn't at `old`, other code has filled the tables, or it is another `epoch`.
    Roll back then, and read it again: somebody else has moved or rebuilt the read model.
    """
    # One round trip. The fence comes first, so that a rebuild's swap and this wait for each other.
    cursor = psycopg.ClientCursor(conn)
    cursor.execute(
        "BEGIN;"
        " UPDATE checkpoints SET position = %(new)s, updated_at = clock_timestamp(), error = NULL"
        " WHERE name = %(name)s AND position = %(old)s AND code_version = %(code_version)s"
        " AND epoch = %(epoch)s;"
        " SELECT set_config('search_path', quote_ident(%(name)s), true)",
        {"name": name, "old": old, "new": new, "code_version": code_version, "epoch": epoch},
    )
    cursor.nextset()
    return cursor.rowcount == 1


def commit_move(
    conn: Connection[Any], name: str, new: int, *, changed_in: int | None = None
) -> None:
    """Commit what `begin_move` began, and tell who waits for it. When rows were changed, `changed_in` is
    the epoch that they were changed in."""
    changed = "" if changed_in is None else "SELECT pg_notify(%(changes)s, %(change)s);"
    psycopg.ClientCursor(conn).execute(
        f"{changed} SELECT pg_notify(%(moves)s, %(move)s); COMMIT".encode(),
        {
            "changes": CHANGED_CHANNEL,
            "change": f"{name}:{changed_in}:{new}",
            "moves": CHANNEL,
            "move": f"{name}:{new}",
        },
    )


def notify(conn: Connection[Any], name: str, position: int) -> None:
    """Tell, when this transaction commits, that a read model has other rows, and where it is."""
    conn.execute(
        "SELECT pg_notify(%s, concat_ws(':', name, epoch, %s::bigint)) FROM checkpoints"
        " WHERE name = %s",
        (CHANGED_CHANNEL, position, name),
    )
    conn.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"{name}:{position}"))


async def renew(conn: AsyncConnection[Any], names: Sequence[str]) -> None:
    """Tell all processes to take it that these read models have other rows than before."""
    await conn.execute(_RENEW, (list(names), CHANGED_CHANNEL))


def record_error(conn: Connection[Any], name: str, error: str) -> None:
    """Note why a read model stands still. Its next move clears the note."""
    # Where there was no checkpoint nobody knows what the tables hold, and no code has version 0.
    conn.execute(
        "INSERT INTO checkpoints (name, position, code_version, error) VALUES (%s, 0, 0, %s)"
        " ON CONFLICT (name) DO UPDATE SET error = excluded.error",
        (name, storable(error)),
    )


def storable(error: str) -> str:
    """An error's text, cut to what a column of text takes."""
    return error[:MAX_ERROR_CHARS].replace("\0", "")


class Checkpoints(TrackingRecorder):
    """The checkpoints behind the `eventsourcing` library's contract."""

    def __init__(self, pool: ConnectionPool[Any]) -> None:
        self._pool = pool

    def insert_tracking(self, tracking: Tracking) -> None:
        """Move a checkpoint forward. Raises `IntegrityError` when it is there or further already."""
        try:
            with self._pool.connection() as conn:
                cursor = conn.execute(
                    "INSERT INTO checkpoints (name, position) VALUES (%s, %s)"
                    " ON CONFLICT (name) DO UPDATE"
                    " SET position = excluded.position, updated_at = clock_timestamp()"
                    " WHERE checkpoints.position < excluded.position",
                    (tracking.application_name, tracking.notification_id),
                )
        except psycopg.OperationalError as error:
            raise OperationalError(str(error)) from error
        if cursor.rowcount != 1:
            raise IntegrityError(f"{tracking} is tracked already")

    def max_tracking_id(self, application_name: str) -> int | None:
        """A checkpoint's position, None when there is no checkpoint."""
        try:
            with self._pool.connection() as conn:
                checkpoint = read(conn, application_name)
        except psycopg.OperationalError as error:
            raise OperationalError(str(error)) from error
        return None if checkpoint is None else checkpoint.position

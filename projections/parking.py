"""Parks what a read model's code fails on, and shows it again once that is mended.

A key is what events are about: an account, a transfer, a stream. While it is parked its rows stay as they
were before the event that failed, and everything else goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.rows import args_row

from domain.events import Recorded
from projections import checkpoints, schemas
from projections.catalogue import READ_MODELS, ReadModel, read_model
from projections.checkpoints import Checkpoint
from projections.connecting import connect
from projections.garbage import gc_paused
from projections.log import UnreadableEventError, read_batch, read_stream

CHANNEL = "daybook_parked"
"""Postgres channel on which a read model's name is told when what is parked of it changes."""

MAX_PARKED = 100
"""Keys that are parked of one read model. When more fail it is the code that is wrong, not a key."""

_SPAN = 20_000
_NEAR = 2_000
"""Positions that are read while the runner waits; those of more are read before."""

_NOT_OF_A_KEY = (
    psycopg.OperationalError,
    psycopg.InternalError,
    psycopg.InterfaceError,
    psycopg.ProgrammingError,
    MemoryError,
    OSError,
)


class ParkedKey(NamedTuple):
    """`position`: the first event of the key that the read model doesn't show."""

    key: UUID
    position: int
    error: str
    parked_at: datetime


class Retried(NamedTuple):
    """What became of a parked key: events shown since, and why it is still parked, if it is."""

    key: UUID
    events: int
    error: str | None


class RetryRefusedError(Exception):
    """Nothing was retried: the key isn't parked, or other code has filled the tables. The message
    says what to do."""


def is_of_key(error: Exception) -> bool:
    """Whether an event may be at fault. Else it is the database, or tables that don't fit the code:
    every key would fail."""
    return not isinstance(error, _NOT_OF_A_KEY)


def park(conn: Connection[Any], name: str, key: UUID, position: int, error: str) -> bool:
    """Park a key, in the transaction that moves the checkpoint past the event. False: too many are."""
    conn.execute("SET LOCAL search_path TO DEFAULT")
    moved = conn.execute(
        "UPDATE checkpoints SET parked = parked + 1 WHERE name = %s AND parked < %s",
        (name, MAX_PARKED),
    )
    if moved.rowcount != 1:
        return False
    conn.execute(
        "INSERT INTO parked_keys (model, key, position, error) VALUES (%s, %s, %s, %s)",
        (name, key, position, checkpoints.storable(error)),
    )
    _tell(conn, name)
    return True


def keys(conn: Connection[Any], name: str) -> frozenset[UUID]:
    """The parked keys of a read model."""
    found = conn.execute("SELECT key FROM parked_keys WHERE model = %s", (name,))
    return frozenset(key for (key,) in found)


async def parked(conn: AsyncConnection[Any], name: str) -> list[ParkedKey]:
    """The parked keys of a read model, the first to fail first."""
    async with conn.cursor(row_factory=args_row(ParkedKey)) as cursor:
        await cursor.execute(
            "SELECT key, position, error, parked_at FROM parked_keys WHERE model = %s"
            " ORDER BY position",
            (name,),
        )
        return await cursor.fetchall()


async def positions(conn: AsyncConnection[Any]) -> dict[str, dict[UUID, int]]:
    """By read model and key: the first event that isn't shown."""
    found: dict[str, dict[UUID, int]] = {}
    cursor = await conn.execute("SELECT model, key, position FROM parked_keys", binary=True)
    for name, key, position in await cursor.fetchall():
        found.setdefault(name, {})[key] = position
    return found


def forget(conn: Connection[Any], name: str) -> None:
    """Inside a transaction with the checkpoint locked: the tables of that name hold no gaps."""
    conn.execute("DELETE FROM parked_keys WHERE model = %s", (name,))
    _tell(conn, name)


def move(conn: Connection[Any], name: str, new_name: str) -> None:
    """Inside a transaction with the checkpoint locked: what is parked goes where the tables go."""
    conn.execute("UPDATE parked_keys SET model = %s WHERE model = %s", (new_name, name))
    _tell(conn, name)
    _tell(conn, new_name)


def retry(
    conninfo: str,
    name: str,
    key: UUID | None = None,
    models: Sequence[ReadModel] = READ_MODELS,
) -> list[Retried]:
    """Show the events of one parked key, or of all, that the read model has left out, in their order.

    The runner goes on meanwhile. A key that fails again stays parked, where it fails now. Whatever
    ends this, calling it again goes on. Raises `UnknownReadModelError`, `RetryRefusedError`,
    `UnreadableEventError` and `psycopg.Error`.
    """
    model = read_model(name, models)
    with connect(conninfo, "daybook retry") as conn:
        known = sorted(keys(conn, name))
        if key is not None and key not in known:
            there = f"; there are: {', '.join(map(str, known))}" if known else ""
            raise RetryRefusedError(f"{name} has no parked key {key}{there}")
        return [_Retry(conn, model, one).run() for one in known if key in (None, one)]


class _Part(NamedTuple):
    """The next events of a key: all from position `begin` up to `end`."""

    begin: int
    end: int
    events: list[Recorded]


class _Retry:
    """Brings one key to where its read model is, a batch a transaction."""

    def __init__(self, conn: Connection[Any], model: ReadModel, key: UUID) -> None:
        self._conn = conn
        self._model = model
        self._key = key
        self._events = 0
        self._limit = _SPAN

    def run(self) -> Retried:
        while True:
            try:
                is_done = self._step()
            except (UnreadableEventError, RetryRefusedError):
                raise
            except Exception as error:
                if self._conn.closed or not is_of_key(error):
                    raise
                if self._limit == 1:
                    return Retried(self._key, self._events, self._note(error))
                self._limit //= 2  # close in on the event that fails: all before it is shown
            else:
                if is_done:
                    return Retried(self._key, self._events, None)

    def _step(self) -> bool:
        """Show the next events; answers whether the key has come as far as its read model."""
        # Most is read before anything is locked, so that the runner does not wait for it.
        begin, head = self._place(), checkpoints.read(self._conn, self._model.name)
        if begin is None or head is None:
            return True
        ahead = self._read(begin, head.position) if head.position - begin > _NEAR else None
        with self._conn.transaction():
            # The checkpoint first, as whoever moves or swaps the read model: nobody waits in a circle.
            live = checkpoints.lock(self._conn, self._model.name)
            begin = self._place(and_lock=True)
            if live is None or begin is None:
                return True  # somebody else was faster, or a rebuild shows everything
            self._require_fitting(live)
            if ahead is None or ahead.begin != begin or ahead.end > live.position:
                ahead = self._read(begin, live.position)
            if ahead.events:
                schemas.search_in(self._conn, self._model.name)
                with self._conn.cursor() as cursor:
                    self._model.project(ahead.events, cursor)
                self._conn.execute("SET LOCAL search_path TO DEFAULT")
            is_done = self._move(ahead.end, is_last=ahead.end >= live.position)
        self._events += len(ahead.events)
        return is_done

    def _place(self, *, and_lock: bool = False) -> int | None:
        """The first position that isn't looked at; None when the key isn't parked any more."""
        row = self._conn.execute(
            "SELECT position FROM parked_keys WHERE model = %s AND key = %s"
            f"{' FOR UPDATE' if and_lock else ''}".encode(),
            (self._model.name, self._key),
        ).fetchone()
        return None if row is None else row[0]

    def _require_fitting(self, live: Checkpoint) -> None:
        name, version = self._model.name, self._model.version
        if live.code_version != version:
            raise RetryRefusedError(
                f"{name} was built by version {live.code_version}, and this code is version {version}:"
                f" rebuild it (daybook projections rebuild {name}), which shows parked keys too"
            )

    def _read(self, begin: int, to: int) -> _Part:
        model, key_of = self._model, self._model.key_of
        if key_of is None:
            found = read_stream(self._conn, self._key, begin - 1, to, self._limit)
            end = found[-1].position if len(found) == self._limit else to
            return _Part(begin, end, [e for e in found if e.topic in model.topics])
        with gc_paused():
            batch = read_batch(self._conn, begin - 1, min(_SPAN, to - begin + 1))
        events = [e for e in batch if e.topic in model.topics and key_of(e) == self._key]
        if len(events) > self._limit:
            events = events[: self._limit]
            return _Part(begin, events[-1].position, events)
        return _Part(begin, batch[-1].position if batch else to, events)

    def _move(self, end: int, *, is_last: bool) -> bool:
        name = self._model.name
        if not is_last:
            self._conn.execute(
                "UPDATE parked_keys SET position = %s WHERE model = %s AND key = %s",
                (end + 1, name, self._key),
            )
            return False
        self._conn.execute(
            "DELETE FROM parked_keys WHERE model = %s AND key = %s", (name, self._key)
        )
        # Another epoch: the runner then knows that the key is its own again.
        self._conn.execute(
            "UPDATE checkpoints SET parked = parked - 1, epoch = epoch + 1 WHERE name = %s", (name,)
        )
        _tell(self._conn, name)
        return True

    def _note(self, error: Exception) -> str:
        text = f"{type(error).__name__}: {error}"
        self._conn.execute(
            "UPDATE parked_keys SET error = %s WHERE model = %s AND key = %s",
            (checkpoints.storable(text), self._model.name, self._key),
        )
        return text


def _tell(conn: Connection[Any], name: str) -> None:
    conn.execute("SELECT pg_notify(%s, %s)", (CHANNEL, name))

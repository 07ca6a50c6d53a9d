"""Fills read models anew beside the live ones, which go on answering, and swaps them in at the end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import psycopg
from psycopg import Connection

from domain.events import Recorded
from projections import checkpoints, schemas
from projections.catalogue import READ_MODELS, ReadModel, read_model
from projections.connecting import connect
from projections.garbage import gc_paused
from projections.log import head_position, read_batch

_log = logging.getLogger("daybook.rebuild")

BATCH_EVENTS = 20_000
"""Events in memory at a time. More is hardly faster."""

_SWAP_WITHIN_EVENTS = 2_000
"""How near to the live read model the shadow must be before that one is held still for the swap."""

_MAX_ROUNDS_LOST = 10

_DROP_WAIT_S = 10
"""How long to wait for queries that still read the old tables. After that, the next rebuild drops them."""

Progress = Callable[[int, int], None]
"""Told the events done and the events there are, after each batch."""


class Rebuilt(NamedTuple):
    """A read model that was filled from the first event to the one at `position`."""

    name: str
    position: int
    seconds: float

    @property
    def events(self) -> int:
        """How many events were read: positions have no gaps."""
        return self.position


class RebuildRefusedError(Exception):
    """The rebuild was not begun, or given up, and the live read model is untouched; the message says
    what to do."""


class RebuildFailedError(Exception):
    """A `project` raised while filling the shadow, which is gone; the live read model is untouched."""


def rebuild(
    conninfo: str, name: str, progress: Progress, models: Sequence[ReadModel] = READ_MODELS
) -> Rebuilt:
    """Rebuild one read model; see `rebuild_many`."""
    return rebuild_many(conninfo, [name], progress, models)[0]


def rebuild_many(
    conninfo: str,
    names: Sequence[str],
    progress: Progress,
    models: Sequence[ReadModel] = READ_MODELS,
) -> list[Rebuilt]:
    """Rebuild read models together: the log is read and decoded once for all of them.

    Reads and the runner go on meanwhile. `conninfo` is the application's role. Raises
    `UnknownReadModelError`, `RebuildRefusedError`, `RebuildFailedError`, `UnreadableEventError` and
    `psycopg.Error`; what was not swapped in by then stays as it was, and starting again begins anew.
    """
    wanted = [read_model(name, models) for name in dict.fromkeys(names)]
    started = time.monotonic()
    with connect(conninfo, "daybook rebuild") as conn, _claims(conn, wanted):
        for model in wanted:
            schemas.create(conn, model, _shadow(model))
        position = _fill(conn, wanted, progress)
        for model in wanted:
            schemas.create_indexes(conn, model, _shadow(model))
        return [
            Rebuilt(model.name, _swap_in(conn, model, position), time.monotonic() - started)
            for model in wanted
        ]


def _shadow(model: ReadModel) -> str:
    return f"{model.name}_shadow"


def _previous(model: ReadModel) -> str:
    return f"{model.name}_previous"


@contextmanager
def _claims(conn: Connection[Any], models: Sequence[ReadModel]) -> Iterator[None]:
    """Hold the rebuilds of these read models, and leave no shadow when the block fails."""
    try:
        for model in models:
            _claim(conn, model)
        try:
            yield
        except BaseException:
            # Without a connection they stay until the next rebuild drops them.
            with suppress(psycopg.Error):
                conn.execute("ROLLBACK")
                for model in models:
                    schemas.drop(conn, _shadow(model))
            raise
    finally:
        # By the time this returns, so that the next one can begin: a closed connection takes longer.
        with suppress(psycopg.Error):
            conn.execute("SELECT pg_advisory_unlock_all()")


def _claim(conn: Connection[Any], model: ReadModel) -> None:
    """Make sure that nobody else rebuilds it, and clear away what a killed rebuild left behind."""
    if not schemas.try_lock(conn, schemas.REBUILD_LOCKS, model.name):
        raise RebuildRefusedError(
            f"{model.name} is being rebuilt already: wait for that rebuild, or stop it"
        )
    schemas.ensure(conn, model)
    dependents = schemas.dependents(conn, model.name)
    if dependents:
        raise RebuildRefusedError(
            f"{', '.join(dependents)} would be lost with the old tables of {model.name}: drop them"
            " before the rebuild and make them again after it"
        )
    schemas.drop(conn, _shadow(model))
    if not _drop_previous(conn, model):
        raise RebuildRefusedError(
            f"queries still read the tables that the last rebuild of {model.name} replaced: wait"
            " for them to end, or end them, and start again"
        )


def _fill(conn: Connection[Any], models: Sequence[ReadModel], progress: Progress) -> int:
    """Project the log up to its head into the shadows; answers the position reached."""
    position, head = 0, head_position(conn)
    while position < head:
        with gc_paused():
            batch = read_batch(conn, position, BATCH_EVENTS)
            for model in models:
                with conn.transaction():
                    _project(conn, model, batch)
        position += len(batch)
        if len(batch) == BATCH_EVENTS:  # what came meanwhile goes in faster now than with indexes
            head = head_position(conn)
        progress(position, max(position, head))
    return position


def _project(conn: Connection[Any], model: ReadModel, events: Sequence[Recorded]) -> None:
    """Inside a transaction, write events to a shadow."""
    relevant = [event for event in events if event.topic in model.topics]
    if relevant:
        schemas.search_in(conn, _shadow(model))
        try:
            with conn.cursor() as cursor:
                model.project(relevant, cursor)
        except Exception as error:
            if conn.closed:
                raise
            first, last = relevant[0].position, relevant[-1].position
            raise RebuildFailedError(
                f"{model.name} can't be rebuilt: it fails between events {first} and {last}"
                f" ({type(error).__name__}: {error}); correct its code, the live one is untouched"
            ) from error
        conn.execute("SET LOCAL search_path TO DEFAULT")


def _chase(conn: Connection[Any], model: ReadModel, position: int) -> int:
    """Bring a shadow near the head. A writer that is faster than this is not chased for ever."""
    nearest, rounds_lost = head_position(conn), 0
    while rounds_lost < _MAX_ROUNDS_LOST:
        distance = head_position(conn) - position
        if distance <= _SWAP_WITHIN_EVENTS:
            break
        rounds_lost = 0 if distance < nearest else rounds_lost + 1
        nearest = min(nearest, distance)
        with conn.transaction():
            position = _advance(conn, model, position, position + BATCH_EVENTS)
    return position


def _swap_in(conn: Connection[Any], model: ReadModel, position: int) -> int:
    """Bring the shadow to where the live read model is and put it in its place; answers where."""
    position = _chase(conn, model, position)
    with conn.transaction():
        # The rows must be as safe as any before the old ones go.
        conn.execute("SET LOCAL synchronous_commit TO on")
        live = checkpoints.lock(conn, model.name)
        # Exactly as far as the live one, so that no reader sees the read model move in the swap.
        target = 0 if live is None else min(live.position, head_position(conn))
        while position < target:
            position = _advance(conn, model, position, target)
        if schemas.exists(conn, model.name):
            schemas.rename(conn, model.name, _previous(model))
        schemas.rename(conn, _shadow(model), model.name)
        checkpoints.put(conn, model.name, position, model.version)
        checkpoints.notify(conn, model.name, position)
    _drop_previous(conn, model)
    return position


def _advance(conn: Connection[Any], model: ReadModel, position: int, to: int) -> int:
    """Inside a transaction, bring a shadow one batch further, at most to a position."""
    batch = read_batch(conn, position, min(BATCH_EVENTS, to - position))
    _project(conn, model, batch)
    return position + len(batch)


def _drop_previous(conn: Connection[Any], model: ReadModel) -> bool:
    """Drop the tables that a swap has replaced. False: queries that began before it still run."""
    try:
        with conn.transaction():
            conn.execute(f"SET LOCAL lock_timeout TO '{_DROP_WAIT_S}s'".encode())
            schemas.drop(conn, _previous(model))
    except psycopg.errors.LockNotAvailable:
        _log.warning("queries still read %s: it stays until the next rebuild", _previous(model))
        return False
    return True

"""Puts a shadow in the place of the live read model, and the one before it back."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection, errors

from projections import checkpoints, rebuild_state, schemas
from projections.catalogue import READ_MODELS, ReadModel, read_model
from projections.checkpoints import Checkpoint
from projections.connecting import connect
from projections.log import head_position
from projections.parity import Parity
from projections.rebuild_state import Phase
from projections.shadows import RebuildRefusedError, Shadow, previous_of, shadow_of

_log = logging.getLogger("daybook.rebuild")

DROP_WAIT_S = 10
"""How long to wait for queries that still read tables which are to be dropped."""


class AlreadyRebuildingError(RebuildRefusedError):
    """Somebody else rebuilds or swaps this read model just now."""


def claim(conn: Connection[Any], name: str) -> None:
    """Be the only one who rebuilds or swaps a read model, for as long as the connection lasts."""
    try:
        with conn.transaction():
            # One that has just ended holds its lock until the server has noticed.
            conn.execute("SET LOCAL lock_timeout = '1s'")
            key = schemas.lock_key(name)
            conn.execute("SELECT pg_advisory_lock(%s, %s)", (schemas.REBUILD_LOCKS, key))
    except errors.LockNotAvailable:
        raise AlreadyRebuildingError(
            f"{name} is being rebuilt already: wait for that rebuild, or stop it with"
            f" `daybook projections cancel {name}`"
        ) from None


def require_no_dependents(conn: Connection[Any], name: str) -> None:
    """Raises `RebuildRefusedError` when views of others are made of the live tables."""
    dependents = schemas.dependents(conn, name)
    if dependents:
        raise RebuildRefusedError(
            f"{', '.join(dependents)} would be lost with the old tables of {name}: drop them before"
            " the swap and make them again after it"
        )


def _outdated(name: str) -> str:
    return f"{name}_outdated"


@contextmanager
def _patience(conn: Connection[Any], schema: str) -> Iterator[None]:
    """Inside a transaction, wait for queries on a schema, but not for ever."""
    conn.execute(f"SET LOCAL lock_timeout TO '{DROP_WAIT_S}s'".encode())
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise RebuildRefusedError(
            f"queries still read {schema}: wait for them to end, or end them, and start again"
        ) from error


def drop_shadow(
    conn: Connection[Any],
    name: str,
    phase: Phase,
    *,
    parity: Parity | None = None,
    error: str | None = None,
) -> None:
    """End a rebuild without a swap."""
    report = None if parity is None else parity.to_json()
    with _patience_for_drop(conn, shadow_of(name)):
        rebuild_state.finish(conn, name, phase, report=report, error=error)


def make_shadow(
    conn: Connection[Any], model: ReadModel, *, only_verify: bool, accept_differences: bool
) -> Shadow:
    """An empty shadow, in place of what an earlier rebuild left."""
    with _patience_for_drop(conn, shadow_of(model.name)):
        id_ = rebuild_state.begin(
            conn,
            model.name,
            model.version,
            only_verify=only_verify,
            accept_differences=accept_differences,
        )
        schemas.create(conn, model, shadow_of(model.name))
    return Shadow(model, id_)


@contextmanager
def _patience_for_drop(conn: Connection[Any], schema: str) -> Iterator[None]:
    """Drop a schema in the transaction of the block, before it."""
    with conn.transaction():
        with _patience(conn, schema):
            schemas.drop(conn, schema)
        yield


def drop_outdated(conn: Connection[Any], name: str) -> bool:
    """Drop what neither serves nor can be rolled back to. False: queries that began before the swap
    still run."""
    try:
        with conn.transaction(), _patience(conn, _outdated(name)):
            schemas.drop(conn, _outdated(name))
    except RebuildRefusedError:
        _log.warning("queries still read %s: it stays until the next rebuild", _outdated(name))
        return False
    return True


def swap_in(conn: Connection[Any], shadow: Shadow) -> None:
    """Bring the shadow to where the live read model is and put it in its place; the live one is kept
    for a rollback."""
    name = shadow.name
    with conn.transaction():
        # The rows must be as safe as any before the old ones go.
        conn.execute("SET LOCAL synchronous_commit TO on")
        live = checkpoints.lock(conn, name)
        # Exactly as far as the live one, so that no reader sees the read model move in the swap.
        target = 0 if live is None else min(live.position, head_position(conn))
        while shadow.position < target:
            shadow.advance(conn, target)
        if schemas.exists(conn, name):
            _set_aside(conn, name, live)
        schemas.rename(conn, shadow.schema, name)
        checkpoints.put(conn, name, shadow.position, shadow.model.version)
        checkpoints.notify(conn, name, shadow.position)
        rebuild_state.finish(conn, name, "swapped")
    drop_outdated(conn, name)


def _set_aside(conn: Connection[Any], name: str, live: Checkpoint | None) -> None:
    previous = previous_of(name)
    if live is None or live.position == 0:  # nobody wants to go back to nothing
        schemas.rename(conn, name, _outdated(name))
        return
    if schemas.exists(conn, previous):
        schemas.rename(conn, previous, _outdated(name))
    schemas.rename(conn, name, previous)
    checkpoints.put(conn, previous, live.position, live.code_version)


def rollback(conninfo: str, name: str, models: Sequence[ReadModel] = READ_MODELS) -> Checkpoint:
    """Swap a read model with the one that the last rebuild replaced, at once; a second time swaps back.

    Answers where it is now: the runner brings it on from there if it was built by this version of the
    code, else it stands still until that version runs or a rebuild. Raises `UnknownReadModelError`,
    `RebuildRefusedError` and `psycopg.Error`.
    """
    model = read_model(name, models)
    previous, aside = previous_of(model.name), f"{model.name}_aside"
    with connect(conninfo, "daybook rollback") as conn:
        claim(conn, name)
        require_no_dependents(conn, name)
        with conn.transaction():
            conn.execute("SET LOCAL synchronous_commit TO on")
            live, old = checkpoints.lock(conn, name), checkpoints.lock(conn, previous)
            if live is None or old is None or not schemas.exists(conn, previous):
                raise RebuildRefusedError(
                    f"there is no {previous} to go back to: it is kept by a rebuild of {name}"
                )
            schemas.rename(conn, name, aside)
            schemas.rename(conn, previous, name)
            schemas.rename(conn, aside, previous)
            checkpoints.put(conn, previous, live.position, live.code_version)
            checkpoints.put(conn, name, old.position, old.code_version)
            checkpoints.notify(conn, name, old.position)
    return old


def pause(conninfo: str, name: str, models: Sequence[ReadModel] = READ_MODELS) -> bool:
    """Have a rebuild stop after its batch in hand and wait to be resumed. True: it has.

    Raises `UnknownReadModelError`, `RebuildRefusedError` and `psycopg.Error`.
    """
    with connect(conninfo, "daybook pause") as conn:
        found = rebuild_state.find(conn, read_model(name, models).name)
        if found is None or not found.is_unfinished:
            raise RebuildRefusedError(f"no rebuild of {name} is under way")
        if schemas.try_lock(conn, schemas.REBUILD_LOCKS, name):
            rebuild_state.finish(conn, name, "paused")
            return True
        rebuild_state.request(conn, name, "pause")
        return False


def cancel(conninfo: str, name: str, models: Sequence[ReadModel] = READ_MODELS) -> bool:
    """Have a rebuild given up, or the shadow dropped that one kept because of differences. True: it
    is done; False: it will be after its batch in hand.

    Raises `UnknownReadModelError`, `RebuildRefusedError` and `psycopg.Error`.
    """
    with connect(conninfo, "daybook cancel") as conn:
        found = rebuild_state.find(conn, read_model(name, models).name)
        if found is None or not (found.is_unfinished or found.phase == "different"):
            raise RebuildRefusedError(f"no rebuild of {name} is under way")
        if schemas.try_lock(conn, schemas.REBUILD_LOCKS, name):
            drop_shadow(conn, name, "cancelled")
            return True
        rebuild_state.request(conn, name, "cancel")
        return False

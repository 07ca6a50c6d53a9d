"""Puts a shadow in the place of the live read model, and the one before it back."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal

import psycopg
from psycopg import Connection, errors

from projections import checkpoints, parking, rebuild_state, schemas
from projections.catalogue import READ_MODELS, ReadModel, read_model
from projections.checkpoints import Checkpoint
from projections.connecting import connect
from projections.log import head_position
from projections.parity import Parity
from projections.rebuild_state import UNFINISHED, Phase, Request
from projections.shadows import RebuildRefusedError, Shadow, previous_of, shadow_of

_log = logging.getLogger("daybook.rebuild")

DROP_WAIT_S = 10
"""How long to wait for queries that still read tables which are to be dropped."""


class AlreadyRebuildingError(RebuildRefusedError):
    """Somebody else rebuilds or swaps this read model just now."""


@contextmanager
def claimed(conn: Connection[Any], name: str) -> Iterator[None]:
    """Be the only one who rebuilds or swaps a read model while the block runs.

    Raises `AlreadyRebuildingError`.
    """
    _claim(conn, name)
    with _claim_given_back(conn, name):
        yield


def _claim(conn: Connection[Any], name: str) -> None:
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


@contextmanager
def _claim_given_back(conn: Connection[Any], name: str) -> Iterator[None]:
    """By the end of the block, so that the next one can begin: a closed connection takes longer."""
    try:
        yield
    finally:
        with suppress(psycopg.Error):
            schemas.unlock(conn, schemas.REBUILD_LOCKS, name)


def require_swappable(conn: Connection[Any], name: str) -> None:
    """Raises `RebuildRefusedError` when views of others are made of tables that are to go.

    Those may be of an earlier swap: a view that was made at that moment stayed with its tables.
    """
    for schema in (name, previous_of(name), _outdated(name)):
        _require_no_dependents(conn, name, schema)


def _require_no_dependents(conn: Connection[Any], name: str, schema: str) -> None:
    dependents = schemas.dependents(conn, schema)
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


def drop_outdated(conn: Connection[Any], name: str) -> None:
    """Drop what neither serves nor can be rolled back to.

    Raises `RebuildRefusedError` when queries that began before the swap still run, or views are made
    of it.
    """
    with conn.transaction(), _patience(conn, _outdated(name)):
        _require_no_dependents(conn, name, _outdated(name))
        schemas.drop(conn, _outdated(name))


def swap_in(conn: Connection[Any], shadow: Shadow) -> None:
    """Bring the shadow to where the live read model is and put it in its place; the live one is kept
    for a rollback. Raises `RebuildRefusedError` when views were made of the live one meanwhile."""
    name = shadow.name
    with conn.transaction():
        # The rows must be as safe as any before the old ones go.
        conn.execute("SET LOCAL synchronous_commit TO on")
        live = checkpoints.lock(conn, name)
        # Exactly as far as the live one, so that no reader sees the read model move in the swap.
        target = 0 if live is None else min(live.position, head_position(conn))
        while shadow.position < target:
            shadow.advance(conn, target)
        require_swappable(conn, name)
        if schemas.exists(conn, name):
            _set_aside(conn, name, live)
        schemas.rename(conn, shadow.schema, name)
        parking.forget(conn, name)
        checkpoints.put(conn, name, shadow.position, shadow.model.version)
        checkpoints.notify(conn, name, shadow.position)
        rebuild_state.finish(conn, name, "swapped")
    try:
        drop_outdated(conn, name)
    except RebuildRefusedError as error:
        _log.warning("%s stays until the next rebuild: %s", _outdated(name), error)


def _set_aside(conn: Connection[Any], name: str, live: Checkpoint | None) -> None:
    previous = previous_of(name)
    if live is None or live.position == 0:  # nobody wants to go back to nothing
        schemas.rename(conn, name, _outdated(name))
        return
    if schemas.exists(conn, previous):
        schemas.rename(conn, previous, _outdated(name))
    schemas.rename(conn, name, previous)
    parking.forget(conn, previous)
    parking.move(conn, name, previous)
    checkpoints.put(conn, previous, live.position, live.code_version, live.parked)


def rollback(conninfo: str, name: str, models: Sequence[ReadModel] = READ_MODELS) -> Checkpoint:
    """Swap a read model with the one that the last rebuild replaced, at once; a second time swaps back.

    Answers where it is now: the runner brings it on from there if it was built by this version of the
    code, else it stands still until that version runs or a rebuild. Raises `UnknownReadModelError`,
    `RebuildRefusedError` and `psycopg.Error`.
    """
    model = read_model(name, models)
    previous, aside = previous_of(model.name), f"{model.name}_aside"
    with connect(conninfo, "daybook rollback") as conn, claimed(conn, name):
        _require_no_dependents(conn, name, name)
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
            parking.move(conn, name, aside)
            parking.move(conn, previous, name)
            parking.move(conn, aside, previous)
            checkpoints.put(conn, previous, live.position, live.code_version, live.parked)
            checkpoints.put(conn, name, old.position, old.code_version, old.parked)
            checkpoints.notify(conn, name, old.position)
    return old


def pause(conninfo: str, name: str, models: Sequence[ReadModel] = READ_MODELS) -> bool:
    """Have a rebuild stop after its batch in hand and wait to be resumed. True: it has.

    Raises `UnknownReadModelError`, `RebuildRefusedError` and `psycopg.Error`.
    """
    return _stop(conninfo, read_model(name, models).name, "pause", UNFINISHED)


def cancel(conninfo: str, name: str, models: Sequence[ReadModel] = READ_MODELS) -> bool:
    """Have a rebuild given up, or the shadow dropped that one kept because of differences. True: it
    is done; False: it will be after its batch in hand.

    Raises `UnknownReadModelError`, `RebuildRefusedError` and `psycopg.Error`.
    """
    return _stop(conninfo, read_model(name, models).name, "cancel", (*UNFINISHED, "different"))


def _stop(conninfo: str, name: str, what: Request, phases: Sequence[Phase]) -> bool:
    with connect(conninfo, f"daybook {what}") as conn:
        _require_phase(conn, name, phases)
        if not schemas.try_lock(conn, schemas.REBUILD_LOCKS, name):
            if rebuild_state.request(conn, name, what):
                return False
            _claim(conn, name)  # it is over, and whoever did it is about to let go
        with _claim_given_back(conn, name):
            _require_phase(conn, name, phases)  # whoever had it may have ended it since
            _act(conn, name, what)
        return True


def _require_phase(conn: Connection[Any], name: str, phases: Sequence[Phase]) -> None:
    found = rebuild_state.find(conn, name)
    if found is None or found.phase not in phases:
        raise RebuildRefusedError(f"no rebuild of {name} is under way")


def obey(conn: Connection[Any], name: str) -> Literal["paused", "cancelled"] | None:
    """Under the claim, do what an operator has asked for; answers what became of the rebuild."""
    what = rebuild_state.requested(conn, name)
    return None if what is None else _act(conn, name, what)


def _act(conn: Connection[Any], name: str, what: Request) -> Literal["paused", "cancelled"]:
    if what == "pause":
        rebuild_state.finish(conn, name, "paused")
        return "paused"
    drop_shadow(conn, name, "cancelled")
    return "cancelled"

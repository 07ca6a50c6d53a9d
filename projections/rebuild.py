"""Fills read models anew beside the live ones, which go on answering, compares, and swaps them in."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal, NamedTuple

import psycopg
from psycopg import Connection

from projections import partitions, rebuild_state, schemas, shadows, swapping
from projections.catalogue import READ_MODELS, ReadModel, read_model
from projections.connecting import connect
from projections.log import UnreadableEventError, head_position
from projections.parity import Parity
from projections.rebuild_state import Rebuild
from projections.shadows import (
    Progress,
    RebuildFailedError,
    RebuildRefusedError,
    Shadow,
    shadow_of,
)

__all__ = [
    "Options", "Progress", "RebuildFailedError", "RebuildRefusedError", "Rebuilt", "rebuild",
    "rebuild_many",
]  # fmt: skip

Outcome = Literal["swapped", "verified", "different", "paused", "cancelled"]


class Options(NamedTuple):
    """What an operator may want otherwise.

    `accept_differences`: swap even when the rows differ from the live ones, because the code was
    corrected. `only_verify`: compare, and don't swap. `throttle`: at most so many events a second.
    `parallel`: processes that fill a new shadow. `must_be_begun`: go on with a rebuild, but don't begin one.
    """

    accept_differences: bool = False
    only_verify: bool = False
    throttle: int | None = None
    parallel: int = 1
    must_be_begun: bool = False


DEFAULTS = Options()


class Rebuilt(NamedTuple):
    """What became of a rebuild whose shadow is at `position`; `events` were read by this call.

    `different`: the live one still serves, and the shadow was kept to look at unless it was made only
    to verify. `parity` is None when the live read model had nothing yet, or the rebuild isn't over.
    """

    name: str
    outcome: Outcome
    position: int
    events: int
    seconds: float
    parity: Parity | None


def rebuild(
    conninfo: str,
    name: str,
    progress: Progress,
    models: Sequence[ReadModel] = READ_MODELS,
    options: Options = DEFAULTS,
) -> Rebuilt:
    """Rebuild one read model; see `rebuild_many`."""
    return rebuild_many(conninfo, [name], progress, models, options)[0]


def rebuild_many(
    conninfo: str,
    names: Sequence[str],
    progress: Progress,
    models: Sequence[ReadModel] = READ_MODELS,
    options: Options = DEFAULTS,
) -> list[Rebuilt]:
    """Rebuild read models together: the log is read and decoded once for all of them.

    Reads and the runner go on meanwhile. Whatever ends it half-way, calling this again goes on where
    it was. `conninfo` is the application's role. Raises `UnknownReadModelError`,
    `RebuildRefusedError`, `RebuildFailedError`, `UnreadableEventError`, `SupersededError` and
    `psycopg.Error`; what was not swapped in by then stays as it was.
    """
    wanted = [read_model(name, models) for name in dict.fromkeys(names)]
    started = time.monotonic()
    with connect(conninfo, "daybook rebuild") as conn, _claims(conn, wanted):
        begun = [_begin(conn, model, options) for model in wanted]
        was_at = {shadow.name: shadow.position for shadow in begun}
        with _failures_noted(conn, begun):
            _fill_in_parts(conninfo, conn, begun, progress, options)
            shadows.fill(conn, begun, progress, options.throttle)
            done = [_finish(conn, shadow) for shadow in begun]
    seconds = time.monotonic() - started
    return [
        Rebuilt(s.name, outcome, s.position, s.position - was_at[s.name], seconds, parity)
        for s, (outcome, parity) in zip(begun, done, strict=True)
    ]


@contextmanager
def _claims(conn: Connection[Any], models: Sequence[ReadModel]) -> Iterator[None]:
    """Make sure that nobody else rebuilds these, and that they can be swapped."""
    try:
        for model in models:
            swapping.claim(conn, model.name)
            schemas.ensure(conn, model)
            swapping.require_no_dependents(conn, model.name)
            if not swapping.drop_outdated(conn, model.name):
                raise RebuildRefusedError(
                    f"queries still read the tables that earlier rebuilds of {model.name} replaced:"
                    " wait for them to end, or end them, and start again"
                )
        yield
    finally:
        # By the time this returns, so that the next one can begin: a closed connection takes longer.
        with suppress(psycopg.Error):
            conn.execute("SELECT pg_advisory_unlock_all()")


def _begin(conn: Connection[Any], model: ReadModel, options: Options) -> Shadow:
    """The shadow to go on with, or a new one."""
    found = rebuild_state.find(conn, model.name)
    if found is not None and goes_on(conn, model, found, options):
        accepts = options.accept_differences or found.accept_differences
        rebuild_state.take_up(conn, model.name, accept_differences=accepts)
        return Shadow(model, found.id, min(rebuild_state.positions(conn, model.name)))
    if options.must_be_begun:
        raise RebuildRefusedError(
            f"no rebuild of {model.name} by this version of the code waits to be resumed: start one"
            f" with `daybook projections rebuild {model.name}`"
        )
    if options.only_verify and found is not None and found.is_unfinished and not found.only_verify:
        raise RebuildRefusedError(
            f"a rebuild of {model.name} is not over, and verifying needs its place: resume or cancel"
            " it first"
        )
    return swapping.make_shadow(
        conn,
        model,
        only_verify=options.only_verify,
        accept_differences=options.accept_differences,
    )


def goes_on(conn: Connection[Any], model: ReadModel, found: Rebuild, options: Options) -> bool:
    """Whether a shadow is worth going on with: unfinished, or found different and accepted now."""
    if found.code_version != model.version or not schemas.exists(conn, shadow_of(model.name)):
        return False
    if found.only_verify != options.only_verify and not options.must_be_begun:
        return False
    return found.is_unfinished or (found.phase == "different" and options.accept_differences)


def _fill_in_parts(
    conninfo: str,
    conn: Connection[Any],
    begun: Sequence[Shadow],
    progress: Progress,
    options: Options,
) -> None:
    """Have processes do the most of it, where that was asked for when the rebuild began."""
    by_count: dict[int, list[Shadow]] = {}
    for shadow in begun:
        parts = len(rebuild_state.positions(conn, shadow.name))
        if parts == 1 and shadow.position == 0 and options.parallel > 1:
            parts = options.parallel
            rebuild_state.divide(conn, shadow.name, parts)
        if parts > 1:
            by_count.setdefault(parts, []).append(shadow)
    for parts, group in by_count.items():
        partitions.fill(conninfo, conn, group, parts, progress, options.throttle)


@contextmanager
def _failures_noted(conn: Connection[Any], begun: Sequence[Shadow]) -> Iterator[None]:
    """A shadow that can't be filled is dropped; one that lost its process or connection stays."""
    try:
        yield
    except (RebuildFailedError, UnreadableEventError) as error:
        for shadow in begun:
            found = rebuild_state.find(conn, shadow.name)
            if found is not None and found.is_unfinished:
                swapping.drop_shadow(conn, shadow.name, "failed", error=str(error))
        raise
    except KeyboardInterrupt:
        # Whoever stops it by hand does not want a projector to go on with it at once.
        with suppress(psycopg.Error):
            for shadow in begun:
                found = rebuild_state.find(conn, shadow.name)
                if found is not None and found.is_unfinished:
                    rebuild_state.finish(conn, shadow.name, "paused")
        raise


class _Stopped(Exception):  # noqa: N818 - an operator's wish is no error
    """An operator has paused or cancelled the rebuild."""

    def __init__(self, outcome: Literal["paused", "cancelled"]) -> None:
        self.outcome: Literal["paused", "cancelled"] = outcome


def _finish(conn: Connection[Any], shadow: Shadow) -> tuple[Outcome, Parity | None]:
    """All that comes after filling; answers what became of it."""
    try:
        return _carry_through(conn, shadow)
    except _Stopped as stopped:
        return stopped.outcome, None


def _carry_through(conn: Connection[Any], shadow: Shadow) -> tuple[Outcome, Parity | None]:
    name = shadow.name
    state = rebuild_state.find(conn, name)
    assert state is not None, "begun just now"
    _obey(conn, name)
    if not state.is_indexed:
        rebuild_state.enter(conn, name, "indexing")
        shadows.make_indexes(conn, shadow)
        _obey(conn, name)
    parity = None
    if not state.is_verified:
        parity = _verify(conn, shadow)
        is_equal = parity is None or parity.is_equal
        if state.only_verify:
            outcome: Outcome = "verified" if is_equal else "different"
            swapping.drop_shadow(conn, name, outcome, parity=parity)
            return outcome, parity
        if parity is not None and not (is_equal or parity.expected or state.accept_differences):
            rebuild_state.finish(conn, name, "different", report=parity.to_json())
            return "different", parity
        rebuild_state.set_verified(conn, name, None if parity is None else parity.to_json())
    shadows.chase(conn, shadow, lambda: head_position(conn))
    shadows.reach(
        conn, shadow, head_position(conn)
    )  # the live one may stand still, or nobody run it
    _obey(conn, name)
    swapping.swap_in(conn, shadow)
    return "swapped", parity


def _verify(conn: Connection[Any], shadow: Shadow) -> Parity | None:
    rebuild_state.enter(conn, shadow.name, "verifying")
    shadows.chase(conn, shadow, lambda: shadows.live_position(conn, shadow))
    _obey(conn, shadow.name)
    shadows.await_live(conn, shadow)
    parity = shadows.verify(conn, shadow)
    _obey(conn, shadow.name)
    return parity


def _obey(conn: Connection[Any], name: str) -> None:
    """Do what an operator asks of a rebuild between two steps. Raises `_Stopped`."""
    match rebuild_state.requested(conn, name):
        case "pause":
            rebuild_state.finish(conn, name, "paused")
            raise _Stopped("paused")
        case "cancel":
            swapping.drop_shadow(conn, name, "cancelled")
            raise _Stopped("cancelled")
        case None:
            pass

"""Fills read models anew beside the live ones, which go on answering, compares, and swaps them in."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal, NamedTuple

import psycopg
from psycopg import Connection

from projections import partitions, rebuild_state, shadows, swapping
from projections.beginning import DEFAULTS, Options, begin, claims
from projections.catalogue import READ_MODELS, ReadModel, read_model
from projections.connecting import connect
from projections.log import UnreadableEventError, head_position
from projections.parity import Parity
from projections.rebuild_state import Rebuild
from projections.shadows import Progress, RebuildFailedError, RebuildRefusedError, Shadow

__all__ = [
    "DEFAULTS", "Options", "Progress", "RebuildFailedError", "RebuildRefusedError", "Rebuilt",
    "rebuild", "rebuild_many",
]  # fmt: skip

VERIFIED_FOR_EVENTS = 100_000
"""A rebuild that was compared and then waited for longer than this is compared again before it serves."""

Outcome = Literal["swapped", "verified", "different", "paused", "cancelled"]


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
    with connect(conninfo, "daybook rebuild") as conn, claims(conn, wanted, options):
        begun = [begin(conn, model, options) for model in wanted]
        was_at = {shadow.name: shadow.position for shadow in begun}
        for shadow in begun:
            accepts = options.accept_differences
            rebuild_state.take_up(conn, shadow.name, accept_differences=accepts)
        with _failures_noted(conn, begun):
            partitions.fill_all(conninfo, conn, begun, options.parallel, progress, options.throttle)
            shadows.fill(conn, begun, progress, options.throttle)
            done = [_finish(conn, shadow) for shadow in begun]
    seconds = time.monotonic() - started
    return [
        Rebuilt(s.name, outcome, s.position, s.position - was_at[s.name], seconds, parity)
        for s, (outcome, parity) in zip(begun, done, strict=True)
    ]


@contextmanager
def _failures_noted(conn: Connection[Any], begun: Sequence[Shadow]) -> Iterator[None]:
    """A shadow that can't be filled is dropped; one that lost its process or connection stays."""
    try:
        yield
    except UnreadableEventError as error:
        for name in _unfinished(conn, begun):
            swapping.drop_shadow(conn, name, "failed", error=str(error))
        raise
    except RebuildFailedError as error:
        others = _note_failure(conn, _unfinished(conn, begun), error)
        if not others:
            raise
        commands = ", ".join(f"`daybook projections resume {name}`" for name in others)
        raise RebuildFailedError(
            f"{error}; others stopped with it: {commands}", error.name
        ) from error
    except KeyboardInterrupt:
        # Whoever stops it by hand does not want a projector to go on with it at once.
        with suppress(psycopg.Error):
            for name in _unfinished(conn, begun):
                rebuild_state.finish(conn, name, "paused")
        raise


def _unfinished(conn: Connection[Any], begun: Sequence[Shadow]) -> list[str]:
    found = [rebuild_state.find(conn, shadow.name) for shadow in begun]
    return [one.name for one in found if one is not None and one.is_unfinished]


def _note_failure(
    conn: Connection[Any], names: Sequence[str], error: RebuildFailedError
) -> list[str]:
    """Drop what has failed, and leave the others to be resumed; answers those."""
    others = []
    for name in names:
        if error.name in (None, name):
            swapping.drop_shadow(conn, name, "failed", error=str(error))
            continue
        others.append(name)
        rebuild_state.finish(
            conn,
            name,
            "paused",
            error=f"{error.name} failed, which was rebuilt together with it: go on with `daybook"
            f" projections resume {name}`",
        )
    return others


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
    if _must_verify(state, shadow):
        parity = _verify(conn, shadow)
        report = None if parity is None else parity.to_json()
        is_equal = parity is None or parity.is_equal
        if state.only_verify:
            outcome: Outcome = "verified" if is_equal else "different"
            swapping.drop_shadow(conn, name, outcome, parity=parity)
            return outcome, parity
        if parity is not None and not (parity.may_replace or state.accept_differences):
            error = _emptied(name, parity)
            rebuild_state.finish(conn, name, "different", report=report, error=error)
            return "different", parity
        rebuild_state.set_verified(conn, name, report)
    shadows.chase(conn, shadow, lambda: head_position(conn))
    shadows.reach(
        conn, shadow, head_position(conn)
    )  # the live one may stand still, or nobody run it
    _obey(conn, name)
    swapping.swap_in(conn, shadow)
    return "swapped", parity


def _must_verify(state: Rebuild, shadow: Shadow) -> bool:
    """Whether it was never compared, or so long ago that too much has come since."""
    compared_at = 0 if state.report is None else int(state.report["position"])
    return not state.is_verified or shadow.position - compared_at > VERIFIED_FOR_EVENTS


def _verify(conn: Connection[Any], shadow: Shadow) -> Parity | None:
    rebuild_state.enter(conn, shadow.name, "verifying")
    shadows.chase(conn, shadow, lambda: shadows.live_position(conn, shadow))
    _obey(conn, shadow.name)
    shadows.await_live(conn, shadow)
    _obey(conn, shadow.name)
    parity = shadows.verify(conn, shadow)
    _obey(conn, shadow.name)
    return parity


def _emptied(name: str, parity: Parity) -> str | None:
    """What an operator is told of tables that have lost all of their rows."""
    if not parity.emptied:
        return None
    return (
        f"{', '.join(parity.emptied)}: no rows in the rebuilt {name}, though the live one has some:"
        f" correct the code, or, if that is right, say `daybook projections rebuild {name}"
        " --accept-differences`"
    )


def _obey(conn: Connection[Any], name: str) -> None:
    """Do what an operator asks of a rebuild between two steps. Raises `_Stopped`."""
    if outcome := swapping.obey(conn, name):
        raise _Stopped(outcome)

"""Begins rebuilds: claims read models, and finds the shadow to go on with or makes a new one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from psycopg import Connection

from projections import rebuild_state, schemas, swapping
from projections.catalogue import ReadModel
from projections.rebuild_state import Rebuild
from projections.shadows import RebuildRefusedError, Shadow, shadow_of


class Options(NamedTuple):
    """What an operator may want otherwise.

    `accept_differences`: swap even when the rows differ from the live ones, because the code was
    corrected. `only_verify`: compare, and don't swap. `throttle`: at most so many events a second.
    `parallel`: processes that fill a new shadow. `must_be_begun`: go on with a rebuild, but don't begin
    one. `must_be_due`: nor with one that an operator has paused or ended, as a projector must not.
    """

    accept_differences: bool = False
    only_verify: bool = False
    throttle: int | None = None
    parallel: int = 1
    must_be_begun: bool = False
    must_be_due: bool = False


DEFAULTS = Options()


class NotDueError(RebuildRefusedError):
    """There is nothing to go on with: somebody was faster, or an operator has stopped the rebuild."""


@contextmanager
def claims(conn: Connection[Any], models: Sequence[ReadModel], options: Options) -> Iterator[None]:
    """Make sure that nobody else rebuilds these, and that they can be swapped."""
    with ExitStack() as stack:
        for model in models:
            stack.enter_context(swapping.claimed(conn, model.name))
            if options.must_be_due:
                _require_due(conn, model)
            else:
                rebuild_state.forget_request(conn, model.name)
            schemas.ensure(conn, model)
            swapping.require_swappable(conn, model.name)
            swapping.drop_outdated(conn, model.name)
        yield


def _require_due(conn: Connection[Any], model: ReadModel) -> None:
    """Nobody else can change it now: what an operator has said by now counts."""
    found = rebuild_state.find(conn, model.name)
    if found is None or not found.is_due or found.code_version != model.version:
        raise NotDueError(f"no rebuild of {model.name} waits for a projector")
    if outcome := swapping.obey(conn, model.name):
        raise NotDueError(f"the rebuild of {model.name} was {outcome}")


def begin(conn: Connection[Any], model: ReadModel, options: Options) -> Shadow:
    """Under the claim, the shadow to go on with, or a new one. Raises `RebuildRefusedError`."""
    found = rebuild_state.find(conn, model.name)
    if found is not None:
        if _goes_on(conn, model, found, options):
            return Shadow(model, found.id, min(rebuild_state.positions(conn, model.name)))
        if options.only_verify:
            _require_place(conn, found)
    if options.must_be_begun:
        raise RebuildRefusedError(
            f"no rebuild of {model.name} by this version of the code waits to be resumed: start one"
            f" with `daybook projections rebuild {model.name}`"
        )
    return swapping.make_shadow(
        conn,
        model,
        only_verify=options.only_verify,
        accept_differences=options.accept_differences,
    )


def _goes_on(conn: Connection[Any], model: ReadModel, found: Rebuild, options: Options) -> bool:
    """Whether a shadow is worth going on with: unfinished, or found different and accepted now."""
    if found.code_version != model.version or not schemas.exists(conn, shadow_of(model.name)):
        return False
    if found.only_verify != options.only_verify and not options.must_be_begun:
        return False
    return found.is_unfinished or (found.phase == "different" and options.accept_differences)


def _require_place(conn: Connection[Any], found: Rebuild) -> None:
    """Verifying makes a shadow of its own, which must not cost what a rebuild has built."""
    name = found.name
    if found.only_verify:
        return
    if found.is_unfinished:
        raise RebuildRefusedError(
            f"a rebuild of {name} is not over, and verifying needs its place: resume or cancel it"
            " first"
        )
    if found.phase == "different" and schemas.exists(conn, shadow_of(name)):
        raise RebuildRefusedError(
            f"a rebuild of {name} that differs is kept to look at, and verifying needs its place:"
            f" accept it with `daybook projections rebuild {name} --accept-differences`, or drop it"
            f" with `daybook projections cancel {name}`"
        )

"""Does the rebuilds that were asked for from elsewhere, and goes on with those that were interrupted."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.process import BaseProcess
from typing import Any

import psycopg
from psycopg import Connection

from projections import rebuild_state, schemas, swapping
from projections.beginning import DEFAULTS, NotDueError, Options, begin
from projections.catalogue import READ_MODELS, ReadModel, read_model
from projections.connecting import connect
from projections.log import UnreadableEventError
from projections.rebuild import rebuild
from projections.rebuild_state import Rebuild, SupersededError
from projections.shadows import RebuildFailedError, RebuildRefusedError
from projections.swapping import AlreadyRebuildingError

_log = logging.getLogger("daybook.rebuild")

_POLL_S = 0.5
_MAX_RETRY_S = 60.0


def ask(
    conninfo: str,
    name: str,
    options: Options = DEFAULTS,
    models: Sequence[ReadModel] = READ_MODELS,
) -> None:
    """Ask for a rebuild, which a projector begins, or resumes, within a second.

    Raises `UnknownReadModelError`, `RebuildRefusedError` and `psycopg.Error`.
    """
    model = read_model(name, models)
    with connect(conninfo, "daybook rebuild request") as conn, swapping.claimed(conn, name):
        rebuild_state.forget_request(conn, name)
        schemas.ensure(conn, model)
        swapping.require_swappable(conn, name)
        begin(conn, model, options)
        rebuild_state.wait(
            conn,
            name,
            accept_differences=options.accept_differences,
            throttle=options.throttle,
            parallel=options.parallel,
        )


class Rebuilder:
    """Runs in a projector, beside its runner: each rebuild is a process of its own, one at a time."""

    def __init__(
        self,
        conninfo: str,
        models: Sequence[ReadModel] = READ_MODELS,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        """`prepare` comes first in each process, for example to set up its logging; it is pickled."""
        self._conninfo = conninfo
        self._models = models
        self._prepare = prepare
        self._failures: dict[str, int] = {}
        self._retry_at: dict[str, float] = {}

    def run(self, stop: threading.Event) -> None:
        """Run until `stop` is set. What is not finished then goes on with the next projector."""
        while not stop.wait(_POLL_S):
            try:
                with connect(self._conninfo, "daybook rebuilder") as conn:
                    self._serve(conn, stop)
            except psycopg.Error as error:
                _log.warning("rebuilds wait for the database: %s", error)

    def _serve(self, conn: Connection[Any], stop: threading.Event) -> None:
        while not stop.wait(_POLL_S):
            wanted = next((m.name for m in self._models if self._is_wanted(conn, m)), None)
            if wanted is not None:
                self._rebuild(wanted, stop)

    def _is_wanted(self, conn: Connection[Any], model: ReadModel) -> bool:
        if time.monotonic() < self._retry_at.get(model.name, 0.0):
            return False
        found = rebuild_state.find(conn, model.name)
        return (
            found is not None
            and found.state in ("waiting", "interrupted")
            and not found.is_running
            and found.code_version == model.version
        )

    def _rebuild(self, name: str, stop: threading.Event) -> None:
        process: BaseProcess = multiprocessing.get_context("spawn").Process(
            target=_work, args=(self._conninfo, read_model(name, self._models), self._prepare)
        )
        process.start()
        while process.is_alive() and not stop.wait(_POLL_S / 5):
            pass
        process.terminate()
        process.join()
        if process.exitcode == 0:
            self._failures.pop(name, None)
        elif not stop.is_set():
            self._failures[name] = self._failures.get(name, 0) + 1
            wait_s = min(2.0 ** self._failures[name], _MAX_RETRY_S)
            self._retry_at[name] = time.monotonic() + wait_s
            _log.error("the rebuild of %s ended with status %s", name, process.exitcode)


def _work(conninfo: str, model: ReadModel, prepare: Callable[[], None] | None) -> None:
    """What a process does. A Ctrl-C is for the projector, which ends this one in its own way; an
    operator who wants a rebuild to stop says so to the database."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if prepare is not None:
        prepare()
    go_on(conninfo, model)


def go_on(conninfo: str, model: ReadModel) -> None:
    """Do a rebuild that waits or was interrupted, unless an operator has stopped it meanwhile.

    Raises `psycopg.Error`.
    """
    with connect(conninfo, "daybook rebuild look") as conn:
        found = rebuild_state.find(conn, model.name)
        if found is None:
            return
        try:
            rebuild(conninfo, model.name, _no_progress, [model], _options(found))
        except (AlreadyRebuildingError, NotDueError, SupersededError):
            return
        except (RebuildFailedError, UnreadableEventError) as error:  # noted where it happened
            _log.error("%s", error)
        except RebuildRefusedError as error:
            _await_operator(conn, found, error)


def _await_operator(conn: Connection[Any], found: Rebuild, error: RebuildRefusedError) -> None:
    """An operator has to do something first, and finds here what."""
    with suppress(AlreadyRebuildingError), swapping.claimed(conn, found.name):
        now = rebuild_state.find(conn, found.name)
        if now is None or now.id != found.id or not now.is_unfinished:
            return
        if swapping.obey(conn, found.name) is None:
            rebuild_state.finish(conn, found.name, "paused", error=str(error))


def _options(found: Rebuild) -> Options:
    return Options(
        accept_differences=found.accept_differences,
        throttle=found.throttle,
        parallel=found.parallel,
        must_be_begun=True,
        must_be_due=True,
    )


def _no_progress(done: int, total: int) -> None:
    """Whoever wants to know reads it from the database."""

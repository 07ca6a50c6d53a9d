"""Makes checkpoints by itself while the server runs, quietly enough not to be in the way of the writer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psycopg
from psycopg import Connection

from application.audit.errors import AuditError
from application.audit.making import is_due, make
from application.audit.notes import Signer, Verifier

_log = logging.getLogger("daybook.audit")

_LOOK_S = 5.0
_REST = 9.0
"""Rest nine times as long as a step took: requests and the writer have nine tenths of the interpreter."""

Keys = Callable[[], tuple[Signer, Sequence[Verifier]]]
"""The key to sign with, and those that checkpoints so far may be signed with. May raise `AuditError`."""


class CheckpointKeeper:
    """Looks every few seconds whether the log has grown by `every` events, and signs it then.

    Any number of processes may do so: one at a time makes a checkpoint, and the others find it made.
    """

    def __init__(
        self, conninfo: str, keys: Keys, folder: Path, every: int, look_s: float = _LOOK_S
    ) -> None:
        self._conninfo = conninfo
        self._keys = keys
        self._folder = folder
        self._every = every
        self._look_s = look_s
        self._stop = Event()
        self._thread = Thread(target=self._run, name="daybook checkpoints", daemon=True)
        self._last_error = ""

    def start(self) -> None:
        """Begin, unless `every` is 0."""
        if self._every:
            self._thread.start()

    def stop(self) -> None:
        """Stop between two steps. What was begun goes on at the next start."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with psycopg.connect(
                    self._conninfo, autocommit=True, application_name="daybook checkpoints"
                ) as conn:
                    while not self._stop.wait(self._look_s):
                        self._make_when_due(conn)
            except psycopg.Error as error:
                self._tell(f"making checkpoints waits for better times: {error}", logging.WARNING)
                self._stop.wait(self._look_s)

    def _make_when_due(self, conn: Connection[Any]) -> None:
        if not is_due(conn, self._every):
            return
        try:
            signer, verifiers = self._keys()
            made = make(
                conn, signer, verifiers, self._folder, at_least=self._every, pause=self._rest
            )
        except _StoppedError:
            return
        except (AuditError, OSError) as error:
            self._tell(f"no checkpoint was made: {error}", logging.ERROR)
        else:
            self._last_error = ""
            _log.info("the log is signed up to position %d", made.position)

    def _rest(self, seconds: float) -> None:
        if self._stop.wait(seconds * _REST):
            raise _StoppedError

    def _tell(self, message: str, level: int) -> None:
        """Once, not every few seconds."""
        if message != self._last_error:
            self._last_error = message
            _log.log(level, "%s", message)


class _StoppedError(Exception):
    """The process ends: leave the rest to the next one."""

"""Fires the deadlines of processes: any worker may, and each has its effect once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from msgspec.structs import replace
from psycopg import Connection

from application.connecting import CONNECTION
from application.ledger import (
    Ledger,
    LedgerClosedError,
    QueueFullError,
    Submission,
    WriteFailedError,
)
from application.ledger.outcomes import Step
from application.processes.definitions import Process
from application.processes.follower import as_defect, step_of
from domain.provenance import Provenance
from domain.refusals import Refusal

_log = logging.getLogger("daybook.processes")

AT_ONCE = 200
_EVERY_S = 1.0

_DUE = """
SELECT d.name, d.key, d.deadline FROM process_deadlines AS d
 WHERE d.due_at <= clock_timestamp() AND d.name = ANY(%s) AND NOT EXISTS (
    SELECT FROM processes AS p WHERE p.name = d.name AND p.key = d.key AND p.stuck_at IS NOT NULL)
 ORDER BY d.due_at LIMIT %s
"""


class Due(NamedTuple):
    """A deadline that is over: the process, the flow, and what it is called."""

    process: str
    key: UUID
    deadline: str


def due(conn: Connection[Any], names: Mapping[str, Process]) -> list[Due]:
    """Deadlines that are over, the longest first; those of stuck processes wait."""
    return [Due(*row) for row in conn.execute(_DUE, (list(names), AT_ONCE))]


def fire(ledger: Ledger, process: Process, one: Due) -> None:
    """Do what a deadline asks for, in the transaction that removes it. When another worker was faster,
    nothing. Raises as `Ledger.submit` does."""
    try:
        _submit(ledger, _submission(process, one))
    except Refusal as refusal:
        _log.debug("deadline %s of %s is gone: %s", one.deadline, one.key, refusal)


def _submission(process: Process, one: Due) -> Submission:
    """What a process makes of a deadline, ready to be written; a defect of its own is written too."""
    assert process.on_deadline is not None, "only who reacts to them sets deadlines"
    name = f"deadline {one.deadline}"
    origin = Provenance(actor=f"process:{process.name}", causation_id="deadline")
    try:
        reaction = process.on_deadline(one.key, one.deadline)
    except Exception as error:  # noqa: BLE001 - one flow's defect is no other's
        _log.exception("process %s is stuck with the %s of %s", process.name, name, one.key)
        step = Step(process.name, 0, 0, one.key, step=name, fired=one.deadline)
        return as_defect(Submission((), origin, step=step), error)
    step = step_of(process, one.key, reaction, 0, 0, 0, name)
    commands = () if reaction.command is None else (reaction.command,)
    return Submission(commands, origin, step=replace(step, fired=one.deadline))


def _submit(ledger: Ledger, submission: Submission) -> None:
    try:
        ledger.submit_and_wait(submission)
    except (Refusal, WriteFailedError, QueueFullError, LedgerClosedError):
        raise
    except Exception as error:  # noqa: BLE001 - one flow's defect is no other's
        _log.exception("a deadline cannot be dealt with")
        ledger.submit_and_wait(as_defect(submission, error))


class Clock:
    """Fires deadlines from one thread until it is told to stop."""

    def __init__(self, conninfo: str, ledger: Ledger, processes: Mapping[str, Process]) -> None:
        self._conninfo = conninfo
        self._ledger = ledger
        self._processes = {
            name: process for name, process in processes.items() if process.on_deadline is not None
        }

    def run(self, stop: threading.Event) -> None:
        """Look each second, whatever happens to the database."""
        while not stop.wait(_EVERY_S):
            try:
                with psycopg.connect(self._conninfo, autocommit=True, **CONNECTION) as conn:
                    while not stop.is_set() and self._fire_some(conn):
                        pass
            except LedgerClosedError:
                return
            except (psycopg.Error, WriteFailedError, QueueFullError) as error:
                _log.warning("deadlines wait for better times: %s", error)
            except Exception:  # noqa: BLE001 - the next look may go better
                _log.exception("a deadline met a defect")

    def _fire_some(self, conn: Connection[Any]) -> bool:
        found = due(conn, self._processes)
        for one in found:
            fire(self._ledger, self._processes[one.process], one)
        return len(found) == AT_ONCE

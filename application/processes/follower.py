"""Runs one process along the log: each event once, its effects and the checkpoint in one transaction."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any
from uuid import UUID

import psycopg
from msgspec.structs import replace
from psycopg import Connection

from application.connecting import CONNECTION
from application.ledger import (
    Done,
    Ledger,
    LedgerClosedError,
    QueueFullError,
    Submission,
    WriteFailedError,
)
from application.ledger.outcomes import Step
from application.processes.definitions import Process, Reaction
from application.processes.reading import correlation_of, read_window
from domain.events import Recorded
from domain.provenance import Provenance
from domain.refusals import Refusal

_log = logging.getLogger("daybook.processes")

LOG_CHANNEL = "daybook_log"
"""Postgres channel on which the writer tells the new head."""

_BATCH = 500
_IDLE_S = 0.25
_SAVE_EVERY = 1_000
"""A process that ignores events notes that it has seen them now and then."""

_LOCKS = 0x5052  # "PR"
_MAX_WAIT_S = 5.0

HANGS_S = 30.0
"""Nobody who is well stands still for so long with news before him."""

_PROGRESS = """
SELECT coalesce((SELECT position FROM process_checkpoints WHERE name = %s), 0), position
  FROM ledger_head
"""
_END_HOLDER = """
SELECT pg_terminate_backend(pid) FROM pg_locks
 WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND pid <> pg_backend_pid()
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND classid::bigint = %s AND objid::bigint = hashtext(%s)::bigint & 4294967295
"""


class Follower:
    """Drives one process from one thread. Any number may run, anywhere: one of them works (it holds a
    lock of the database's), the others stand by."""

    def __init__(
        self, conninfo: str, ledger: Ledger, process: Process, *, hangs_s: float = HANGS_S
    ) -> None:
        self._hangs_s = hangs_s
        self._conninfo = conninfo
        self._ledger = ledger
        self._process = process
        self._position = 0
        self._saved = 0

    def run(self, stop: threading.Event) -> None:
        """Run until `stop` is set, whatever happens to the database."""
        wait_s = 0.0
        while not stop.wait(wait_s):
            try:
                with psycopg.connect(
                    self._conninfo,
                    autocommit=True,
                    application_name=f"daybook process {self._process.name}",
                    **CONNECTION,
                ) as conn:
                    wait_s = 0.0
                    self._run_connected(conn, stop)
            except LedgerClosedError:
                return
            except (psycopg.Error, WriteFailedError, QueueFullError) as error:
                _log.warning("process %s waits for better times: %s", self._process.name, error)
                wait_s = min(max(2 * wait_s, 0.1), _MAX_WAIT_S)
            except Refusal as refusal:
                _log.warning("process %s starts anew: %s", self._process.name, refusal)
            except Exception:  # noqa: BLE001 - flows go on, whatever it is
                _log.exception("process %s met a defect and starts anew", self._process.name)
                wait_s = min(max(2 * wait_s, 0.5), _MAX_WAIT_S)

    def _run_connected(self, conn: Connection[Any], stop: threading.Event) -> None:
        conn.execute(f"LISTEN {LOG_CHANNEL}".encode())
        self.stand_by(conn, stop)
        if stop.is_set():
            return
        self.resume(conn)
        while not stop.is_set():
            has_worked = self.work(conn)
            if not has_worked:
                self._save(conn)
                for _ in conn.notifies(timeout=_IDLE_S, stop_after=1):
                    pass

    def stand_by(self, conn: Connection[Any], stop: threading.Event) -> None:
        """Wait until nobody else drives it. Who does and has not moved for long, though there is what to
        see, hangs or has lost its machine: its session is ended, and its writes are fenced off by the
        checkpoint."""
        seen, since = -1, time.monotonic()
        while not stop.is_set() and not self._is_ours(conn):
            row = conn.execute(_PROGRESS, (self._process.name,)).fetchone()
            position, head = row or (0, 0)
            if position != seen or position == head:
                seen, since = position, time.monotonic()
            elif time.monotonic() - since > self._hangs_s:
                ended = conn.execute(_END_HOLDER, (_LOCKS, self._process.name)).rowcount
                _log.warning(
                    "process %s stood still for %.0f s: ended %d sessions that held it",
                    self._process.name, self._hangs_s, ended,
                )  # fmt: skip
                since = time.monotonic()
            stop.wait(_IDLE_S)

    def _is_ours(self, conn: Connection[Any]) -> bool:
        row = conn.execute(
            "SELECT pg_try_advisory_lock(%s, hashtext(%s))", (_LOCKS, self._process.name)
        ).fetchone()
        return row is not None and row[0]

    def resume(self, conn: Connection[Any]) -> None:
        """Go on from the checkpoint."""
        self._position = self._saved = _checkpoint(conn, self._process.name)

    def work(self, conn: Connection[Any]) -> bool:
        """React to what has come; answers whether there was any of it."""
        window = read_window(conn, self._position, self._process.topics, _BATCH)
        if window.read_to == self._position:
            return False
        found = [
            (key, event)
            for event in window.events
            if (key := self._process.key_of(event)) is not None
        ]
        batch, is_cut = _one_each(found)
        if not batch:
            self._position = window.read_to
            if self._position - self._saved >= _SAVE_EVERY:
                self._save(conn)
            return True
        end = batch[-1][1].position if is_cut else window.read_to
        stuck = _stuck_keys(conn, self._process.name)
        # From where it is noted, so that the first step takes along what was ignored before it.
        before = self._saved
        steps = []
        for number, (key, event) in enumerate(batch, 1):
            after = end if number == len(batch) else event.position
            steps.append(self._submission(key, event, before, after, is_stuck=key in stuck))
            before = after
        self._submit(steps)
        self._position = self._saved = end
        return True

    def _submission(
        self, key: UUID, event: Recorded, before: int, after: int, *, is_stuck: bool
    ) -> Submission:
        if is_stuck:
            step = Step(
                self._process.name, before, after, key, event.position, event.topic, kind="parked"
            )
            return Submission((), _origin(self._process, event), step=step)
        return reaction_to(self._process, key, event, before, after)

    def _submit(self, submissions: Sequence[Submission]) -> None:
        """Write them together. When one fails by a defect, that one's process is stuck, and the others go
        on: what was not written is written again, one by one."""
        futures = [self._ledger.submit(submission) for submission in submissions]
        if not _first_failure(futures):
            return
        position = None
        with psycopg.connect(self._conninfo, autocommit=True, **CONNECTION) as conn:
            position = _checkpoint(conn, self._process.name)
        for submission in submissions:
            step = submission.step
            assert step is not None
            if step.position <= position:
                continue  # it was written
            try:
                self._ledger.submit_and_wait(submission)
            except (WriteFailedError, QueueFullError, LedgerClosedError, Refusal):
                raise
            except Exception as error:  # noqa: BLE001 - one flow's defect is no other's
                _log.exception("process %s is stuck with %s", step.process, step.key)
                self._ledger.submit_and_wait(as_defect(submission, error))

    def _save(self, conn: Connection[Any]) -> None:
        """Note what was ignored."""
        if self._position == self._saved:
            return
        moved = conn.execute(
            "UPDATE process_checkpoints SET position = %s, updated_at = clock_timestamp()"
            " WHERE name = %s AND position = %s",
            (self._position, self._process.name, self._saved),
        )
        if moved.rowcount != 1:
            raise psycopg.OperationalError("another follower has moved the checkpoint")
        self._saved = self._position


def reaction_to(
    process: Process,
    key: UUID,
    event: Recorded,
    before: int,
    after: int,
    *,
    from_inbox: bool = False,
) -> Submission:
    """What a process makes of an event, ready to be written; a defect of its own is written too."""
    try:
        reaction = process.react(event)
    except Exception as error:  # noqa: BLE001 - one flow's defect is no other's
        _log.exception("process %s is stuck with %s at %d", process.name, key, event.position)
        step = Step(
            process.name, before, after, key, event.position, event.topic, from_inbox=from_inbox
        )
        return as_defect(Submission((), _origin(process, event), step=step), error)
    if reaction is None:
        # The inbox is emptied by it; otherwise only the checkpoint moves.
        reaction = Reaction()
        if not from_inbox:
            return Submission((), _origin(process, event), step=Step(process.name, before, after))
    step = step_of(process, key, reaction, before, after, event.position, event.topic)
    return Submission(
        () if reaction.command is None else (reaction.command,),
        _origin(process, event),
        step=replace(step, from_inbox=from_inbox),
    )


def step_of(
    process: Process,
    key: UUID,
    reaction: Reaction,
    before: int,
    after: int,
    event_position: int,
    name: str,
) -> Step:
    did = [] if reaction.command is None else [type(reaction.command).__name__]
    did += [f"job {job.kind}" for job in reaction.jobs]
    did += [
        f"deadline {deadline} {'ended' if due is None else due.isoformat()}"
        for deadline, due in reaction.deadlines.items()
    ]
    return Step(
        process.name,
        before,
        after,
        key,
        event_position,
        name,
        reaction.status,
        reaction.error,
        tuple(did),
        reaction.jobs,
        reaction.needless,
        reaction.deadlines,
    )


def as_defect(submission: Submission, error: Exception) -> Submission:
    """The same step with no reaction: the process is stuck, for this error."""
    step = submission.step
    assert step is not None
    text = f"{type(error).__name__}: {error}"
    defect = replace(
        step, kind="defect", error=text, did=(), jobs=(), needless=(), deadlines={}, status="stuck"
    )
    return Submission((), submission.provenance, step=defect)


def _origin(process: Process, event: Recorded) -> Provenance:
    return Provenance(
        actor=f"process:{process.name}",
        correlation_id=correlation_of(event),
        causation_id=str(event.position),
    )


def _one_each(
    found: Sequence[tuple[UUID, Recorded]],
) -> tuple[list[tuple[UUID, Recorded]], bool]:
    """Events up to the first that is about a flow that is among them already, and whether there is one:
    whether it is stuck is known once the event before is dealt with."""
    keys: set[UUID] = set()
    for number, (key, _) in enumerate(found):
        if key in keys:
            return list(found[:number]), True
        keys.add(key)
    return list(found), False


def _first_failure(futures: Sequence[Future[Done]]) -> bool:
    """Wait for all. Raises what is not for one of them; answers whether one has failed."""
    failed = False
    for future in futures:
        error = future.exception()
        if isinstance(error, WriteFailedError | QueueFullError | LedgerClosedError):
            raise error
        failed = failed or error is not None
    return failed


def _checkpoint(conn: Connection[Any], name: str) -> int:
    conn.execute(
        "INSERT INTO process_checkpoints (name, position) VALUES (%s, 0) ON CONFLICT DO NOTHING",
        (name,),
    )
    row = conn.execute(
        "SELECT position FROM process_checkpoints WHERE name = %s", (name,)
    ).fetchone()
    assert row is not None, "inserted just now"
    return int(row[0])


def _stuck_keys(conn: Connection[Any], name: str) -> set[UUID]:
    rows = conn.execute(
        "SELECT DISTINCT key FROM process_inbox WHERE name = %s", (name,), prepare=True
    )
    return {key for (key,) in rows}

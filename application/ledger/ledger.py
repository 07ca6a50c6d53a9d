"""The one door: submissions queue up, one thread writes whatever has queued, every caller is answered."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import psycopg
from psycopg import Connection, errors

from application.connecting import CONNECTION
from application.ledger.book import StateCache
from application.ledger.outcomes import Done, Submission
from application.ledger.queueing import Queue, Waiting, settle
from application.ledger.writer import Batch
from domain.refusals import Refusal

_log = logging.getLogger("daybook.ledger")

_RETRY_S = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
"""Waits before each attempt to reach the database again: about ten seconds in all."""

_PATIENCE_S = 15.0
"""No further attempt is made after this."""

_IDLE_S = 10.0
"""After this the server ends a writer that has stopped in the middle of its transaction."""

_HEAD_WAIT_S = 4
"""Nobody holds the head for so long who is not hanging."""

_END_HANGING_WRITERS = f"""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE application_name = 'daybook ledger' AND datname = current_database()
   AND pid <> pg_backend_pid() AND wait_event_type = 'Client'
   AND xact_start < clock_timestamp() - interval '{_HEAD_WAIT_S} seconds'
"""

_LOST = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.IdleInTransactionSessionTimeout,  # an InternalError, though the connection is gone
)


_CONNECTION: dict[str, Any] = {"application_name": "daybook ledger", **CONNECTION}


class WriteFailedError(Exception):
    """The database could not be reached. `outcome_known` says that nothing was written; otherwise ask
    again with the same id or Idempotency-Key, which has its effect once at most."""

    def __init__(self, message: str, *, outcome_known: bool) -> None:
        super().__init__(message)
        self.outcome_known = outcome_known


class _BesideLockedError(Exception):
    """What a submission brings beside needs a row that somebody else has; nothing was written."""


class Ledger:
    """Takes submissions from any thread or event loop and writes them in groups.

    `conninfo` reaches the database as the application's role. At most `queue_limit` commands wait.
    Any number of ledgers, in any number of processes, may write to one database.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        queue_limit: int = 20_000,
        cache_accounts: int = 100_000,
        cache_transfers: int = 20_000,
    ) -> None:
        self._conninfo = conninfo
        self._queue = Queue(queue_limit)
        self._cache = StateCache(cache_accounts, cache_transfers)
        self._conn: Connection[Any] | None = None
        self._is_impatient = threading.Event()
        self._busy_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    @property
    def waiting_commands(self) -> int:
        """Commands that are queued and not yet being written."""
        return self._queue.commands

    @property
    def busy_for_s(self) -> float:
        """Seconds since the batch that is being written was begun; 0 when there is none."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def queue_limit(self) -> int:
        return self._queue.limit

    def submit(self, submission: Submission) -> Future[Done]:
        """Queue a submission from any thread. Raises `QueueFullError`, `LedgerClosedError`; the
        future may raise `WriteFailedError`. It can't be cancelled: what is queued is written."""
        future: Future[Done] = Future()
        future.set_running_or_notify_cancel()
        self._queue.put(Waiting(submission, future, None))
        return future

    def submit_and_wait(self, submission: Submission) -> Done:
        """`submit`, and wait for what becomes of it."""
        return self.submit(submission).result()

    async def post(self, submission: Submission) -> Done:
        """Queue a submission from an event loop and wait for it there. Raises as `submit` does."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Done] = loop.create_future()
        self._queue.put(Waiting(submission, future, loop))
        return await future

    def give_up_waiting(self) -> None:
        """From now on a database that is away fails a write at once: who stops does not wait for it."""
        self._is_impatient.set()

    def close(self) -> None:
        """Write what is queued, then stop. Later submissions raise `LedgerClosedError`."""
        self.give_up_waiting()
        self._queue.close()
        self._thread.join()
        if self._conn is not None:
            self._conn.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        while batch := self._queue.take():
            self._busy_since = time.monotonic()
            self._write_and_answer(batch)
            self._busy_since = None

    def _write_and_answer(self, batch: list[Waiting]) -> None:
        try:
            results = self._write([w.submission for w in batch])
        except WriteFailedError as error:
            settle(batch, [error] * len(batch))
        except _BesideLockedError as error:
            self._answer_without_waiting(batch, error)
        except Refusal as refusal:  # of what a submission brought beside: only its own is refused
            if len(batch) == 1:
                settle(batch, [refusal])
            else:
                for waiting in batch:
                    self._write_and_answer([waiting])
        except Exception as error:  # noqa: BLE001 - a defect in one command must not take the others along
            if len(batch) == 1:
                _log.exception("a submission could not be written")
                settle(batch, [error])
            else:
                for waiting in batch:
                    self._write_and_answer([waiting])
        else:
            settle(batch, results)

    def _answer_without_waiting(self, batch: list[Waiting], error: _BesideLockedError) -> None:
        """Whoever brings nothing beside goes first, and a row that is locked is the loss of who needs it."""
        if len(batch) == 1:
            told = WriteFailedError(
                f"something else holds what it needs: {error}", outcome_known=True
            )
            settle(batch, [told])
            return
        alone = [one for one in batch if _brings_beside(one.submission)]
        if others := [one for one in batch if one not in alone]:
            self._write_and_answer(others)
        for one in alone:
            self._write_and_answer([one])

    def _write(self, submissions: Sequence[Submission]) -> list[Done]:
        """One transaction, tried again while the database is away and nothing has been committed."""
        last: Exception | None = None
        give_up_at = time.monotonic() + _PATIENCE_S
        for wait_s in _RETRY_S:
            if time.monotonic() > give_up_at:
                break
            if wait_s and self._is_impatient.wait(wait_s):
                break
            batch: Batch | None = None
            try:
                conn = self._connection()
                batch = Batch(conn, self._cache, submissions)
                batch.run()
            except errors.LockNotAvailable as error:
                last = error
                if batch is None or batch.proof.head is None:
                    self._end_hanging_writers()
                    continue
                self._roll_back()
                if any(map(_brings_beside, submissions)):
                    raise _BesideLockedError(str(error)) from error
            except _LOST as error:
                last = error
                self._drop_connection()
                if batch is not None and batch.proof.commit_sent and self._was_committed(batch):
                    return batch.results
            except BaseException:
                self._roll_back()
                raise
            else:
                return batch.results
        raise WriteFailedError(f"the database is not reachable: {last}", outcome_known=True)

    def _was_committed(self, batch: Batch) -> bool:
        """Resolve a commit whose answer got lost, by looking for its proof. Raises
        `WriteFailedError` when the database stays away."""
        last: Exception | None = None
        for wait_s in _RETRY_S:
            if wait_s and self._is_impatient.wait(wait_s):
                break
            try:
                return batch.proof.is_in(self._connection())
            except _LOST as error:
                last = error
                self._drop_connection()
        raise WriteFailedError(
            f"the database went away during a commit: {last}", outcome_known=False
        )

    def _connection(self) -> Connection[Any]:
        if self._conn is None or self._conn.closed:
            self._conn = psycopg.connect(self._conninfo, autocommit=True, **_CONNECTION)
            # One that hangs while it holds the head would stop all other writers.
            self._conn.execute(f"SET idle_in_transaction_session_timeout = '{_IDLE_S}s'")
            self._conn.execute(f"SET lock_timeout = '{_HEAD_WAIT_S}s'")
        return self._conn

    def _end_hanging_writers(self) -> None:
        """Another process stopped in the middle of its transaction (suspended, or its machine gone)
        and holds the head: the server forgets that transaction, and it is tried again over there."""
        self._roll_back()
        try:
            ended = self._connection().execute(_END_HANGING_WRITERS).rowcount
        except _LOST:
            self._drop_connection()
        else:
            _log.warning("the head was not free for %d s; ended %d writers", _HEAD_WAIT_S, ended)

    def _roll_back(self) -> None:
        try:
            self._connection().execute("ROLLBACK")
        except _LOST:
            self._drop_connection()

    def _drop_connection(self) -> None:
        """The cache stays: it is true as of its position, and the next batch follows the log from there."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None


def _brings_beside(submission: Submission) -> bool:
    return submission.beside is not None or submission.step is not None

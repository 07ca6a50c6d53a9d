"""Runs the jobs of a queue one after the other, and writes down what became of each."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import psycopg
from msgspec import Struct
from psycopg import Connection
from psycopg_pool import ConnectionPool
from structlog.contextvars import bound_contextvars

from application.jobs import ending, taking
from application.jobs.errors import Again, BusinessError, JobError, LeaseLostError
from application.jobs.jobs import Failure, Job, Kind, Kinds
from application.jobs.retrying import MAX_LOST, wait_s, wait_to_give_up_s
from application.jobs.watching import LeaseIsOverError, TimeIsUpError, Watch, Watched

_log = logging.getLogger("daybook.jobs")

_PAUSE_S = 0.2

Pool = ConnectionPool[Connection[Any]]


class Done(Struct, frozen=True):
    """The handler has come to its end, with JSON or nothing."""

    result: str | None


class Later(Struct, frozen=True):
    """The handler wants to look again."""

    delay_s: float
    has_not_tried: bool


class Gone(Struct, frozen=True):
    """The job is no longer this worker's."""

    why: str


Outcome = Done | Later | Gone | Failure


class Runner:
    """What all threads of a worker process share. `soft` need not wait for the disk: a job whose taking
    is forgotten is waiting again."""

    def __init__(
        self, soft: Pool, hard: Pool, watch: Watch, kinds: Kinds, ctx: Any, *, worker: str,
        lease_s: float, random: Random,
    ) -> None:  # fmt: skip
        self._soft = soft
        self._hard = hard
        self._watch = watch
        self._kinds = kinds
        self._names = sorted(kinds)
        self._ctx = ctx
        self._worker = worker
        self._lease_s = lease_s
        self._random = random
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Take no more jobs."""
        self._stopping.set()

    def drain(self, queue: str) -> None:
        """Run what is due in a queue until nothing is. Never raises: the next wake-up is not far."""
        try:
            while not self._stopping.is_set():
                began = time.monotonic()
                with self._soft.connection() as conn:
                    job = taking.take(conn, queue, self._names, self._worker, self._lease_s)
                if job is None:
                    return
                self._run(job, began)
        except psycopg.Error as error:
            _log.warning("the queue %s cannot be worked on for now: %s", queue, error)
        except Exception:  # noqa: BLE001 - others of its jobs, and other queues, go on
            _log.exception("the queue %s was left because of a mistake of Daybook's", queue)

    def _run(self, job: Job, taken_at: float) -> None:
        kind = self._kinds[job.kind]
        with bound_contextvars(correlation_id=job.correlation_id, job_id=str(job.id)):
            watched = self._watch.begin(job, taken_at, job.time_limit_s or kind.time_limit_s)
            try:
                outcome = self._outcome(job, kind, watched)
                became = self._write(job, kind, outcome)
            finally:
                self._watch.end(watched)
        # Its line has the ids itself.
        _tell(job, became, outcome, time.monotonic() - taken_at)

    def _outcome(self, job: Job, kind: Kind, watched: Watched) -> Outcome:
        if (given_up := _given_up(job, kind)) is not None:
            self._watch.leave_alone(watched)
            return given_up
        try:
            try:
                return _call(job, kind, self._ctx)
            finally:
                self._watch.leave_alone(watched)
        except TimeIsUpError:
            # It may have come through before the above had its effect.
            self._watch.leave_alone(watched)
            limit_s = job.time_limit_s or kind.time_limit_s
            return Failure("timeout", f"not done in {limit_s} s", traceback.format_exc())
        except LeaseIsOverError:
            self._watch.leave_alone(watched)
            return Gone("the database could not be told that it is still being worked on")

    def _write(self, job: Job, kind: Kind, outcome: Outcome) -> str:
        """Write down what became of the job, in a word."""
        try:
            match outcome:
                case Done(result):
                    self._surely(partial(ending.finish_with, job=job, result=result))
                    return "done"
                case Later(delay_s, has_not_tried):
                    end = ending.put_off if has_not_tried else ending.again
                    self._surely(partial(end, job=job, wait_s=delay_s))
                    return "again"
                case Gone():
                    return "lost"
                case Failure():
                    return self._write_failure(job, kind, outcome)
        except LeaseLostError:
            return self._ended_before(job)
        except psycopg.DataError as error:  # JSON that Postgres does not keep
            return self._write_failure(job, kind, Failure("system", _words(error)))

    def _write_failure(self, job: Job, kind: Kind, failure: Failure) -> str:
        failures = job.failures + 1
        wait = wait_s(failure, failures, kind, job.max_attempts, self._random.random())
        if wait is not None:
            self._surely(partial(ending.fail, job=job, failure=failure, wait_s=wait))
            return "failed"
        end = partial(ending.bury, job=job, failure=failure)
        if job.cancel_asked:
            end = partial(ending.cancel, job=job)
        try:
            if kind.on_dead is not None:
                kind.on_dead(job, failure, self._ctx, end)
        except LeaseLostError:
            raise
        except BusinessError:
            _log.exception("nobody wants to hear of the end of job %s", job.id)
        except Exception as error:  # noqa: BLE001 - whoever waits for its end has to hear of it
            _log.exception("what follows the end of job %s did not happen yet", job.id)
            wait = wait_to_give_up_s(failure, failures, kind, job.max_attempts)
            noted = f"its end could not be told: {_words(error)}"
            self._surely(partial(ending.fail, job=job, failure=failure, wait_s=wait, noted=noted))
            return "failed"
        self._surely(end)
        return "cancelled" if job.cancel_asked else "dead"

    def _ended_before(self, job: Job) -> str:
        """In a word, how the handler itself has ended its job, in a transaction of its own."""
        with self._hard.connection() as conn:
            status = ending.status_of(conn, job)
        return status if status in ("done", "dead", "cancelled") else "lost"

    def _surely(self, write: Callable[[Connection[Any]], None]) -> None:
        """Write although the database goes away for a moment; after that the job is not ours any more."""
        give_up = time.monotonic() + self._lease_s
        while True:
            try:
                with self._hard.connection() as conn:
                    return write(conn)
            except psycopg.OperationalError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(_PAUSE_S)


def _given_up(job: Job, kind: Kind) -> Failure | None:
    """Why there is nothing to try any more, known beforehand: only its end has to be told."""
    if job.cancel_asked:
        return Failure("business", "cancelled: by an operator")
    if job.lost >= MAX_LOST:
        return Failure("lost", f"{job.lost} workers have ended while they ran it")
    if not job.failures or job.category in (None, "lost"):
        return None
    last = Failure(str(job.category), job.error or "", job.trace or "")
    return None if wait_s(last, job.failures, kind, job.max_attempts, 0.0) is not None else last


def _call(job: Job, kind: Kind, ctx: Any) -> Outcome:
    try:
        return Done(ending.encoded(kind.handler(job, ctx)))
    except Again as later:
        return Later(later.delay_s, later.has_not_tried)
    except LeaseLostError as error:
        return Gone(str(error))
    except JobError as error:
        return Failure(error.category, _words(error), traceback.format_exc(), error.retry_after_s)
    except Exception as error:  # noqa: BLE001 - whatever a handler raises is the job's failure
        return Failure("system", _words(error), traceback.format_exc())


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _tell(job: Job, became: str, outcome: Outcome, took_s: float) -> None:
    fields = {
        "job_id": str(job.id), "kind": job.kind, "queue": job.queue, "attempt": job.attempt,
        "duration_ms": round(took_s * 1000, 1), "outcome": became,
        "correlation_id": job.correlation_id,
    }  # fmt: skip
    level = {
        "done": logging.INFO, "cancelled": logging.INFO, "again": logging.DEBUG,
        "dead": logging.ERROR,
    }  # fmt: skip
    line = f"job {job.kind} {became}"
    if isinstance(outcome, Failure):
        fields |= {"category": outcome.category}
        line += f": {outcome.error}"
    elif isinstance(outcome, Gone):
        line += f": {outcome.why}"
    _log.log(level.get(became, logging.WARNING), line, extra=fields)

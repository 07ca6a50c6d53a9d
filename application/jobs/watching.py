"""Watches over the jobs that a worker process runs: keeps them, and stops what takes too long."""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from typing import Any

import psycopg
from dramatiq.threading import Interrupt, raise_thread_exception
from psycopg import Connection

from application.connecting import CONNECTION
from application.jobs import taking
from application.jobs.jobs import Job

_log = logging.getLogger("daybook.jobs")

_TICK_S = 0.1


class TimeIsUpError(Interrupt):
    """Raised in a handler that has had its time."""


class LeaseIsOverError(Interrupt):
    """Raised in a handler whose job may be another worker's soon: the database was away for too long."""


class Watched:
    """A job in a worker's thread. Times are of the monotonic clock."""

    def __init__(self, job: Job, thread: int, ends_at: float, kept_until: float) -> None:
        self.job = job
        self.thread = thread
        self.ends_at = ends_at
        self.kept_until = kept_until
        self.may_interrupt = True


class Watch:
    """For all jobs of a process: `start()`, `stop()`.

    One thread keeps the jobs and may have to wait for the database, another stops what is late and must
    not.
    """

    def __init__(self, conninfo: str, worker: str, lease_s: float) -> None:
        self._conninfo = conninfo
        self._worker = worker
        self._lease_s = lease_s
        self._watched: set[Watched] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=run, name="jobs watch", daemon=True)
            for run in (self._run, self._stop_late)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def begin(self, job: Job, taken_at: float, time_limit_s: float) -> Watched:
        """Watch a job that this thread has taken at `taken_at` or later, until `end`."""
        watched = Watched(
            job, threading.get_ident(), time.monotonic() + time_limit_s, taken_at + self._lease_s
        )
        with self._lock:
            self._watched.add(watched)
        return watched

    def leave_alone(self, watched: Watched) -> None:
        """The handler is over, and nothing is raised in its thread from now on. The job is still kept."""
        with self._lock:
            watched.may_interrupt = False
            # One that was raised comes through in here at the latest, or not at all.
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(watched.thread), None)

    def end(self, watched: Watched) -> None:
        with self._lock:
            self._watched.discard(watched)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with psycopg.connect(
                    self._conninfo, autocommit=True, application_name="daybook jobs watch",
                    **CONNECTION,
                ) as conn:  # fmt: skip
                    self._watch(conn)
            except psycopg.Error as error:
                _log.warning("the jobs that run cannot be kept for now: %s", error)
                self._stopping.wait(_TICK_S)
            except Exception:  # noqa: BLE001 - without it all jobs would be taken for lost
                _log.exception("the jobs that run were not kept because of a mistake of Daybook's")
                self._stopping.wait(_TICK_S)

    def _watch(self, conn: Connection[Any]) -> None:
        conn.execute("SET synchronous_commit = off")
        # What takes longer may take for ever; over a new connection there is still time.
        conn.execute(f"SET statement_timeout = '{self._lease_s / 4}s'".encode())
        while not self._stopping.wait(self._lease_s / 4):
            self._keep(conn)

    def _keep(self, conn: Connection[Any]) -> None:
        with self._lock:
            watched = list(self._watched)
        if not watched:
            return
        began = time.monotonic()
        ids = [one.job.id for one in watched]
        kept = taking.keep(conn, self._worker, ids, self._lease_s)
        for one in watched:
            if (one.job.id, one.job.attempt) in kept:
                one.kept_until = began + self._lease_s

    def _stop_late(self) -> None:
        while not self._stopping.wait(_TICK_S):
            try:
                self._stop_those(time.monotonic())
            except Exception:  # noqa: BLE001 - without it nothing that hangs would ever be stopped
                _log.exception("nothing was stopped because of a mistake of Daybook's")

    def _stop_those(self, now: float) -> None:
        with self._lock:
            for one in self._watched:
                if one.may_interrupt and now >= one.kept_until - 2 * _TICK_S:
                    _interrupt(one, LeaseIsOverError)
                elif one.may_interrupt and now >= one.ends_at:
                    _interrupt(one, TimeIsUpError)


def _interrupt(watched: Watched, error: type[Interrupt]) -> None:
    watched.may_interrupt = False
    raise_thread_exception(watched.thread, error)  # type: ignore[no-untyped-call]

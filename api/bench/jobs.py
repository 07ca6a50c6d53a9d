"""Jobs that do nothing, kept in Postgres, against bare dramatiq on the same broker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import dramatiq
import psycopg
from dramatiq.brokers.stub import StubBroker

from api.bench.posting import BenchError
from api.bench.rounds import interleave
from api.bench.rows import Row
from api.bench.stage import Stage
from application.jobs import Job, Kind, NewJob, put
from application.jobs.workers import Workers

_THREADS = 3
_KIND = "bench.nothing"
_PATIENCE_S = 60.0
_AT_ONCE = 500


def measure(stage: Stage) -> list[Row]:
    """In this process, with the broker that needs no server: three threads each."""
    conninfo = stage.databases.migrated()
    jobs = stage.sizes.jobs
    left = _Countdown()
    kinds = {_KIND: Kind(handler=left.handle)}
    broker = StubBroker(middleware=[])

    @dramatiq.actor(broker=broker, actor_name="nothing")
    def nothing() -> None:
        left.down()

    bare = dramatiq.Worker(broker, worker_threads=_THREADS)
    bare.start()
    try:
        with Workers(conninfo, kinds, concurrency={"default": _THREADS}):
            rounds = interleave(
                {
                    "jobs": lambda: left.time(jobs, lambda: _put(conninfo, jobs)),
                    "dramatiq": lambda: left.time(
                        jobs, lambda: [nothing.send() for _ in range(jobs)]
                    ),
                },
                stage.sizes.rounds,
            )
    finally:
        bare.stop()
        broker.close()
    return [
        rounds.ratio("jobs_vs_dramatiq", "jobs", "dramatiq"),
        rounds.rate("jobs_per_s", "jobs"),
        rounds.rate("dramatiq_per_s", "dramatiq"),
    ]


def _put(conninfo: str, jobs: int) -> None:
    with psycopg.connect(conninfo, autocommit=True) as conn:
        for _ in range(0, jobs, _AT_ONCE):
            size = min(_AT_ONCE, jobs)
            put(conn, [NewJob(id=uuid4(), kind=_KIND, payload={}) for _ in range(size)])


class _Countdown:
    """Counts what is done, from several threads."""

    def __init__(self) -> None:
        self._left = 0
        self._changed = threading.Condition()

    def handle(self, job: Job, ctx: object) -> None:
        self.down()

    def down(self) -> None:
        with self._changed:
            self._left -= 1
            if self._left <= 0:
                self._changed.notify_all()

    def time(self, jobs: int, begin: Callable[[], Any]) -> float:
        """Jobs a second, from the first that is put in to the last that is done."""
        self._left, begun = jobs, time.perf_counter()
        begin()
        with self._changed:
            if not self._changed.wait_for(lambda: self._left <= 0, _PATIENCE_S):
                raise BenchError(f"{self._left} of {jobs} jobs were not done")
        return jobs / (time.perf_counter() - begun)

"""A worker process' jobs: threads for each queue, and what wakes them and watches over them."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from random import Random
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import dramatiq
from psycopg import Connection
from psycopg_pool import ConnectionPool

from application.connecting import CONNECTION
from application.jobs.jobs import Kinds
from application.jobs.running import Pool, Runner
from application.jobs.waking import Dispatcher, make_broker, woken_by
from application.jobs.watching import Watch

CONCURRENCY: Mapping[str, int] = {
    "banking": 3, "payments": 2, "notifications": 3, "webhooks": 3, "bureaus": 3, "default": 1,
}  # fmt: skip
"""Threads of each queue in one worker process."""

_POLL_MS = 100
"""So long an idle queue may take to see a wake-up in Redis."""
_RECONNECT_S = 2.0
_STATEMENT_S = 10
"""All of them are about one job."""


class Workers:
    """`with Workers(...):` or `start()` and `stop()`, once.

    `ctx` is given to all handlers. A worker that says nothing for `lease_s` is taken to be gone, and its
    jobs are taken over. Without `redis_url` this process wakes its own threads only.
    """

    def __init__(
        self,
        conninfo: str,
        kinds: Kinds,
        ctx: Any = None,
        *,
        redis_url: str | None = None,
        concurrency: Mapping[str, int] = CONCURRENCY,
        lease_s: float = 15.0,
        random: Random | None = None,
        namespace: str = "daybook:jobs",
    ) -> None:
        worker = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        threads = {queue: number for queue, number in concurrency.items() if number > 0}
        self._soft = _pool(conninfo, sum(threads.values()), "off")
        self._hard = _pool(conninfo, sum(threads.values()), "on")
        self._watch = Watch(conninfo, worker, lease_s)
        self._runner = Runner(
            self._soft, self._hard, self._watch, kinds, ctx, worker=worker, lease_s=lease_s,
            random=random or Random(),  # noqa: S311 - spreads retries, guards nothing
        )  # fmt: skip
        # One each: dramatiq wants no more than one set of threads for a broker.
        self._brokers = {queue: make_broker(redis_url, namespace) for queue in threads}
        for queue, broker in self._brokers.items():
            woken_by(broker, queue, self._runner.drain)
        self._workers = [_worker(self._brokers[queue], number) for queue, number in threads.items()]
        by_queue = dict(zip(threads, self._workers, strict=True))
        self._dispatcher = Dispatcher(conninfo, by_queue, sorted(kinds))

    def start(self) -> None:
        self._soft.open()
        self._hard.open()
        self._watch.start()
        for worker in self._workers:
            worker.start()
        self._dispatcher.start()

    def stop(self, timeout_s: float = 30.0) -> None:
        """Take no more jobs, and wait for those that run. What takes longer is left: it ends with the
        process, and another one takes it over."""
        self._dispatcher.stop()
        self._runner.stop()
        with ThreadPoolExecutor(len(self._workers) or 1) as threads:
            list(threads.map(lambda worker: worker.stop(int(timeout_s * 1000)), self._workers))
        self._watch.stop()
        self._soft.close()
        self._hard.close()
        for broker in self._brokers.values():
            broker.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _pool(conninfo: str, size: int, synchronous_commit: str) -> Pool:
    def configure(conn: Connection[Any]) -> None:
        conn.execute(f"SET synchronous_commit = {synchronous_commit}".encode())
        conn.execute(f"SET statement_timeout = '{_STATEMENT_S}s'".encode())

    return ConnectionPool(
        conninfo,
        min_size=1,
        max_size=size + 1,
        timeout=10,
        reconnect_timeout=_RECONNECT_S,
        open=False,
        configure=configure,
        kwargs={**CONNECTION, "application_name": "daybook jobs", "autocommit": True},
    )


def _worker(broker: dramatiq.Broker, threads: int) -> dramatiq.Worker:
    """The threads of one queue."""
    worker = dramatiq.Worker(broker, worker_timeout=_POLL_MS, worker_threads=threads)
    # A wake-up that waits in one process may be what another that is idle waits for.
    worker.queue_prefetch = threads
    return worker

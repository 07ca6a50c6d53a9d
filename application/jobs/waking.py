"""Wakes workers. A wake-up says no more than that a queue has work: when all of them get lost, new ones
are sent a second later, because what there is to do is in Postgres."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import psycopg
import redis
from dramatiq import Actor, Broker, Consumer, Message, MessageProxy, Worker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker
from dramatiq.errors import BrokerConnectionError, ConnectionClosed
from psycopg import Connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from application.connecting import CONNECTION
from application.jobs import taking
from application.jobs.outbox import CHANNEL
from application.jobs.pruning import prune

_log = logging.getLogger("daybook.jobs")

_SWEEP_S = 1.0
_APART_S = 0.01
"""News that come sooner after a look wait for each other: one look finds what all of them are about."""
_AT_ONCE = 16
"""Wake-ups of a queue that wait at most. A woken worker goes on until nothing is due."""
_PRUNE_S = 600.0
_RECONNECT_S = 0.5
_REDIS_S = 5.0
_REDIS_AGAIN_S = 5.0
_STATEMENT_S = 30
_HERE = "here"
"""Marks wake-ups that Redis does not know of."""

# At most as many are counted as will be woken for. `now()` can be looked up in an index.
_DUE = f"""
SELECT queue, (
    SELECT count(*) FROM (
        SELECT FROM jobs
        WHERE status = 'waiting' AND queue = q.queue AND due_at <= now() AND kind = ANY(%(kinds)s)
        LIMIT {_AT_ONCE}
    ) AS found
) FROM unnest(%(queues)s::text[]) AS q (queue)
"""
_NEXT = """
SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8
FROM jobs WHERE status = 'waiting' AND due_at > now()
"""


class _Consumer(Consumer):
    """A wake-up that Redis cannot be told is over does not matter, and its thread has better to do than
    to wait until it can."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def __next__(self) -> MessageProxy | None:
        return next(self._consumer)

    def ack(self, message: MessageProxy) -> None:
        if _HERE in message.options:
            return
        with suppress(ConnectionClosed, redis.RedisError):
            self._consumer.ack(message)

    def nack(self, message: MessageProxy) -> None:
        with suppress(ConnectionClosed, redis.RedisError):
            self._consumer.nack(message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        with suppress(ConnectionClosed, redis.RedisError):
            self._consumer.requeue(messages)


class _RedisBroker(RedisBroker):
    def close(self) -> None:
        self.client.close()

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        return _Consumer(super().consume(queue_name, prefetch, timeout))


def make_broker(redis_url: str | None, namespace: str) -> Broker:
    """One for a queue: Redis', which worker processes share; without one, this process' own.

    No middleware: Postgres knows what is tried again, when, and how long it may take.
    """
    if redis_url is None:
        return StubBroker(middleware=[])
    client = redis.Redis.from_url(
        redis_url,
        socket_timeout=_REDIS_S,
        socket_connect_timeout=_REDIS_S,
        # Whoever asks comes again anyway.
        retry=Retry(NoBackoff(), 1),
    )
    return _RedisBroker(client=client, namespace=namespace, middleware=[])  # type: ignore[no-untyped-call]


def waiting_in(broker: Broker, queue: str) -> int:
    """Wake-ups of a queue that no worker has fetched yet."""
    if isinstance(broker, RedisBroker):
        return int(broker.client.llen(f"{broker.namespace}:{queue}"))
    return int(broker.queues[queue].qsize())


class Dispatcher:
    """Sends wake-ups as jobs come in and fall due, looks after jobs whose workers are gone, and forgets
    old ones: `start()`, `stop()`. Each worker process has one, and none of them has to be the first."""

    def __init__(self, conninfo: str, workers: Mapping[str, Worker], kinds: Sequence[str]) -> None:
        self._conninfo = conninfo
        self._workers = workers
        self._given = {"queues": list(workers), "kinds": list(kinds)}
        self._redis_again_at = 0.0
        self._prune_at = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs dispatcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with psycopg.connect(
                    self._conninfo, autocommit=True, application_name="daybook jobs dispatcher",
                    **CONNECTION,
                ) as conn:  # fmt: skip
                    conn.execute(f"SET statement_timeout = '{_STATEMENT_S}s'".encode())
                    # Listening comes first: what is committed after the look below is told.
                    conn.execute(f"LISTEN {CHANNEL}".encode())
                    while not self._stopping.is_set():
                        self._look(conn)
                        self._wait(conn, self._pause_s(conn))
            except psycopg.Error as error:
                _log.warning("nobody is woken for jobs for now: %s", error)
                self._stopping.wait(_RECONNECT_S)
            except Exception:  # noqa: BLE001 - without it no job would be run any more
                _log.exception("nobody was woken for jobs because of a mistake of Daybook's")
                self._stopping.wait(_RECONNECT_S)

    def _look(self, conn: Connection[Any]) -> None:
        if gone := taking.give_back(conn):
            _log.warning("%d jobs wait again: their workers are gone", len(gone))
        for queue, count in conn.execute(_DUE, self._given).fetchall():
            if count and not self._wake(queue, count):
                self._wake_here(queue, count)
        if time.monotonic() >= self._prune_at:
            self._prune_at = time.monotonic() + _PRUNE_S
            prune(conn)

    def _wake(self, queue: str, count: int) -> bool:
        """Whether the broker could be told. While Redis is away it is asked now and then."""
        if time.monotonic() < self._redis_again_at:
            return False
        broker = self._workers[queue].broker
        try:
            for _ in range(count - waiting_in(broker, queue)):
                broker.enqueue(Message(queue, queue, (queue,), {}, {}))
        except (redis.RedisError, BrokerConnectionError) as error:
            self._redis_again_at = time.monotonic() + _REDIS_AGAIN_S
            _log.warning("Redis cannot be told of jobs that wait, this worker goes on: %s", error)
            return False
        return True

    def _wake_here(self, queue: str, count: int) -> None:
        """Wake this process' own threads, past the broker."""
        worker = self._workers[queue]
        for _ in range(count - worker.work_queue.qsize()):
            message = Message[None](queue, queue, (queue,), {}, {_HERE: True})
            worker.consumers[queue].handle_message(MessageProxy(message))

    def _pause_s(self, conn: Connection[Any]) -> float:
        """Seconds until the next look, when there is no news before."""
        row = conn.execute(_NEXT).fetchone()
        next_s = row[0] if row is not None else None
        return _SWEEP_S if next_s is None else min(max(next_s, _APART_S), _SWEEP_S)

    def _wait(self, conn: Connection[Any], pause_s: float) -> None:
        looked_at = time.monotonic()
        until = looked_at + pause_s
        while not self._stopping.is_set() and (left_s := until - time.monotonic()) > 0:
            # In small pieces, or stopping would have to wait for it.
            if list(conn.notifies(timeout=min(left_s, 0.1), stop_after=1)):
                self._stopping.wait(max(0.0, looked_at + _APART_S - time.monotonic()))
                return


def woken_by(broker: Broker, queue: str, work: Callable[[str], None]) -> None:
    """Let a wake-up of this queue call `work` with its name."""
    Actor(work, broker=broker, actor_name=queue, queue_name=queue, priority=0, options={})

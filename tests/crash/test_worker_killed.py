"""Workers are killed in the middle of calls: every job ends, and others can tell a repeated call."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from uuid import UUID

import pytest

from application.jobs import put
from tests.conftest import Database
from tests.support.jobs import Jobs, job
from tests.support.processes import PATIENCE_S, ROOT, environment
from tests.support.redis import RedisServer
from tests.support.waiting import until

KILLS = 3
JOBS = 120


class Server:
    """Somebody else's service: it knows a call that is repeated by its Idempotency-Key."""

    def __init__(self) -> None:
        self.calls: dict[str, list[int]] = defaultdict(list)
        """By key, the process that each call came from."""
        self.at_once: list[str] = []
        """Keys of which there was a second call before the first one's worker had an answer or was gone."""
        self.gone: set[int] = set()
        self.answers = threading.Event()
        self._under_way: dict[str, set[int]] = defaultdict(set)
        self._lock = threading.Lock()

    def called(self, key: str, worker: int) -> None:
        with self._lock:
            if self._under_way[key] - self.gone:
                self.at_once.append(key)
            self._under_way[key].add(worker)
            self.calls[key].append(worker)
        self.answers.wait(PATIENCE_S)
        with self._lock:
            self._under_way[key].discard(worker)

    def called_by(self, worker: int) -> set[str]:
        with self._lock:
            return {key for key, workers in self._under_way.items() if worker in workers}

    @contextmanager
    def running(self) -> Iterator[str]:
        """Its address, while it runs."""
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                server.called(self.headers["Idempotency-Key"], int(self.headers["X-Worker"]))
                try:
                    self.send_response(200)
                    self.send_header("Content-Length", "2")
                    self.end_headers()
                    self.wfile.write(b"ok")
                except OSError:
                    pass  # who asked was killed

            def log_message(self, *_: object) -> None:
                pass

        http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        self.answers.set()
        http.shutdown()
        thread.join()
        http.server_close()


class Worker:
    """A worker process."""

    def __init__(self, *addresses: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.job_worker", *addresses],
            env=environment({}),
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"
        self.pid = self._process.pid

    def kill(self) -> None:
        self._process.kill()
        self._close()

    def stop(self) -> int:
        self._process.terminate()
        return self._close()

    def _close(self) -> int:
        status = self._process.wait(PATIENCE_S)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return status


class Place:
    """A database, a Redis and a server, and the workers that are started there."""

    def __init__(self, server: Server, *addresses: str) -> None:
        self.server = server
        self._addresses = addresses
        self.workers: list[Worker] = []

    def start(self) -> Worker:
        worker = Worker(*self._addresses)
        self.workers.append(worker)
        return worker

    def kill(self, worker: Worker) -> None:
        self.server.gone.add(worker.pid)
        worker.kill()
        self.workers.remove(worker)


@pytest.fixture
def place(database: Database) -> Iterator[Place]:
    server = Server()
    with RedisServer() as redis_server, server.running() as url:
        place = Place(server, database.url, redis_server.url, url)
        yield place
        server.answers.set()
        for worker in place.workers:
            assert worker.stop() == 0


def test_a_job_whose_worker_is_killed_in_a_call_runs_again_with_the_same_key(
    database: Database, place: Place
) -> None:
    server, first = place.server, place.start()
    with database.connect() as conn:
        jobs = Jobs(conn)
        new = job("call", queue="banking")
        put(conn, [new])
        until(lambda: server.called_by(first.pid))
        second = place.start()
        place.kill(first)
        server.answers.set()
        until(lambda: jobs.of(new.id, "status") == "done")
        assert jobs.outcomes(new.id) == ["lost", "done"]
    assert server.calls == {str(new.id): [first.pid, second.pid]}


def test_whatever_is_killed_no_job_is_lost_and_none_runs_twice_at_once(
    database: Database, place: Place, random: Random
) -> None:
    server = place.server
    server.answers.set()
    for _ in range(2):
        place.start()
    with database.connect() as conn:
        jobs = Jobs(conn)
        new: list[UUID] = []
        for _ in range(KILLS):
            batch = [
                job(
                    "call",
                    queue=random.choice(["banking", "payments"]),
                    priority=random.randint(0, 9),
                )
                for _ in range(JOBS // KILLS)
            ]
            new += [one.id for one in batch]
            put(conn, batch)
            some = len(server.calls) + random.randint(1, JOBS // KILLS // 2)
            until(lambda some=some: len(server.calls) >= some)  # type: ignore[misc]
            victim = random.choice(place.workers)
            server.answers.clear()
            # None waits when all is done: the kill hits an idle one then.
            until(lambda victim=victim: server.called_by(victim.pid) or jobs.is_idle())  # type: ignore[misc]
            place.kill(victim)
            server.answers.set()
            place.start()
        until(lambda: jobs.count("done") == len(new))
    assert server.calls.keys() == {str(id_) for id_ in new}
    assert not server.at_once

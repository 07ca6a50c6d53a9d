"""A whole Daybook as processes of their own, any of which may end at any moment, and its clients."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from random import Random
from types import TracebackType
from typing import Any, NamedTuple, Self
from uuid import UUID

import httpx2
import psycopg
import redis

from api.local.postgres import EmbeddedPostgres
from migrations import runner
from tests.conftest import Database
from tests.support.bank import SECRET, SandboxBank, sandbox_bank
from tests.support.folders import data_folder
from tests.support.people import bearer
from tests.support.processes import PATIENCE_S, Daybook, free_port, settings_of, wait_until_ready
from tests.support.redis import RedisServer
from tests.support.waiting import until

_CLIENTS = 4
_PAUSE_S = 0.1
_SETTLE_AFTER_S = 0.2


class Asked(NamedTuple):
    """A flow that a client asks for until it hears that it is taken."""

    id: UUID
    path: str
    body: dict[str, Any]


class Clients:
    """While entered, ask for flows in a person's name, each until it is taken."""

    def __init__(self, base_url: str, owner_id: UUID, flows: Sequence[Asked]) -> None:
        self._base_url = base_url
        self._headers = bearer("user", owner_id)
        self._left = list(reversed(flows))
        self._threads = ThreadPoolExecutor(_CLIENTS)
        self._running: list[Future[None]] = []
        self._stop = threading.Event()
        self.taken: set[UUID] = set()
        self.repeated = 0
        """How often a flow was asked for again, because nobody knew what had become of it."""

    def __enter__(self) -> Self:
        self._running = [self._threads.submit(self._ask_all) for _ in range(_CLIENTS)]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._stop.set()
        self._threads.shutdown()
        for thread in self._running:
            thread.result()

    def have_failed(self) -> bool:
        return any(thread.done() and thread.exception() for thread in self._running)

    def _ask_all(self) -> None:
        with httpx2.Client(
            base_url=self._base_url, timeout=PATIENCE_S, headers=self._headers
        ) as client:
            while not self._stop.is_set():
                try:
                    asked = self._left.pop()
                except IndexError:
                    return
                while not self._stop.is_set() and not self._is_taken(client, asked):
                    self.repeated += 1
                    self._stop.wait(_PAUSE_S)

    def _is_taken(self, client: httpx2.Client, asked: Asked) -> bool:
        try:
            answer = client.post(asked.path, json={"id": str(asked.id), **asked.body})
        except httpx2.TransportError:
            return False
        if answer.status_code == 503:
            return False
        assert answer.status_code == 202, answer.text
        self.taken.add(asked.id)
        return True


class World:
    """Two workers, an API and a projector; a Postgres and a Redis of its own; and a bank that goes on
    whatever happens to them."""

    def __init__(
        self, database: Database, postgres: EmbeddedPostgres, redis_server: RedisServer,
        bank: SandboxBank, port: int, random: Random,
    ) -> None:  # fmt: skip
        self.database = database
        self.bank = bank
        self.base_url = f"http://127.0.0.1:{port}"
        self._postgres = postgres
        self._redis = redis_server
        self._port = port
        self._random = random
        self.settings = settings_of(database) | {
            "PORT": str(port),
            "REDIS_URL": redis_server.url,
            "BANK_URL": bank.url,
            "BANK_TOKEN": bank.token,
            "BANK_WEBHOOK_SECRET": SECRET,
            "BANK_LOOK_AFTER_S": "3",
            "JOBS_BANKING": "6",
            "LOG_LEVEL": "warning",
        }
        self._api = Daybook("serve", settings=self.settings)
        self._others = [
            Daybook(command, settings=self.settings) for command in ("worker", "worker", "project")
        ]
        self._victims: list[Daybook] = []
        self.kills = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        with ExitStack() as processes:
            for process in [self._api, *self._others]:
                processes.enter_context(process)
            wait_until_ready(self._api, self._port)
            for process in self._others:
                process.wait_for(lambda process=process: process.status() is None)  # type: ignore[misc]
            yield

    def register(self) -> UUID:
        """A person, by the API."""
        password = "keeps all of this"
        body = {
            "email": "somebody@example.com",
            "full_name": "Somebody",
            "password": password,
            "password_confirmation": password,
        }
        answer = httpx2.post(f"{self.base_url}/api/users", json=body, timeout=PATIENCE_S)
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["id"])

    def kill_one(self) -> None:
        """`kill -9` for one of the processes, which is started again."""
        if not self._victims:  # each has its turn
            self._victims = [self._api, *self._others]
            self._random.shuffle(self._victims)
        victim = self._victims.pop()
        victim.kill()
        victim.start()
        self.kills += 1

    def flush_redis(self) -> None:
        redis.Redis.from_url(self._redis.url).flushall()

    @contextmanager
    def without_redis(self) -> Iterator[None]:
        self._redis.kill()
        try:
            yield
        finally:
            self._redis.start()

    def kill_postgres(self) -> None:
        """`kill -9`, and start it again at once: it recovers what was committed."""
        assert self._postgres.pid is not None
        os.kill(self._postgres.pid, signal.SIGKILL)
        until(lambda: self._postgres.poll() is not None)
        self._postgres.launch()
        until(self._postgres_answers)

    def _postgres_answers(self) -> bool:
        with suppress(psycopg.OperationalError), self.database.connect() as conn:
            return conn.execute("SELECT 1").fetchone() == (1,)
        return False

    def check_alive(self) -> None:
        """Whoever is not killed lives on; who was started while there was no database is started again."""
        for process in [self._api, *self._others]:
            if process.status() is not None:
                assert "the database cannot be reached" in process.output[-2_000:], process.output
                process.start()


@contextmanager
def chaotic_world(random: Random) -> Iterator[World]:
    """One that is not running yet."""
    # The machine lives on, and with it what was written and not yet on the disk.
    settings = {"fsync": "off", "shared_buffers": "64MB", "max_wal_size": "128MB"}
    port = free_port()
    webhooks = f"http://127.0.0.1:{port}/api/webhooks/incoming/bank"
    with (
        data_folder() as folder,
        EmbeddedPostgres(folder, settings=settings) as postgres,
        RedisServer() as redis_server,
        sandbox_bank(webhooks, settle_after=_SETTLE_AFTER_S) as bank,
    ):
        database = Database("daybook", postgres.url(), postgres.url(superuser=True))
        with psycopg.connect(database.superuser_url) as conn:
            runner.up(conn)
        yield World(database, postgres, redis_server, bank, port, random)

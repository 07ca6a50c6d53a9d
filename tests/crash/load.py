"""Clients that move money over HTTP as fast as they can, and remember what they were told."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import httpx2

from tests.support.people import bearer
from tests.support.processes import PATIENCE_S
from tests.support.waiting import until

CLIENTS = 6
_PAUSE_S = 0.02
"""After a refused connection, so that the clients leave the machine to what is starting."""


@dataclass(frozen=True)
class Asked:
    """A transfer that a client asked for. Every other one has an Idempotency-Key besides its id."""

    id: UUID
    source: UUID
    destination: UUID
    amount: int

    @property
    def headers(self) -> dict[str, str]:
        return {"Idempotency-Key": str(self.id)} if self.id.int % 2 else {}

    @property
    def body(self) -> dict[str, object]:
        return {
            "id": str(self.id),
            "source_account_id": str(self.source),
            "destination_account_id": str(self.destination),
            "amount": f"{self.amount // 100}.{self.amount % 100:02}",
            "currency": "EUR",
        }


class Load:
    """While entered, `CLIENTS` threads post transfers between accounts of plenty.

    What a thread gets instead of an answer is not the test's failure: servers die here.
    """

    def __init__(self, base_url: str, accounts: list[UUID], random: Random) -> None:
        self.accounts = accounts
        self.sent: dict[UUID, Asked] = {}
        """All that a server may have heard of."""
        self.acknowledged: dict[UUID, int] = {}
        """Positions, by the id of the transfer."""
        self.problems: Counter[tuple[int, str]] = Counter()
        """Answers other than 201: status and reason."""
        self.unanswered = 0
        self._base_url = base_url
        self._randoms = [Random(random.getrandbits(64)) for _ in range(CLIENTS)]
        self._stop = threading.Event()
        self._threads = ThreadPoolExecutor(CLIENTS)
        self._running: list[Future[None]] = []

    @property
    def unacknowledged(self) -> list[Asked]:
        return [asked for id_, asked in self.sent.items() if id_ not in self.acknowledged]

    def goes_on(self, transfers: int) -> None:
        """Return once so many more transfers are acknowledged."""
        enough = len(self.acknowledged) + transfers
        until(lambda: len(self.acknowledged) >= enough or self._has_failed(), PATIENCE_S)

    def __enter__(self) -> Self:
        self._running = [self._threads.submit(self._post_on, random) for random in self._randoms]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._threads.shutdown()
        for thread in self._running:
            thread.result()

    def _has_failed(self) -> bool:
        return any(thread.done() for thread in self._running)

    def _post_on(self, random: Random) -> None:
        with _client(self._base_url) as client:
            while not self._stop.is_set():
                source, destination = random.sample(self.accounts, 2)
                id_ = UUID(int=random.getrandbits(128), version=4)
                asked = self.sent[id_] = Asked(id_, source, destination, random.randint(1, 999))
                try:
                    answer = post(client, asked)
                except httpx2.ConnectError:
                    del self.sent[id_]
                    self._stop.wait(_PAUSE_S)
                except httpx2.TransportError:
                    self.unanswered += 1
                else:
                    self._note(asked, answer)

    def _note(self, asked: Asked, answer: httpx2.Response) -> None:
        if answer.status_code == 201:
            self.acknowledged[asked.id] = answer.json()["position"]
        else:
            self.problems[answer.status_code, answer.json()["reason"]] += 1
            assert answer.headers.get("retry-after"), answer.text
            self._stop.wait(_PAUSE_S)


def post(client: httpx2.Client, asked: Asked) -> httpx2.Response:
    return client.post("/api/transfers", json=asked.body, headers=asked.headers)


def open_accounts(base_url: str, count: int = 20) -> list[UUID]:
    """Accounts with 100,000.00 each, which no load here uses up."""
    with _client(base_url) as client:

        def done(path: str, body: dict[str, Any]) -> Any:
            answer = client.post(path, json=body)
            assert answer.status_code in (200, 201), answer.text
            return answer.json()

        new = {"name": "An account", "currency": "EUR"}
        cash = done("/api/accounts", {**new, "type": "cash"})["id"]
        ids = [done("/api/accounts", {**new, "type": "checking"})["id"] for _ in range(count)]
        funding = {"source_account_id": cash, "amount": "100000.00", "currency": "EUR"}
        transfers = [{**funding, "destination_account_id": id_} for id_ in ids]
        done("/api/transfers/batch", {"transfers": transfers, "linked": True})
        return [UUID(id_) for id_ in ids]


def _client(base_url: str) -> httpx2.Client:
    return httpx2.Client(base_url=base_url, timeout=PATIENCE_S, headers=bearer())

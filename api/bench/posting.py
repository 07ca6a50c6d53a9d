"""Posts transfers in bulk through the ledger, as a program that embeds it would."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from itertools import count
from uuid import UUID, uuid4

from api.bench.sizes import ACCOUNTS, BATCH
from api.ids import new_id
from application.ledger import Accepted, Done, Ledger, Submission
from domain.accounts import OpenAccount
from domain.provenance import Provenance
from domain.transfers import PostTransfer

_IN_FLIGHT = 4
"""Submissions on their way at a time, so that the writer always finds the next one in its queue."""

_CURRENCY = "EUR"
_PROVENANCE = Provenance(actor="bench")

Pair = tuple[UUID, UUID]
"""Source and destination of a transfer."""


class BenchError(Exception):
    """What was measured did not do what it should have done, so that its figure would mean nothing."""


def open_accounts(ledger: Ledger, number: int = ACCOUNTS) -> list[UUID]:
    """New accounts without a floor, since what is measured is posting, not refusing."""
    ids = [new_id() for _ in range(number)]
    commands = [
        OpenAccount(id_, f"Account {n}", "clearing", _CURRENCY) for n, id_ in enumerate(ids)
    ]
    post_all(ledger, [Submission(commands, _PROVENANCE)])
    return ids


def spread(accounts: Sequence[UUID]) -> Callable[[], Pair]:
    """Pairs that walk through all accounts evenly, never an account with itself."""
    numbers = count()

    def pair() -> Pair:
        n = next(numbers)
        step = 1 + n // len(accounts) % (len(accounts) - 1)
        return accounts[n % len(accounts)], accounts[(n + step) % len(accounts)]

    return pair


def on_one(hot: UUID, accounts: Sequence[UUID]) -> Callable[[], Pair]:
    """Pairs that all have the account `hot` on one side: in and out by turns."""
    numbers = count()

    def pair() -> Pair:
        n = next(numbers)
        other = accounts[n % len(accounts)]
        return (hot, other) if n % 2 else (other, hot)

    return pair


def submissions(
    pair: Callable[[], Pair], transfers: int, make_id: Callable[[], UUID] = new_id
) -> list[Submission]:
    """Transfers of small amounts, in batches of 1,000."""
    commands = [
        PostTransfer(make_id(), *pair(), 1 + n % 97, _CURRENCY, "Benchmark")
        for n in range(transfers)
    ]
    return [
        Submission(commands[start : start + BATCH], _PROVENANCE)
        for start in range(0, transfers, BATCH)
    ]


def post_all(ledger: Ledger, batches: Sequence[Submission]) -> float:
    """Submit all with a few in flight, check the answers; answers commands per second."""
    waiting: deque[Future[Done]] = deque()
    commands = sum(len(batch.commands) for batch in batches)
    start = time.perf_counter()
    for batch in batches:
        if len(waiting) == _IN_FLIGHT:
            _check(waiting.popleft().result())
        waiting.append(ledger.submit(batch))
    for future in waiting:
        _check(future.result())
    return commands / (time.perf_counter() - start)


def _check(done: Done) -> None:
    for outcome in done.outcomes:
        if not isinstance(outcome, Accepted):
            raise BenchError(f"the ledger refused a transfer of the benchmark: {outcome.reason}")


class Poster:
    """A ledger with accounts on a database of its own, and the rounds that it has to run."""

    def __init__(
        self, url: str, round_transfers: int, *, hot: bool = False, random_ids: bool = False
    ) -> None:
        self.url = url
        self.ledger = Ledger(url)
        self.accounts = open_accounts(self.ledger)
        self.transfers = 0
        """Posted so far."""
        self._round_transfers = round_transfers
        self._make_id = uuid4 if random_ids else new_id
        self._pair = on_one(self.accounts[0], self.accounts[1:]) if hot else spread(self.accounts)

    def post(self, transfers: int | None = None) -> float:
        """One round: transfers per second, from the first submission to the last answer."""
        wanted = self._round_transfers if transfers is None else transfers
        made = submissions(self._pair, wanted, self._make_id)
        rate = post_all(self.ledger, made)
        self.transfers += wanted
        return rate

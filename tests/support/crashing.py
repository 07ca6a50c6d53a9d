"""Workers that end in the middle of what they do: right before the ledger commits, or right after."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from psycopg_pool import ConnectionPool

from api.secrets import master_keys
from application.banking import Banking
from application.bureaus import Bureaus
from application.jobs import Job, Kind, Kinds
from application.jobs.workers import Workers
from application.ledger import Done, Ledger, Submission
from application.outbound.bank import HttpBank
from application.outbound.breaker import Breaker, Breakers
from application.outbound.breaker_rules import Figures
from application.outbound.bureau import HttpBureau
from application.outbound.client import TimeLimits, Tries
from application.people.vault import Vault
from application.processes.catalogue import processes
from application.processes.deadlines import Clock
from application.processes.definitions import Process
from application.processes.follower import Follower
from application.processes.notifications import TELL
from tests.support.people import settings

Moment = Literal["before", "after"]
Plan = Callable[[Submission], Moment | None]

_THREADS = 24
_TRIES = 25
_BUREAUS_TRIES = 10
_LIMITS = TimeLimits(connect_s=5.0, read_s=1.0, overall_s=5.0)
_ONCE = Tries(attempts=1)


class Crash(BaseException):
    """Ends a thread as the end of its process would: nothing is told to anybody."""


class CrashingLedger(Ledger):
    """As a plan says, its submitter ends before a submission is written, or after that."""

    def __init__(self, conninfo: str, plan: Plan) -> None:
        super().__init__(conninfo)
        self._plan = plan

    def submit(self, submission: Submission) -> Future[Done]:
        moment = self._plan(submission)
        if moment == "before":
            raise Crash
        future = super().submit(submission)
        if moment == "after":
            future.result()
            raise Crash
        return future


Pool = ConnectionPool[Any]
MakeKinds = Callable[[Ledger, Pool, ExitStack], Kinds]
"""The jobs that a worker can do; what they need is closed with the stack."""


def crashing_worker(
    conninfo: str, bank_url: str, bank_token: str, plan: Plan
) -> AbstractContextManager[None]:
    """A worker that asks a bank, whose threads end by a plan and are begun anew."""

    def kinds(ledger: Ledger, pool: Pool, parts: ExitStack) -> Kinds:
        bank = HttpBank.at(bank_url, bank_token, _tireless("bank"), limits=_LIMITS, tries=_ONCE)
        parts.callback(bank.close)
        return Banking(
            ledger, bank, pool.connection, _vault(conninfo),
            look_after=timedelta(seconds=0.5), waits_s=(0.05,) * _TRIES,
        ).kinds()  # fmt: skip

    return _crashing(conninfo, plan, kinds, "banking")


def crashing_bureaus(
    conninfo: str, bureau_url: str, bureau_token: str, plan: Plan
) -> AbstractContextManager[None]:
    """A worker that asks a credit bureau, whose threads end by a plan and are begun anew."""

    def kinds(ledger: Ledger, pool: Pool, parts: ExitStack) -> Kinds:
        bureau = HttpBureau.at(
            bureau_url, bureau_token, _tireless("bureau"), limits=_LIMITS, tries=_ONCE
        )
        parts.callback(bureau.close)
        return Bureaus(
            ledger, bureau, pool.connection, _vault(conninfo),
            look_after=timedelta(seconds=0.5), waits_s=(0.05,) * _BUREAUS_TRIES,
        ).kinds()  # fmt: skip

    return _crashing(conninfo, plan, kinds, "bureaus")


def _tireless(service: str) -> Breaker:
    """Of so many that go wrong on purpose none may keep the others from being tried."""
    return Breakers(figures={service: Figures(failures=100_000)}).of(service)


def _vault(conninfo: str) -> Vault:
    return Vault.open(conninfo, master_keys(settings()))


@contextmanager
def _crashing(conninfo: str, plan: Plan, make: MakeKinds, queue: str) -> Iterator[None]:
    """It does not wait for long. What it is told to tell people, it does not: that has tests of its own."""
    stop = threading.Event()
    with ExitStack() as parts:
        ledger = parts.enter_context(CrashingLedger(conninfo, plan))
        pool = parts.enter_context(
            ConnectionPool(conninfo, min_size=1, max_size=_THREADS, kwargs={"autocommit": True})
        )
        kinds = {**make(ledger, pool, parts), TELL: Kind(_tell_nobody)}
        concurrency = {queue: _THREADS, "notifications": 1}
        parts.enter_context(Workers(conninfo, kinds, concurrency=concurrency, lease_s=2.0))
        threads = [
            threading.Thread(target=_begun_anew, args=(each, stop))
            for each in _runs(conninfo, ledger, processes())
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def _runs(
    conninfo: str, ledger: Ledger, known: Mapping[str, Process]
) -> Iterator[Callable[[threading.Event], None]]:
    for process in known.values():
        yield lambda stop, process=process: Follower(conninfo, ledger, process).run(stop)  # type: ignore[misc]
    yield lambda stop: Clock(conninfo, ledger, known).run(stop)


def _begun_anew(run: Callable[[threading.Event], None], stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            run(stop)
        except Crash:
            continue


def _tell_nobody(job: Job, ctx: object) -> None:
    pass


class Once:
    """A plan: each thing that is written about some movements crashes once.

    `moments` says when, by movement, and `movements` which movement the leg of a flow is.
    """

    def __init__(
        self, moments: Mapping[UUID, Moment], movements: Mapping[tuple[UUID, str], UUID]
    ) -> None:
        self._moments = moments
        self._movements = movements
        self._over: set[tuple[UUID, str]] = set()
        self.crashes = 0

    def __call__(self, submission: Submission) -> Moment | None:
        movement_id = self._movement_of(submission)
        if movement_id is None or movement_id not in self._moments:
            return None
        what = [type(command).__name__ for command in submission.commands]
        if submission.step is not None:
            what.append(submission.step.step)
        point = (movement_id, " ".join(what))
        if point in self._over:
            return None
        self._over.add(point)
        self.crashes += 1
        return self._moments[movement_id]

    def _movement_of(self, submission: Submission) -> UUID | None:
        step = submission.step
        if step is not None:
            for job in step.jobs:
                if "movement_id" in job.payload:
                    return UUID(job.payload["movement_id"])
        for command in submission.commands:
            if (movement_id := getattr(command, "movement_id", None)) is not None:
                return UUID(str(movement_id))
            if step is not None and step.key is not None:
                return self._movements.get((step.key, getattr(command, "leg", "")))
        return None

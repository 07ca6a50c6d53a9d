"""Flows in a world of their own: an in-memory log, the processes that drive flows, and a fake bank.

Nothing runs by itself: a test says which process sees its next event, which job runs, what the bank does
and which of its messages arrives when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from msgspec import Struct

from application.jobs import NewJob
from application.ledger import deciding
from application.ledger.book import Book
from application.ledger.outcomes import AlreadyDone, Command
from application.processes import bank_transfers as transfer_process
from application.processes import investments as investment_process
from application.processes.asking import CANCEL, INSTRUCT
from application.processes.definitions import Process
from domain import catalogue
from domain.accounts import Account
from domain.bank_transfers import BankTransfer
from domain.catalogue import AggregateState
from domain.events import Event, Recorded
from domain.funds import Fund
from domain.investments import Investment
from domain.movements import (
    OVER,
    CallOff,
    GiveUp,
    Movement,
    ReportMovement,
    SendMovement,
)
from domain.refusals import Refusal
from domain.transfers import Decided, Transfer
from domain.users import User
from tests.support.given import NOW

Flow = Investment | BankTransfer

_FIRST = frozenset(
    {
        "account.opened", "transfer.posted", "transfer.reserved", "fund.opened",
        "investment.requested", "bank_transfer.requested", "movement.instructed",
        "loan.opened", "credit_application.submitted", "fraud_alarm.raised",
        "approval.requested", "user.registered",
    }
)  # fmt: skip
"""What only a stream that is not there yet takes."""

_EITHER = "credit_applicant.application_opened"


class KnownBook:
    """The states that a decision may look at, which are those that it said it needs."""

    def __init__(self, states: Mapping[UUID, AggregateState]) -> None:
        self._states = states
        self.known: set[UUID] = set()

    def get(self, stream_id: UUID) -> AggregateState | None:
        return self._states.get(stream_id) if stream_id in self.known else None

    def is_known(self, stream_id: UUID) -> bool:
        return stream_id in self.known

    def account(self, stream_id: UUID) -> Account | None:
        state = self.get(stream_id)
        return state if isinstance(state, Account) else None

    def transfer(self, stream_id: UUID) -> Transfer | None:
        state = self.get(stream_id)
        return state if isinstance(state, Transfer) else None

    def user(self, stream_id: UUID) -> User | None:
        state = self.get(stream_id)
        return state if isinstance(state, User) else None


class Order(Struct):
    """A movement as the bank knows it. `told` are its reports so far, each with its number."""

    movement_id: UUID
    status: str = "accepted"
    told: list[tuple[int, str]] = []

    def turn(self, status: str) -> None:
        self.status = status
        self.told = [*self.told, (len(self.told) + 1, status)]


class Log:
    """Streams and their states, and what was appended."""

    def __init__(self) -> None:
        self.states: dict[UUID, AggregateState] = {}
        self.events: list[Recorded] = []
        self.now = NOW

    def submit(self, command: Command) -> Decided:
        """Decide and append. Raises `Refusal`, and nothing else."""
        book = KnownBook(self.states)
        there = cast(Book, book)
        while missing := deciding.missing([command], there):
            book.known |= missing
        started = deciding.new_stream(command)
        if started is not None:
            book.known.add(started)
        try:
            decided = deciding.decide(command, there, self.now)
        except AlreadyDone:
            return ()
        self.append(decided)
        return decided

    def append(self, decided: Iterable[tuple[UUID, Event]]) -> None:
        """What was decided, or is given."""
        for stream_id, event in decided:
            self._append(stream_id, event)

    def _append(self, stream_id: UUID, event: Event) -> None:
        before = self.states.get(stream_id)
        if event.topic != _EITHER:
            assert (before is None) == (event.topic in _FIRST), (event, before)
        stored = catalogue.decode(event.topic, catalogue.encode(event))
        assert stored == event
        after = catalogue.evolve(before, stored, stream_id)
        self.states[stream_id] = after
        position = len(self.events) + 1
        self.events.append(
            Recorded(
                position, stream_id, after.version, event.topic, self.now, stored, b"{}"
            )
        )  # fmt: skip

    def replayed(self) -> dict[UUID, AggregateState]:
        """The states, from the stored events alone."""
        found: dict[UUID, AggregateState] = {}
        for event in self.events:
            found[event.stream_id] = catalogue.evolve(
                found.get(event.stream_id), event.data, event.stream_id
            )
        return found

    def of(self, kind: type[Any]) -> list[Any]:
        return [state for state in self.states.values() if isinstance(state, kind)]


class World(Log):
    """The log with those who live by it. `numbered`: the bank numbers its reports."""

    def __init__(self, *, numbered: bool = True) -> None:
        super().__init__()
        self.numbered = numbered
        self.processes: list[Process] = [investment_process.process(), transfer_process.process()]
        self.seen = [0, 0]
        self.jobs: list[NewJob] = []
        self.deadlines: dict[tuple[int, UUID, str], datetime] = {}
        self.bank: dict[UUID, Order] = {}

    # Processes.
    def react(self, number: int) -> bool:
        """One process sees the next event that concerns it; whether there was one."""
        process = self.processes[number]
        while self.seen[number] < len(self.events):
            event = self.events[self.seen[number]]
            self.seen[number] += 1
            if event.topic not in process.topics or (key := process.key_of(event)) is None:
                continue
            reaction = process.react(event)
            if reaction is None:
                continue
            if reaction.command is not None:
                self._as_process(reaction.command)
            self.jobs.extend(reaction.jobs)
            for name, due in reaction.deadlines.items():
                self.deadlines.pop((number, key, name), None)
                if due is not None:
                    self.deadlines[number, key, name] = due
            return True
        return False

    def _as_process(self, command: Command) -> None:
        try:
            self.submit(command)
        except Refusal as refusal:
            if refusal.reason != "nothing_new":
                raise AssertionError(f"stuck: {command} is refused: {refusal.details}") from refusal

    def pass_time(self, days: int) -> None:
        """Deadlines that are over by then are noticed."""
        self.now += timedelta(days=days)
        for (number, key, name), due in list(self.deadlines.items()):
            if due <= self.now:
                del self.deadlines[number, key, name]
                on_deadline = self.processes[number].on_deadline
                assert on_deadline is not None
                command = on_deadline(key, name).command
                assert command is not None
                self._as_process(command)

    def has_news(self, flow_id: UUID) -> bool:
        """Whether a process has yet to see something of a flow."""
        return any(
            event.topic in process.topics and process.key_of(event) == flow_id
            for process, seen in zip(self.processes, self.seen, strict=True)
            for event in self.events[seen:]
        )

    # Jobs.
    def run_job(self, number: int, *, answer: str = "heard") -> None:
        """Run a job. `answer`: heard; lost, so that it runs again; the worker has died before it could
        ask; or dead, as after the last try."""
        job = self.jobs.pop(number % len(self.jobs))
        movement_id = UUID(job.payload["movement_id"])
        if answer == "dead":
            self._tell(GiveUp(movement_id, "bank_silent"))
            return
        asked = self._instruct if job.kind == INSTRUCT else self._cancel
        if not asked(movement_id, answer):
            self.jobs.append(job)

    def _instruct(self, movement_id: UUID, answer: str) -> bool:
        if self._movement(movement_id).status == "initiated":
            self._tell(SendMovement(movement_id))
        if self._movement(movement_id).status in OVER:
            return True
        if answer == "died":
            return False
        order = self.bank.get(movement_id)
        if order is None:
            order = self.bank[movement_id] = Order(movement_id, told=[(1, "accepted")])
        return self._heard(order, answer)

    def _cancel(self, movement_id: UUID, answer: str) -> bool:
        status = self._movement(movement_id).status
        if status in OVER:
            return True
        if status == "initiated" and self._tell(CallOff(movement_id, "timeout")):
            return True
        order = self.bank.get(movement_id)
        if order is None or answer == "died":
            return False
        if order.status == "accepted":
            order.turn("cancelled")
        return self._heard(order, answer)

    def _heard(self, order: Order, answer: str) -> bool:
        if answer == "heard":
            self.report(order.movement_id, *order.told[-1])
        return answer == "heard"

    def report(self, movement_id: UUID, sequence: int, status: str) -> None:
        """Something that the bank has said arrives."""
        reason = "" if status in ("accepted", "settled") else f"bank_{status}"
        number = sequence if self.numbered else 0
        self._tell(ReportMovement(movement_id, status, f"B{sequence}", reason, number))

    def _tell(self, command: Command) -> bool:
        try:
            self.submit(command)
        except Refusal as refusal:
            if refusal.reason not in ("nothing_new", "already_sent"):
                raise
            return False
        return True

    def _movement(self, movement_id: UUID) -> Movement:
        movement = self.states[movement_id]
        assert isinstance(movement, Movement)
        return movement

    # Until nothing more happens by itself.
    def go_on(self, decide: Callable[[Order], str] | None = None) -> None:
        """Run processes and jobs until they have nothing to do. With `decide` the bank says of each
        movement what it has taken on what becomes of it."""
        for _ in range(1_000):
            if any([self.react(0), self.react(1)]):
                continue
            if (number := self._runnable()) is not None:
                self.run_job(number)
            elif decide is None or not self._bank_decides(decide):
                return
        raise AssertionError("it never ends")

    def _runnable(self) -> int | None:
        """A job that can do something: what the bank has never heard of can't be cancelled there."""
        for number, job in enumerate(self.jobs):
            movement_id = UUID(job.payload["movement_id"])
            movement = self._movement(movement_id)
            is_lost = movement.status in ("sent", "pending") and movement_id not in self.bank
            if job.kind != CANCEL or not is_lost:
                return number
        return None

    def _bank_decides(self, decide: Callable[[Order], str]) -> bool:
        for order in self.bank.values():
            if order.status == "accepted" and (status := decide(order)) != "accepted":
                order.turn(status)
                self.report(order.movement_id, *order.told[-1])
                return True
        return False

    # What there is.
    @property
    def flows(self) -> list[Flow]:
        return [*self.of(Investment), *self.of(BankTransfer)]

    def movements_of(self, flow_id: UUID) -> list[Movement]:
        return [m for m in self.of(Movement) if m.instructed.flow_id == flow_id]

    def booked_for(self, flow_id: UUID) -> dict[UUID, int]:
        """Account -> what the transfers of a flow have moved into it."""
        sums: dict[UUID, int] = {}
        for transfer in self._transfers_of(flow_id):
            request = transfer.request
            if transfer.status == "posted":
                moved = transfer.amount
                sums[request.source_id] = sums.get(request.source_id, 0) - moved
                sums[request.destination_id] = sums.get(request.destination_id, 0) + moved
        return {account_id: amount for account_id, amount in sums.items() if amount}

    def _transfers_of(self, flow_id: UUID) -> Iterator[Transfer]:
        return (t for t in self.of(Transfer) if t.request.reference == str(flow_id))

    def fund(self, fund_id: UUID) -> Fund:
        fund = self.states[fund_id]
        assert isinstance(fund, Fund)
        return fund

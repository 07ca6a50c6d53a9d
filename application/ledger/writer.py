"""Writes one batch of submissions in one transaction, and keeps the cached states true.

The order of a batch: lock the head; follow what other processes wrote; load what is cold; decide and
append command after command; keep answers, deadlines, users' access and snapshots; write what
submissions bring beside, and the steps of processes; move the head; commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from psycopg import Connection, errors

from application.event_store.appending import Appender, Head, NewEvent, begin, lock_head, move_head
from application.event_store.chain import field
from application.ledger import reading
from application.ledger.book import Book, StateCache
from application.ledger.companions import (
    keep_answers,
    keep_applicants,
    keep_deadlines,
    keep_snapshots,
    keep_users,
)
from application.ledger.deciding import decide, missing, new_stream, subject
from application.ledger.outcomes import (
    Accepted,
    AlreadyDone,
    Answer,
    Command,
    Done,
    Outcome,
    Receipt,
    Refused,
    Submission,
)
from application.ledger.repeats import first_answers
from application.ledger.steps import keep_steps
from domain import catalogue
from domain.accounts import Account
from domain.credit_applications import CreditApplication
from domain.refusals import Refusal
from domain.transfers import Reserved, Transfer
from domain.users import User

_encode_metadata = msgspec.json.Encoder().encode

LINKED_REFUSED = "linked_refused"
"""The reason of the items of a linked batch that would have been accepted by themselves."""


class BatchProof:
    """What to look for when a commit's answer got lost: the batch's last hash."""

    def __init__(self) -> None:
        self.head: Head | None = None
        self.position = 0
        self.hash = b""
        self.commit_sent = False

    def is_in(self, conn: Connection[Any]) -> bool:
        """Whether the batch is in the log. Waits for the head's lock, and so for a commit under way.

        A batch without events never is: it is decided again, and finds its answers if they were kept.
        """
        with conn.transaction():
            lock_head(conn)
            if self.head is None or self.position == self.head.position:
                return False
            row = conn.execute(
                "SELECT hash FROM events WHERE notification_id = %s", (self.position,)
            ).fetchone()
            return row is not None and row[0] == self.hash


class _NotNewError(Exception):
    """A stream that was taken to be new is in the log."""


class _Repeat(NamedTuple):
    """Stands for an outcome that is read from the log once the COPY is over."""

    stream_id: UUID


class _Decided(NamedTuple):
    """A submission between its decisions and its answer."""

    outcomes: list[Outcome | _Repeat]
    answer: Answer | None = None
    same_as: int | None = None
    """The earlier submission of this batch with the same idempotency key."""


class Batch:
    """One attempt to write submissions. `results` are good once `run` has returned."""

    def __init__(
        self, conn: Connection[Any], cache: StateCache, submissions: Sequence[Submission]
    ) -> None:
        self._conn = conn
        self._cache = cache
        self._submissions = submissions
        self._start()

    def _start(self) -> None:
        self._book = Book(self._cache)
        self.proof = BatchProof()
        self.results: list[Done] = []
        self._answered: dict[tuple[str, str], tuple[bytes, Answer]] = {}
        self._in_batch: dict[tuple[str, str], tuple[bytes, int]] = {}
        self._refused_as_new: set[UUID] = set()

    def run(self) -> None:
        """Write the batch in one transaction.

        New streams are taken to be new, since they nearly always are. Where one is not, the log
        refuses its second start, or has what was refused as new: then all is decided again, and looked
        up before.
        """
        try:
            self._attempt(verify_new=False)
        except (errors.UniqueViolation, _NotNewError):
            self._conn.execute("ROLLBACK")
            self._start()
            self._attempt(verify_new=True)

    def _attempt(self, *, verify_new: bool) -> None:
        conn = self._conn
        head = begin(conn)
        self.proof.head = head
        if head.hash != self._cache.hash:
            reading.follow(conn, self._cache, head)
        self._prepare(verify_new)
        appender = Appender(conn, head)
        try:
            decided = [
                self._decide_submission(index, submission, appender, head)
                for index, submission in enumerate(self._submissions)
            ]
            appender.finish()
        except BaseException:
            appender.abort()
            raise
        if self._refused_as_new and reading.any_there(conn, self._refused_as_new):
            raise _NotNewError
        self._answer(decided)
        self._keep_companions(head)
        self._write_beside()
        self._keep_steps(head)
        self._commit(head, appender)
        self._book.to_cache(appender.position, appender.hash)

    def _prepare(self, verify_new: bool) -> None:
        """Read all that the decisions will ask for: inside the COPY nothing can be read."""
        receipts = [s.receipt for s in self._submissions if s.receipt is not None]
        if receipts:
            self._answered = reading.earlier_answers(self._conn, receipts)
        commands = [c for s in self._submissions for c in s.commands]
        book = self._book
        if verify_new:
            fresh = [id_ for c in commands if (id_ := new_stream(c)) is not None]
            book.add_loaded(reading.load(self._conn, set(fresh)))
        while cold := missing(commands, book):
            book.add_loaded(reading.load(self._conn, cold))

    def _decide_submission(
        self, index: int, submission: Submission, appender: Appender, head: Head
    ) -> _Decided:
        receipt = submission.receipt
        if receipt is not None:
            key = (receipt.caller, receipt.key)
            if key in self._answered:
                fingerprint, answer = self._answered[key]
                if fingerprint == receipt.fingerprint:
                    return _Decided([], answer)
                return _Decided([_key_reused(receipt)])
            if key in self._in_batch:
                fingerprint, first = self._in_batch[key]
                if fingerprint == receipt.fingerprint:
                    return _Decided([], same_as=first)
                return _Decided([_key_reused(receipt)])
            self._in_batch[key] = (receipt.fingerprint, index)
        metadata = field(_encode_metadata(submission.provenance))
        if submission.linked:
            return _Decided(self._decide_linked(submission.commands, metadata, appender, head))
        outcomes = []
        for command in submission.commands:
            events: list[NewEvent] = []
            outcomes.append(self._decide_one(command, metadata, appender.position, events, head))
            if events:
                appender.add(events)
        return _Decided(outcomes)

    def _decide_linked(
        self, commands: Sequence[Command], metadata: bytes, appender: Appender, head: Head
    ) -> list[Outcome | _Repeat]:
        """All or nothing: the first refusal undoes what the commands before it did."""
        mark = self._book.mark()
        events: list[NewEvent] = []
        outcomes: list[Outcome | _Repeat] = []
        for command in commands:
            position = appender.position + len(events)
            outcome = self._decide_one(command, metadata, position, events, head)
            if isinstance(outcome, Refused):
                self._book.go_back(mark)
                self._note_new(commands[: len(outcomes) + 1])
                others = Refused(LINKED_REFUSED, {"refused_item": len(outcomes)})
                refused: list[Outcome | _Repeat] = [others] * len(commands)
                refused[len(outcomes)] = outcome
                return refused
            outcomes.append(outcome)
        appender.add(events)
        return outcomes

    def _decide_one(
        self, command: Command, metadata: bytes, position: int, events: list[NewEvent], head: Head
    ) -> Outcome | _Repeat:
        """Decide a command at a position; its events go to `events`, their effects into the book."""
        book = self._book
        try:
            decided = decide(command, book, head.now)
        except Refusal as refusal:
            self._note_new([command])
            return Refused(refusal.reason, refusal.details)
        except AlreadyDone as done:
            return _Repeat(done.stream_id)
        for stream_id, event in decided:
            state = catalogue.evolve(book.get(stream_id), event, stream_id)
            book.change(state)
            encoded = catalogue.encode(event)
            events.append((stream_id.bytes, state.version, event.topic, metadata, encoded))
        position += len(decided)
        first_id = subject(command, decided)
        first = book.get(first_id)
        assert first is not None, "it was changed just now"
        if type(first) is Transfer:
            both = book.get(first.request.source_id), book.get(first.request.destination_id)
            return Accepted(first_id, position, head.now, first, both)  # type: ignore[arg-type]
        return Accepted(first_id, position, head.now, first)

    def _note_new(self, refused: Sequence[Command]) -> None:
        """Keep in mind which refusals stand on a stream's absence that nobody has looked up."""
        for command in refused:
            id_ = new_stream(command)
            if id_ is not None and not self._book.is_known(id_):
                self._refused_as_new.add(id_)

    def _answer(self, decided: list[_Decided]) -> None:
        """Complete each submission's outcomes, and render the answers that are to be kept."""
        repeats = {o.stream_id for d in decided for o in d.outcomes if isinstance(o, _Repeat)}
        first = first_answers(self._conn, self._book, repeats)
        for submission, (outcomes, earlier, same_as) in zip(
            self._submissions, decided, strict=True
        ):
            repeated = earlier if same_as is None else self.results[same_as].answer
            if repeated is not None:
                self.results.append(Done([], repeated, replayed=True))
                continue
            complete = [
                first[outcome.stream_id] if isinstance(outcome, _Repeat) else outcome
                for outcome in outcomes
            ]
            receipt = submission.receipt
            if receipt is None or _is_key_reused(complete):
                self.results.append(Done(complete))
            else:
                self.results.append(Done(complete, receipt.render(complete)))

    def _keep_companions(self, head: Head) -> None:
        """Answers, deadlines and snapshots: in the log's own transaction, so never ahead or behind."""
        answers = [
            (submission.receipt, done.answer)
            for submission, done in zip(self._submissions, self.results, strict=True)
            if submission.receipt is not None and done.answer is not None and not done.replayed
        ]
        if answers:
            keep_answers(self._conn, answers, head.now)
        changed = self._book.changed()
        pending = [
            s
            for s in changed
            if type(s) is Transfer
            and type(s.request) is Reserved
            and s.request.expires_at is not None
        ]
        if pending:
            keep_deadlines(self._conn, pending)
        users = [s for s in changed if type(s) is User]
        if users:
            before = [self._book.before(user.id) for user in users]
            keep_users(self._conn, list(zip(before, users, strict=True)), head.now)
        erased = [s for s in changed if type(s) is CreditApplication and s.is_erased]
        if erased:
            keep_applicants(self._conn, erased)
        snapshots = [s for s in changed if type(s) is Account and self._is_snapshot_due(s)]
        if snapshots:
            keep_snapshots(self._conn, snapshots)

    def _write_beside(self) -> None:
        for submission, done in zip(self._submissions, self.results, strict=True):
            if submission.beside is not None and _is_first_time(done):
                submission.beside(self._conn)

    def _keep_steps(self, head: Head) -> None:
        steps = [
            (submission.step, done.outcomes)
            for submission, done in zip(self._submissions, self.results, strict=True)
            if submission.step is not None
        ]
        if steps:
            keep_steps(self._conn, steps, head.now)

    def _is_snapshot_due(self, account: Account) -> bool:
        before = self._book.before(account.id)
        version = 0 if before is None else before.version
        every = reading.SNAPSHOT_EVERY
        return account.version // every > version // every

    def _commit(self, head: Head, appender: Appender) -> None:
        proof = self.proof
        proof.position, proof.hash = appender.position, appender.hash
        if appender.position > head.position:
            proof.commit_sent = True
            self._conn.execute(f"{move_head(head, appender)}; COMMIT".encode())
        elif any(s.step is not None for s in self._submissions) or any(
            done.answer is not None and not done.replayed for done in self.results
        ):
            self._conn.execute("COMMIT")
        else:
            self._conn.execute("ROLLBACK")  # nothing was written: no need to wait for the disk


def _is_first_time(done: Done) -> bool:
    """Whether all that was submitted was accepted, and now."""
    return bool(done.outcomes) and all(
        isinstance(outcome, Accepted) and not outcome.replayed for outcome in done.outcomes
    )


def _key_reused(receipt: Receipt) -> Refused:
    return Refused("idempotency_key_reused", {"key": receipt.key})


def _is_key_reused(outcomes: Sequence[Outcome]) -> bool:
    return any(isinstance(o, Refused) and o.reason == "idempotency_key_reused" for o in outcomes)

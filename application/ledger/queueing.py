"""Where submissions wait for the writer's thread, with whoever waits for their answers."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future

from application.ledger.outcomes import Done, Submission

_log = logging.getLogger("daybook.ledger")

MAX_BATCH_COMMANDS = 2_000
"""Commands that share a transaction, unless one submission alone has more."""

_GROUP = 64
"""So many submissions are enough to be written, though an event loop may bring more at once."""

_LOOK_S = 0.25
"""So often an idle writer's thread looks for event loops that stopped while they gathered."""

_QUIET_TURNS = 2
"""A request takes two turns of an event loop to get here: one reads it, the next carries it out."""


class QueueFullError(Exception):
    """So many commands wait that a new one would wait too long. Try again after `retry_after_s`."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"the write queue is full: try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class LedgerClosedError(Exception):
    """The ledger is shutting down and takes no more commands."""


class Waiting:
    """A submission with whoever waits for it: a thread's future, or an event loop's."""

    __slots__ = ("future", "loop", "submission")

    def __init__(
        self,
        submission: Submission,
        future: Future[Done] | asyncio.Future[Done],
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        self.submission = submission
        self.future = future
        self.loop = loop


class Queue:
    """Filled from any thread or event loop, emptied by one thread. At most `limit` commands wait.

    What a thread brings is due at once. What an event loop brings is due when it brings no more for now:
    a commit for the first alone costs as much as one for all that come with it, and meanwhile these would
    have to share the interpreter with it.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.commands = 0
        """That wait and are not yet being written."""
        self._waiting: deque[Waiting] = deque()
        self._is_due = False
        self._gathering: set[asyncio.AbstractEventLoop] = set()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, waiting: Waiting) -> None:
        """Raises `QueueFullError`, `LedgerClosedError`. Call from `waiting.loop`, if there is one."""
        commands = len(waiting.submission.commands)
        loop = waiting.loop
        with self._changed:
            if self._closed:
                raise LedgerClosedError
            if self._waiting and self.commands + commands > self.limit:
                raise QueueFullError(retry_after_s=1)
            self._waiting.append(waiting)
            self.commands += commands
            if loop is None:
                self._hand_over()
            elif loop not in self._gathering:
                self._gathering.add(loop)
                loop.call_soon(self._gather, loop, len(self._waiting), 0)

    def take(self) -> list[Waiting]:
        """Wait for what is due, and take up to a batch's size; empty when closed and drained."""
        with self._changed:
            while not self._is_due and not self._closed:
                if not self._changed.wait(_LOOK_S):
                    self._take_over()
            taken: list[Waiting] = []
            commands = 0
            while self._waiting:
                size = len(self._waiting[0].submission.commands)
                if taken and commands + size > MAX_BATCH_COMMANDS:
                    break
                taken.append(self._waiting.popleft())
                commands += size
            self.commands -= commands
            self._is_due = bool(self._waiting)
            return taken

    def close(self) -> None:
        """Take no more; all that waits is due."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _gather(self, loop: asyncio.AbstractEventLoop, before: int, quiet_turns: int) -> None:
        """In each turn of a loop: look whether it brings more. One that is alone waits for nobody."""
        there = len(self._waiting)
        quiet_turns = quiet_turns + 1 if there == before else 0
        if 1 < there < _GROUP and quiet_turns < _QUIET_TURNS:
            loop.call_soon(self._gather, loop, there, quiet_turns)
            return
        with self._changed:
            self._gathering.discard(loop)
            self._hand_over()

    def _take_over(self) -> None:
        """Hand over what loops brought that stopped before they could, and forget these."""
        stopped = {loop for loop in self._gathering if not loop.is_running()}
        if stopped:
            self._gathering -= stopped
            self._hand_over()

    def _hand_over(self) -> None:
        self._is_due = bool(self._waiting)
        self._changed.notify()


def settle(batch: Sequence[Waiting], results: Sequence[Done | Exception]) -> None:
    """Answer every caller, and wake each event loop once."""
    by_loop: dict[
        asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Done], Done | Exception]]
    ] = {}
    for waiting, result in zip(batch, results, strict=True):
        if waiting.loop is None:
            assert isinstance(waiting.future, Future)
            if isinstance(result, Exception):
                waiting.future.set_exception(result)
            else:
                waiting.future.set_result(result)
        else:
            assert isinstance(waiting.future, asyncio.Future)
            by_loop.setdefault(waiting.loop, []).append((waiting.future, result))
    for loop, answers in by_loop.items():
        try:
            loop.call_soon_threadsafe(_answer_all, answers)
        except RuntimeError:  # the loop is closed: nobody waits there any more
            _log.warning("%d answers came after their event loop was closed", len(answers))


def _answer_all(answers: Sequence[tuple[asyncio.Future[Done], Done | Exception]]) -> None:
    for future, result in answers:
        if future.done():  # the caller gave up
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)

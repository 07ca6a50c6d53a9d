"""The bank itself: takes movements on, moves them along, and does wrong what it is told to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from api.sandbox.answering import AnswerError
from api.sandbox.book import Book
from api.sandbox.faults import Faults, Rule
from api.sandbox.records import Fate, Instruction, Movement
from api.sandbox.sending import Outbox
from domain.money import exponent_of
from domain.refusals import Refusal


class BankConfig(Struct, frozen=True):
    """How the bank behaves. `settle_after_s` 0: a movement is settled as soon as it is taken on."""

    token: str
    data: Path | None = None
    webhook_url: str | None = None
    webhook_secret: str = ""
    settle_after_s: float = 0.0


class Bank:
    """What a running bank knows and does; of the event loop's thread."""

    def __init__(self, config: BankConfig, clock: Callable[[], float] = time.time) -> None:
        self.config = config
        self.clock = clock
        self.faults = Faults()
        self.due = asyncio.Event()
        self._outbox = Outbox(config.webhook_secret)
        self.book = Book(config.data, self._outbox.post, clock)
        self._moving = asyncio.create_task(self._move_on())
        if config.webhook_url is not None:
            self.tell(config.webhook_url)

    def tell(self, webhook_url: str) -> None:
        """Send webhooks there from now on, with those that are left. Raises `TargetError`."""
        self._outbox.aim(webhook_url, self.book.delivered)
        self.book.tells = True
        for webhook in self.book.waiting_webhooks():
            self._outbox.post(webhook)

    async def close(self) -> None:
        """End all that goes on."""
        self._moving.cancel()
        with suppress(asyncio.CancelledError):
            await self._moving
        await self._outbox.close()
        self.book.close()

    async def _move_on(self) -> None:
        """Take movements on when their time has come, until cancelled."""
        while True:
            self.due.clear()
            due_at = self.book.next_due_at()
            with suppress(TimeoutError):
                left = None if due_at is None else max(0.0, due_at - self.clock())
                async with asyncio.timeout(left):
                    await self.due.wait()
            self.book.move_due()

    def instruct(self, key: str, asked: Instruction, rules: list[Rule]) -> tuple[int, Movement]:
        """The status of the answer and the movement. Raises `AnswerError`."""
        known = self.book.by_key(key)
        if known is not None:
            if known.asks_for() != asked:
                raise AnswerError(422, "key_reused", "this key was used for another movement")
            return 200, known
        _check(asked)
        for rule in rules:
            if rule.name == "reject":
                raise AnswerError(422, rule.reason)
        fate = _fate(rules, self.config.settle_after_s)
        movement = self.book.take_on(key, asked, fate, self.config.settle_after_s)
        if self.config.settle_after_s > 0 or fate.returned_after_s > 0:
            self.due.set()
        return 202, movement


def _fate(rules: list[Rule], settle_after_s: float) -> Fate:
    names = {rule.name: rule for rule in rules}
    fails, returned = names.get("reject_later"), names.get("return")
    after_s = settle_after_s if returned is None or returned.value is None else returned.value
    return Fate(
        never_settles="never_settle" in names,
        fails_because=fails.reason if fails else "",
        returned_because=returned.reason if returned else "",
        returned_after_s=after_s if returned else 0.0,
        copies=0 if "lost_webhook" in names else 2 if "duplicate_webhook" in names else 1,
        out_of_order="out_of_order_webhooks" in names,
    )


def _check(asked: Instruction) -> None:
    if asked.amount <= 0:
        raise AnswerError(422, "invalid_amount", "an amount is above zero")
    if asked.direction not in ("in", "out"):
        raise AnswerError(400, "invalid_request", "direction is `in` or `out`")
    if not asked.account:
        raise AnswerError(422, "invalid_account", "there is no account")
    try:
        exponent_of(asked.currency)
    except Refusal:
        raise AnswerError(422, "currency_not_supported") from None

"""The bureau itself: makes reports, at once or later, and does wrong what it is told to."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import msgspec
from msgspec import Struct

from api.sandbox.answering import AnswerError
from api.sandbox.bureau_faults import REFUSE, Faults, Rule
from api.sandbox.records import Webhook, written
from api.sandbox.report_shapes import report_of
from api.sandbox.scoring import Asked, Known, Scores, fixed, known_of
from api.sandbox.sending import Outbox


class BureauConfig(Struct, frozen=True):
    """How the bureau behaves. `answer_after_s` 0: a report is there as soon as it is asked for."""

    token: str
    webhook_url: str | None = None
    webhook_secret: str = ""
    answer_after_s: float = 0.0
    scores: Scores = {}


class Made(Struct):
    """A report, from when it was first asked for."""

    asked: Asked
    known: Known
    copies: int
    is_ready: bool = False

    def told(self) -> dict[str, Any]:
        """What is answered to who asks."""
        if not self.is_ready:
            return {"report_id": str(self.asked.report_id), "status": "later"}
        return {
            "report_id": str(self.asked.report_id),
            "status": "ready",
            "report": report_of(self.asked, self.known),
        }


class Bureau:
    """What a running bureau knows; of the event loop's thread."""

    def __init__(self, config: BureauConfig, clock: Callable[[], float] = time.time) -> None:
        self.config = config
        self.faults = Faults()
        self.asked: Counter[UUID] = Counter()
        self._clock = clock
        self._reports: dict[UUID, Made] = {}
        self._fixed = fixed(config.scores)
        self._outbox = Outbox(config.webhook_secret)
        self._due: set[asyncio.TimerHandle] = set()
        if config.webhook_url is not None:
            self.tell(config.webhook_url)

    def tell(self, webhook_url: str) -> None:
        """Send webhooks there from now on. Raises `TargetError`."""
        self._outbox.aim(webhook_url, lambda _: None)

    async def close(self) -> None:
        """End all that goes on."""
        for due in self._due:
            due.cancel()
        await self._outbox.close()

    def fix(self, scores: Scores) -> None:
        """Know this of these documents from now on, and nothing of those that were fixed before."""
        self._fixed = fixed(scores)

    def found(self, report_id: UUID) -> Made | None:
        return self._reports.get(report_id)

    def request(self, asked: Asked, rules: list[Rule]) -> Made:
        """The report, which is the same when it is asked for again. Raises `AnswerError`."""
        there = self._reports.get(asked.report_id)
        if there is not None:
            if there.asked != asked:
                raise AnswerError(422, "key_reused", "this id was used for another report")
            return there
        names = {rule.name: rule for rule in rules}
        if REFUSE in names:
            raise AnswerError(422, names[REFUSE].reason)
        known = known_of(asked, self._fixed)
        if "no_score" in names:
            known = Known(None, known.debt)
        copies = 0 if "lost_webhook" in names else 2 if "duplicate_webhook" in names else 1
        made = self._reports[asked.report_id] = Made(asked, known, copies)
        later = names.get("later")
        after_s = self.config.answer_after_s
        if later is not None and later.value is not None:
            after_s = later.value
        if "never_answer" in names:
            return made
        if later is None and after_s == 0:
            made.is_ready = True
        else:
            self._promise(made, after_s)
        return made

    def _promise(self, made: Made, after_s: float) -> None:
        def keep() -> None:
            self._due.discard(due)
            made.is_ready = True
            self._post(made)

        due = asyncio.get_running_loop().call_later(after_s, keep)
        self._due.add(due)

    def _post(self, made: Made) -> None:
        if not made.copies:
            return
        told = {
            "type": "report.ready",
            "timestamp": written(self._clock()),
            "data": {
                "report_id": made.asked.report_id,
                "application_id": made.asked.application_id,
            },
        }
        self._outbox.post(Webhook(f"msg_{uuid4().hex}", msgspec.json.encode(told), made.copies))

"""A bank in the test's own hands: it does, says and loses what it is told to, when it is told to."""

from __future__ import annotations

from collections import Counter
from typing import Literal
from uuid import UUID

from msgspec import Struct

from application.outbound.bank import BankAnswer, Direction, Status
from application.outbound.errors import ConnectionFailedError, TimedOutError

Line = Literal["fine", "answer lost", "down"]

_SEQUENCES: dict[Status, int] = {
    "accepted": 2, "settled": 3, "failed": 3, "cancelled": 3, "returned": 4,
}  # fmt: skip

NEXT: dict[Status, tuple[Status, ...]] = {
    "accepted": ("settled", "failed"), "settled": ("returned",),
}  # fmt: skip
"""What a bank may do next, of its own accord."""


class Order(Struct):
    """A movement that it has taken on."""

    movement_id: UUID
    status: Status = "accepted"

    def answer(self) -> BankAnswer:
        # Banks do not tell the reason why they were asked to cancel.
        reason = f"bank_{self.status}" if self.status in ("failed", "returned") else ""
        return BankAnswer(self.movement_id, self.status, "B-1", reason, _SEQUENCES[self.status])


class MemoryBank:
    """As `application.outbound.bank.Bank`. `line` is how the next calls fare."""

    def __init__(self) -> None:
        self.line: Line = "fine"
        self.orders: dict[UUID, Order] = {}
        self.accepted: Counter[UUID] = Counter()
        self.said: list[BankAnswer] = []
        """All of its messages, in order. Any may arrive at any time, and again."""

    def turn(self, order: Order, status: Status) -> None:
        """Something becomes of a movement, and a message says so."""
        order.status = status
        self.said.append(order.answer())

    def instruct(
        self, movement_id: UUID, kind: str, direction: Direction, amount_minor: int, currency: str,
        account: str, reference: str,
    ) -> BankAnswer:  # fmt: skip
        self._take_call()
        if movement_id not in self.orders:
            self.accepted[movement_id] += 1
            order = self.orders[movement_id] = Order(movement_id)
            self.turn(order, "accepted")
        return self._told(self.orders[movement_id])

    def status(self, movement_id: UUID) -> BankAnswer | None:
        self._take_call()
        order = self.orders.get(movement_id)
        return None if order is None else self._told(order)

    def cancel(self, movement_id: UUID) -> BankAnswer | None:
        self._take_call()
        order = self.orders.get(movement_id)
        if order is None:
            return None
        if order.status == "accepted":
            self.turn(order, "cancelled")
        return self._told(order)

    def balance(self, account: str) -> dict[str, int]:
        self._take_call()
        return {}

    def _take_call(self) -> None:
        if self.line == "down":
            raise ConnectionFailedError("bank", "nobody answers", sent=False)

    def _told(self, order: Order) -> BankAnswer:
        if self.line == "answer lost":
            raise TimedOutError("bank", sent=True)
        return order.answer()

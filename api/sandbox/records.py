"""What the bank knows of movements, and the words it has for that."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

SEQUENCES = {
    "CREATED": 1,
    "IN_PROGRESS": 2,
    "COMPLETED": 3,
    "FAILED": 3,
    "CANCELLED": 3,
    "RETURNED": 4,
}

TYPES = {
    "IN_PROGRESS": "movement.accepted",
    "COMPLETED": "movement.settled",
    "FAILED": "movement.failed",
    "CANCELLED": "movement.cancelled",
    "RETURNED": "movement.returned",
}


class Instruction(Struct, frozen=True):
    """What the bank is asked for. `amount` is in minor units."""

    movement_id: uuid.UUID
    kind: str
    direction: str
    amount: int
    currency: str
    account: str
    reference: str = ""


class Fate(Struct, frozen=True, omit_defaults=True):
    """What is going to happen to a movement, decided when it is taken on."""

    never_settles: bool = False
    fails_because: str = ""
    returned_because: str = ""
    returned_after_s: float = 0.0
    copies: int = 1
    """Of each webhook; 0: all get lost."""
    out_of_order: bool = False


class Movement(Struct, frozen=True):
    """A row of `movements`."""

    number: int
    key: str
    movement_id: str
    kind: str
    direction: str
    amount: int
    currency: str
    account: str
    reference: str
    status: str
    reason: str | None
    sequence: int
    fate: str
    due_at: float | None

    @property
    def bank_reference(self) -> str:
        return bank_reference(self.number)

    def asks_for(self) -> Instruction:
        return Instruction(
            uuid.UUID(self.movement_id),
            self.kind,
            self.direction,
            self.amount,
            self.currency,
            self.account,
            self.reference,
        )


class Webhook(Struct, frozen=True):
    """One to be sent, `copies` times. It waits until the one whose id is in `after` was delivered."""

    id: str
    body: bytes
    copies: int


class Booked(Struct, frozen=True):
    """One entry of the customer's account: `amount` is in minor units, above zero when money came in."""

    at: float
    amount: int
    is_reversal: bool
    number: int
    movement_id: str
    account: str
    reference: str

    @property
    def bank_reference(self) -> str:
        return bank_reference(self.number)


def bank_reference(number: int) -> str:
    """Sixteen characters at most, as MT940 wants it."""
    return f"SB{number:010}"


def told(movement: Movement) -> dict[str, Any]:
    """A movement as the bank shows it."""
    return {
        "movement_id": movement.movement_id,
        "bank_reference": movement.bank_reference,
        "status": movement.status,
        "reason": movement.reason,
        "sequence": movement.sequence,
        "kind": movement.kind,
        "direction": movement.direction,
        "amount": movement.amount,
        "currency": movement.currency,
        "account": movement.account,
        "reference": movement.reference,
    }


def written(at: float) -> str:
    """A time as in JSON."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

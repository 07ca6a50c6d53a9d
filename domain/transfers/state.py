"""A transfer's events, and the state that they lead to."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from msgspec import Struct

from domain.events import Event

Metadata = dict[str, str | int | bool]


# Events. Stored for ever: add a field with a default, or a new event; never edit one.
class Posted(Event, frozen=True):
    """Money moved at once. `requested` is kept when `up_to` posted less than was asked for."""

    topic: ClassVar[str] = "transfer.posted"
    source_id: UUID
    destination_id: UUID
    currency: str
    amount: int
    requested: int = 0
    up_to: bool = False
    description: str = ""
    reference: str = ""
    effective_at: datetime | None = None
    metadata: Metadata = {}
    reverses: UUID | None = None
    reason: str = ""


class Reserved(Event, frozen=True):
    """The transfer is pending: `amount` is held at the source until posted, voided or expired."""

    topic: ClassVar[str] = "transfer.reserved"
    source_id: UUID
    destination_id: UUID
    currency: str
    amount: int
    requested: int = 0
    up_to: bool = False
    description: str = ""
    reference: str = ""
    effective_at: datetime | None = None
    metadata: Metadata = {}
    expires_at: datetime | None = None
    expires_in_s: int = 0
    owner_id: UUID | None = None
    """The customer who asked for it; None: the house did, and only the house gives it up or posts it."""


class Captured(Event, frozen=True):
    """A pending transfer was posted: `amount` moved, `released` of the hold was set free."""

    topic: ClassVar[str] = "transfer.captured"
    amount: int
    released: int = 0
    reason: str = ""


class Voided(Event, frozen=True):
    topic: ClassVar[str] = "transfer.voided"
    reason: str = ""


class Expired(Event, frozen=True):
    topic: ClassVar[str] = "transfer.expired"


class Reversed(Event, frozen=True):
    """`amount` of this transfer went back by the transfer `reversal_id`."""

    topic: ClassVar[str] = "transfer.reversed"
    reversal_id: UUID
    amount: int


EVENTS: tuple[type[Event], ...] = (Posted, Reserved, Captured, Voided, Expired, Reversed)


# State. Runs again at every replay: no rule, no clock, no exception.
class Transfer(Struct, frozen=True, gc=False):
    """What the rules need to know of a transfer. `amount` is held while pending, else what moved."""

    id: UUID
    version: int
    status: str
    amount: int
    reversed: int
    request: Posted | Reserved


def evolve(transfer: Transfer | None, event: Event, stream_id: UUID) -> Transfer:
    """The transfer after one more event."""
    if isinstance(event, Posted):
        return Transfer(stream_id, 1, "posted", event.amount, 0, event)
    if isinstance(event, Reserved):
        return Transfer(stream_id, 1, "pending", event.amount, 0, event)
    assert transfer is not None, "a transfer's first event is transfer.posted or transfer.reserved"
    t = transfer
    if isinstance(event, Captured):
        return Transfer(t.id, t.version + 1, "posted", event.amount, t.reversed, t.request)
    if isinstance(event, Voided):
        return Transfer(t.id, t.version + 1, "voided", t.amount, t.reversed, t.request)
    if isinstance(event, Expired):
        return Transfer(t.id, t.version + 1, "expired", t.amount, t.reversed, t.request)
    assert isinstance(event, Reversed), event
    return Transfer(t.id, t.version + 1, t.status, t.amount, t.reversed + event.amount, t.request)

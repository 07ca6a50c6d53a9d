"""A bank transfer's events, and the state that they lead to."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.events import Event

BankTransferKind = Literal["deposit", "withdrawal"]
BankTransferStatus = Literal["pending", "completed", "failed", "returned", "needs_operator"]
Place = Literal["outside", "held", "booked", "suspense"]
"""Where the money is in the ledger: not in it, held at the customer's account, booked as the bank moved
it, or set aside."""
Side = Literal["bank", "customer"]
"""Between the house's bank account and clearing, or between clearing and the customer."""

STATUSES: tuple[str, ...] = get_args(BankTransferStatus)


# Events. Stored for ever: add a field with a default, or a new event; never edit one.
class Requested(Event, frozen=True):
    """`bank_account` is the account at the other bank, sealed for `person_id`; `bank_account_hint` what
    may be shown of it. `owner_id` is whose account of ours it is."""

    topic: ClassVar[str] = "bank_transfer.requested"
    kind: str
    account_id: UUID
    currency: str
    amount: int
    bank_account: str
    bank_account_hint: str = ""
    person_id: UUID | None = None
    owner_id: UUID | None = None
    reference: str = ""


class SourceHeld(Event, frozen=True):
    """The amount is held at the customer's account, by a pending transfer."""

    topic: ClassVar[str] = "bank_transfer.source_held"
    transfer_id: UUID


class Instructed(Event, frozen=True):
    """The bank is to move it."""

    topic: ClassVar[str] = "bank_transfer.instructed"
    movement_id: UUID


class Booked(Event, frozen=True):
    """The bank has moved it, and so has the ledger on one side."""

    topic: ClassVar[str] = "bank_transfer.booked"
    side: Side
    transfer_id: UUID


class TakenBack(Event, frozen=True):
    """The bank has taken it back, and so has the ledger on one side."""

    topic: ClassVar[str] = "bank_transfer.taken_back"
    side: Side
    transfer_id: UUID


class Completed(Event, frozen=True):
    """The bank has moved it, and the ledger: by `cleared_by` into the clearing account, and by
    `transfer_id` out of it."""

    topic: ClassVar[str] = "bank_transfer.completed"
    transfer_id: UUID
    cleared_by: UUID


class SetAside(Event, frozen=True):
    """The amount went from the clearing account into suspense, until somebody has decided."""

    topic: ClassVar[str] = "bank_transfer.set_aside"
    transfer_id: UUID


class TakenUp(Event, frozen=True):
    """The amount went from suspense into the clearing account: it goes where it belongs, or the house is
    out of pocket for it."""

    topic: ClassVar[str] = "bank_transfer.taken_up"
    transfer_id: UUID


class ReturnedEvent(Event, frozen=True):
    """The bank has taken it back, and so has the ledger, at last by `transfer_id`."""

    topic: ClassVar[str] = "bank_transfer.returned"
    reason: str
    transfer_id: UUID


class FailedEvent(Event, frozen=True):
    """It is over: nothing has moved. `is_closed`: an operator has said so, and hands out what is left of it
    in the suspense account."""

    topic: ClassVar[str] = "bank_transfer.failed"
    step: str
    reason: str
    is_closed: bool = False


class Resumed(Event, frozen=True):
    """An operator has the bank asked again."""

    topic: ClassVar[str] = "bank_transfer.resumed"
    movement_id: UUID


class NeedsOperator(Event, frozen=True):
    """It cannot go on by itself. `step` is where it stands, and `reason` why."""

    topic: ClassVar[str] = "bank_transfer.needs_operator"
    step: str
    reason: str
    place: Place


EVENTS: tuple[type[Event], ...] = (
    Requested, SourceHeld, Instructed, Booked, TakenBack, Completed, SetAside, TakenUp, ReturnedEvent,
    FailedEvent, Resumed, NeedsOperator,
)  # fmt: skip


# State. Runs again at every replay: no rule, no clock, no exception.
class BankTransfer(Struct, frozen=True):
    """A deposit or a withdrawal. `version` counts its events.

    `bank_id` and `customer_id` are the transfers that booked the two sides, None when a side is not
    booked or was taken back; `back_id` is what took one back last. `clearing` and `suspense` are what
    these accounts hold for it, in multiples of its amount; less than zero: the house is out of pocket.
    """

    id: UUID
    version: int
    status: str
    requested: Requested
    movement_id: UUID | None = None
    hold_id: UUID | None = None
    is_held: bool = False
    bank_id: UUID | None = None
    customer_id: UUID | None = None
    back_id: UUID | None = None
    clearing: int = 0
    suspense: int = 0
    step: str = ""
    reason: str = ""
    is_closed: bool = False

    @property
    def place(self) -> Place:
        if self.suspense > 0:
            return "suspense"
        if self.is_held:
            return "held"
        return "booked" if self.bank_id or self.customer_id else "outside"


def evolve(transfer: BankTransfer | None, event: Event, stream_id: UUID) -> BankTransfer:
    """The bank transfer after one more event."""
    if isinstance(event, Requested):
        return BankTransfer(stream_id, 1, "pending", event)
    assert transfer is not None, "a bank transfer's first event is bank_transfer.requested"
    t = replace(transfer, version=transfer.version + 1)
    match event:
        case SourceHeld(transfer_id=transfer_id):
            return replace(t, is_held=True, hold_id=transfer_id)
        case Instructed(movement_id=movement_id):
            return replace(t, movement_id=movement_id)
        case Booked(side=side, transfer_id=transfer_id):
            return _moved(t, side, transfer_id)
        case TakenBack(side=side, transfer_id=transfer_id):
            return replace(_moved(t, side, None), back_id=transfer_id)
        case SetAside():
            return replace(t, clearing=t.clearing - 1, suspense=t.suspense + 1)
        case TakenUp():
            return replace(t, clearing=t.clearing + 1, suspense=t.suspense - 1)
        case Completed():
            return replace(t, status="completed", step="", reason="")
        case ReturnedEvent(reason=reason):
            return replace(t, status="returned", is_held=False, step="", reason=reason)
        case FailedEvent(step=step, reason=reason, is_closed=is_closed):
            return replace(
                t, status="failed", is_held=False, step=step, reason=reason, is_closed=is_closed
            )
        case Resumed():
            return replace(t, status="pending")
    assert isinstance(event, NeedsOperator), event
    return replace(t, status="needs_operator", step=event.step, reason=event.reason)


def _moved(t: BankTransfer, side: Side, transfer_id: UUID | None) -> BankTransfer:
    """Booked by a transfer, or taken back."""
    into_clearing = (t.requested.kind == "deposit") == (side == "bank")
    clearing = t.clearing + (1 if into_clearing == (transfer_id is not None) else -1)
    if side == "bank":
        return replace(t, bank_id=transfer_id, clearing=clearing)
    return replace(t, customer_id=transfer_id, is_held=False, clearing=clearing)

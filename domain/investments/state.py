"""An investment's events, and the state that they lead to."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.events import Event

InvestmentStatus = Literal[
    "initiated", "withdrawal_pending", "withdrawal_completed", "deposit_pending",
    "deposit_completed", "refund_pending", "completed", "failed", "needs_operator",
]  # fmt: skip
Leg = Literal["withdrawal", "deposit", "refund"]
Place = Literal["source", "held", "clearing", "fund", "suspense", "returned"]
"""Where the money is in the ledger: free at the investor's account, held there, on its way, at the fund,
set aside, or back at the investor's account."""
Seat = Literal["reserved", "taken", "released"]

STATUSES: tuple[str, ...] = get_args(InvestmentStatus)

OVER = frozenset({"completed", "failed", "needs_operator"})
"""Nothing happens by itself any more, unless a bank says something new."""


# Events. Stored for ever: add a field with a default, or a new event; never edit one.
class Requested(Event, frozen=True):
    """The fund's criteria are met and its seat is reserved. `owner_id` is whose account pays."""

    topic: ClassVar[str] = "investment.requested"
    investor_account_id: UUID
    fund_id: UUID
    fund_account_id: UUID
    currency: str
    amount: int
    owner_id: UUID | None = None


class SourceHeld(Event, frozen=True):
    """The amount is held at the investor's account, by a pending transfer."""

    topic: ClassVar[str] = "investment.source_held"
    transfer_id: UUID


class Instructed(Event, frozen=True):
    """A bank is to move a leg."""

    topic: ClassVar[str] = "investment.instructed"
    leg: str
    movement_id: UUID


class Withdrawn(Event, frozen=True):
    """The bank has withdrawn: the investor's money is in the clearing account."""

    topic: ClassVar[str] = "investment.withdrawn"
    transfer_id: UUID


class Deposited(Event, frozen=True):
    """The bank has paid the fund: the money is in its account."""

    topic: ClassVar[str] = "investment.deposited"
    transfer_id: UUID


class Completed(Event, frozen=True):
    topic: ClassVar[str] = "investment.completed"


class Undoing(Event, frozen=True):
    """`step` failed: what was done before is undone, the last first."""

    topic: ClassVar[str] = "investment.undoing"
    step: str
    reason: str


class Refunded(Event, frozen=True):
    """The bank has refunded: the money is back at the investor's account."""

    topic: ClassVar[str] = "investment.refunded"
    transfer_id: UUID
    movement_id: UUID


class TakenBack(Event, frozen=True):
    """What the bank had moved has come back: into the clearing account, or for a withdrawal out of it."""

    topic: ClassVar[str] = "investment.taken_back"
    leg: str
    movement_id: UUID
    transfer_id: UUID


class SetAside(Event, frozen=True):
    """The amount went from the clearing account into suspense, until somebody has decided."""

    topic: ClassVar[str] = "investment.set_aside"
    transfer_id: UUID


class TakenUp(Event, frozen=True):
    """The amount went from suspense into the clearing account: it is on its way again, or the house is
    out of pocket for it."""

    topic: ClassVar[str] = "investment.taken_up"
    transfer_id: UUID


class Resumed(Event, frozen=True):
    """An operator has the bank asked again for a leg."""

    topic: ClassVar[str] = "investment.resumed"
    leg: str
    movement_id: UUID


class FailedEvent(Event, frozen=True):
    """It is over: all that was done is undone. `step` is what failed, and `reason` why. `is_closed`: an
    operator has said so, and hands out what is left of it in the suspense account."""

    topic: ClassVar[str] = "investment.failed"
    step: str
    reason: str
    place: Place
    is_closed: bool = False


class NeedsOperator(Event, frozen=True):
    """It cannot go on or be undone by itself. `step` is where it stands, and `reason` why."""

    topic: ClassVar[str] = "investment.needs_operator"
    step: str
    reason: str
    place: Place


EVENTS: tuple[type[Event], ...] = (
    Requested, SourceHeld, Instructed, Withdrawn, Deposited, Completed, Undoing, Refunded, TakenBack,
    SetAside, TakenUp, Resumed, FailedEvent, NeedsOperator,
)  # fmt: skip


# State. Runs again at every replay: no rule, no clock, no exception.
class Investment(Struct, frozen=True):
    """An investment. `version` counts its events.

    `legs` are the last movement of each leg, `refunds` all movements that were to refund, `attempts`
    counts movements, and `moved` are those whose money the ledger has as moved by the bank.
    `withdrawal_id` and `deposit_id` are the transfers that booked these legs. `clearing` and `suspense` are
    what these accounts hold for it, in multiples of its amount; less than zero: the house is out of
    pocket. `undoing` is the step that failed first, and why.
    """

    id: UUID
    version: int
    status: str
    requested: Requested
    seat: Seat = "reserved"
    is_held: bool = False
    hold_id: UUID | None = None
    withdrawal_id: UUID | None = None
    deposit_id: UUID | None = None
    legs: dict[str, UUID] = {}
    refunds: tuple[UUID, ...] = ()
    moved: frozenset[UUID] = frozenset()
    clearing: int = 0
    suspense: int = 0
    attempts: int = 0
    step: str = ""
    reason: str = ""
    undoing: tuple[str, str] | None = None
    is_closed: bool = False

    @property
    def paid_in(self) -> bool:
        """Whether the bank has the investor's money for us."""
        return self.legs.get("withdrawal") in self.moved

    @property
    def paid_fund(self) -> bool:
        return self.legs.get("deposit") in self.moved

    @property
    def paid_back(self) -> int:
        """How many times the investor was refunded."""
        return sum(movement_id in self.moved for movement_id in self.refunds)

    @property
    def left(self) -> int:
        """What the house has of the money at the bank, in multiples of the amount."""
        return self.paid_in - self.paid_fund - self.paid_back

    @property
    def place(self) -> Place:
        if self.clearing > 0:
            return "clearing"
        if self.suspense > 0:
            return "suspense"
        if self.paid_fund:
            return "fund"
        if self.withdrawal_id is not None:
            return "returned"
        return "held" if self.is_held else "source"


def evolve(investment: Investment | None, event: Event, stream_id: UUID) -> Investment:
    """The investment after one more event."""
    if isinstance(event, Requested):
        return Investment(stream_id, 1, "initiated", event)
    assert investment is not None, "an investment's first event is investment.requested"
    i = replace(investment, version=investment.version + 1)
    match event:
        case SourceHeld(transfer_id=transfer_id):
            return replace(i, is_held=True, hold_id=transfer_id)
        case Withdrawn() | Deposited() | Refunded() | TakenBack():
            return _moved(i, event)
        case SetAside():
            return replace(i, clearing=i.clearing - 1, suspense=i.suspense + 1)
        case TakenUp():
            return replace(i, clearing=i.clearing + 1, suspense=i.suspense - 1)
        case Undoing(step=step, reason=reason):
            return replace(i, step=step, reason=reason, undoing=i.undoing or (step, reason))
        case _:
            return _turned(i, event)


def _moved(i: Investment, event: Withdrawn | Deposited | Refunded | TakenBack) -> Investment:
    transfer_id = event.transfer_id
    match event:
        case Withdrawn():
            return replace(
                i,
                status="withdrawal_completed",
                is_held=False,
                withdrawal_id=transfer_id,
                moved=i.moved | {i.legs["withdrawal"]},
                clearing=i.clearing + 1,
            )
        case Deposited():
            return replace(
                i,
                status="deposit_completed",
                deposit_id=transfer_id,
                moved=i.moved | {i.legs["deposit"]},
                clearing=i.clearing - 1,
            )
        case Refunded(movement_id=movement_id):
            return replace(i, moved=i.moved | {movement_id}, clearing=i.clearing - 1)
        case TakenBack(leg=leg, movement_id=movement_id):
            lost_seat = leg == "deposit" and i.seat == "taken"
            return replace(
                i,
                seat="released" if lost_seat else i.seat,
                moved=i.moved - {movement_id},
                clearing=i.clearing + (-1 if leg == "withdrawal" else 1),
            )


def _turned(i: Investment, event: Event) -> Investment:
    match event:
        case Instructed(leg=leg, movement_id=movement_id):
            refunds = (*i.refunds, movement_id) if leg == "refund" else i.refunds
            return replace(
                i,
                status=f"{leg}_pending",
                legs=i.legs | {leg: movement_id},
                refunds=refunds,
                attempts=i.attempts + 1,
            )
        case Resumed(leg=leg):
            return replace(i, status=f"{leg}_pending")
        case Completed():
            return replace(i, status="completed", seat="taken", step="", reason="")
        case FailedEvent(step=step, reason=reason, is_closed=is_closed):
            seat: Seat = "taken" if is_closed and i.seat == "taken" else "released"
            return replace(
                i,
                status="failed",
                seat=seat,
                is_held=False,
                step=step,
                reason=reason,
                is_closed=is_closed,
            )
    assert isinstance(event, NeedsOperator), event
    return replace(i, status="needs_operator", step=event.step, reason=event.reason)

"""Movement: what a bank is asked to move for a flow, and what it says has become of it.

A flow (an investment, a deposit, a withdrawal) has one movement a leg. Banks take days, repeat
themselves and tell things out of order: each report has a sequence number of the bank's, and an older one
than the last changes nothing.
"""

from __future__ import annotations

from typing import ClassVar, Literal, get_args
from uuid import UUID, uuid5

from msgspec import Struct
from msgspec.structs import replace

from domain.accounts import TAKES_CREDITS, Account, check_status_for_debit
from domain.events import Event
from domain.refusals import Refusal

FlowKind = Literal["investment", "deposit", "withdrawal"]
MovementKind = Literal["withdrawal", "deposit", "refund", "collection", "payout"]
Direction = Literal["in", "out"]
MovementStatus = Literal[
    "initiated", "sent", "pending", "completed", "failed", "returned", "cancelled"
]
ReportedStatus = Literal["accepted", "settled", "failed", "returned", "cancelled"]

STATUSES: tuple[str, ...] = get_args(MovementStatus)

CONTRADICTED = "settled_after_the_end"
"""The reason of a flow when a bank has moved what was taken to be over."""

OVER = frozenset({"completed", "failed", "returned", "cancelled"})
"""Nothing more is expected of the bank, though a settled movement may still come back."""

TIMEOUT = "timeout"
"""The reason of what is called off because the bank did not say in time what became of it."""


# Events. Stored for ever: add a field with a default, or a new event; never edit one.
class Instructed(Event, frozen=True):
    """A leg of a flow is to be moved at the bank. `direction` is ours: money comes in to the house from
    `account`, or goes out to it. `account` may be sealed for `person_id`."""

    topic: ClassVar[str] = "movement.instructed"
    flow: str
    flow_id: UUID
    kind: str
    direction: str
    account: str
    currency: str
    amount: int
    person_id: UUID | None = None


class Sent(Event, frozen=True):
    """From now on the bank may have heard of it: it can only be called off there."""

    topic: ClassVar[str] = "movement.sent"
    flow: str
    flow_id: UUID
    kind: str


class _Report(Event, frozen=True):
    """What the bank said. `flow_id` and `kind` are repeated so that the report can be read by itself."""

    flow: str
    flow_id: UUID
    kind: str
    bank_reference: str = ""
    sequence: int = 0


class Accepted(_Report, frozen=True):
    """The bank has taken it on."""

    topic: ClassVar[str] = "movement.accepted"


class Settled(_Report, frozen=True):
    """The money has moved. `late`: after the movement was taken to be over."""

    topic: ClassVar[str] = "movement.settled"
    late: bool = False


class Failed(_Report, frozen=True):
    """The money has not moved and will not."""

    topic: ClassVar[str] = "movement.failed"
    reason: str = ""


class Cancelled(_Report, frozen=True):
    """It was called off: nothing has moved and nothing will. `written_off`: that is what an operator says,
    of what the bank may have been asked for."""

    topic: ClassVar[str] = "movement.cancelled"
    reason: str = ""
    written_off: bool = False


class Returned(_Report, frozen=True):
    """The money had moved, and has come back."""

    topic: ClassVar[str] = "movement.returned"
    reason: str = ""


class Overdue(_Report, frozen=True):
    """The bank has not said in time what became of it."""

    topic: ClassVar[str] = "movement.overdue"


class Unresolved(_Report, frozen=True):
    """Nobody could find out what became of it: a person has to."""

    topic: ClassVar[str] = "movement.unresolved"
    reason: str = ""


EVENTS: tuple[type[Event], ...] = (
    Instructed, Sent, Accepted, Settled, Failed, Cancelled, Returned, Overdue, Unresolved,
)  # fmt: skip

_EVENT_OF: dict[str, type[_Report]] = {
    "accepted": Accepted,
    "settled": Settled,
    "failed": Failed,
    "returned": Returned,
    "cancelled": Cancelled,
}

_STATUS_AFTER: dict[type[Event], str] = {
    Sent: "sent",
    Accepted: "pending",
    Settled: "completed",
    Failed: "failed",
    Cancelled: "cancelled",
    Returned: "returned",
}

MOVES: dict[str, frozenset[str]] = {
    "initiated": frozenset({"accepted", "settled", "failed", "cancelled"}),
    "sent": frozenset({"accepted", "settled", "failed", "cancelled"}),
    "pending": frozenset({"settled", "failed", "cancelled"}),
    "completed": frozenset({"returned"}),
    "failed": frozenset({"settled"}),
    "cancelled": frozenset({"settled"}),
    "returned": frozenset({"settled"}),
}
"""Status -> what a bank may say of it then. That what was called off has settled after all is late, and
true: money has moved."""


# State. Runs again at every replay: no rule, no clock, no exception.
class Movement(Struct, frozen=True):
    """A movement. `sequence` is that of the bank's last report; `version` counts its events.
    `is_overdue`: it has been called off for taking too long; `is_written_off`: an operator says that it has
    not happened, and the bank has said nothing since."""

    id: UUID
    version: int
    status: str
    instructed: Instructed
    bank_reference: str = ""
    reason: str = ""
    sequence: int = 0
    is_overdue: bool = False
    is_written_off: bool = False


def evolve(movement: Movement | None, event: Event, stream_id: UUID) -> Movement:
    """The movement after one more event."""
    if isinstance(event, Instructed):
        return Movement(stream_id, 1, "initiated", event)
    assert movement is not None, "a movement's first event is movement.instructed"
    m = replace(
        movement,
        version=movement.version + 1,
        status=_STATUS_AFTER.get(type(event), movement.status),
    )
    if isinstance(event, _Report):
        return replace(
            m,
            bank_reference=event.bank_reference or m.bank_reference,
            sequence=max(m.sequence, event.sequence),
            reason=getattr(event, "reason", "") or m.reason,
            is_overdue=m.is_overdue or type(event) is Overdue,
            is_written_off=isinstance(event, Cancelled) and event.written_off,
        )
    return m


# Commands.
class SendMovement(Struct, frozen=True):
    """Note that the bank is about to be asked; or call it off, when the customer's account bars it."""

    movement_id: UUID


class ReportMovement(Struct, frozen=True):
    """What the bank says of a movement: the answer to a call, a webhook, or what a look brought.

    `sequence` rises with each change at the bank; 0 when the bank has not said.
    """

    movement_id: UUID
    status: str
    bank_reference: str = ""
    reason: str = ""
    sequence: int = 0


class CallOff(Struct, frozen=True):
    """Cancel a movement that the bank has not been asked for."""

    movement_id: UUID
    reason: str


class MarkOverdue(Struct, frozen=True):
    """The time for the bank's answer is over."""

    movement_id: UUID


class GiveUp(Struct, frozen=True):
    """All attempts to find out what became of a movement have failed."""

    movement_id: UUID
    reason: str


Command = SendMovement | ReportMovement | CallOff | MarkOverdue | GiveUp


# Decisions. A "no" is raised as a Refusal and leaves nothing behind.
def decide(movement: Movement | None, command: Command, customer: Account | None = None) -> Event:
    """`customer` is the account whose money the flow moves; only sending looks at it.

    Refuses: `movement_not_found`, `nothing_new` (it is known, or came too late to matter),
    `invalid_status`, `already_sent`."""
    if movement is None:
        raise Refusal("movement_not_found", movement_id=command.movement_id)
    match command:
        case ReportMovement():
            return _report(movement, command)
        case SendMovement():
            if movement.status != "initiated":
                raise Refusal("nothing_new", movement_id=movement.id, status=movement.status)
            barred = _barred(movement, customer)
            return call_off(movement, barred) if barred else _said(movement, Sent)
        case CallOff(reason=reason):
            return call_off(movement, reason)
        case MarkOverdue():
            if movement.status in OVER:
                raise Refusal("nothing_new", movement_id=movement.id, status=movement.status)
            return _said(movement, Overdue)
        case GiveUp(reason=reason):
            if movement.status in OVER:
                raise Refusal("nothing_new", movement_id=movement.id, status=movement.status)
            return _said(movement, Unresolved, reason=reason)


def _barred(movement: Movement, customer: Account | None) -> str:
    """Why the bank is not to be asked, empty when it is: the account is not active. What gives money back
    goes on whatever the account's status, and so does a fund's payment that could not be given back."""
    kind = movement.instructed.kind
    if customer is None or kind == "refund":
        return ""
    if kind == "deposit" and customer.status not in TAKES_CREDITS:
        return ""
    try:
        check_status_for_debit(customer)
    except Refusal as refusal:
        return refusal.reason
    return ""


def call_off(movement: Movement, reason: str) -> Cancelled:
    """Refuses `already_sent`: then only the bank can call it off."""
    if movement.status != "initiated":
        raise Refusal("already_sent", movement_id=movement.id, status=movement.status)
    return write_off(movement, reason)


def write_off(movement: Movement, reason: str) -> Cancelled:
    """Somebody who knows says that the bank has not moved it. From now on the bank is not asked for it;
    what it moves all the same is late, and booked. Refuses `bank_has_it` when the bank has taken it on:
    then only the bank can say."""
    if movement.status == "pending":
        raise Refusal("bank_has_it", movement_id=movement.id, status=movement.status)
    asked = movement.instructed
    return Cancelled(
        asked.flow, asked.flow_id, asked.kind, reason=reason,
        written_off=movement.status == "sent",
    )  # fmt: skip


def _report(movement: Movement, command: ReportMovement) -> Event:
    if command.status not in _EVENT_OF:
        raise Refusal("invalid_status", status=command.status, allowed=list(_EVENT_OF))
    if command.sequence and command.sequence <= movement.sequence:
        raise Refusal("nothing_new", movement_id=movement.id, status=movement.status)
    status = command.status
    if status == "returned" and movement.status in ("initiated", "sent", "pending"):
        status = "failed"  # it settled and came back, and we were told of the second only
    is_newer = 0 < movement.sequence < command.sequence
    if status in ("failed", "cancelled") and movement.status == "completed" and is_newer:
        status = "returned"  # the bank takes its word back
    if status == "settled" and movement.status == "returned" and not is_newer:
        # Heard again, as banks do. That it has moved a second time takes a number to say so.
        raise Refusal("nothing_new", movement_id=movement.id, status=movement.status)
    if status not in MOVES[movement.status]:
        raise Refusal("nothing_new", movement_id=movement.id, status=movement.status)
    event = _EVENT_OF[status]
    more: dict[str, object] = {}
    if event is Settled:
        more["late"] = movement.status in OVER
    elif event is Cancelled:
        # Banks tell that it was, and not why: that was our own doing.
        more["reason"] = command.reason or (TIMEOUT if movement.is_overdue else "cancelled")
    elif event is not Accepted:
        more["reason"] = command.reason
    return _said(
        movement, event, bank_reference=command.bank_reference, sequence=command.sequence, **more
    )


def _said(movement: Movement, event: type[Sent | _Report], **more: object) -> Event:
    asked = movement.instructed
    return event(asked.flow, asked.flow_id, asked.kind, **more)  # type: ignore[arg-type]


_NAMESPACE = UUID("da4b0000-0000-4000-8000-00000000b4a1")


def derived_id(flow_id: UUID, *what: object) -> UUID:
    """The id of what belongs to a flow, always the same: a command that comes twice makes it once."""
    return uuid5(_NAMESPACE, f"{flow_id}:{':'.join(map(str, what))}")

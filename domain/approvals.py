"""Approval: what one person asks for and another has to agree to before it is done (four eyes)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.events import Event
from domain.policies import reach
from domain.refusals import Refusal
from domain.transfers import Condition, Metadata, PostTransfer
from domain.users import ChangeRole, User
from domain.versions import Expected, check_version

LIFE = timedelta(days=7)
"""What was asked for so long ago may not be what is wanted any more: ask again."""

STATUSES = ("pending", "approved", "rejected", "withdrawn")


class TransferAsked(Struct, frozen=True, omit_defaults=True):
    """A transfer as it was asked for; amounts in minor units. See `PostTransfer`."""

    transfer_id: UUID
    source_id: UUID
    destination_id: UUID
    amount: int
    currency: str
    description: str = ""
    reference: str = ""
    effective_at: datetime | None = None
    metadata: Metadata = {}
    pending: bool = False
    expires_in_s: int = 0
    up_to: bool = False
    conditions: tuple[Condition, ...] = ()
    owner_id: UUID | None = None


class RoleAsked(Struct, frozen=True):
    """The role that a user is to have."""

    user_id: UUID
    role: str


# Events. Stored for ever: add a field with a default, or a new event; never edit one.
class Requested(Event, frozen=True):
    """One of `transfer` and `role_change` is what is asked for."""

    topic: ClassVar[str] = "approval.requested"
    maker_id: UUID
    expires_at: datetime
    transfer: TransferAsked | None = None
    role_change: RoleAsked | None = None


class Approved(Event, frozen=True):
    topic: ClassVar[str] = "approval.approved"
    checker_id: UUID


class Rejected(Event, frozen=True):
    topic: ClassVar[str] = "approval.rejected"
    checker_id: UUID
    reason: str = ""


class Withdrawn(Event, frozen=True):
    topic: ClassVar[str] = "approval.withdrawn"
    reason: str = ""


EVENTS: tuple[type[Event], ...] = (Requested, Approved, Rejected, Withdrawn)


# State. Runs again at every replay: no rule, no clock, no exception.
class Approval(Struct, frozen=True):
    """What was asked for, by whom, and what became of it. `version` counts its events."""

    id: UUID
    version: int
    status: str
    requested: Requested
    checker_id: UUID | None = None
    reason: str = ""


def evolve(approval: Approval | None, event: Event, stream_id: UUID) -> Approval:
    """The approval after one more event."""
    if isinstance(event, Requested):
        return Approval(stream_id, 1, "pending", event)
    assert approval is not None, "an approval's first event is approval.requested"
    version = approval.version + 1
    match event:
        case Approved(checker_id=checker_id):
            return replace(approval, version=version, status="approved", checker_id=checker_id)
        case Rejected(checker_id=checker_id, reason=reason):
            return replace(
                approval, version=version, status="rejected", checker_id=checker_id, reason=reason
            )
    assert isinstance(event, Withdrawn), event
    return replace(approval, version=version, status="withdrawn", reason=event.reason)


# Commands.
class RequestApproval(Struct, frozen=True):
    """Ask for a command that needs a second person."""

    approval_id: UUID
    maker_id: UUID
    command: PostTransfer | ChangeRole


class Approve(Struct, frozen=True):
    """Agree, so that the command is carried out, now."""

    approval_id: UUID
    checker_id: UUID
    expected_versions: Expected = None


class Reject(Struct, frozen=True):
    approval_id: UUID
    checker_id: UUID
    reason: str = ""
    expected_versions: Expected = None


class Withdraw(Struct, frozen=True):
    """The maker asks no longer."""

    approval_id: UUID
    maker_id: UUID
    reason: str = ""
    expected_versions: Expected = None


UserOf = Callable[[UUID], User | None]
"""A user by his id; None: there is no such stream, or it is not known yet."""


# Decisions. A "no" is raised as a Refusal and leaves nothing behind.
def request_approval(command: RequestApproval, now: datetime) -> Requested:
    """What is asked for, as it is to be kept. What is possible may be another thing by the time that it
    is carried out: it is decided again then."""
    asked = command.command
    if isinstance(asked, ChangeRole):
        role_change = RoleAsked(asked.user_id, asked.role)
        return Requested(command.maker_id, now + LIFE, role_change=role_change)
    transfer = TransferAsked(
        asked.transfer_id, asked.source_id, asked.destination_id, asked.amount, asked.currency,
        asked.description, asked.reference, asked.effective_at, asked.metadata, asked.pending,
        asked.expires_in_s, asked.up_to, asked.conditions, asked.owner_id,
    )  # fmt: skip
    return Requested(command.maker_id, now + LIFE, transfer)


def command_of(approval: Approval) -> PostTransfer | ChangeRole:
    """What was asked for, as the command that it becomes."""
    role_change = approval.requested.role_change
    if role_change is not None:
        return ChangeRole(role_change.user_id, role_change.role, approval.requested.maker_id)
    t = approval.requested.transfer
    assert t is not None, "an approval is about a transfer or a role"
    return PostTransfer(
        t.transfer_id, t.source_id, t.destination_id, t.amount, t.currency, t.description,
        t.reference, t.effective_at, t.metadata, t.pending, t.expires_in_s, t.up_to, t.conditions,
        t.owner_id,
    )  # fmt: skip


def is_same_asking(approval: Approval, command: RequestApproval) -> bool:
    """Whether an approval is what the command asks for, so that a repeat answers as the first."""
    again = request_approval(command, approval.requested.expires_at - LIFE)
    return again == approval.requested


def approve(
    approval: Approval | None,
    command: Approve,
    user_of: UserOf,
    owners: Collection[UUID],
    now: datetime,
) -> Approved:
    """Refuses: `approval_not_found`, `precondition_failed`, `approval_not_pending`,
    `approval_expired`, `maker_may_not`, `cannot_approve_own`. Whom a role is for, or whose accounts are
    moved (`owners`), does not agree to that either, and nobody
    who has a registrar with the maker in common: whoever registers two can act as both.
    """
    there = _pending(approval, command.approval_id, command.expected_versions)
    maker_id, checker_id = there.requested.maker_id, command.checker_id
    role_change = there.requested.role_change
    if checker_id in (maker_id, role_change and role_change.user_id) or checker_id in owners:
        raise Refusal("cannot_approve_own", approval_id=there.id)
    in_common = set(line(checker_id, user_of)).intersection(line(maker_id, user_of))
    if in_common:
        raise Refusal(
            "cannot_approve_own",
            approval_id=there.id,
            why="one person registered both, or one the other, and could act as either",
            registered_by=sorted(map(str, in_common)),
        )
    if now >= there.requested.expires_at:
        raise Refusal(
            "approval_expired",
            approval_id=there.id,
            expired_at=there.requested.expires_at.isoformat(),
        )
    maker = user_of(maker_id)
    if maker is not None and not _may_ask(there.requested, maker):
        raise Refusal("maker_may_not", approval_id=there.id, maker_id=maker_id)
    return Approved(command.checker_id)


def _may_ask(requested: Requested, maker: User) -> bool:
    """Whether who asked could still ask for it."""
    if maker.status != "active":
        return False
    if requested.transfer is None:
        return reach(maker.role, "users.change_role") == "all"
    how_far = reach(maker.role, "transfers.post")
    return how_far == "all" or (how_far == "own" and requested.transfer.owner_id == maker.id)


def line(user_id: UUID, user_of: UserOf) -> list[UUID]:
    """Somebody, who registered him, who registered that one, and so on, as far as is known."""
    ids: list[UUID] = []
    next_id: UUID | None = user_id
    while next_id is not None and next_id not in ids:
        ids.append(next_id)
        user = user_of(next_id)
        next_id = None if user is None else user.registered_by
    return ids


def reject(approval: Approval | None, command: Reject) -> Rejected:
    """Refuses: `approval_not_found`, `precondition_failed`, `approval_not_pending`,
    `cannot_approve_own`."""
    there = _pending(approval, command.approval_id, command.expected_versions)
    if command.checker_id == there.requested.maker_id:
        raise Refusal("cannot_approve_own", approval_id=there.id)
    return Rejected(command.checker_id, command.reason)


def withdraw(approval: Approval | None, command: Withdraw) -> Withdrawn:
    """Refuses: `approval_not_found` (also another one's), `precondition_failed`,
    `approval_not_pending`."""
    if approval is not None and approval.requested.maker_id != command.maker_id:
        approval = None
    _pending(approval, command.approval_id, command.expected_versions)
    return Withdrawn(command.reason)


def _pending(approval: Approval | None, approval_id: UUID, expected: Expected) -> Approval:
    if approval is None:
        raise Refusal("approval_not_found", approval_id=approval_id)
    check_version(approval.id, approval.version, expected)
    if approval.status != "pending":
        raise Refusal("approval_not_pending", approval_id=approval.id, status=approval.status)
    return approval

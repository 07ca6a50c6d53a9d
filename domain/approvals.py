"""Approval: what one person asks for and another has to agree to before it is done (four eyes)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any, ClassVar, NamedTuple, cast
from uuid import UUID

from msgspec import Struct
from msgspec.structs import asdict, replace

from domain.asked import (
    Asked,
    BankTransferAsked,
    FundingAsked,
    InvestmentAsked,
    RepaymentAsked,
    ReviewAsked,
    unsealed,
)
from domain.bank_transfers import RequestBankTransfer
from domain.credit_applications import ReviewApplication
from domain.events import Event
from domain.investments import RequestInvestment
from domain.loans import FundLending, RepayLoan
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
    """One of `transfer`, `role_change` and `asked` is what is asked for."""

    topic: ClassVar[str] = "approval.requested"
    maker_id: UUID
    expires_at: datetime
    transfer: TransferAsked | None = None
    role_change: RoleAsked | None = None
    asked: Asked | None = None

    @property
    def what(self) -> TransferAsked | RoleAsked | Asked:
        what = self.transfer or self.role_change or self.asked
        assert what is not None, "an approval is about something"
        return what


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
Askable = (
    PostTransfer
    | ChangeRole
    | RequestInvestment
    | RequestBankTransfer
    | RepayLoan
    | FundLending
    | ReviewApplication
)


class RequestApproval(Struct, frozen=True):
    """Ask for a command that needs a second person. `currency` is that of its amount, where the command
    does not say."""

    approval_id: UUID
    maker_id: UUID
    command: Askable
    currency: str = ""


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


class Kind(NamedTuple):
    """What may be asked for: as it is kept, in which field, and as the command that it becomes.

    `action` is what whoever asks may still do when it is agreed to, and whoever agrees may do to
    everybody's; `reading` is what those may who see it.
    """

    name: str
    field: str
    stored: type[Struct]
    command: type[Struct]
    action: str
    reading: str


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("transfer", "transfer", TransferAsked, PostTransfer,
             "transfers.post", "transfers.read"),
        Kind("role_change", "role_change", RoleAsked, ChangeRole,
             "users.change_role", "users.read"),
        Kind("investment", "asked", InvestmentAsked, RequestInvestment,
             "investments.request", "investments.read"),
        Kind("bank_transfer", "asked", BankTransferAsked, RequestBankTransfer,
             "bank_transfers.request", "bank_transfers.read"),
        Kind("repayment", "asked", RepaymentAsked, RepayLoan, "loans.repay", "loans.read"),
        Kind("funding", "asked", FundingAsked, FundLending, "loans.fund", "loans.read"),
        Kind("review", "asked", ReviewAsked, ReviewApplication,
             "applications.review", "applications.read"),
    )
}  # fmt: skip

_BY_STORED = {kind.stored: kind for kind in KINDS.values()}
_BY_COMMAND = {kind.command: kind for kind in KINDS.values()}


def kind_of(requested: Requested) -> Kind:
    return _BY_STORED[type(requested.what)]


def shown(requested: Requested) -> TransferAsked | RoleAsked | Asked:
    """What was asked for, without what is sealed."""
    what = requested.what
    return what if isinstance(what, TransferAsked | RoleAsked) else unsealed(what)


# Decisions. A "no" is raised as a Refusal and leaves nothing behind.
def request_approval(command: RequestApproval, now: datetime) -> Requested:
    """What is asked for, as it is to be kept. What is possible may be another thing by the time that it
    is carried out: it is decided again then."""
    kind = _BY_COMMAND[type(command.command)]
    known = {"currency": command.currency} | asdict(command.command)
    stored = kind.stored(**{name: known[name] for name in kind.stored.__struct_fields__})
    more: dict[str, Any] = {kind.field: stored}
    return Requested(command.maker_id, now + LIFE, **more)


def command_of(
    approval: Approval, now: datetime | None = None, checker_id: UUID | None = None
) -> Askable:
    """What was asked for, as the command that it becomes when somebody agrees now; by default as it was
    when it was asked for."""
    requested = approval.requested
    known = {
        "by": requested.maker_id,
        "officer_id": requested.maker_id,
        "second_id": checker_id,
        "decision": "approve",
        "today": (now or requested.expires_at - LIFE).date(),
    } | asdict(requested.what)
    type_ = kind_of(requested).command
    of_it = {name: known[name] for name in type_.__struct_fields__ if name in known}
    return cast(Askable, type_(**of_it))


def is_same_asking(approval: Approval, command: RequestApproval) -> bool:
    """Whether an approval is what the command asks for, so that a repeat answers as the first."""
    before = approval.requested
    again = request_approval(command, before.expires_at - LIFE)
    return _comparable(again) == _comparable(before)


def _comparable(requested: Requested) -> Requested:
    asked = requested.asked
    return requested if asked is None else replace(requested, asked=unsealed(asked))


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
    how_far = reach(maker.role, kind_of(requested).action)
    owner_id = getattr(requested.what, "owner_id", None)
    return how_far == "all" or (how_far == "own" and owner_id == maker.id)


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

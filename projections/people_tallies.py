"""What a batch of events says of users, approvals and notices: only the words of what was done to them are
found by the functions that the read models use as well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from domain import approvals, users
from domain.events import Recorded
from domain.sealed import ERASED
from domain.security import Noticed, key_of, stream_of
from projections.audit.words import describe

_encode = msgspec.json.Encoder().encode


class _User(Struct):
    """None and "" where the batch says nothing."""

    id: UUID
    email: str | None = None
    full_name: str | None = None
    role: str | None = None
    status: str = ""
    verified: bool | None = None
    registered_by: str | None = None
    registered_at: datetime | None = None
    updated_at: datetime | None = None
    events: int = 0
    first_position: int | None = None
    position: int = 0


def of_users(batch: Sequence[Recorded]) -> Iterable[tuple[Any, ...]]:
    """A row a user: its registration, what was last said of each column, and its events."""
    found: dict[UUID, _User] = {}
    for event in batch:
        if not event.topic.startswith("user."):
            continue
        user = found.setdefault(event.stream_id, _User(event.stream_id))
        user.events += 1
        user.position, user.updated_at = event.position, event.recorded_at
        _tell(user, event)
    return map(astuple, found.values())


def _tell(user: _User, event: Recorded) -> None:
    match event.data:
        case users.Registered() as registered:
            user.email, user.full_name = registered.email, registered.full_name
            user.role, user.status, user.verified = registered.role, "active", False
            by = registered.registered_by
            user.registered_by = None if by is None else str(by)
            user.registered_at, user.first_position = event.recorded_at, event.position
        case users.ProfileChanged(full_name=full_name):
            user.full_name = full_name
        case users.EmailChanged(email=email):
            user.email, user.verified = email, False
        case users.EmailVerified():
            user.verified = True
        case users.RoleChanged(role=role):
            user.role = role
        case users.Suspended():
            user.status = "suspended"
        case users.Activated():
            user.status = "active"
        case users.Deleted():
            user.status = "deleted"
        case users.Erased():
            user.email = user.full_name = ERASED


class _Approval(Struct):
    """None and "" where the batch says nothing. `asked` is JSON, amounts in minor units."""

    id: UUID
    status: str = ""
    kind: str | None = None
    maker: str | None = None
    checker: str | None = None
    asked: str | None = None
    expires_at: datetime | None = None
    reason: str | None = None
    requested_at: datetime | None = None
    decided_at: datetime | None = None
    events: int = 0
    first_position: int | None = None
    position: int = 0


def of_approvals(batch: Sequence[Recorded]) -> Iterable[tuple[Any, ...]]:
    """A row an approval: what was asked for, what became of it, and its events."""
    found: dict[UUID, _Approval] = {}
    for event in batch:
        if not event.topic.startswith("approval."):
            continue
        approval = found.setdefault(event.stream_id, _Approval(event.stream_id))
        approval.events += 1
        approval.position = event.position
        if isinstance(event.data, approvals.Requested):
            _ask(approval, event, event.data)
        else:
            _decide(approval, event)
    return map(astuple, found.values())


def _ask(approval: _Approval, event: Recorded, requested: approvals.Requested) -> None:
    approval.status, approval.maker = "pending", str(requested.maker_id)
    approval.kind = approvals.kind_of(requested).name
    approval.asked = _encode(approvals.shown(requested)).decode()
    approval.expires_at = requested.expires_at
    approval.requested_at, approval.first_position = event.recorded_at, event.position


def _decide(approval: _Approval, event: Recorded) -> None:
    approval.decided_at = event.recorded_at
    match event.data:
        case approvals.Approved(checker_id=checker):
            approval.status, approval.checker = "approved", str(checker)
        case approvals.Rejected(checker_id=checker, reason=reason):
            approval.status, approval.checker, approval.reason = "rejected", str(checker), reason
        case approvals.Withdrawn(reason=reason):
            approval.status, approval.reason = "withdrawn", reason


class _Metadata(Struct):
    actor: str | None = ""
    correlation_id: str | None = ""


_UNREADABLE = _Metadata(None, None)
"""Differs from whatever a read model shows, so that it is told of like other differences."""

_decode_metadata = msgspec.json.Decoder(_Metadata).decode

_HOUR = timedelta(hours=1)


def of_notices(batch: Sequence[Recorded]) -> Iterator[tuple[Any, ...]]:
    """A row an event of the security log, of users and of approvals."""
    for event in batch:
        prefix, _, rest = event.topic.partition(".")
        if prefix == "security":
            yield event.position, event.recorded_at, rest, *_noticed(event)
        elif prefix in ("user", "approval"):
            origin = _origin(event)
            yield (
                event.position, event.recorded_at, "admin_action", event.topic,
                describe(event.data, ""), origin.actor, "", "", None, origin.correlation_id, 1,
            )  # fmt: skip


def _origin(event: Recorded) -> _Metadata:
    try:
        return _decode_metadata(event.metadata)
    except msgspec.MsgspecError:
        return _UNREADABLE


def _noticed(event: Recorded) -> tuple[Any, ...]:
    notice = event.data
    assert isinstance(notice, Noticed), "what all events of the security log are"
    return (
        notice.reason, notice.action, notice.actor, notice.address, notice.user_agent,
        key_of(_noticed_at(event)), notice.correlation_id, notice.count,
    )  # fmt: skip


def _noticed_at(event: Recorded) -> datetime:
    """Some moment of the hour whose stream the event is in: a notice is recorded in that hour, or when
    the next one has begun."""
    earlier = event.recorded_at - _HOUR
    return earlier if stream_of(earlier) == event.stream_id else event.recorded_at

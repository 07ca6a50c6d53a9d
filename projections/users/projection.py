"""Keeps one row a user: who it is, still sealed, and what it may do."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Cursor

from domain import users
from domain.events import Recorded
from domain.sealed import ERASED
from domain.users import (
    Activated,
    Deleted,
    EmailChanged,
    EmailVerified,
    Erased,
    ProfileChanged,
    Registered,
    RoleChanged,
    Suspended,
)

TOPICS = frozenset(event.topic for event in users.EVENTS)

_TYPES = (
    "uuid", "text", "text", "text", "text", "bool", "uuid", "timestamptz", "timestamptz", "int8",
    "int8", "int8",
)  # fmt: skip

_UPDATE = """
UPDATE person SET
    email      = coalesce(change.email, person.email),
    full_name  = coalesce(change.full_name, person.full_name),
    role       = coalesce(change.role, person.role),
    status     = coalesce(change.status, person.status),
    verified   = coalesce(change.verified, person.verified),
    updated_at = change.updated_at,
    version    = change.version,
    position   = change.position
FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[], %b::boolean[],
            %b::timestamptz[], %b::bigint[], %b::bigint[])
  AS change (id, email, full_name, role, status, verified, updated_at, version, position)
WHERE person.id = change.id
"""


class _Change(Struct):
    """What a batch does to one user; None leaves a column as it is."""

    last: Recorded
    first: Recorded | None = None
    email: str | None = None
    full_name: str | None = None
    role: str | None = None
    status: str | None = None
    verified: bool | None = None


def project(batch: Sequence[Recorded], db: Cursor[Any]) -> None:
    """Write what a batch of events did to users."""
    changes: dict[UUID, _Change] = {}
    for event in batch:
        change = changes.get(event.stream_id)
        if change is None:
            change = changes[event.stream_id] = _Change(event)
        change.last = event
        _evolve(change, event)
    started = [change for change in changes.values() if change.first is not None]
    if started:
        _insert(started, db)
    if len(started) < len(changes):
        _update([change for change in changes.values() if change.first is None], db)


def _evolve(change: _Change, event: Recorded) -> None:
    match event.data:
        case Registered(email=email, full_name=full_name, role=role):
            change.first, change.status, change.verified = event, "active", False
            change.email, change.full_name, change.role = email, full_name, role
        case ProfileChanged(full_name=full_name):
            change.full_name = full_name
        case EmailChanged(email=email):
            change.email, change.verified = email, False
        case EmailVerified():
            change.verified = True
        case RoleChanged(role=role):
            change.role = role
        case Suspended():
            change.status = "suspended"
        case Activated():
            change.status = "active"
        case Deleted():
            change.status = "deleted"
        case Erased():
            change.email = change.full_name = ERASED


def _insert(changes: Collection[_Change], db: Cursor[Any]) -> None:
    with db.copy("COPY person FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(_TYPES)
        for c in changes:
            first, last = c.first, c.last
            assert first is not None
            assert isinstance(first.data, Registered)
            copy.write_row((
                first.stream_id, c.email, c.full_name, c.role, c.status, c.verified,
                first.data.registered_by, first.recorded_at, last.recorded_at, last.version,
                first.position, last.position,
            ))  # fmt: skip


def _update(changes: Collection[_Change], db: Cursor[Any]) -> None:
    db.execute(
        _UPDATE,
        (
            [c.last.stream_id for c in changes],
            [c.email for c in changes],
            [c.full_name for c in changes],
            [c.role for c in changes],
            [c.status for c in changes],
            [c.verified for c in changes],
            [c.last.recorded_at for c in changes],
            [c.last.version for c in changes],
            [c.last.position for c in changes],
        ),
        prepare=True,
    )

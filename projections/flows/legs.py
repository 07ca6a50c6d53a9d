"""Keeps one row a leg: what a bank was asked to move, and what it said of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg import Cursor

from domain.events import Recorded
from domain.movements import (
    Accepted,
    Cancelled,
    Failed,
    Instructed,
    Overdue,
    Returned,
    Sent,
    Settled,
    Unresolved,
)
from projections.flows.steps import MOVEMENTS, event_name

_STATUS_AFTER: dict[type, str] = {
    Instructed: "initiated",
    Sent: "sent",
    Accepted: "pending",
    Settled: "completed",
    Failed: "failed",
    Cancelled: "cancelled",
    Returned: "returned",
}

_TYPES = (
    "uuid", "uuid", "text", "text", "text", "text", "uuid", "text", "int8", "text", "text", "text",
    "int8", "timestamptz", "timestamptz", "timestamptz", "timestamptz", "timestamptz", "jsonb",
    "int8", "int8", "int8",
)  # fmt: skip

_UPDATE = """
UPDATE leg SET
    status         = coalesce(change.status, leg.status),
    bank_reference = coalesce(change.bank_reference, leg.bank_reference),
    reason         = coalesce(change.reason, leg.reason),
    sequence       = greatest(change.sequence, leg.sequence),
    sent_at        = coalesce(change.sent_at, leg.sent_at),
    accepted_at    = coalesce(change.accepted_at, leg.accepted_at),
    settled_at     = coalesce(change.settled_at, leg.settled_at),
    ended_at       = coalesce(change.ended_at, leg.ended_at),
    history        = leg.history || change.history::jsonb,
    version        = change.version,
    position       = change.position
FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::text[], %b::bigint[], %b::timestamptz[],
            %b::timestamptz[], %b::timestamptz[], %b::timestamptz[], %b::text[], %b::bigint[],
            %b::bigint[])
  AS change (id, status, bank_reference, reason, sequence, sent_at, accepted_at, settled_at,
             ended_at, history, version, position)
WHERE leg.id = change.id
"""

_encode = msgspec.json.Encoder().encode


class _Change(Struct):
    """What a batch does to one leg; None leaves a column as it is, and `history` is added."""

    last: Recorded
    first: Recorded | None = None
    status: str | None = None
    bank_reference: str | None = None
    reason: str | None = None
    sequence: int = 0
    sent_at: datetime | None = None
    accepted_at: datetime | None = None
    settled_at: datetime | None = None
    ended_at: datetime | None = None
    history: list[dict[str, str]] = []


def project(batch: Sequence[Recorded], db: Cursor[Any]) -> None:
    """Write what those events of a batch that are about movements did to legs."""
    changes: dict[UUID, _Change] = {}
    for event in batch:
        if not isinstance(event.data, MOVEMENTS):
            continue
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
    data, at = event.data, event.recorded_at
    change.status = _STATUS_AFTER.get(type(data), change.status)
    reason, said_at = getattr(data, "reason", ""), at.astimezone(UTC).isoformat()
    change.history.append({"name": event_name(data), "at": said_at, "reason": reason})
    change.reason = reason or change.reason
    match data:
        case Instructed():
            change.first = event
            return
        case Sent():
            change.sent_at = at
            return
        case Accepted():
            change.accepted_at = at
        case Settled():
            change.settled_at = change.ended_at = at
        case Failed() | Cancelled() | Returned():
            change.ended_at = at
    assert isinstance(
        data, Accepted | Settled | Failed | Cancelled | Returned | Overdue | Unresolved
    )
    change.bank_reference = data.bank_reference or change.bank_reference
    change.sequence = max(change.sequence, data.sequence)


def _insert(changes: Collection[_Change], db: Cursor[Any]) -> None:
    with db.copy("COPY leg FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(_TYPES)
        for c in changes:
            first, last = c.first, c.last
            assert first is not None
            data = first.data
            assert isinstance(data, Instructed)
            copy.write_row((
                first.stream_id, data.flow_id, data.flow, data.kind, data.direction, data.account,
                data.person_id, data.currency, data.amount, c.status, c.bank_reference or "",
                c.reason or "", c.sequence, first.recorded_at, c.sent_at, c.accepted_at,
                c.settled_at, c.ended_at, c.history, last.version, first.position, last.position,
            ))  # fmt: skip


def _update(changes: Collection[_Change], db: Cursor[Any]) -> None:
    db.execute(
        _UPDATE,
        (
            [c.last.stream_id for c in changes],
            [c.status for c in changes],
            [c.bank_reference for c in changes],
            [c.reason for c in changes],
            [c.sequence for c in changes],
            [c.sent_at for c in changes],
            [c.accepted_at for c in changes],
            [c.settled_at for c in changes],
            [c.ended_at for c in changes],
            [_encode(c.history).decode() for c in changes],
            [c.last.version for c in changes],
            [c.last.position for c in changes],
        ),
        prepare=True,
    )

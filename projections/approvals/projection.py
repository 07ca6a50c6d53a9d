"""Keeps one row an approval: what was asked for, by whom, and what became of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg import Cursor

from domain import approvals
from domain.approvals import Approved, Rejected, Requested, Withdrawn
from domain.events import Recorded

TOPICS = frozenset(event.topic for event in approvals.EVENTS)

_TYPES = (
    "uuid", "text", "text", "uuid", "uuid", "jsonb", "timestamptz", "text", "timestamptz",
    "timestamptz", "int8", "int8", "int8",
)  # fmt: skip

_UPDATE = """
UPDATE approval SET
    status     = change.status,
    checker_id = change.checker_id,
    reason     = change.reason,
    decided_at = change.decided_at,
    version    = change.version,
    position   = change.position
FROM unnest(%b::uuid[], %b::text[], %b::uuid[], %b::text[], %b::timestamptz[], %b::bigint[],
            %b::bigint[])
  AS change (id, status, checker_id, reason, decided_at, version, position)
WHERE approval.id = change.id
"""


class _Change(Struct):
    """What a batch does to one approval. There is one decision: it ends the approval."""

    first: Recorded | None = None
    decision: Recorded | None = None
    status: str = "pending"
    checker_id: UUID | None = None
    reason: str = ""

    @property
    def last(self) -> Recorded:
        last = self.decision or self.first
        assert last is not None, "made for an event"
        return last


def project(batch: Sequence[Recorded], db: Cursor[Any]) -> None:
    """Write what a batch of events did to approvals."""
    changes: dict[UUID, _Change] = {}
    for event in batch:
        change = changes.get(event.stream_id)
        if change is None:
            change = changes[event.stream_id] = _Change()
        _evolve(change, event)
    started = [change for change in changes.values() if change.first is not None]
    if started:
        _insert(started, db)
    if len(started) < len(changes):
        _update([change for change in changes.values() if change.first is None], db)


def _evolve(change: _Change, event: Recorded) -> None:
    if isinstance(event.data, Requested):
        change.first = event
        return
    change.decision = event
    match event.data:
        case Approved(checker_id=checker_id):
            change.status, change.checker_id = "approved", checker_id
        case Rejected(checker_id=checker_id, reason=reason):
            change.status, change.checker_id, change.reason = "rejected", checker_id, reason
        case Withdrawn(reason=reason):
            change.status, change.reason = "withdrawn", reason


def _insert(changes: Collection[_Change], db: Cursor[Any]) -> None:
    with db.copy("COPY approval FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(_TYPES)
        for c in changes:
            first, decision, last = c.first, c.decision, c.last
            assert first is not None
            data = first.data
            assert isinstance(data, Requested)
            copy.write_row((
                first.stream_id, c.status, approvals.kind_of(data).name, data.maker_id,
                c.checker_id, msgspec.to_builtins(approvals.shown(data)), data.expires_at,
                c.reason, first.recorded_at, None if decision is None else decision.recorded_at,
                last.version, first.position, last.position,
            ))  # fmt: skip


def _update(changes: Collection[_Change], db: Cursor[Any]) -> None:
    db.execute(
        _UPDATE,
        (
            [c.last.stream_id for c in changes],
            [c.status for c in changes],
            [c.checker_id for c in changes],
            [c.reason for c in changes],
            [c.last.recorded_at for c in changes],
            [c.last.version for c in changes],
            [c.last.position for c in changes],
        ),
        prepare=True,
    )

"""Keeps one row a transfer: what was asked for, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Cursor

from domain import transfers
from domain.accounts import Credited, Debited
from domain.events import Recorded
from domain.transfers import Captured, Expired, Posted, Reserved, Reversed, Voided

TOPICS = frozenset({*(event.topic for event in transfers.EVENTS), Debited.topic, Credited.topic})

_TYPES = (
    "uuid", "text", "uuid", "uuid", "text", "int8", "int8", "int8", "uuid", "text", "text", "jsonb",
    "timestamptz", "timestamptz", "timestamptz", "timestamptz", "int8", "int8", "int8", "int8",
    "text",
)  # fmt: skip

_UPDATE = """
UPDATE transfer SET
    status          = coalesce(change.status, transfer.status),
    amount          = coalesce(change.amount, transfer.amount),
    reversed        = transfer.reversed + change.reversed,
    reason          = coalesce(change.reason, transfer.reason),
    updated_at      = coalesce(change.updated_at, transfer.updated_at),
    position        = coalesce(change.position, transfer.position),
    debit_position  = coalesce(change.debit_position, transfer.debit_position),
    credit_position = coalesce(change.credit_position, transfer.credit_position)
FROM unnest(%b::uuid[], %b::text[], %b::bigint[], %b::bigint[], %b::text[], %b::timestamptz[],
            %b::bigint[], %b::bigint[], %b::bigint[])
  AS change (id, status, amount, reversed, reason, updated_at, position, debit_position,
             credit_position)
WHERE transfer.id = change.id
"""


class _Change(Struct):
    """What a batch does to one transfer; None leaves a column as it is."""

    first: Recorded | None = None
    status: str | None = None
    amount: int | None = None
    reversed: int = 0
    reason: str | None = None
    updated_at: datetime | None = None
    position: int | None = None
    debit_position: int | None = None
    credit_position: int | None = None


def key_of(event: Recorded) -> UUID:
    """The transfer that an event is about; those of accounts name theirs."""
    data = event.data
    return data.transfer_id if isinstance(data, (Debited, Credited)) else event.stream_id


def project(batch: Sequence[Recorded], db: Cursor[Any]) -> None:
    """Write what a batch of events did to transfers."""
    changes: dict[UUID, _Change] = {}
    for event in batch:
        data = event.data
        id_ = key_of(event)
        change = changes.get(id_)
        if change is None:
            change = changes[id_] = _Change()
        if isinstance(data, Debited):
            change.debit_position = event.position
        elif isinstance(data, Credited):
            change.credit_position = event.position
        else:
            _evolve(change, event)
            change.updated_at, change.position = event.recorded_at, event.position
    started = {id_: c for id_, c in changes.items() if c.first is not None}
    if started:
        _insert(started, db)
    if len(started) < len(changes):
        _update({id_: c for id_, c in changes.items() if c.first is None}, db)


def _evolve(change: _Change, event: Recorded) -> None:
    match event.data:
        case Posted(reason=reason):
            change.first, change.status, change.reason = event, "posted", reason
        case Reserved():
            change.first, change.status = event, "pending"
        case Captured(amount=amount, reason=reason):
            change.status, change.amount, change.reason = "posted", amount, reason
        case Voided(reason=reason):
            change.status, change.reason = "voided", reason
        case Expired():
            change.status = "expired"
        case Reversed(amount=amount):
            change.reversed += amount


def _insert(started: dict[UUID, _Change], db: Cursor[Any]) -> None:
    with db.copy("COPY transfer FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(_TYPES)
        for id_, c in started.items():
            first = c.first
            assert first is not None
            data = first.data
            assert isinstance(data, Posted | Reserved)
            copy.write_row((
                id_, c.status, data.source_id, data.destination_id, data.currency,
                data.amount if c.amount is None else c.amount, data.requested or data.amount,
                c.reversed, data.reverses if isinstance(data, Posted) else None,
                data.description, data.reference, data.metadata, data.effective_at,
                data.expires_at if isinstance(data, Reserved) else None,
                first.recorded_at, c.updated_at, first.position, c.position,
                c.debit_position, c.credit_position, c.reason or "",
            ))  # fmt: skip


def _update(changes: dict[UUID, _Change], db: Cursor[Any]) -> None:
    rows = changes.values()
    db.execute(
        _UPDATE,
        (
            list(changes),
            [c.status for c in rows],
            [c.amount for c in rows],
            [c.reversed for c in rows],
            [c.reason for c in rows],
            [c.updated_at for c in rows],
            [c.position for c in rows],
            [c.debit_position for c in rows],
            [c.credit_position for c in rows],
        ),
        prepare=True,
    )

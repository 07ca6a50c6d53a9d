"""Keeps one row a fund, with its seats, and one row an allocation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Cursor

from domain import funds, investments
from domain.events import Recorded
from domain.funds import (
    AllocationTaken,
    Opened,
    SeatReleased,
    SeatReserved,
    StatusChanged,
    TermsChanged,
)

TOPICS = frozenset(
    {*(event.topic for event in funds.EVENTS), investments.Requested.topic},
)

_TYPES = (
    "uuid", "text", "text", "uuid", "uuid", "text", "int8", "int8", "int8", "int8", "int8", "int8",
    "int8", "timestamptz", "timestamptz", "timestamptz", "timestamptz", "int8", "int8", "int8",
)  # fmt: skip

_UPDATE = """
UPDATE fund SET
    status             = coalesce(change.status, fund.status),
    minimum_investment = coalesce(change.minimum_investment, fund.minimum_investment),
    maximum_investment = coalesce(change.maximum_investment, fund.maximum_investment),
    seats              = coalesce(change.seats, fund.seats),
    reserved           = fund.reserved + change.reserved,
    taken              = fund.taken + change.taken,
    reserved_amount    = fund.reserved_amount + change.reserved_amount,
    taken_amount       = fund.taken_amount + change.taken_amount,
    -- Terms are changed all together.
    opens_at           = CASE WHEN change.seats IS NULL THEN fund.opens_at ELSE change.opens_at END,
    closes_at          = CASE WHEN change.seats IS NULL THEN fund.closes_at ELSE change.closes_at END,
    updated_at         = change.updated_at,
    version            = change.version,
    position           = change.position
FROM unnest(%b::uuid[], %b::text[], %b::bigint[], %b::bigint[], %b::bigint[], %b::bigint[],
            %b::bigint[], %b::bigint[], %b::bigint[], %b::timestamptz[], %b::timestamptz[],
            %b::timestamptz[], %b::bigint[], %b::bigint[])
  AS change (id, status, minimum_investment, maximum_investment, seats, reserved, taken,
             reserved_amount, taken_amount, opens_at, closes_at, updated_at, version, position)
WHERE fund.id = change.id
"""

_ALLOCATE = """
INSERT INTO allocation
SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::uuid[], %b::uuid[], %b::bigint[], %b::text[],
                     %b::timestamptz[], %b::timestamptz[], %b::timestamptz[], %b::bigint[],
                     %b::bigint[])
ON CONFLICT (investment_id) DO UPDATE SET
    account_id  = coalesce(excluded.account_id, allocation.account_id),
    owner_id    = coalesce(excluded.owner_id, allocation.owner_id),
    status      = excluded.status,
    reserved_at = coalesce(excluded.reserved_at, allocation.reserved_at),
    taken_at    = coalesce(excluded.taken_at, allocation.taken_at),
    released_at = coalesce(excluded.released_at, allocation.released_at),
    position    = excluded.position
"""


class _Change(Struct):
    """What a batch does to one fund; None leaves a column as it is, and seats and amounts are added."""

    last: Recorded
    first: Recorded | None = None
    status: str | None = None
    terms: Opened | TermsChanged | None = None
    reserved: int = 0
    taken: int = 0
    reserved_amount: int = 0
    taken_amount: int = 0


class _Allocation(Struct):
    """What a batch says of one allocation; None leaves a column as it is."""

    investment_id: UUID
    fund_id: UUID
    amount: int
    first_position: int
    account_id: UUID | None = None
    owner_id: UUID | None = None
    status: str = "reserved"
    reserved_at: datetime | None = None
    taken_at: datetime | None = None
    released_at: datetime | None = None
    position: int = 0


def key_of(event: Recorded) -> UUID:
    """The fund that an event is about; an investment names its own."""
    data = event.data
    return data.fund_id if isinstance(data, investments.Requested) else event.stream_id


def project(batch: Sequence[Recorded], db: Cursor[Any]) -> None:
    """Write what a batch of events did to funds and allocations."""
    changes: dict[UUID, _Change] = {}
    allocations: dict[UUID, _Allocation] = {}
    for event in batch:
        _allocate(allocations, event)
        if isinstance(event.data, investments.Requested):
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
    if allocations:
        _upsert(allocations.values(), db)


def _evolve(change: _Change, event: Recorded) -> None:
    match event.data:
        case Opened() as opened:
            change.first, change.status, change.terms = event, "open", opened
        case TermsChanged() as terms:
            change.terms = terms
        case StatusChanged(status=status):
            change.status = status
        case SeatReserved(amount=amount):
            change.reserved += 1
            change.reserved_amount += amount
        case SeatReleased(amount=amount, was_taken=True):
            change.taken -= 1
            change.taken_amount -= amount
        case SeatReleased(amount=amount):
            change.reserved -= 1
            change.reserved_amount -= amount
        case AllocationTaken(amount=amount):
            change.reserved -= 1
            change.reserved_amount -= amount
            change.taken += 1
            change.taken_amount += amount


def _allocate(allocations: dict[UUID, _Allocation], event: Recorded) -> None:
    data = event.data
    if isinstance(data, investments.Requested):
        id_ = event.stream_id
    elif isinstance(data, SeatReserved | SeatReleased | AllocationTaken):
        id_ = data.investment_id
    else:
        return
    row = allocations.get(id_)
    if row is None:
        row = allocations[id_] = _Allocation(id_, key_of(event), data.amount, event.position)
    row.position = event.position
    match data:
        case investments.Requested():
            row.account_id, row.owner_id = data.investor_account_id, data.owner_id
            row.reserved_at = event.recorded_at
        case SeatReserved():
            row.reserved_at = event.recorded_at
        case AllocationTaken():
            row.status, row.taken_at = "taken", event.recorded_at
        case SeatReleased():
            row.status, row.released_at = "released", event.recorded_at


def _insert(changes: Collection[_Change], db: Cursor[Any]) -> None:
    with db.copy("COPY fund FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(_TYPES)
        for c in changes:
            first, last, terms = c.first, c.last, c.terms
            assert first is not None
            assert terms is not None
            data = first.data
            assert isinstance(data, Opened)
            copy.write_row((
                first.stream_id, data.name, data.currency, data.account_id, data.manager_id,
                c.status, terms.minimum_investment, terms.maximum_investment, terms.seats,
                c.reserved, c.taken, c.reserved_amount, c.taken_amount, terms.opens_at,
                terms.closes_at, first.recorded_at, last.recorded_at, last.version, first.position,
                last.position,
            ))  # fmt: skip


def _update(changes: Collection[_Change], db: Cursor[Any]) -> None:
    terms = [c.terms for c in changes]
    db.execute(
        _UPDATE,
        (
            [c.last.stream_id for c in changes],
            [c.status for c in changes],
            [None if t is None else t.minimum_investment for t in terms],
            [None if t is None else t.maximum_investment for t in terms],
            [None if t is None else t.seats for t in terms],
            [c.reserved for c in changes],
            [c.taken for c in changes],
            [c.reserved_amount for c in changes],
            [c.taken_amount for c in changes],
            [None if t is None else t.opens_at for t in terms],
            [None if t is None else t.closes_at for t in terms],
            [c.last.recorded_at for c in changes],
            [c.last.version for c in changes],
            [c.last.position for c in changes],
        ),
        prepare=True,
    )


def _upsert(allocations: Collection[_Allocation], db: Cursor[Any]) -> None:
    db.execute(
        _ALLOCATE,
        (
            [a.investment_id for a in allocations],
            [a.fund_id for a in allocations],
            [a.account_id for a in allocations],
            [a.owner_id for a in allocations],
            [a.amount for a in allocations],
            [a.status for a in allocations],
            [a.reserved_at for a in allocations],
            [a.taken_at for a in allocations],
            [a.released_at for a in allocations],
            [a.first_position for a in allocations],
            [a.position for a in allocations],
        ),
        prepare=True,
    )

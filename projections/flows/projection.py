"""Keeps one row an investment, deposit and withdrawal, one a step of it, and one a leg."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Cursor

from domain import bank_transfers, funds, investments, movements
from domain.events import Event, Recorded
from projections.flows import legs
from projections.flows.steps import MOVEMENTS, steps_of

_SEATS = (funds.SeatReserved, funds.SeatReleased, funds.AllocationTaken)

_EVENTS: tuple[type[Event], ...] = (
    *investments.EVENTS, *bank_transfers.EVENTS, *movements.EVENTS, *_SEATS,
)  # fmt: skip

TOPICS = frozenset(event.topic for event in _EVENTS)

_TYPES = (
    "uuid", "text", "text", "text", "int8", "uuid", "uuid", "uuid", "uuid", "uuid", "text", "int8",
    "text", "text", "text", "text", "timestamptz", "timestamptz", "timestamptz", "int8", "int8",
    "int8",
)  # fmt: skip
_STEP_TYPES = ("uuid", "int8", "int4", "text", "timestamptz", "jsonb")

_UPDATE = """
UPDATE flow SET
    status      = coalesce(change.status, flow.status),
    place       = coalesce(change.place, flow.place),
    clearing    = flow.clearing + flow.amount * (
        change.clearing + change.bank_side * CASE flow.kind WHEN 'withdrawal' THEN -1 ELSE 1 END),
    step        = coalesce(change.step, flow.step),
    reason      = coalesce(change.reason, flow.reason),
    updated_at  = change.updated_at,
    finished_at = CASE WHEN change.status IS NULL THEN flow.finished_at ELSE change.finished_at END,
    version     = coalesce(change.version, flow.version),
    position    = change.position
FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::bigint[], %b::bigint[],
            %b::text[], %b::text[], %b::timestamptz[], %b::timestamptz[], %b::bigint[],
            %b::bigint[])
  AS change (id, status, place, clearing, bank_side, step, reason, updated_at, finished_at, version,
             position)
WHERE flow.id = change.id
"""

_FINISHED = frozenset({"completed", "failed", "returned"})


class _Change(Struct):
    """What a batch does to one flow; None leaves a column as it is.

    `clearing` is added, in multiples of the amount, and so is `bank_side`: what came into the clearing
    account from the bank's side, or out of it on the customer's; for a withdrawal the other way round.
    """

    id: UUID
    last: Recorded
    first: Recorded | None = None
    status: str | None = None
    place: str | None = None
    clearing: int = 0
    bank_side: int = 0
    step: str | None = None
    reason: str | None = None
    finished_at: datetime | None = None
    version: int | None = None


def key_of(event: Recorded) -> UUID:
    """The flow that an event is about: movements and seats name theirs."""
    data = event.data
    if isinstance(data, _SEATS):
        return data.investment_id
    return data.flow_id if isinstance(data, MOVEMENTS) else event.stream_id


def project(batch: Sequence[Recorded], db: Cursor[Any]) -> None:
    """Write what a batch of events did to flows and their legs."""
    changes: dict[UUID, _Change] = {}
    for event in batch:
        id_ = key_of(event)
        change = changes.get(id_)
        if change is None:
            change = changes[id_] = _Change(id_, event)
        change.last = event
        if event.stream_id == id_:
            change.version = event.version
            _evolve(change, event)
    started = [change for change in changes.values() if change.first is not None]
    if started:
        _insert(started, db)
    if len(started) < len(changes):
        _update([change for change in changes.values() if change.first is None], db)
    _add_steps(batch, db)
    legs.project(batch, db)


def _evolve(change: _Change, event: Recorded) -> None:
    if event.topic.startswith("investment."):
        _evolve_investment(change, event)
    else:
        _evolve_bank_transfer(change, event)


def _turn(change: _Change, event: Recorded, status: str) -> None:
    change.status = status
    change.finished_at = event.recorded_at if status in _FINISHED else None


def _evolve_investment(change: _Change, event: Recorded) -> None:
    match event.data:
        case investments.Requested():
            _begin(change, event, "initiated", "source")
        case investments.SourceHeld():
            change.place = "held"
        case investments.Instructed(leg=leg) | investments.Resumed(leg=leg):
            _turn(change, event, f"{leg}_pending")
        case investments.Withdrawn():
            _turn(change, event, "withdrawal_completed")
            _move(change, "clearing", 1)
        case investments.Deposited():
            _turn(change, event, "deposit_completed")
            _move(change, "fund", -1)
        case investments.Completed():
            _turn(change, event, "completed")
            change.place, change.step, change.reason = "fund", "", ""
        case investments.Undoing(step=step, reason=reason):
            change.step, change.reason = step, reason
        case investments.Refunded() | investments.TakenBack(leg="withdrawal"):
            _move(change, "returned", -1)
        case investments.SetAside():
            _move(change, "suspense", -1)
        case investments.TakenUp() | investments.TakenBack():
            _move(change, "clearing", 1)
        case investments.FailedEvent(step=step, reason=reason, place=place):
            _turn(change, event, "failed")
            change.step, change.reason = step, reason
            change.place = place
        case investments.NeedsOperator(step=step, reason=reason, place=place):
            _turn(change, event, "needs_operator")
            change.step, change.reason = step, reason
            change.place = place


def _move(change: _Change, place: str, clearing: int) -> None:
    change.place = place
    change.clearing += clearing


def _evolve_bank_transfer(change: _Change, event: Recorded) -> None:
    match event.data:
        case bank_transfers.Requested():
            _begin(change, event, "pending", "outside")
        case bank_transfers.SourceHeld():
            change.place = "held"
        case bank_transfers.Completed():
            _turn(change, event, "completed")
            change.place = "booked"
            change.step = change.reason = ""
        case bank_transfers.Booked(side=side):
            change.bank_side += 1 if side == "bank" else -1
        case bank_transfers.TakenBack(side=side):
            change.bank_side -= 1 if side == "bank" else -1
        case bank_transfers.SetAside():
            _move(change, "suspense", -1)
        case bank_transfers.TakenUp():
            change.clearing += 1
        case bank_transfers.ReturnedEvent(reason=reason):
            _turn(change, event, "returned")
            change.place = "outside"
            change.step, change.reason = "", reason
        case bank_transfers.FailedEvent(step=step, reason=reason, is_closed=is_closed):
            _turn(change, event, "failed")
            if not is_closed:  # what is left of it stays where it is
                change.place = "outside"
            change.step, change.reason = step, reason
        case bank_transfers.Resumed():
            _turn(change, event, "pending")
        case bank_transfers.NeedsOperator(step=step, reason=reason, place=place):
            _turn(change, event, "needs_operator")
            change.step, change.reason = step, reason
            change.place = place


def _begin(change: _Change, event: Recorded, status: str, place: str) -> None:
    change.first, change.status, change.place = event, status, place
    change.step = change.reason = ""


def _asked(data: investments.Requested | bank_transfers.Requested) -> tuple[object, ...]:
    """What was asked for, as columns: accounts, fund, persons, and the rest."""
    if isinstance(data, investments.Requested):
        return (
            data.investor_account_id, data.fund_id, data.fund_account_id,
            data.owner_id, None, data.currency, data.amount, "", "",
        )  # fmt: skip
    return (
        data.account_id, None, None, data.owner_id, data.person_id, data.currency,
        data.amount, data.bank_account_hint, data.reference,
    )  # fmt: skip


def _insert(changes: Collection[_Change], db: Cursor[Any]) -> None:
    with db.copy("COPY flow FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(_TYPES)
        for c in changes:
            first, last = c.first, c.last
            assert first is not None
            asked = first.data
            assert isinstance(asked, investments.Requested | bank_transfers.Requested)
            kind = asked.kind if isinstance(asked, bank_transfers.Requested) else "investment"
            bank_side = -c.bank_side if kind == "withdrawal" else c.bank_side
            copy.write_row((
                c.id, kind, c.status, c.place, (c.clearing + bank_side) * asked.amount,
                *_asked(asked), c.step, c.reason, first.recorded_at, last.recorded_at,
                c.finished_at, c.version, first.position, last.position,
            ))  # fmt: skip


def _update(changes: Collection[_Change], db: Cursor[Any]) -> None:
    db.execute(
        _UPDATE,
        (
            [c.id for c in changes],
            [c.status for c in changes],
            [c.place for c in changes],
            [c.clearing for c in changes],
            [c.bank_side for c in changes],
            [c.step for c in changes],
            [c.reason for c in changes],
            [c.last.recorded_at for c in changes],
            [c.finished_at for c in changes],
            [c.version for c in changes],
            [c.last.position for c in changes],
        ),
        prepare=True,
    )


def _add_steps(batch: Sequence[Recorded], db: Cursor[Any]) -> None:
    with db.copy("COPY flow_step FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(_STEP_TYPES)
        for event in batch:
            for part, (name, details) in enumerate(steps_of(event)):
                copy.write_row((
                    key_of(event), event.position, part, name, event.recorded_at, details,
                ))  # fmt: skip

"""What a batch of events adds to each account and transfer, counted without any read model's code."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from domain.accounts import Credited, Debited, Held, Opened, Released, StatusChanged
from domain.events import Recorded
from domain.transfers import Captured, Expired, Posted, Reserved, Reversed, Voided

_encode = msgspec.json.Encoder().encode


class _Account(Struct):
    """Amounts in minor units; None and "" where the batch says nothing."""

    id: UUID
    type: str | None = None
    currency: str | None = None
    name: str | None = None
    owner: str | None = None
    credit_limit: int | None = None
    opened_at: datetime | None = None
    first_position: int | None = None
    status: str = ""
    debits: int = 0
    credits: int = 0
    held: int = 0
    events: int = 0
    position: int = 0


def of_accounts(batch: Sequence[Recorded]) -> Iterable[tuple[Any, ...]]:
    """A row an account: its opening, its last status, sums of debits, credits and holds, its events."""
    found: dict[UUID, _Account] = {}
    for event in batch:
        if not event.topic.startswith("account."):
            continue
        account = found.setdefault(event.stream_id, _Account(event.stream_id))
        account.events += 1
        account.position = event.position
        match event.data:
            case Opened() as opened:
                account.type, account.currency = opened.type, opened.currency
                account.name, account.credit_limit = opened.name, opened.credit_limit
                account.owner = None if opened.owner_id is None else str(opened.owner_id)
                account.opened_at, account.first_position = event.recorded_at, event.position
                account.status = "active"
            case StatusChanged(status=status):
                account.status = status
            case Debited(amount=amount, released=released):
                account.debits += amount
                account.held -= released
            case Credited(amount=amount):
                account.credits += amount
            case Held(amount=amount):
                account.held += amount
            case Released(amount=amount):
                account.held -= amount
    return map(astuple, found.values())


class _Entries(Struct):
    id: UUID
    entries: int = 0
    debits: int = 0
    credits: int = 0
    balances: int = 0
    positions: int = 0
    checksum: int = 0
    position: int = 0


def of_entries(batch: Sequence[Recorded]) -> Iterable[tuple[Any, ...]]:
    """A row an account: how many entries, their sums, and a sum of what seals each of them."""
    found: dict[UUID, _Entries] = {}
    for event in batch:
        data = event.data
        if not isinstance(data, (Debited, Credited)):
            continue
        account = found.setdefault(event.stream_id, _Entries(event.stream_id))
        account.entries += 1
        account.balances += data.balance
        account.positions += event.position
        account.checksum += seal_entry(event, data)
        account.position = event.position
        if isinstance(data, Debited):
            account.debits += data.amount
        else:
            account.credits += data.amount
    return map(astuple, found.values())


_UUID, _BIGINT, _TEXT, _TIME = 2950, 20, 25, 1184
"""Postgres's numbers of these types, which `record_send` writes before each value."""

_FIXED = ">i" + "ii16s" * 2 + "iiq" * 5
_pack_fixed = struct.Struct(_FIXED).pack
_pack_length = struct.Struct(">ii").pack
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def seal_entry(event: Recorded, data: Debited | Credited) -> int:
    """Eight bytes of the SHA-256 of an entry with all its columns, as Postgres sends such a row."""
    recorded_at = (event.recorded_at - _EPOCH) // _MICROSECOND
    effective_at = data.effective_at
    row = _pack_fixed(
        10,
        _UUID, 16, data.transfer_id.bytes, _UUID, 16, data.counterparty_id.bytes,
        _BIGINT, 8, event.position, _BIGINT, 8, data.amount, _BIGINT, 8, data.balance,
        _TIME, 8, recorded_at if effective_at is None else (effective_at - _EPOCH) // _MICROSECOND,
        _TIME, 8, recorded_at,
    )  # fmt: skip
    direction = _DEBIT if isinstance(data, Debited) else _CREDIT
    row += direction + _text(data.description) + _text(data.reference)
    return int.from_bytes(sha256(row).digest()[:8], signed=True)


def _text(value: str) -> bytes:
    raw = value.encode()
    return _pack_length(_TEXT, len(raw)) + raw


_DEBIT, _CREDIT = _text("debit"), _text("credit")


class _Transfer(Struct):
    id: UUID
    source: str | None = None
    destination: str | None = None
    currency: str | None = None
    requested: int | None = None
    reverses: str | None = None
    description: str | None = None
    reference: str | None = None
    metadata: str | None = None
    effective_at: datetime | None = None
    expires_at: datetime | None = None
    recorded_at: datetime | None = None
    first_position: int | None = None
    status: str = ""
    amount: int | None = None
    reversed: int = 0
    reason: str | None = None
    updated_at: datetime | None = None
    position: int | None = None
    debit_position: int | None = None
    credit_position: int | None = None


def of_transfers(batch: Sequence[Recorded]) -> Iterable[tuple[Any, ...]]:
    """A row a transfer: what it asked for, what became of it, and where its entries are."""
    found: dict[UUID, _Transfer] = {}
    for event in batch:
        data = event.data
        if isinstance(data, (Debited, Credited)):
            transfer = found.setdefault(data.transfer_id, _Transfer(data.transfer_id))
            if isinstance(data, Debited):
                transfer.debit_position = event.position
            else:
                transfer.credit_position = event.position
        elif event.topic.startswith("transfer."):
            transfer = found.setdefault(event.stream_id, _Transfer(event.stream_id))
            transfer.position, transfer.updated_at = event.position, event.recorded_at
            _evolve(transfer, event)
    return map(astuple, found.values())


def _evolve(transfer: _Transfer, event: Recorded) -> None:
    match event.data:
        case Posted() as posted:
            _begin(transfer, event, posted)
            transfer.status, transfer.reason = "posted", posted.reason
            transfer.reverses = None if posted.reverses is None else str(posted.reverses)
        case Reserved() as reserved:
            _begin(transfer, event, reserved)
            transfer.status, transfer.expires_at = "pending", reserved.expires_at
        case Captured(amount=amount, reason=reason):
            transfer.status, transfer.amount, transfer.reason = "posted", amount, reason
        case Voided(reason=reason):
            transfer.status, transfer.reason = "voided", reason
        case Expired():
            transfer.status = "expired"
        case Reversed(amount=amount):
            transfer.reversed += amount


def _begin(transfer: _Transfer, event: Recorded, asked: Posted | Reserved) -> None:
    transfer.source, transfer.destination = str(asked.source_id), str(asked.destination_id)
    transfer.currency, transfer.amount = asked.currency, asked.amount
    transfer.requested = asked.requested or asked.amount
    transfer.description, transfer.reference = asked.description, asked.reference
    transfer.metadata = _encode(asked.metadata).decode() if asked.metadata else None
    transfer.effective_at = asked.effective_at
    transfer.recorded_at, transfer.first_position = event.recorded_at, event.position

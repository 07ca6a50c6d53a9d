"""What a batch of events adds to each account and transfer, counted without any read model's code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import astuple

from domain.accounts import Credited, Debited, Held, Opened, Released, StatusChanged
from domain.events import Recorded
from domain.transfers import Captured, Expired, Posted, Reserved, Reversed, Voided


class _Account(Struct):
    """Amounts in minor units; None and "" where the batch says nothing."""

    id: UUID
    type: str | None = None
    currency: str | None = None
    name: str | None = None
    owner: str | None = None
    credit_limit: int | None = None
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
    position: int = 0


def of_entries(batch: Sequence[Recorded]) -> Iterable[tuple[Any, ...]]:
    """A row an account: how many entries, their sums, and sums that show one in the wrong place."""
    found: dict[UUID, _Entries] = {}
    for event in batch:
        data = event.data
        if not isinstance(data, (Debited, Credited)):
            continue
        account = found.setdefault(event.stream_id, _Entries(event.stream_id))
        account.entries += 1
        account.balances += data.balance
        account.positions += event.position
        account.position = event.position
        if isinstance(data, Debited):
            account.debits += data.amount
        else:
            account.credits += data.amount
    return map(astuple, found.values())


class _Transfer(Struct):
    id: UUID
    source: str | None = None
    destination: str | None = None
    currency: str | None = None
    status: str = ""
    amount: int | None = None
    reversed: int = 0
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
            transfer.position = event.position
            _evolve(transfer, event)
    return map(astuple, found.values())


def _evolve(transfer: _Transfer, event: Recorded) -> None:
    match event.data:
        case Posted() | Reserved() as asked:
            transfer.source, transfer.destination = str(asked.source_id), str(asked.destination_id)
            transfer.currency, transfer.amount = asked.currency, asked.amount
            transfer.status = "posted" if isinstance(asked, Posted) else "pending"
        case Captured(amount=amount):
            transfer.status, transfer.amount = "posted", amount
        case Voided():
            transfer.status = "voided"
        case Expired():
            transfer.status = "expired"
        case Reversed(amount=amount):
            transfer.reversed += amount

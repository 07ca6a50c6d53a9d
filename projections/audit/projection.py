"""Adds one row for every event. Nothing is ever changed, so rows go in by COPY."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg import Cursor

from domain import (
    bank_transfers,
    catalogue,
    credit_applications,
    funds,
    investments,
    loans,
    movements,
)
from domain.accounts import Opened
from domain.events import Event, Recorded
from domain.reconciliations import Made
from domain.statements import Imported
from domain.transfers import Posted, Reserved
from projections.audit.words import describe

TOPICS = frozenset({*catalogue.EVENT_TYPES, *catalogue.UPCASTERS})

_TYPES = (
    "int8", "uuid", "int8", "timestamptz", "text", "uuid", "uuid", "text", "text", "text", "text",
    "text",
)  # fmt: skip

# Streams begin with what their later events leave unsaid: the currency, and a transfer's accounts.
# The log never changes, so that this is the same at every rebuild.
_BEGINNINGS = """
SELECT originator_id, topic, state FROM public.events
 WHERE originator_id = ANY(%b::uuid[]) AND originator_version = 1
"""


class Origin(Struct, frozen=True):
    """Where an event came from; whatever its metadata lacks is empty."""

    actor: str = ""
    correlation_id: str = ""
    causation_id: str = ""
    command_id: str = ""


class _Subject(NamedTuple):
    """What a stream is about; empty when its first event says nothing of it."""

    currency: str = ""
    account_id: UUID | None = None
    other_account_id: UUID | None = None


_decode_origin = msgspec.json.Decoder(Origin).decode


def project(batch: Sequence[Recorded], db: Cursor[Any]) -> None:
    """Write a batch of events."""
    subjects = _subjects(batch, db)
    # What is written together often has one origin.
    metadata, origin = b"{}", Origin()
    with db.copy("COPY event FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(_TYPES)
        for event in batch:
            if event.metadata != metadata:
                metadata = event.metadata
                origin = _decode_origin(metadata)
            subject = subjects[event.stream_id]
            copy.write_row((
                event.position, event.stream_id, event.version, event.recorded_at, event.topic,
                subject.account_id, subject.other_account_id, origin.actor, origin.correlation_id,
                origin.causation_id, origin.command_id, describe(event.data, subject.currency),
            ))  # fmt: skip


def _subjects(batch: Sequence[Recorded], db: Cursor[Any]) -> dict[UUID, _Subject]:
    subjects: dict[UUID, _Subject] = {}
    elsewhere: set[UUID] = set()
    for event in batch:
        if event.version == 1:
            subjects[event.stream_id] = _subject(event.stream_id, event.data)
        elif event.stream_id not in subjects:
            elsewhere.add(event.stream_id)
    if elsewhere:
        for id_ in elsewhere:
            subjects.setdefault(id_, _Subject())
        rows = db.execute(_BEGINNINGS, (list(elsewhere),), prepare=True, binary=True).fetchall()
        for id_, topic, state in rows:
            subjects[id_] = _subject(id_, catalogue.decode(topic, state))
    return subjects


def _subject(stream_id: UUID, first: Event) -> _Subject:
    match first:
        case Opened(currency=currency):
            return _Subject(currency, stream_id)
        case Posted() | Reserved():
            return _Subject(first.currency, first.source_id, first.destination_id)
        case Imported(currency=currency, account_id=account_id):
            return _Subject(currency, account_id)
        case funds.Opened(currency=currency, account_id=account_id):
            return _Subject(currency, account_id)
        case investments.Requested():
            return _Subject(first.currency, first.investor_account_id, first.fund_account_id)
        case bank_transfers.Requested(currency=currency, account_id=account_id):
            return _Subject(currency, account_id)
        case credit_applications.Submitted(currency=currency, account_id=account_id):
            return _Subject(currency, account_id)
        case loans.Opened(currency=currency):
            return _Subject(currency, first.customer_account_id, first.loan_account_id)
        case movements.Instructed(currency=currency) | Made(currency=currency):
            return _Subject(currency)
    return _Subject()

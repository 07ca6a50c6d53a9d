"""Keeps one row an application, one a step of it, and one of what it was assessed on last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Cursor

from domain import credit_applications
from domain.credit_applications import Assessed, Decided, Submitted
from domain.events import Event, Recorded
from projections.applications import rows
from projections.applications.rows import Application, Assessment
from projections.audit.projection import Origin
from projections.kept_rows import Kept

TOPICS = frozenset(event.topic for event in credit_applications.EVENTS)

_APPLICATIONS = Kept("application", Application)
_ASSESSMENTS = Kept("assessment", Assessment)

_STEP_TYPES = ("uuid", "int8", "text", "text", "timestamptz", "int8", "text", "text")

_decode_origin = msgspec.json.Decoder(Origin).decode


def project(batch: Sequence[Recorded], db: Cursor[Any]) -> None:
    """Write what a batch of events did to applications."""
    begun = {e.stream_id for e in batch if isinstance(e.data, Submitted)}
    old = {e.stream_id for e in batch} - begun
    found = {row.id: row for row in _APPLICATIONS.read(db, old)}
    with db.copy("COPY application_step FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(_STEP_TYPES)
        for event in batch:
            if isinstance(event.data, Submitted):
                row = found[event.stream_id] = rows.submitted(event, event.data)
            else:
                row = found[event.stream_id]
                rows.apply(row, event)
            copy.write_row((
                row.id, event.version, event.topic.partition(".")[2], row.status,
                event.recorded_at, event.position, _decode_origin(event.metadata).actor,
                note_of(event.data),
            ))  # fmt: skip
    _APPLICATIONS.add(db, [row for id_, row in found.items() if id_ in begun])
    _APPLICATIONS.put(db, (row for id_, row in found.items() if id_ not in begun))
    _assess(batch, found, db)


def note_of(data: Event) -> str:
    """The reasons that an event gives, if any."""
    reasons = getattr(data, "reasons", ())
    return getattr(data, "reason", "") or "; ".join(reasons)


def _assess(
    batch: Sequence[Recorded], applications: Mapping[UUID, Application], db: Cursor[Any]
) -> None:
    judged = {e.stream_id for e in batch if isinstance(e.data, Assessed | Decided)}
    found = {row.application_id: row for row in _ASSESSMENTS.read(db, judged)}
    there = set(found)
    for event in batch:
        match event.data:
            case Assessed() as facts:
                first_position = applications[event.stream_id].first_position
                found[event.stream_id] = rows.assessed(event, facts, first_position)
            case Decided() as said:
                rows.decide(found[event.stream_id], event, said)
    _ASSESSMENTS.add(db, [row for id_, row in found.items() if id_ not in there])
    _ASSESSMENTS.put(db, (row for id_, row in found.items() if id_ in there))

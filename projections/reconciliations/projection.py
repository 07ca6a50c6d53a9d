"""Adds one row a reconciliation. Nothing is ever changed, so rows go in by COPY."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import Cursor
from psycopg.types.json import Jsonb

from domain import reconciliations
from domain.events import Recorded
from domain.reconciliations import (
    Made,
    MatchedLine,
    Mismatch,
    MissingMovement,
    UnexpectedLine,
)

TOPICS = frozenset(event.topic for event in reconciliations.EVENTS)

_TYPES = (
    "uuid", "text", "text", "date", "date", "text", "text", "text", "text", "int8", "int8", "int8",
    "int8", "int8", "int8", "int8", "int8", "bool", "jsonb", "timestamptz", "int8",
)  # fmt: skip


class Found(Struct, frozen=True):
    """What is listed of a reconciliation."""

    matched: tuple[MatchedLine, ...]
    missing: tuple[MissingMovement, ...]
    unexpected: tuple[UnexpectedLine, ...]
    mismatched: tuple[Mismatch, ...]


def project(batch: Sequence[Recorded], db: Cursor[Any]) -> None:
    """Write a batch of reconciliations."""
    with db.copy("COPY reconciliation FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(_TYPES)
        for event in batch:
            made = event.data
            assert isinstance(made, Made), made
            found = Found(made.matched, made.missing, made.unexpected, made.mismatched)
            copy.write_row((
                event.stream_id, made.account, made.currency, made.opened_on, made.closed_on,
                made.statement_reference, made.number, made.digest, made.source, made.opening,
                made.closing, made.lines, made.movements, made.matched_total, made.missing_total,
                made.unexpected_total, made.mismatched_total, made.is_even,
                Jsonb(msgspec.to_builtins(found)), event.recorded_at, event.position,
            ))  # fmt: skip

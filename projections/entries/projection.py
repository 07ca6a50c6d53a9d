"""Adds one row for every debit and credit. Nothing is ever changed, so rows go in by COPY."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Cursor

from domain.accounts import Credited, Debited
from domain.events import Recorded

TOPICS = frozenset({Debited.topic, Credited.topic})

_TYPES = (
    "uuid", "int8", "uuid", "uuid", "text", "int8", "int8", "timestamptz", "timestamptz", "text",
    "text",
)  # fmt: skip


def project(batch: Sequence[Recorded], db: Cursor[Any]) -> None:
    """Write the entries of a batch of events."""
    with db.copy("COPY entry FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(_TYPES)
        for event in batch:
            data = event.data
            assert isinstance(data, (Debited, Credited))
            recorded_at = event.recorded_at
            copy.write_row((
                event.stream_id, event.position, data.transfer_id, data.counterparty_id,
                "debit" if isinstance(data, Debited) else "credit", data.amount, data.balance,
                data.effective_at or recorded_at, recorded_at, data.description, data.reference,
            ))  # fmt: skip

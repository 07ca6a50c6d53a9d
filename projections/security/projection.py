"""Adds one row for every notice and admin action. Nothing is ever changed, so rows go in by COPY."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from psycopg import Cursor

from domain import approvals, security, users
from domain.events import Recorded
from domain.security import Noticed
from projections.audit.projection import Origin
from projections.audit.words import describe
from projections.sealed import key_id_of

TOPICS = frozenset(e.topic for e in (*security.EVENTS, *users.EVENTS, *approvals.EVENTS))

ADMIN_ACTION = "admin_action"
KINDS = (*(event.topic.removeprefix("security.") for event in security.EVENTS), ADMIN_ACTION)

_TYPES = (
    "int8", "timestamptz", "text", "text", "text", "text", "text", "text", "uuid", "text", "int8",
)  # fmt: skip

_decode_origin = msgspec.json.Decoder(Origin).decode


def project(batch: Sequence[Recorded], db: Cursor[Any]) -> None:
    """Write the notices and admin actions of a batch."""
    with db.copy("COPY notice FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(_TYPES)
        for event in batch:
            copy.write_row(_row(event))


def _row(event: Recorded) -> tuple[object, ...]:
    data, origin = event.data, _decode_origin(event.metadata)
    if not isinstance(data, Noticed):
        return (
            event.position, event.recorded_at, ADMIN_ACTION, event.topic, describe(data, ""),
            origin.actor, "", "", None, origin.correlation_id, 1,
        )  # fmt: skip
    return (
        event.position, event.recorded_at, event.topic.removeprefix("security."), data.reason,
        data.action, data.actor, data.address, data.user_agent, key_id_of(event),
        data.correlation_id, data.count,
    )  # fmt: skip

"""Webhooks as they are shown to their owners, and page by page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from api.views import Json
from application.webhooks.deliveries import Attempt, Delivery
from application.webhooks.endpoints import Endpoint
from application.webhooks.incoming import Received

Row = TypeVar("Row")


def endpoint(row: Endpoint) -> Json:
    """Never with a secret."""
    return row._asdict()


def delivery(row: Delivery) -> Json:
    """Without what was sent."""
    return {
        "id": row.id,
        "endpoint_id": row.endpoint_id,
        "message_id": row.message_id,
        "type": row.type,
        "status": row.status,
        "attempts": row.attempts,
        "answer_status": row.answer_status,
        "error": row.error,
        "replays": row.replays,
        "created_at": row.created_at,
        "tried_at": row.tried_at,
    }


def delivery_in_detail(row: Delivery, attempts: Sequence[Attempt]) -> Json:
    """With what was sent, and each try."""
    return {
        **delivery(row),
        "body": msgspec.Raw(row.body.encode()),
        "attempt_log": [each._asdict() for each in attempts],
    }


def received(row: Received) -> Json:
    return row._asdict()


def cut(
    rows: Sequence[Row], limit: int, view: Callable[[Row], Json], cursor_of: Callable[[Row], str]
) -> Json:
    """A page of rows, of which one more than `limit` was asked for."""
    shown, more = rows[:limit], len(rows) > limit
    return {
        "data": [view(row) for row in shown],
        "next_cursor": cursor_of(shown[-1]) if more else None,
        "has_more": more,
    }

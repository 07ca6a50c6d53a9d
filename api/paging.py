"""Cursors: opaque to clients, so that what is in them may change."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any, TypeVar

from api.problems import ProblemError
from projections.paging import Page

Row = TypeVar("Row")
_VERSION = b"1:"


def encode_cursor(position: int) -> str:
    return base64.urlsafe_b64encode(_VERSION + str(position).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> int | None:
    """The position in a cursor, None without one. Raises `invalid_cursor`."""
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        if raw.startswith(_VERSION) and raw[2:].isdigit() and len(raw) <= 20:
            return int(raw[2:])
    except (binascii.Error, ValueError):
        pass
    raise ProblemError("invalid_cursor")


def complete(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A list that always has all there is."""
    return {"data": rows, "next_cursor": None, "has_more": False}


def page(found: Page[Row], view: Callable[[Row], dict[str, Any]]) -> dict[str, Any]:
    """A list as every list of this API looks."""
    more = found.next_before is not None
    return {
        "data": [view(row) for row in found.rows],
        "next_cursor": encode_cursor(found.next_before) if found.next_before is not None else None,
        "has_more": more,
    }

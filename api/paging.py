"""Cursors: opaque to clients and signed, so that what is in them may change, and comes from here."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from api.problems import ProblemError
from projections.paging import Page

Row = TypeVar("Row")
_POSITION, _KEYS = b"1:", b"2:"
"""What a cursor holds. Signed with it: one kind is never taken for the other."""
_TAG_BYTES = 16

_key = secrets.token_bytes(32)


def use_key(key: bytes) -> None:
    """Sign cursors by this key from now on; without one they are good for this process only.

    All servers behind one address need the same, since a page's next one may be another's.
    """
    global _key
    _key = key


def encode_cursor(position: int) -> str:
    return _signed(_POSITION + str(position).encode())


def decode_cursor(cursor: str | None) -> int | None:
    """The position in a cursor, None without one. Raises `invalid_cursor`."""
    return None if cursor is None else int(_opened(cursor, _POSITION))


def encode_keys(values: Sequence[object]) -> str:
    """A cursor of the sort keys of a page's last row: whatever JSON can say, dates as texts."""
    return _signed(_KEYS + msgspec.json.encode(values))


def decode_keys(cursor: str | None) -> list[Any] | None:
    """The sort keys in a cursor as JSON has them, None without one. Raises `invalid_cursor`."""
    if cursor is None:
        return None
    return msgspec.json.decode(_opened(cursor, _KEYS), type=list[Any])


def _signed(content: bytes) -> str:
    return base64.urlsafe_b64encode(content + _tag(content)).decode().rstrip("=")


def _tag(content: bytes) -> bytes:
    return hmac.digest(_key, content, "sha256")[:_TAG_BYTES]


def _opened(cursor: str, kind: bytes) -> bytes:
    """What a cursor of this kind holds."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    content, tag = raw[:-_TAG_BYTES], raw[-_TAG_BYTES:]
    if content.startswith(kind) and hmac.compare_digest(_tag(content), tag):
        return content.removeprefix(kind)
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

"""Types of messages: which one an endpoint may ask for, and what a message looks like."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

MAX_BODY_BYTES = 20_000
"""Receivers need not take more."""
MAX_TYPES = 50
TEST = "webhook.test"
"""What a test sends; nobody has to ask for it."""

_PATTERN = re.compile(r"([a-z][a-z_]*)\.([a-z][a-z_]*|\*)")
_MAX_CHARS = 60


class MessageTooLargeError(Exception):
    """A message would be larger than receivers have to take."""

    def __init__(self, type_: str, size: int) -> None:
        super().__init__(
            f"a message {type_} of {size} bytes is more than {MAX_BODY_BYTES}: send ids, and let who"
            " gets it ask for the rest"
        )


def is_pattern(text: str) -> bool:
    """Whether this is a type, or `investment.*` for all of a kind."""
    return len(text) <= _MAX_CHARS and _PATTERN.fullmatch(text) is not None


def body_of(type_: str, occurred_at: datetime, data: Mapping[str, Any]) -> bytes:
    """A message as it is sent. Raises `MessageTooLargeError`."""
    body = msgspec.json.encode({"type": type_, "timestamp": occurred_at, "data": data})
    if len(body) >= MAX_BODY_BYTES:
        raise MessageTooLargeError(type_, len(body))
    return body

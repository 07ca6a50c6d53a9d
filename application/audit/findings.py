"""What a verification finds."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal[
    "altered", "missing", "inserted", "reordered", "rewritten", "head", "tree", "checkpoint",
    "read_model",
]  # fmt: skip


class Finding(NamedTuple):
    """Something that is not as it was written: from one position to another, and in a sentence."""

    position: int
    until: int
    kind: Kind
    sentence: str


def events(first: int, last: int) -> str:
    """Events for a sentence: `event 5`, `events 5 to 7`."""
    return f"event {first}" if first == last else f"events {first} to {last}"

"""What every event is, and what a reader sees of one that was recorded."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from msgspec import Struct


class Event(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """A fact. Its `topic` is the stored name: never renamed, never derived from a class or module.

    Fields with their default value are not stored, so a new field needs a default that keeps the
    meaning of old events.
    """

    topic: ClassVar[str]


class Recorded(Struct, frozen=True):
    """One event as the log holds it."""

    position: int
    stream_id: UUID
    version: int
    topic: str
    recorded_at: datetime
    data: Event
    metadata: bytes

"""Ids that rise with time, so that new streams stay together in the log's indexes."""

from __future__ import annotations

import os
import time
from uuid import UUID

from api.problems import ProblemError

_RANDOM = (4, 7)


def new_id() -> UUID:
    """A UUID of version 7 (RFC 9562): milliseconds since 1970, then 74 random bits."""
    value = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)


def random_id(given: UUID | None) -> UUID:
    """An id that a client may have chosen. Raises `reserved_id` for one that is not random: others are
    derived, and what the house derives its own ids from is no secret."""
    if given is not None and given.version not in _RANDOM:
        raise ProblemError("reserved_id", id=given)
    return given or new_id()


def id_for(given: UUID | None, owner_id: UUID | None) -> UUID:
    """As `random_id` for somebody who may touch his own things only; the house's own take any."""
    return given or new_id() if owner_id is None else random_id(given)

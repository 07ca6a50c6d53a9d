"""Ways to fail in a process of a rebuild. It imports this module, so there is little else in it."""

from __future__ import annotations

import os
from typing import Any

from psycopg.errors import DiskFull

from domain.events import Recorded
from projections.shadows import RebuildFailedError


def talkative(batch: object, db: object) -> None:
    raise ValueError("x" * 1_000_000)


def short_of_space(batch: object, db: object) -> None:
    raise DiskFull("no space left on device")


def with_its_own_key(event: Recorded) -> Any:
    raise RebuildFailedError("key_of fails")


def dying(batch: object, db: object) -> None:
    os._exit(9)

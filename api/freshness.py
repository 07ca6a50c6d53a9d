"""Reads that are at least as new as a write: `?min_position=` waits for it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.problems import ProblemError
from api.state import State

WAIT_S = 2.0
"""So long a read waits to become as fresh as asked."""

Fresh = Annotated[
    int | None,
    Field(
        ge=0,
        le=2**62,
        description="answer only when the read model has this position; waits up to 2 s, then 503",
    ),
]


async def log_has(state: State, min_position: int | None) -> None:
    """Wait until the log itself has a position. Raises `not_yet_visible` after `WAIT_S`."""
    if min_position and not await state.freshness.log_moved(min_position - 1, WAIT_S):
        raise ProblemError(
            "not_yet_visible", position=state.freshness.head, min_position=min_position
        )


async def be_fresh(state: State, name: str, min_position: int | None) -> None:
    """Wait until a read model has a position. Raises `not_yet_visible` after `WAIT_S`."""
    if min_position is None:
        return
    if not await state.freshness.wait_for(name, min_position, WAIT_S):
        raise ProblemError(
            "not_yet_visible",
            projection=name,
            position=state.freshness.position(name),
            min_position=min_position,
        )

"""Reads that are at least as new as a write: `?min_position=` waits for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

from psycopg import AsyncConnection
from pydantic import Field

from api.problems import ProblemError

if TYPE_CHECKING:  # the command line is spared what a server needs
    from api.state import State

WAIT_S = 2.0
"""So long a read waits to become as fresh as asked."""

T = TypeVar("T")

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


async def be_fresh(
    state: State, name: str, min_position: int | None, key: UUID | None = None
) -> None:
    """Wait until a read model has a position. Raises `not_yet_visible` after `WAIT_S`.

    With the `key` that is asked for: raises `read_model_incomplete` while the read model leaves it out.
    """
    if min_position is not None and not await state.freshness.wait_for(name, min_position, WAIT_S):
        raise ProblemError(
            "not_yet_visible",
            projection=name,
            position=state.freshness.position(name),
            min_position=min_position,
        )
    if key is not None:  # asked after the wait, which may have ended because the key was parked
        await be_whole(state, name, key=key)


async def find(
    state: State, name: str, ask: Callable[[AsyncConnection[Any]], Awaitable[T | None]]
) -> T | None:
    """What a read model has of one thing. What it does not have may have begun a moment ago: it is asked
    again once it shows all that the log had, within `WAIT_S`."""
    async with state.pool.connection() as conn:
        found = await ask(conn)
        if found is not None:
            return found
        row = await (await conn.execute("SELECT position FROM ledger_head")).fetchone()
    if row is None or not await state.freshness.wait_for(name, row[0], WAIT_S):
        return None
    async with state.pool.connection() as conn:
        return await ask(conn)


async def be_whole(
    state: State, name: str, *, key: UUID | None = None, to: int | None = None
) -> None:
    """Raises `read_model_incomplete` when a read model leaves out events of that key (of any, without
    one), unless these come after the position `to`: a gap is never shown as if it were the truth."""
    left_out = await state.freshness.parked(name, WAIT_S)
    if left_out is None:
        raise ProblemError("database_unavailable")
    for parked, position in left_out.items():
        if key in (None, parked) and (to is None or position <= to):
            raise ProblemError(
                "read_model_incomplete", projection=name, key=parked, position=position
            )


async def gaps(state: State, name: str) -> dict[str, str]:
    """For lists, of which a few keys should not take all: the header that says that some are left out.

    Empty when none is.
    """
    left_out = await state.freshness.parked(name, WAIT_S)
    if left_out is None:
        raise ProblemError("database_unavailable")
    return {"Daybook-Incomplete": name} if left_out else {}

"""What the cache is for: users and how many there are, as the read model has them, sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from api.cache import Kind
from api.freshness import find
from projections.users import queries
from projections.users.queries import Statistics, UserRow

if TYPE_CHECKING:  # the command line is spared what a server needs
    from api.state import State

USER = Kind("user", "users", UserRow)
STATISTICS = Kind("statistics", "users", Statistics)
KINDS: tuple[Kind[object], ...] = (USER, STATISTICS)
MODELS = sorted({kind.model for kind in KINDS})


async def user(state: State, user_id: UUID, min_position: int | None) -> UserRow | None:
    """A user who is not deleted, None when there is none; read anew for a `min_position`."""

    async def load() -> UserRow | None:
        return await find(state, "users", lambda conn: queries.user(conn, user_id))

    return await state.cache.get(USER, user_id, load, anew=min_position is not None)


async def user_statistics(state: State, min_position: int | None) -> Statistics:
    """How many users there are; counted anew for a `min_position`."""

    async def load() -> Statistics:
        async with state.pool.connection() as conn:
            return await queries.statistics(conn)

    found = await state.cache.get(STATISTICS, "all", load, anew=min_position is not None)
    assert found is not None, "there is always a count"
    return found

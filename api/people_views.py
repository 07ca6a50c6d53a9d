"""Users as they are shown: what is personal opened for themselves, and masked for all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg import AsyncConnection

from api import views
from api.problems import ProblemError
from api.views import Json
from application.identity.api_keys import ApiKey
from application.people.vault import Vault, is_erased
from application.privacy.masking import mask_email, mask_name
from domain.users import User
from projections.histories import last_version, state_at
from projections.users.queries import UserRow

if TYPE_CHECKING:  # the command line is spared what a server needs
    from api.state import State

NO_STORE = {"Cache-Control": "no-store"}
"""For answers with tokens or with what is known of a person."""


async def in_clear(state: State, row: Json) -> Json:
    """A user's row for the person: texts in place of sealed ones, `[erased]` when the key is gone."""
    async with state.pool.connection() as conn:
        return await state.vault.open_one(conn, UUID(str(row["id"])), row)


async def masked(state: State, row: Json) -> Json:
    """A user's row for staff."""
    return mask(await in_clear(state, row))


async def masked_rows(
    conn: AsyncConnection[Any], vault: Vault, rows: Sequence[UserRow]
) -> list[Json]:
    """Users of the read model for staff, whose keys are asked for together."""
    keys = await vault.keys(conn, [row.id for row in rows])
    return [mask(vault.open_user(keys.get(row.id), row.id, user_row(row))) for row in rows]


def mask(row: Json) -> Json:
    """An opened row with only so much of what is personal that a person is recognised."""
    email, full_name = row["email"], row["full_name"]
    return {
        **row,
        "email": email if is_erased(email) else mask_email(email),
        "full_name": full_name if is_erased(full_name) else mask_name(full_name),
    }


def user_row(row: UserRow) -> Json:
    """A user as the read model has it, what is personal still sealed."""
    return {
        "id": row.id,
        "email": row.email,
        "full_name": row.full_name,
        "role": row.role,
        **views.status_flags(row.status, verified=row.verified),
        "registered_by": row.registered_by,
        "created_at": row.registered_at,
        "updated_at": row.updated_at,
        "version": row.version,
        "position": row.position,
    }


def key_row(key: ApiKey) -> Json:
    """An API key, of which nobody is shown more than its beginning."""
    return {
        "id": key.id,
        "user_id": key.user_id,
        "name": key.name,
        "hint": f"dbk_{key.hint}",
        "scopes": key.scopes,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    }


async def user_now(state: State, user_id: UUID) -> User:
    """A user as the log has it at this moment, one's own last write included.

    Raises `user_not_found` also for who was deleted.
    """
    async with state.pool.connection() as conn:
        version = await last_version(conn, user_id)
        found = (await state_at(conn, user_id, version)).state if version else None
    if not isinstance(found, User) or found.status == "deleted":
        raise ProblemError("user_not_found", user_id=user_id)
    return found


async def own_user(state: State, user_id: UUID) -> Json:
    """What the person is shown of itself. Raises `user_not_found`."""
    return await in_clear(state, views.user(await user_now(state, user_id)))

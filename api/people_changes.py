"""What the routes that change users share."""

from __future__ import annotations

from uuid import UUID, uuid4

from fastapi import Response

from api.mailing import link_for
from api.problems import ProblemError
from api.state import State
from application.people.registering import Prepared, profile_change
from domain.versions import Expected


async def prepared_profile(
    state: State, user_id: UUID, full_name: str | None, email: str | None, expected: Expected
) -> Prepared:
    """New texts of a user; to a new address a mail goes out that asks to verify it.

    Raises `user_not_found` for nobody, and for who was erased.
    """
    async with state.pool.connection() as conn:
        key = (await state.vault.keys(conn, [user_id])).get(user_id)
        if email is not None and full_name is not None:
            has_it = await state.vault.login_of(conn, email)
            if has_it is not None and has_it.user_id == user_id:
                email = None  # sent back with the name: it is as verified as it was
    if key is None:
        raise ProblemError("user_not_found", user_id=user_id)
    return profile_change(
        state.vault,
        user_id,
        key,
        email=email,
        full_name=full_name,
        expected=expected,
        mail_id=uuid4(),
        link_for=link_for(state, user_id),
    )


async def known_here(state: State, answered: Response) -> Response:
    """The answer, once this process goes by the change: other processes hear of it by themselves."""
    if answered.status_code < 400:
        await state.gate.access.refresh()
    return answered

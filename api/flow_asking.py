"""What the routes that ask for funds, investments, deposits and withdrawals share."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from fastapi import Request

from api.callers import caller_of
from api.problems import ProblemError
from api.state import State
from application.privacy.masking import mask_document
from application.privacy.sealing import place, seal
from domain.accounts import Opened
from domain.events import Event
from projections.log import stream_events


class SealedAccount(NamedTuple):
    """An account at another bank, sealed for a person, and what may be shown of it."""

    text: str
    hint: str
    person_id: UUID


async def begun(state: State, stream_id: UUID) -> Event | None:
    """The first event of a stream, as the log has it: it never changes, and no read model is awaited."""
    async with state.pool.connection() as conn:
        events = await stream_events(conn, stream_id, after_version=0, limit=1)
    return events[0].data if events else None


def refuse_if_match(request: Request) -> None:
    """Raises `invalid_if_match`: what is not sent yet is called off whatever its version."""
    if "if-match" in request.headers:
        raise ProblemError(
            "invalid_if_match",
            why="Leave If-Match out: it is called off if nothing has been sent, and else refused.",
        )


async def sealed_account(
    request: Request, state: State, flow_id: UUID, account_id: UUID, outside: tuple[str, str]
) -> SealedAccount:
    """The account at the other bank (its kind and number), sealed for whose account of ours it is; for
    the caller where that is nobody who can be erased.

    Raises `account_not_found`, and `user_not_found` when the caller has no key either.
    """
    opened, caller = await begun(state, account_id), caller_of(request)
    if not isinstance(opened, Opened) or not caller.sees(opened.owner_id):
        raise ProblemError("account_not_found", account_id=account_id)
    people = [id_ for id_ in (opened.owner_id, caller.user_id) if id_ is not None]
    async with state.pool.connection() as conn:
        keys = await state.vault.keys(conn, people)
    for person_id in people:
        if person_id in keys:
            where = place(flow_id, "bank_transfer", "bank_account")
            kind, number = outside
            text = seal(keys[person_id], number, where)
            return SealedAccount(text, mask_document(kind, number), person_id)
    raise ProblemError("user_not_found", user_id=caller.user_id)

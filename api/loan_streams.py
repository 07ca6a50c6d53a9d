"""A loan as server-sent events: as it is after each change, until it is settled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple
from uuid import UUID

from fastapi import Request
from fastapi.sse import ServerSentEvent

from api import loan_views
from api.callers import caller_of
from api.following import Change, goes_on, told, until
from api.freshness import WAIT_S
from api.loan_reading import MODEL, loan_for
from api.state import State


class Following(NamedTuple):
    """A loan that is followed by somebody who may, from after a position on."""

    request: Request
    state: State
    loan_id: UUID
    after: int

    @classmethod
    async def begin(cls, request: Request, state: State, loan_id: UUID, after: int) -> Following:
        """Raises, before the stream has begun, `loan_not_found`."""
        await loan_for(caller_of(request), state, loan_id)
        return cls(request, state, loan_id, after)


async def follow(following: Following) -> AsyncIterator[ServerSentEvent]:
    """The loan now, unless that is known already, and with each change."""
    request, state, loan_id, position = following
    while goes_on(request, state):
        seen = state.freshness.position(MODEL)
        row = await loan_for(caller_of(request), state, loan_id)
        if row.position > position:
            position = row.position
            yield told("loan", loan_views.loan(row), position)
        if row.status == "settled":
            return
        change = Change(state, MODEL, [loan_id], seen)
        async for comment in until(request, state, change.happened):
            yield comment
        if loan_id in (await state.freshness.parked(MODEL, WAIT_S) or {}):
            return  # whoever comes again is told why

"""One stream for a person: what changes on the own accounts, and what becomes of the own payments."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.callers import caller_of
from api.following import LastEventId, news_after
from api.notices import SHOWN_IN, all_notices, own_notices
from api.responses import problems
from api.state import Running

router = APIRouter(prefix="/api", tags=["events"])


@router.get("/stream", response_class=EventSourceResponse, responses=problems(400, 422))
async def follow_notices(
    request: Request, state: Running, after: LastEventId
) -> AsyncIterator[ServerSentEvent]:
    """`balance_changed`, `payment_created` and `payment_status_changed` as they happen: of one's own
    accounts, transfers, investments, deposits and withdrawals, or of all.

    Begins after `Last-Event-ID` (which browsers send by themselves), else with what lists and balances do
    not show yet: whoever asks for them then misses nothing. Ends with the access token, or when its user
    may not come in any more: go on with a new one.
    """
    position = news_after(state, *SHOWN_IN) if after is None else after
    owner_id = caller_of(request).owner_id
    notices = (
        all_notices(request, state, position)
        if owner_id is None
        else own_notices(request, state, owner_id, position)
    )
    async for event in notices:
        yield event

"""Reports over all accounts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api import views
from api.as_of import position_then
from api.freshness import Fresh, be_fresh, be_whole
from api.models import In, Moment, Position
from api.paging import complete
from api.responses import TrialBalanceOut, problems
from api.state import Running
from api.writing import json_response
from projections.balances import queries
from projections.balances.past import trial_balance_at
from projections.balances.projection import mark_before

router = APIRouter(prefix="/api", tags=["reports"])


class TrialBalanceAsOf(In):
    at: Moment | None = None
    position: Position | None = None
    min_position: Fresh = None


@router.get("/trial-balance", response_model=TrialBalanceOut, responses=problems(400, 422))
async def trial_balance(state: Running, when: Annotated[TrialBalanceAsOf, Query()]) -> Response:
    """Debits and credits of each currency from the beginning to now, to a `position`, or to what was
    recorded `at` a time; the difference is always zero."""
    await be_fresh(state, "balances", when.min_position)
    async with state.pool.connection() as conn:
        if when.at is None and when.position is None:
            await be_whole(state, "balances")
            found = await queries.trial_balance(conn)
        else:
            then = await position_then(conn, when.position, when.at)
            await be_fresh(state, "balances", mark_before(then))
            await be_whole(state, "balances", to=then)
            found = await trial_balance_at(conn, then)
    return json_response({**complete(views.trial_balance(found)), "position": found.position})

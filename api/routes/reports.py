"""Reports over all accounts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api import views
from api.freshness import be_fresh
from api.models import Reading
from api.paging import complete
from api.responses import TrialBalanceOut, problems
from api.state import Running
from api.writing import json_response
from projections.balances import queries

router = APIRouter(prefix="/api", tags=["reports"])


@router.get("/trial-balance", response_model=TrialBalanceOut, responses=problems(400))
async def trial_balance(state: Running, reading: Annotated[Reading, Query()]) -> Response:
    """Debits and credits of each currency since the beginning; the difference is always zero."""
    await be_fresh(state, "balances", reading.min_position)
    async with state.pool.connection() as conn:
        found = await queries.trial_balance(conn)
    return json_response({**complete(views.trial_balance(found)), "position": found.position})

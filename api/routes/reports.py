"""Reports over all accounts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.freshness import be_fresh
from api.models import Reading
from api.responses import TrialBalanceOut, problems
from api.state import Running
from api.writing import json_response
from domain.money import format_amount
from projections.balances import queries

router = APIRouter(prefix="/api", tags=["reports"])


@router.get("/trial-balance", response_model=TrialBalanceOut, responses=problems(400))
async def trial_balance(state: Running, reading: Annotated[Reading, Query()]) -> Response:
    """Debits and credits of each currency since the beginning; the difference is always zero."""
    await be_fresh(state, "balances", reading.min_position)
    async with state.pool.connection() as conn:
        found = await queries.trial_balance(conn)
    return json_response(
        {
            "position": found.position,
            "currencies": [
                {
                    "currency": c.currency,
                    "accounts": c.accounts,
                    "debits": format_amount(c.debits, c.currency),
                    "credits": format_amount(c.credits, c.currency),
                    "difference": format_amount(c.difference, c.currency),
                }
                for c in found.currencies
            ],
        }
    )

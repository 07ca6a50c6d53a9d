"""Investments: money of an account on its way into a fund, for days, step by step."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api import flow_reading
from api.approval_responses import ApprovalOut
from api.approving import create_or_ask
from api.callers import caller_of
from api.flow_asking import refuse_if_match
from api.flow_models import InvestmentIn, InvestmentStatus
from api.flow_reading import Asked
from api.flow_responses import InvestmentOut, InvestmentPage, InvestmentWithSteps
from api.flow_streams import Following, LastEvent, follow
from api.freshness import Fresh
from api.ids import id_for
from api.models import Cursor, Id, In, Limit, Reading, ReasonIn
from api.preconditions import IfNoneMatch
from api.responses import NOT_MODIFIED, TAGGED, problems
from api.state import Running
from api.strict_json import StrictRoute
from api.writing import change
from domain.investments import CancelInvestment

router = APIRouter(prefix="/api/investments", tags=["investments"], route_class=StrictRoute)


@router.post(
    "",
    status_code=202,
    response_model=InvestmentOut | ApprovalOut,
    responses={202: TAGGED, **problems(400, 404, 409, 422)},
)
async def request_investment(request: Request, body: InvestmentIn, state: Running) -> Response:
    """Invest in a fund. Its criteria are checked and its seat is reserved at once; then banks move the
    money, which takes days: see the steps at `Location`, or follow its `/stream`. More than the house lets
    one person move waits for a second one: then `Location` is the approval's."""
    owner_id = caller_of(request).owner_id
    command = body.command(id_for(body.id, owner_id), owner_id)
    return await create_or_ask(request, state, command, currency=command.currency, status=202)


class InvestmentFilters(In):
    status: InvestmentStatus | None = None
    fund_id: Id | None = None
    investor_account_id: Id | None = None
    limit: Limit = 50
    cursor: Cursor | None = None
    min_position: Fresh = None


@router.get("", response_model=InvestmentPage, responses=problems(400))
async def list_investments(
    request: Request, filters: Annotated[InvestmentFilters, Query()], state: Running
) -> Response:
    """Investments, the last requested first: all, or for customers their own."""
    f = filters
    asked = Asked(f.limit, f.cursor, f.min_position, f.status, f.investor_account_id, f.fund_id)
    return await flow_reading.list_flows(request, state, "investment", asked)


@router.get(
    "/{investment_id}",
    response_model=InvestmentWithSteps,
    responses={200: TAGGED, 304: NOT_MODIFIED, **problems(400, 404)},
)
async def get_investment(
    request: Request,
    investment_id: Id,
    state: Running,
    reading: Annotated[Reading, Query()],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """One investment, with its steps, and what the banks were asked and said. Its ETag changes with
    each of them."""
    return await flow_reading.get_flow(
        request, state, "investment", investment_id, reading.min_position, if_none_match
    )


@router.post(
    "/{investment_id}/cancel",
    response_model=InvestmentOut,
    responses={200: TAGGED, **problems(400, 404, 409, 422)},
)
async def cancel_investment(
    request: Request, investment_id: Id, state: Running, body: ReasonIn | None = None
) -> Response:
    """Call an investment off while the bank has not been asked: what is held is free again, and so is
    the seat."""
    refuse_if_match(request)
    reason = body.reason if body else ""
    owner_id = caller_of(request).owner_id
    return await change(request, state, CancelInvestment(investment_id, reason, owner_id))


async def _following(
    request: Request, investment_id: Id, state: Running, after: LastEvent
) -> Following:
    return await Following.begin(request, state, "investment", investment_id, after)


@router.get(
    "/{investment_id}/stream",
    response_class=EventSourceResponse,
    responses=problems(400, 404, 422),
)
async def follow_investment(
    following: Annotated[Following, Depends(_following)],
) -> AsyncIterator[ServerSentEvent]:
    """The steps as they happen, each as an event `step`, and each new status as an event `status`.

    Begins with the first step, or after `Last-Event-ID`. Ends when the investment has, or with what the
    caller came with.
    """
    async for event in follow(following):
        yield event

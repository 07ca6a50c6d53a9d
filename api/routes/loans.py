"""Loans: what is owed, by when, and how it is paid back; and the money that there is to lend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api import loan_reading, loan_views
from api.approval_responses import ASKED
from api.approving import create_or_ask
from api.callers import caller_of
from api.flow_streams import LastEvent
from api.freshness import find
from api.ids import id_for
from api.loan_models import FundingIn, LoanFilters, RepaymentFilters, RepaymentIn
from api.loan_responses import (
    LentPage,
    LoanPage,
    LoanWithPayoff,
    RepaymentOut,
    RepaymentPage,
    RepaymentRead,
    SchedulePage,
)
from api.loan_streams import Following, follow
from api.models import Id, Reading, in_currency
from api.paging import complete, decode_cursor, page
from api.problems import ProblemError
from api.responses import TAGGED, TransferOut, problems
from api.state import Running
from api.strict_json import StrictRoute
from api.writing import json_response
from domain.loans import FundLending, RepayLoan
from projections.loans import queries

router = APIRouter(prefix=loan_views.PATH, tags=["loans"], route_class=StrictRoute)

_READ = problems(400, 404)


@router.get("", response_model=LoanPage, responses=problems(400))
async def list_loans(
    request: Request, filters: Annotated[LoanFilters, Query()], state: Running
) -> Response:
    """Loans, the last opened first: all, or for customers their own."""
    return await loan_reading.list_loans(request, state, filters)


@router.post(
    "/funding",
    status_code=201,
    response_model=TransferOut,
    responses={201: TAGGED, 202: ASKED, **problems(400, 404, 409, 422)},
)
async def fund_lending(request: Request, body: FundingIn, state: Running) -> Response:
    """Put money where loans are paid out from: a transfer to the house's account for it. More than the house
    lets one person move is answered with 202 and waits for a second one at `/api/approvals`."""
    amount = in_currency(body.amount, body.currency)
    owner_id = caller_of(request).owner_id
    transfer_id = id_for(body.id, owner_id)
    command = FundLending(transfer_id, body.source_account_id, amount, body.currency, owner_id)
    return await create_or_ask(
        request, state, command, currency=body.currency, place="/api/transfers"
    )


@router.get("/funding", response_model=LentPage, responses=problems(400))
async def get_lending(reading: Annotated[Reading, Query()], state: Running) -> Response:
    """By currency: what there is to lend, what is owed, what was earned by it, and how much of what is
    owed is overdue, by days."""
    return json_response(complete(await loan_reading.lent(state, reading.min_position)))


@router.get("/{loan_id}", response_model=LoanWithPayoff, responses=_READ)
async def get_loan(
    request: Request, loan_id: Id, reading: Annotated[Reading, Query()], state: Running
) -> Response:
    """A loan, what is due next, what is overdue, and what would settle it today."""
    row = await loan_reading.loan_for(caller_of(request), state, loan_id, reading.min_position)
    return json_response(await loan_reading.loan_with_payoff(state, row))


@router.get("/{loan_id}/schedule", response_model=SchedulePage, responses=_READ)
async def get_schedule(
    request: Request, loan_id: Id, reading: Annotated[Reading, Query()], state: Running
) -> Response:
    """All instalments in order, as they are now, and what is paid of them."""
    row = await loan_reading.loan_for(caller_of(request), state, loan_id, reading.min_position)
    return json_response(await loan_reading.schedule(state, row))


@router.get("/{loan_id}/repayments", response_model=RepaymentPage, responses=_READ)
async def list_repayments(
    request: Request,
    loan_id: Id,
    filters: Annotated[RepaymentFilters, Query()],
    state: Running,
) -> Response:
    """What was paid back, the last first, by the instalments that it paid."""
    before = decode_cursor(filters.cursor)
    row = await loan_reading.loan_for(caller_of(request), state, loan_id, filters.min_position)
    async with state.pool.connection() as conn:
        found = await queries.repayments(conn, loan_id, limit=filters.limit, before=before)
    return json_response(page(found, partial(loan_views.repayment, currency=row.currency)))


@router.post(
    "/{loan_id}/repayments",
    status_code=201,
    response_model=RepaymentOut,
    responses={202: ASKED, **problems(400, 404, 409, 422)},
)
async def repay_loan(request: Request, loan_id: Id, body: RepaymentIn, state: Running) -> Response:
    """Pay back what is due, or more: all that is owed on a day is the loan's payoff, and no more than that
    is taken. More than the house lets one person move is answered with 202 and waits for a second one at
    `/api/approvals`: it is paid back as of the day on which that one agrees."""
    caller = caller_of(request)
    opened = await loan_reading.opened_for(caller, state, loan_id)
    amount = in_currency(body.amount, opened.currency)
    repayment_id = id_for(body.id, caller.owner_id)
    today = datetime.now(UTC).date()
    command = RepayLoan(loan_id, repayment_id, body.account_id, amount, today, caller.owner_id)
    view = partial(loan_views.repaid, repayment_id=repayment_id)
    return await create_or_ask(request, state, command, currency=opened.currency, view=view)


@router.get("/{loan_id}/repayments/{repayment_id}", response_model=RepaymentRead, responses=_READ)
async def get_repayment(
    request: Request,
    loan_id: Id,
    repayment_id: Id,
    reading: Annotated[Reading, Query()],
    state: Running,
) -> Response:
    """One repayment."""
    row = await loan_reading.loan_for(caller_of(request), state, loan_id, reading.min_position)
    found = await find(
        state,
        loan_reading.MODEL,
        lambda conn: queries.repayment(conn, loan_id, repayment_id),
    )
    if found is None:
        raise ProblemError("repayment_not_found", repayment_id=repayment_id)
    return json_response(loan_views.repayment(found, row.currency))


async def _following(request: Request, loan_id: Id, state: Running, after: LastEvent) -> Following:
    return await Following.begin(request, state, loan_id, after)


@router.get(
    "/{loan_id}/stream", response_class=EventSourceResponse, responses=problems(400, 404, 422)
)
async def follow_loan(
    following: Annotated[Following, Depends(_following)],
) -> AsyncIterator[ServerSentEvent]:
    """The loan as it is, and after each change, as an event `loan`.

    Begins with the loan now, unless `Last-Event-ID` says that it is known. Ends when it is settled, or
    with what the caller came with.
    """
    async for event in follow(following):
        yield event

"""Funds: what people invest in, on which terms, and who has a seat."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid5

from fastapi import APIRouter, Query, Request, Response

from api import flow_views
from api.callers import caller_of
from api.flow_asking import begun
from api.flow_models import AllocationStatus, FundIn, FundStatus, FundTermsIn
from api.flow_responses import AllocationPage, FundOut, FundPage
from api.freshness import Fresh, be_fresh, be_whole, find, gaps
from api.ids import new_id
from api.models import Currency, Cursor, Id, In, Limit, Reading, ReasonIn
from api.paging import decode_cursor, page
from api.preconditions import ExpectedVersions, IfNoneMatch
from api.problems import ProblemError
from api.responses import NOT_MODIFIED, TAGGED, problems
from api.state import Running, State
from api.strict_json import StrictRoute
from api.writing import change, create, json_response, tagged_response
from domain.accounts import OpenAccount
from domain.funds import ChangeFundStatus, Opened
from domain.versions import Expected
from projections.funds import queries

router = APIRouter(prefix="/api/funds", tags=["funds"], route_class=StrictRoute)

_NAMESPACE = UUID("da4b0000-0000-4000-8000-0000000fa11d")


@router.post(
    "",
    status_code=201,
    response_model=FundOut,
    responses={201: TAGGED, **problems(400, 404, 422)},
)
async def open_fund(request: Request, body: FundIn, state: Running) -> Response:
    """Open a fund. Without `account_id` its account is opened with it, or neither is."""
    fund_id = body.id or new_id()
    if body.account_id is not None:
        return await create(request, state, body.command(fund_id, body.account_id))
    account_id = uuid5(_NAMESPACE, str(fund_id))
    return await create(
        request,
        state,
        OpenAccount(account_id, body.name, "fund", body.currency),
        body.command(fund_id, account_id),
    )


class FundFilters(In):
    status: FundStatus | None = None
    currency: Currency | None = None
    limit: Limit = 50
    cursor: Cursor | None = None
    min_position: Fresh = None


@router.get("", response_model=FundPage, responses=problems(400))
async def list_funds(filters: Annotated[FundFilters, Query()], state: Running) -> Response:
    """Funds, the last opened first."""
    before = decode_cursor(filters.cursor)
    await be_fresh(state, "funds", filters.min_position)
    async with state.pool.connection() as conn:
        found = await queries.list_funds(
            conn,
            limit=filters.limit,
            before=before,
            status=filters.status,
            currency=filters.currency,
        )
    now = datetime.now(UTC)
    rows = page(found, lambda row: flow_views.fund_row(row, now))
    return json_response(rows, await gaps(state, "funds"))


@router.get(
    "/{fund_id}",
    response_model=FundOut,
    responses={200: TAGGED, 304: NOT_MODIFIED, **problems(400, 404)},
)
async def get_fund(
    fund_id: Id,
    state: Running,
    reading: Annotated[Reading, Query()],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """One fund: its terms, and how many of its seats are left."""
    row = await _found(state, fund_id, reading.min_position)
    body = flow_views.fund_row(row, datetime.now(UTC))
    if row.opens_at is not None or row.closes_at is not None:
        if_none_match = None  # it opens and closes with the clock too, without a new version
    return tagged_response(body, row.version, if_none_match)


@router.patch(
    "/{fund_id}",
    response_model=FundOut,
    responses={200: TAGGED, **problems(400, 404, 412, 422)},
)
async def change_terms(
    request: Request, fund_id: Id, body: FundTermsIn, state: Running, expected: ExpectedVersions
) -> Response:
    """Change the terms for investments from now on; those that were asked for go on as they were."""
    opened = await begun(state, fund_id)
    if not isinstance(opened, Opened):
        raise ProblemError("fund_not_found", fund_id=fund_id)
    return await change(request, state, body.command(fund_id, opened.currency, expected))


_CHANGED = {200: TAGGED, **problems(400, 404, 412, 422)}


@router.post("/{fund_id}/suspend", response_model=FundOut, responses=_CHANGED)
async def suspend(
    request: Request,
    fund_id: Id,
    state: Running,
    expected: ExpectedVersions,
    body: ReasonIn | None = None,
) -> Response:
    """Take no investments until it is opened again."""
    return await _to(request, state, fund_id, "suspended", body, expected)


@router.post("/{fund_id}/reopen", response_model=FundOut, responses=_CHANGED)
async def reopen(
    request: Request,
    fund_id: Id,
    state: Running,
    expected: ExpectedVersions,
    body: ReasonIn | None = None,
) -> Response:
    """Take investments again."""
    return await _to(request, state, fund_id, "open", body, expected)


@router.post("/{fund_id}/close", response_model=FundOut, responses=_CHANGED)
async def close(
    request: Request,
    fund_id: Id,
    state: Running,
    expected: ExpectedVersions,
    body: ReasonIn | None = None,
) -> Response:
    """Take no investments any more, for good."""
    return await _to(request, state, fund_id, "closed", body, expected)


async def _to(
    request: Request,
    state: State,
    fund_id: UUID,
    status: str,
    body: ReasonIn | None,
    expected: Expected,
) -> Response:
    reason = body.reason if body else ""
    return await change(request, state, ChangeFundStatus(fund_id, status, reason, expected))


class AllocationFilters(In):
    status: AllocationStatus | None = None
    limit: Limit = 50
    cursor: Cursor | None = None
    min_position: Fresh = None


@router.get("/{fund_id}/allocations", response_model=AllocationPage, responses=problems(400, 404))
async def list_allocations(
    request: Request,
    fund_id: Id,
    filters: Annotated[AllocationFilters, Query()],
    state: Running,
) -> Response:
    """Who has a seat, the last reserved first: all for the fund's manager, else an investor's own."""
    before = decode_cursor(filters.cursor)
    fund = await _found(state, fund_id, filters.min_position)
    caller = caller_of(request)
    async with state.pool.connection() as conn:
        found = await queries.allocations(
            conn,
            fund_id,
            limit=filters.limit,
            before=before,
            status=filters.status,
            owner_id=None if fund.manager_id == caller.user_id else caller.owner_id,
        )
    return json_response(page(found, flow_views.allocation_row), await gaps(state, "funds"))


async def _found(state: State, fund_id: UUID, min_position: int | None) -> queries.FundRow:
    """Raises `fund_not_found`."""
    await be_fresh(state, "funds", min_position)
    await be_whole(state, "funds", key=fund_id)
    row = await find(state, "funds", lambda conn: queries.fund(conn, fund_id))
    if row is None:
        raise ProblemError("fund_not_found", fund_id=fund_id)
    return row

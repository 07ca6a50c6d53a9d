"""Approvals: what was asked for and waits for a second person, and what that one decides."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from api import approval_views
from api.approval_responses import ApprovalOut, ApprovalPage, ApprovalRead
from api.approving import (
    requested_in_reach,
    sees_kind,
    while_person_known,
    without_erased,
)
from api.callers import caller_of
from api.freshness import Fresh, be_fresh, be_whole, gaps
from api.models import Cursor, Id, In, Limit, Reading, ReasonIn, enum, one_of
from api.paging import complete, decode_cursor, page
from api.preconditions import ExpectedVersions, IfNoneMatch
from api.problems import ProblemError
from api.responses import NOT_MODIFIED, TAGGED, problems
from api.state import Running
from api.strict_json import StrictRoute
from api.writing import APPROVALS, change, json_response, tagged_response
from domain.approvals import KINDS, STATUSES, Approve, Reject, Withdraw
from projections.approvals import queries

router = APIRouter(prefix=APPROVALS, tags=["approvals"], route_class=StrictRoute)

ApprovalStatus = Annotated[str, one_of("invalid_status", STATUSES), enum(STATUSES)]


class ApprovalFilters(In):
    status: ApprovalStatus | None = None
    maker_id: Id | None = None
    application_id: Annotated[
        Id | None, Field(description="the application for credit that is to be approved")
    ] = None
    limit: Limit = 50
    cursor: Cursor | None = None
    min_position: Fresh = None


@router.get("", response_model=ApprovalPage, responses=problems(400))
async def list_approvals(
    request: Request, filters: Annotated[ApprovalFilters, Query()], state: Running
) -> Response:
    """Approvals, the last asked for first: all, for officers those of credit, and for customers those that
    they asked for."""
    before = decode_cursor(filters.cursor)
    await be_fresh(state, "approvals", filters.min_position)
    caller = caller_of(request)
    if filters.maker_id is not None and not caller.sees(filters.maker_id):
        return json_response(complete([]))
    async with state.pool.connection() as conn:
        found = await queries.list_approvals(
            conn,
            limit=filters.limit,
            before=before,
            status=filters.status,
            maker_id=caller.owner_id or filters.maker_id,
            application_id=filters.application_id,
            kinds=None
            if caller.owner_id
            else [k.name for k in KINDS.values() if sees_kind(caller, k)],
        )
    return json_response(page(found, approval_views.approval_row), await gaps(state, "approvals"))


@router.get(
    "/{approval_id}",
    response_model=ApprovalRead,
    responses={200: TAGGED, 304: NOT_MODIFIED, **problems(400, 404)},
)
async def get_approval(
    request: Request,
    approval_id: Id,
    state: Running,
    reading: Annotated[Reading, Query()],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """One approval: what was asked for, by whom, and what became of it."""
    await be_fresh(state, "approvals", reading.min_position)
    async with state.pool.connection() as conn:
        row = await queries.approval(conn, approval_id)
    caller = caller_of(request)
    is_seen = row is not None and (
        row.maker_id == caller.owner_id if caller.owner_id else sees_kind(caller, KINDS[row.kind])
    )
    if row is None or not is_seen:
        raise ProblemError("approval_not_found", approval_id=approval_id)
    await be_whole(state, "approvals", key=approval_id)
    return tagged_response(approval_views.approval_row(row), row.version, if_none_match)


@router.post(
    "/{approval_id}/approve",
    response_model=ApprovalOut,
    responses={200: TAGGED, **problems(400, 404, 409, 412, 422)},
)
async def approve(
    request: Request, approval_id: Id, state: Running, expected: ExpectedVersions
) -> Response:
    """Agree, so that what was asked for is done now. When that is refused, nothing is done, and the
    approval goes on waiting."""
    caller = caller_of(request)
    requested = await requested_in_reach(state, caller, approval_id)
    command = Approve(approval_id, caller.user_id, expected)
    beside = await while_person_known(state, requested)
    answered = await change(request, state, command, beside=beside, finish=without_erased)
    # A role may have changed, and the user's open sessions are over: here too, and at once.
    await state.gate.access.refresh()
    return answered


@router.post(
    "/{approval_id}/reject",
    response_model=ApprovalOut,
    responses={200: TAGGED, **problems(400, 404, 409, 412)},
)
async def reject(
    request: Request,
    approval_id: Id,
    state: Running,
    expected: ExpectedVersions,
    body: ReasonIn | None = None,
) -> Response:
    """Refuse what was asked for."""
    reason, caller = body.reason if body else "", caller_of(request)
    await requested_in_reach(state, caller, approval_id)
    command = Reject(approval_id, caller.user_id, reason, expected)
    return await change(request, state, command, finish=without_erased)


@router.post(
    "/{approval_id}/withdraw",
    response_model=ApprovalOut,
    responses={200: TAGGED, **problems(400, 404, 409, 412)},
)
async def withdraw(
    request: Request,
    approval_id: Id,
    state: Running,
    expected: ExpectedVersions,
    body: ReasonIn | None = None,
) -> Response:
    """Ask no longer. Only who asked can."""
    reason = body.reason if body else ""
    command = Withdraw(approval_id, caller_of(request).user_id, reason, expected)
    return await change(request, state, command, finish=without_erased)

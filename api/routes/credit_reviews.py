"""What officers do: take applications from the queue, decide them, and see who asks, for a reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from api import credit_reading, credit_views
from api.approval_responses import ASKED
from api.approving import ask_for_review, is_above
from api.callers import caller_of
from api.credit_asking import application_now, while_known
from api.credit_disclosures import list_disclosures
from api.credit_models import ApplicationDisclosureIn, ApprovalIn, CountryCode
from api.credit_responses import (
    ApplicationDisclosedOut,
    ApplicationDisclosurePage,
    ApplicationOut,
    ApplicationPage,
    ApplicationStatsPage,
)
from api.credit_sealing import key_of, opened
from api.freshness import Fresh, be_fresh, be_whole
from api.models import Cursor, EndMoment, Id, In, Limit, Moment, ReasonIn, in_currency
from api.paging import complete
from api.people_responses import PRIVATE
from api.people_views import NO_STORE
from api.preconditions import ExpectedVersions, refuse_if_match
from api.responses import TAGGED, problems
from api.state import Running, State
from api.strict_json import StrictRoute
from api.views import Json
from api.writing import change, json_response, refuse_idempotency_key
from application.countries import country_of
from domain.credit_applications import (
    ClaimApplication,
    EraseApplicant,
    NoteApplicationDisclosure,
    ReleaseApplication,
    ReviewApplication,
    amount_of,
    report_id_of,
)
from projections.applications.stats import stats

router = APIRouter(prefix=credit_views.PATH, tags=["applications"], route_class=StrictRoute)

CLAIMED_FOR = timedelta(minutes=30)
"""So long an officer has an application to himself; claiming it again begins anew."""

_CHANGED = {200: TAGGED, **problems(400, 404, 409, 412, 422)}


class QueueFilters(In):
    country: CountryCode | None = None
    limit: Limit = 50
    cursor: Cursor | None = None
    min_position: Fresh = None


@router.get("/queue", response_model=ApplicationPage, responses=problems(400, 422))
async def list_application_queue(
    request: Request, filters: Annotated[QueueFilters, Query()], state: Running
) -> Response:
    """What waits for an officer, the longest waiting first: what nobody has claimed, and one's own."""
    f = filters
    asked = credit_reading.Asked(f.limit, f.cursor, f.min_position, f.country)
    return await credit_reading.list_queue(request, state, asked, datetime.now(UTC))


class StatsFilters(In):
    country: CountryCode | None = None
    start_date: Annotated[Moment | None, Field(description="submitted then or later")] = None
    end_date: Annotated[EndMoment | None, Field(description="submitted before then")] = None
    min_position: Fresh = None


@router.get("/stats", response_model=ApplicationStatsPage, responses=problems(400, 422))
async def application_stats(filters: Annotated[StatsFilters, Query()], state: Running) -> Response:
    """By country: how many have which status, how many were approved, how long it took until they were
    decided first, and by what scores."""
    f = filters
    if f.country is not None:
        country_of(f.country)
    await be_fresh(state, credit_reading.MODEL, f.min_position)
    await be_whole(state, credit_reading.MODEL)
    async with state.pool.connection() as conn:
        found = await stats(conn, since=f.start_date, until=f.end_date, country=f.country)
    return json_response(complete([credit_views.country_stats(each) for each in found]))


@router.post("/{application_id}/claim", response_model=ApplicationOut, responses=_CHANGED)
async def claim_application(
    request: Request, application_id: Id, state: Running, expected: ExpectedVersions
) -> Response:
    """Take an application from the queue: for half an hour nobody else decides it, nor does a table."""
    until = datetime.now(UTC) + CLAIMED_FOR
    caller = caller_of(request)
    command = ClaimApplication(application_id, caller.user_id, until, expected)
    beside = await while_known(state, caller, application_id)
    return await change(request, state, command, beside=beside)


@router.post("/{application_id}/release", response_model=ApplicationOut, responses=_CHANGED)
async def release_application(
    request: Request, application_id: Id, state: Running, expected: ExpectedVersions
) -> Response:
    """Put an application back into the queue."""
    command = ReleaseApplication(application_id, caller_of(request).user_id, expected)
    return await change(request, state, command)


@router.post(
    "/{application_id}/approve",
    response_model=ApplicationOut,
    responses={202: ASKED, **_CHANGED},
)
async def approve_application(
    request: Request,
    application_id: Id,
    state: Running,
    expected: ExpectedVersions,
    body: ApprovalIn | None = None,
) -> Response:
    """Approve what waits for an officer, as it was asked for or for less: an offer is made. Nobody
    approves an application of his own, or that he brought. More than the house lets one person move is
    answered with 202 and waits for another officer at `/api/approvals`."""
    caller = caller_of(request)
    there = await application_now(state, caller, application_id)
    amount, currency = amount_of(there), there.asked.currency
    if body is not None and body.amount is not None:
        amount = in_currency(body.amount, currency)
    command = ReviewApplication(
        application_id,
        caller.user_id,
        "approve",
        body.reason if body else "",
        amount,
        expected,
        there.round,
        report_id_of(there),
    )
    beside = await while_known(state, caller, application_id)
    if is_above(state.policy, currency, amount):
        return await ask_for_review(request, state, command, currency, beside)
    return await change(request, state, command, beside=beside)


@router.post("/{application_id}/reject", response_model=ApplicationOut, responses=_CHANGED)
async def reject_application(
    request: Request,
    application_id: Id,
    state: Running,
    expected: ExpectedVersions,
    body: ReasonIn | None = None,
) -> Response:
    """Reject an application, and say why: who applied is told."""
    reason = body.reason if body else ""
    officer_id = caller_of(request).user_id
    command = ReviewApplication(application_id, officer_id, "reject", reason, None, expected)
    return await change(request, state, command)


@router.post(
    "/{application_id}/disclose",
    response_model=ApplicationDisclosedOut,
    responses={200: PRIVATE, **problems(400, 404)},
)
async def disclose_application(
    request: Request, application_id: Id, body: ApplicationDisclosureIn, state: Running
) -> Response:
    """Show in clear who asks. Who was shown which fields and what for is an event of the application before
    the answer is given, which the applicant can read; asked again, it is another one."""
    refuse_if_match(request)
    refuse_idempotency_key(request)
    caller = caller_of(request)
    fields = tuple(dict.fromkeys(body.fields))

    async def finish(state: State, row: Json) -> Json:
        asked = (await application_now(state, caller, application_id)).asked
        key = await key_of(state, asked.person_id)
        return {
            "id": row["id"],
            **{
                name: opened(key, application_id, name, getattr(asked, name)) or None
                for name in fields
            },
            "reason": body.reason,
            "position": row["position"],
            "recorded_at": row["recorded_at"],
        }

    command = NoteApplicationDisclosure(application_id, caller.user_id, fields, body.reason)
    answered = await change(request, state, command, finish=finish)
    answered.headers.update(NO_STORE)
    return answered


class DisclosedFilters(In):
    limit: Limit = 50
    cursor: Cursor | None = None
    min_position: Fresh = None


@router.get(
    "/{application_id}/disclosures",
    response_model=ApplicationDisclosurePage,
    responses=problems(400, 404, 422),
)
async def application_disclosures(
    request: Request,
    application_id: Id,
    filters: Annotated[DisclosedFilters, Query()],
    state: Running,
) -> Response:
    """Who was shown what is sealed in an application, the last time first: staff in clear, and a credit
    bureau each time that it was asked. The applicant sees it too, with what for."""
    f = filters
    return await list_disclosures(request, state, application_id, f.limit, f.cursor, f.min_position)


@router.post("/{application_id}/erase", response_model=ApplicationOut, responses=_CHANGED)
async def erase_application(request: Request, application_id: Id, state: Running) -> Response:
    """Forget for good who has applied, where that is no user and the application is over: there is no way
    back. What was decided stays, and so does what is owed. Who is a user is erased as one."""
    refuse_if_match(request)
    return await change(request, state, EraseApplicant(application_id))

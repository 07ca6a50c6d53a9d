"""Applications for credit: brought, followed, changed, withdrawn, and offers answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import Field

from api import credit_reading, credit_views
from api.callers import caller_of
from api.credit_asking import changing, submission, while_known
from api.credit_models import (
    AcceptanceIn,
    ApplicationChangeIn,
    ApplicationIn,
    ApplicationStatus,
    CountryCode,
)
from api.credit_responses import (
    ApplicationOut,
    ApplicationPage,
    ApplicationStatusOut,
    ApplicationWithSteps,
)
from api.credit_streams import Following, follow, follow_all, follow_own
from api.flow_streams import LastEvent
from api.following import LastEventId, news_after
from api.freshness import Fresh
from api.models import Amount, Cursor, EndMoment, Id, In, Limit, Moment, Reading, ReasonIn
from api.preconditions import ExpectedVersions, IfNoneMatch
from api.responses import NOT_MODIFIED, TAGGED, problems
from api.state import Running, State
from api.strict_json import StrictRoute
from api.views import Json
from api.writing import change, create
from domain.credit_applications import AcceptOffer, DeclineOffer, WithdrawApplication
from domain.versions import Expected

router = APIRouter(prefix=credit_views.PATH, tags=["applications"], route_class=StrictRoute)

_READ = {200: TAGGED, 304: NOT_MODIFIED, **problems(400, 404)}
_CHANGED = {200: TAGGED, **problems(400, 404, 409, 412, 422)}
_GONE = ("ETag", "Daybook-Position", "Idempotent-Replayed")


@router.post(
    "",
    status_code=202,
    response_model=ApplicationOut,
    responses={202: TAGGED, **problems(400, 404, 409, 422)},
)
async def apply_for_credit(request: Request, body: ApplicationIn, state: Running) -> Response:
    """Apply for credit. The document is checked at once; then a bureau is asked and it is decided, mostly
    within seconds: see the status at `Location`, or follow its `/stream`. What the form of a country asks
    for, and its rules, are at `/api/countries`.

    With an `id` of your own, sent again, it is the same by country, document and terms; a name, an
    address or a number that is different then is not looked at: change it with PUT."""
    asked = await submission(request, state, body)

    async def finish(_: State, row: Json) -> Json:
        return {**row, "created_at": row["recorded_at"]}

    return await create(
        request, state, asked.command, status=202, beside=asked.beside, finish=finish
    )


class ApplicationFilters(In):
    country: CountryCode | None = None
    status: ApplicationStatus | None = None
    start_date: Annotated[Moment | None, Field(description="submitted then or later")] = None
    end_date: Annotated[EndMoment | None, Field(description="submitted before then")] = None
    min_amount: Annotated[Amount | None, Field(description="in the currency of `country`")] = None
    max_amount: Annotated[Amount | None, Field(description="in the currency of `country`")] = None
    limit: Limit = 50
    cursor: Cursor | None = None
    min_position: Fresh = None


@router.get("", response_model=ApplicationPage, responses=problems(400, 422))
async def list_applications(
    request: Request, filters: Annotated[ApplicationFilters, Query()], state: Running
) -> Response:
    """Applications, the last submitted first: all, or for customers their own. A search by amount names
    the country."""
    f = filters
    asked = credit_reading.Asked(
        f.limit,
        f.cursor,
        f.min_position,
        f.country,
        f.status,
        f.start_date,
        f.end_date,
        f.min_amount,
        f.max_amount,
    )
    return await credit_reading.list_applications(request, state, asked)


@router.get("/stream", response_class=EventSourceResponse, responses=problems(400, 422))
async def follow_applications(
    request: Request, state: Running, after: LastEventId
) -> AsyncIterator[ServerSentEvent]:
    """Each application that changes, as it is then, as an event `application`: of all, or for customers
    of their own.

    Begins after `Last-Event-ID` (which browsers send by themselves), else with what the list does not show
    yet: whoever asks for the list then misses nothing. Ends with what the caller came with.
    """
    position = news_after(state, credit_reading.MODEL) if after is None else after
    owner_id = caller_of(request).owner_id
    events = (
        follow_all(request, state, position)
        if owner_id is None
        else follow_own(request, state, owner_id, position)
    )
    async for event in events:
        yield event


@router.get("/{application_id}", response_model=ApplicationWithSteps, responses=_READ)
async def get_application(
    request: Request,
    application_id: Id,
    state: Running,
    reading: Annotated[Reading, Query()],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """One application, with what the decision table said, and its steps; for staff with the bureau's
    report."""
    return await credit_reading.get_application(
        request, state, application_id, reading.min_position, if_none_match
    )


@router.get("/{application_id}/status", response_model=ApplicationStatusOut, responses=_READ)
async def get_application_status(
    request: Request,
    application_id: Id,
    state: Running,
    reading: Annotated[Reading, Query()],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """What has become of an application, in short."""
    return await credit_reading.get_status(
        request, state, application_id, reading.min_position, if_none_match
    )


@router.put(
    "/{application_id}",
    status_code=202,
    response_model=ApplicationOut,
    responses={202: TAGGED, **problems(400, 404, 409, 412, 422)},
)
async def change_application(
    request: Request,
    application_id: Id,
    body: ApplicationChangeIn,
    state: Running,
    expected: ExpectedVersions,
) -> Response:
    """Ask for something else, or correct who asks, while it is not decided: the bureau is asked again, and
    it is decided anew. Without If-Match the last of two changes at once stays."""
    command = await changing(request, state, application_id, body, expected)
    answered = await change(request, state, command)
    if answered.status_code == 200:
        answered.status_code = 202
        answered.headers["Location"] = f"{router.prefix}/{application_id}"
    return answered


@router.delete(
    "/{application_id}",
    status_code=204,
    response_class=Response,
    responses=problems(400, 404, 409, 412),
)
async def delete_application(
    request: Request, application_id: Id, state: Running, expected: ExpectedVersions
) -> Response:
    """Withdraw an application: it stays to be seen, as withdrawn."""
    answered = await _withdraw(request, state, application_id, "", expected)
    if answered.status_code != 200:
        return answered
    kept = {name: answered.headers[name] for name in _GONE if name in answered.headers}
    return Response(status_code=204, headers=kept)


@router.post("/{application_id}/withdraw", response_model=ApplicationOut, responses=_CHANGED)
async def withdraw_application(
    request: Request,
    application_id: Id,
    state: Running,
    expected: ExpectedVersions,
    body: ReasonIn | None = None,
) -> Response:
    """Call an application off, as long as nothing was paid out."""
    reason = body.reason if body else ""
    return await _withdraw(request, state, application_id, reason, expected)


async def _withdraw(
    request: Request, state: State, application_id: UUID, reason: str, expected: Expected
) -> Response:
    owner_id = caller_of(request).owner_id
    command = WithdrawApplication(application_id, reason, owner_id, expected)
    return await change(request, state, command)


@router.post("/{application_id}/accept", response_model=ApplicationOut, responses=_CHANGED)
async def accept_offer(
    request: Request,
    application_id: Id,
    state: Running,
    expected: ExpectedVersions,
    body: AcceptanceIn | None = None,
) -> Response:
    """Take the offer: the money is paid to the account, and owed from then on."""
    account_id = body.account_id if body else None
    caller = caller_of(request)
    command = AcceptOffer(application_id, account_id, caller.owner_id, expected, caller.user_id)
    beside = await while_known(state, caller, application_id)
    return await change(request, state, command, beside=beside)


@router.post("/{application_id}/decline", response_model=ApplicationOut, responses=_CHANGED)
async def decline_offer(
    request: Request,
    application_id: Id,
    state: Running,
    expected: ExpectedVersions,
    body: ReasonIn | None = None,
) -> Response:
    """Do not take the offer."""
    reason = body.reason if body else ""
    owner_id = caller_of(request).owner_id
    return await change(request, state, DeclineOffer(application_id, reason, owner_id, expected))


async def _following(
    request: Request, application_id: Id, state: Running, after: LastEvent
) -> Following:
    return await Following.begin(request, state, application_id, after)


@router.get(
    "/{application_id}/stream",
    response_class=EventSourceResponse,
    responses=problems(400, 404, 422),
)
async def follow_application(
    following: Annotated[Following, Depends(_following)],
) -> AsyncIterator[ServerSentEvent]:
    """The steps as they happen, each as an event `step`, and each new status as an event `status`.

    Begins with the first step, or after `Last-Event-ID`. Ends when nothing more is to come, or with what
    the caller came with.
    """
    async for event in follow(following):
        yield event

"""Deposits from an account at another bank, and withdrawals to one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api import flow_reading
from api.approval_responses import ApprovalOut
from api.approving import create_or_ask, without_erased
from api.callers import caller_of
from api.flow_asking import begun, refuse_if_match, sealed_account
from api.flow_models import BankTransferIn, BankTransferStatus
from api.flow_reading import Asked, not_found
from api.flow_responses import BankTransferOut, BankTransferPage, BankTransferWithSteps
from api.flow_streams import Following, LastEvent, follow
from api.freshness import Fresh
from api.ids import id_for
from api.models import Cursor, Id, In, Limit, Reading, ReasonIn, in_currency
from api.preconditions import IfNoneMatch
from api.responses import NOT_MODIFIED, TAGGED, problems
from api.state import Running, State
from api.strict_json import StrictRoute
from api.writing import change, create
from domain.bank_transfers import CancelBankTransfer, RequestBankTransfer, Requested
from projections.flows.queries import Kind

router = APIRouter(prefix="/api", tags=["bank transfers"], route_class=StrictRoute)

_Made = BankTransferOut | ApprovalOut
_MADE = {202: TAGGED, **problems(400, 404, 409, 422)}
_READ = {200: TAGGED, 304: NOT_MODIFIED, **problems(400, 404)}
_CANCELLED = {200: TAGGED, **problems(400, 404, 409, 422)}
_STREAMED = problems(400, 404, 422)


class BankTransferFilters(In):
    status: BankTransferStatus | None = None
    account_id: Id | None = None
    limit: Limit = 50
    cursor: Cursor | None = None
    min_position: Fresh = None


Filters = Annotated[BankTransferFilters, Query()]


@router.post("/deposits", status_code=202, response_model=BankTransferOut, responses=_MADE)
async def request_deposit(request: Request, body: BankTransferIn, state: Running) -> Response:
    """Bring money from an account at another bank. It is on the account when the bank has moved it, which
    takes days: see the steps at `Location`, or follow its `/stream`."""
    return await _request(request, body, state, "deposit")


@router.post("/withdrawals", status_code=202, response_model=_Made, responses=_MADE)
async def request_withdrawal(request: Request, body: BankTransferIn, state: Running) -> Response:
    """Send money to an account at another bank. It is held at once, and leaves when the bank has moved
    it: see the steps at `Location`, or follow its `/stream`. More than the house lets one person move waits
    for a second one: then `Location` is the approval's, and nothing is held yet."""
    return await _request(request, body, state, "withdrawal")


async def _request(request: Request, body: BankTransferIn, state: State, kind: Kind) -> Response:
    amount = in_currency(body.amount, body.currency)
    owner_id = caller_of(request).owner_id
    flow_id = id_for(body.id, owner_id)
    sealed = await sealed_account(request, state, flow_id, body.account_id, body.outside)
    command = RequestBankTransfer(
        flow_id,
        kind,
        body.account_id,
        body.currency,
        amount,
        sealed.text,
        sealed.hint,
        sealed.person_id,
        body.reference,
        owner_id,
    )
    if kind == "deposit":  # which takes nothing from anybody's account here
        return await create(request, state, command, status=202, finish=without_erased)
    return await create_or_ask(request, state, command, currency=body.currency, status=202)


@router.get("/deposits", response_model=BankTransferPage, responses=problems(400))
async def list_deposits(request: Request, filters: Filters, state: Running) -> Response:
    """Deposits, the last requested first: all, or for customers their own."""
    return await _list(request, state, "deposit", filters)


@router.get("/withdrawals", response_model=BankTransferPage, responses=problems(400))
async def list_withdrawals(request: Request, filters: Filters, state: Running) -> Response:
    """Withdrawals, the last requested first: all, or for customers their own."""
    return await _list(request, state, "withdrawal", filters)


async def _list(
    request: Request, state: State, kind: Kind, filters: BankTransferFilters
) -> Response:
    f = filters
    asked = Asked(f.limit, f.cursor, f.min_position, f.status, f.account_id)
    return await flow_reading.list_flows(request, state, kind, asked)


@router.get("/deposits/{deposit_id}", response_model=BankTransferWithSteps, responses=_READ)
async def get_deposit(
    request: Request,
    deposit_id: Id,
    state: Running,
    reading: Annotated[Reading, Query()],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A deposit, with its steps, and what the bank said. Its ETag changes with each of them."""
    least = reading.min_position
    return await flow_reading.get_flow(request, state, "deposit", deposit_id, least, if_none_match)


@router.get("/withdrawals/{withdrawal_id}", response_model=BankTransferWithSteps, responses=_READ)
async def get_withdrawal(
    request: Request,
    withdrawal_id: Id,
    state: Running,
    reading: Annotated[Reading, Query()],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A withdrawal, with its steps, and what the bank said. Its ETag changes with each of them."""
    least = reading.min_position
    return await flow_reading.get_flow(
        request, state, "withdrawal", withdrawal_id, least, if_none_match
    )


@router.post("/deposits/{deposit_id}/cancel", response_model=BankTransferOut, responses=_CANCELLED)
async def cancel_deposit(
    request: Request, deposit_id: Id, state: Running, body: ReasonIn | None = None
) -> Response:
    """Call a deposit off while the bank has not been asked."""
    return await _cancel(request, state, "deposit", deposit_id, body)


@router.post(
    "/withdrawals/{withdrawal_id}/cancel", response_model=BankTransferOut, responses=_CANCELLED
)
async def cancel_withdrawal(
    request: Request, withdrawal_id: Id, state: Running, body: ReasonIn | None = None
) -> Response:
    """Call a withdrawal off while the bank has not been asked: what is held is free again."""
    return await _cancel(request, state, "withdrawal", withdrawal_id, body)


async def _cancel(
    request: Request, state: State, kind: Kind, flow_id: UUID, body: ReasonIn | None
) -> Response:
    refuse_if_match(request)
    requested = await begun(state, flow_id)
    if not isinstance(requested, Requested) or requested.kind != kind:
        raise not_found(kind, flow_id)
    reason = body.reason if body else ""
    command = CancelBankTransfer(flow_id, reason, caller_of(request).owner_id)
    return await change(request, state, command, finish=without_erased)


async def _following_deposit(
    request: Request, deposit_id: Id, state: Running, after: LastEvent
) -> Following:
    return await Following.begin(request, state, "deposit", deposit_id, after)


@router.get(
    "/deposits/{deposit_id}/stream", response_class=EventSourceResponse, responses=_STREAMED
)
async def follow_deposit(
    following: Annotated[Following, Depends(_following_deposit)],
) -> AsyncIterator[ServerSentEvent]:
    """The steps as they happen, each as an event `step`, and each new status as an event `status`.

    Begins with the first step, or after `Last-Event-ID`. Ends when nothing more is to come, or with what
    the caller came with.
    """
    async for event in follow(following):
        yield event


async def _following_withdrawal(
    request: Request, withdrawal_id: Id, state: Running, after: LastEvent
) -> Following:
    return await Following.begin(request, state, "withdrawal", withdrawal_id, after)


@router.get(
    "/withdrawals/{withdrawal_id}/stream", response_class=EventSourceResponse, responses=_STREAMED
)
async def follow_withdrawal(
    following: Annotated[Following, Depends(_following_withdrawal)],
) -> AsyncIterator[ServerSentEvent]:
    """The steps as they happen, each as an event `step`, and each new status as an event `status`.

    Begins with the first step, or after `Last-Event-ID`. Ends when nothing more is to come, or with what
    the caller came with.
    """
    async for event in follow(following):
        yield event

"""Transfers: one, many at once, and what becomes of a pending or posted one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from psycopg import AsyncConnection
from pydantic import ValidationError

from api import views
from api.approval_responses import ASKED
from api.approving import Alone, ask, needs_second_person
from api.as_of import before_start, position_then
from api.callers import Caller, caller_of
from api.freshness import Fresh, be_fresh, be_whole, find, gaps
from api.ids import id_for, new_id
from api.models import Cursor, EndMoment, Id, In, Limit, Moment, Position, ReasonIn, Reference
from api.paging import decode_cursor, page
from api.preconditions import ExpectedVersions, IfNoneMatch
from api.problems import ProblemError, explain, of_validation, shown
from api.responses import (
    NOT_MODIFIED,
    TAGGED,
    BatchOut,
    TransferOut,
    TransferPage,
    TransferWithEntries,
    problems,
)
from api.state import Running, State
from api.strict_json import StrictRoute
from api.transfer_models import AmountIn, BatchIn, TransferIn, TransferStatus
from api.writing import change, create, json_response, tagged_response, write_batch
from application.ledger import Answer, Outcome
from domain.transfers import PostPending, PostTransfer, ReverseTransfer, VoidPending
from projections.balances.queries import accounts_of, owners
from projections.entries import queries as entry_queries
from projections.transfers import past, queries

router = APIRouter(prefix="/api/transfers", tags=["transfers"], route_class=StrictRoute)

_Bad = dict[str, Any]
_UUID = re.compile(r"[0-9a-fA-F-]{36}")
_TURN = 200
"""So many items of a batch are checked before other requests get their turn."""


@router.post(
    "",
    status_code=201,
    response_model=TransferOut,
    responses={201: TAGGED, 202: ASKED, **problems(400, 404, 422)},
)
async def post_transfer(request: Request, body: TransferIn, state: Running) -> Response:
    """Move money between two accounts, or hold it when `pending`.

    The answer's `position` makes your own write visible: read with `?min_position=` it. More than the
    house lets one person move is answered with 202 and waits for a second one at `/api/approvals`.
    """
    owner_id = caller_of(request).owner_id
    command = body.command(id_for(body.id, owner_id), owner_id)
    if needs_second_person(state.policy, command):
        return await ask(request, state, command)
    return await create(request, state, command)


@router.post("/batch", response_model=BatchOut, responses=problems(400, 422))
async def post_batch(request: Request, body: BatchIn, state: Running) -> Response:
    """Post up to 10,000 transfers in one transaction, each by itself, or all or none when `linked`."""
    commands: list[PostTransfer] = []
    bad: dict[int, _Bad] = {}
    caller, alone = caller_of(request), Alone(state.policy)
    for index, item in enumerate(body.transfers):
        try:
            transfer = TransferIn.model_validate(item)
            command = transfer.command(id_for(transfer.id, caller.owner_id), caller.owner_id)
            alone.add(command)
            commands.append(command)
        except ValidationError as error:
            reason, details = of_validation(error.errors())
            bad[index] = _refused_item(item, reason, details)
        except ProblemError as error:
            bad[index] = _refused_item(item, error.reason, error.details)
        if index % _TURN == 0:
            await asyncio.sleep(0)
    if bad and body.linked:
        others = {"refused_item": next(iter(bad))}
        for index, item in enumerate(body.transfers):
            if index not in bad:
                bad[index] = _refused_item(item, "linked_refused", others)
        commands.clear()
    ids = [c.transfer_id for c in commands]

    def render_batch(outcomes: Sequence[Outcome]) -> Answer:
        good = iter(zip(ids, outcomes, strict=True))
        results = []
        for index in range(len(body.transfers)):
            if index in bad:
                results.append(bad[index])
            else:
                transfer_id, outcome = next(good)
                results.append({"id": transfer_id, **views.batch_item(outcome, caller.sees)})
        return Answer(200, views.encode({"results": results}), views.last_position(outcomes))

    return await write_batch(request, state, commands, render_batch, linked=body.linked)


def _refused_item(item: object, reason: str, details: Mapping[str, object]) -> _Bad:
    given = item.get("id") if isinstance(item, dict) else None
    return {
        "id": given if isinstance(given, str) and _UUID.fullmatch(given) else None,
        "status": "refused",
        "reason": reason,
        "detail": explain(reason, details),
        "details": shown(details),
    }


@router.post(
    "/{transfer_id}/post",
    response_model=TransferOut,
    responses={200: TAGGED, **problems(400, 404, 409, 412, 422)},
)
async def post_pending(
    request: Request,
    transfer_id: Id,
    state: Running,
    expected: ExpectedVersions,
    body: AmountIn | None = None,
) -> Response:
    """Post a pending transfer: all of it, or `amount`, and set the rest of the hold free."""
    amount, reason = (body.amount, body.reason) if body else (None, "")
    owner_id = caller_of(request).owner_id
    command = PostPending(transfer_id, amount, reason, expected, owner_id)
    return await change(request, state, command)


@router.post(
    "/{transfer_id}/void",
    response_model=TransferOut,
    responses={200: TAGGED, **problems(400, 404, 409, 412)},
)
async def void_pending(
    request: Request,
    transfer_id: Id,
    state: Running,
    expected: ExpectedVersions,
    body: ReasonIn | None = None,
) -> Response:
    """Give a pending transfer up: its hold is set free."""
    reason = body.reason if body else ""
    owner_id = caller_of(request).owner_id
    return await change(request, state, VoidPending(transfer_id, reason, expected, owner_id))


@router.post(
    "/{transfer_id}/reverse",
    response_model=TransferOut,
    responses={200: TAGGED, **problems(400, 404, 409, 412, 422)},
)
async def reverse(
    request: Request,
    transfer_id: Id,
    state: Running,
    expected: ExpectedVersions,
    body: AmountIn | None = None,
) -> Response:
    """Send a posted transfer back, all that is left of it or `amount`, by a new linked transfer.

    The answer and its ETag are the new one's; `If-Match` is about the one that goes back.
    """
    amount, reason = (body.amount, body.reason) if body else (None, "")
    owner_id = caller_of(request).owner_id
    command = ReverseTransfer(transfer_id, new_id(), amount, reason, expected, owner_id)
    return await change(request, state, command)


class TransferFilters(In):
    account_id: Id | None = None
    status: TransferStatus | None = None
    reference: Reference | None = None
    from_: Annotated[Moment | None, Query(alias="from")] = None
    to: EndMoment | None = None
    limit: Limit = 50
    cursor: Cursor | None = None
    min_position: Fresh = None


@router.get("", response_model=TransferPage, responses=problems(400))
async def search(
    request: Request, filters: Annotated[TransferFilters, Query()], state: Running
) -> Response:
    """Transfers, the newest first; `from` and `to` are about the time of recording."""
    before = decode_cursor(filters.cursor)
    await be_fresh(state, "transfers", filters.min_position)
    owner_id = caller_of(request).owner_id
    account_ids = None if filters.account_id is None else [filters.account_id]
    own: Collection[UUID] = ()
    async with state.pool.connection() as conn:
        if owner_id is not None:
            await be_fresh(state, "balances", filters.min_position)
            own = await accounts_of(conn, owner_id)
            account_ids = [id_ for id_ in own if filters.account_id in (None, id_)]
        found = await queries.search_transfers(
            conn,
            limit=filters.limit,
            before=before,
            account_ids=account_ids,
            status=filters.status,  # type: ignore[arg-type]
            reference=filters.reference,
            recorded_from=filters.from_,
            recorded_to=filters.to,
        )

    def view(row: queries.TransferRow) -> views.Json:
        return views.transfer_row(row, is_payer=owner_id is None or row.source_id in own)

    return json_response(page(found, view), await gaps(state, "transfers"))


class TransferAsOf(In):
    at: Moment | None = None
    position: Position | None = None
    min_position: Fresh = None


@router.get(
    "/{transfer_id}",
    response_model=TransferWithEntries,
    responses={200: TAGGED, 304: NOT_MODIFIED, **problems(400, 404, 422)},
)
async def get_transfer(
    request: Request,
    transfer_id: Id,
    state: Running,
    when: Annotated[TransferAsOf, Query()],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """One transfer with its entries, now, after a `position`, or as recorded `at` a time. What was
    has no ETag."""
    await be_fresh(state, "transfers", when.min_position)
    await be_fresh(state, "entries", when.min_position)
    is_past = when.at is not None or when.position is not None
    caller = caller_of(request)
    found = await find(state, "transfers", lambda conn: _in_reach(conn, caller, transfer_id))
    if found is None and caller.owner_id is not None:
        raise ProblemError("transfer_not_found", transfer_id=transfer_id)
    async with state.pool.connection() as conn:
        if is_past:
            then = await position_then(conn, when.position, when.at)
            await be_fresh(state, "transfers", then)
            found = await _in_reach(conn, caller, transfer_id)
        await be_whole(state, "transfers", key=transfer_id, to=then if is_past else None)
        if found is None:
            raise ProblemError("transfer_not_found", transfer_id=transfer_id)
        row, shown = found
        if is_past:
            past_row = await past.as_of(conn, row, then)
            if past_row is None:
                raise await before_start(conn, transfer_id)
            row = past_row
        entries = await _entries(state, conn, row, shown)
        version = await queries.version_of(conn, row)
    shown_row = views.transfer_row(row, is_payer=row.source_id in shown)
    body = {**shown_row, "version": version, "entries": entries}
    # Read models may be between a transfer and its entries for a moment: what is not all of it must
    # not be kept under the version's name.
    is_whole = row.status != "posted" or row.credit_position is not None
    if is_past or not is_whole:
        return json_response(body)
    return tagged_response(body, version, if_none_match)


async def _in_reach(
    conn: AsyncConnection[Any], caller: Caller, transfer_id: UUID
) -> tuple[queries.TransferRow, set[UUID]] | None:
    """A transfer, and those of its two accounts that the caller may look into; None when there are
    none."""
    row = await queries.transfer(conn, transfer_id)
    if row is None:
        return None
    shown = {row.source_id, row.destination_id}
    if caller.owner_id is not None:
        found = await owners(conn, shown)
        shown = {id_ for id_, owner_id in found.items() if caller.sees(owner_id)}
    return (row, shown) if shown else None


async def _entries(
    state: State, conn: AsyncConnection[Any], row: queries.TransferRow, shown: Collection[UUID]
) -> list[views.Json]:
    """The transfer's entries on those accounts."""
    sides = [(row.source_id, row.debit_position), (row.destination_id, row.credit_position)]
    places = [(id_, at) for id_, at in sides if at is not None and id_ in shown]
    await be_fresh(state, "entries", row.credit_position)
    for account_id, at in places:
        await be_whole(state, "entries", key=account_id, to=at)
    entries = await entry_queries.entries_at(conn, places)
    return [views.entry_row(entry, row.currency) for entry in entries]

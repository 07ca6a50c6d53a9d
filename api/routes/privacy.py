"""What is known of a person: shown in clear for a purpose, which is kept, and forgotten for good."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from api.callers import caller_of
from api.credit_erasing import check_called_off, withdrawals
from api.freshness import Fresh, log_has
from api.models import Cursor, Id, In, Limit, ReasonIn
from api.paging import decode_cursor, encode_cursor
from api.people_changes import known_here
from api.people_models import DisclosureIn
from api.people_responses import PRIVATE, DisclosedOut, DisclosurePage, UserOut
from api.people_views import NO_STORE, in_clear, masked
from api.preconditions import refuse_if_match
from api.problems import ProblemError
from api.responses import problems
from api.state import Running, State, correlation_of
from api.strict_json import StrictRoute
from api.views import Json
from api.writing import change, json_response, refuse_idempotency_key
from application.ledger import Submission
from domain.provenance import Provenance
from domain.users import Disclosed, EraseUser, NoteDisclosure, Registered
from projections import log

router = APIRouter(prefix="/api/users/{user_id}", tags=["privacy"], route_class=StrictRoute)


@router.post("/erase", response_model=UserOut, responses=problems(400, 404, 409))
async def erase_user(
    request: Request, user_id: Id, state: Running, body: ReasonIn | None = None
) -> Response:
    """Delete a user for good, with all that is known of the person: there is no way back. What the
    person did stays in the log, under the id. Applications for credit that are not paid out are withdrawn;
    what is owed stays owed."""
    refuse_if_match(request)
    caller = caller_of(request)
    command = EraseUser(user_id, body.reason if body else "", caller.user_id)
    answered = await known_here(state, await change(request, state, command, finish=masked))
    # Also of who was erased before: whoever did it may have been stopped in between.
    if answered.status_code == 200 or request.scope["state"].get("reason") == "user_erased":
        await _call_off(request, state, user_id)
    return answered


async def _call_off(request: Request, state: State, user_id: UUID) -> None:
    async with state.pool.connection() as conn:
        commands = await withdrawals(conn, user_id)
    if commands:
        by = Provenance(actor=caller_of(request).actor, correlation_id=correlation_of(request))
        check_called_off((await state.ledger.post(Submission(commands, by))).outcomes)


@router.post(
    "/disclosures",
    response_model=DisclosedOut,
    responses={200: PRIVATE, **problems(400, 404)},
)
async def disclose(request: Request, user_id: Id, body: DisclosureIn, state: Running) -> Response:
    """Show personal data of a user in clear. Who asked, for which fields and what for is an event of the
    user before the answer is given; asked again, it is another one."""
    refuse_if_match(request)
    refuse_idempotency_key(request)
    fields = tuple(dict.fromkeys(body.fields))

    async def finish(state: State, row: Json) -> Json:
        opened = await in_clear(state, row)
        return {
            "id": row["id"],
            **{name: opened[name] for name in fields},
            "purpose": body.purpose,
            "position": row["position"],
            "recorded_at": row["recorded_at"],
        }

    command = NoteDisclosure(user_id, fields, body.purpose)
    answered = await change(request, state, command, finish=finish)
    answered.headers.update(NO_STORE)
    return answered


class DisclosureFilters(In):
    limit: Limit = 50
    cursor: Cursor | None = None
    min_position: Fresh = None


@router.get("/disclosures", response_model=DisclosurePage, responses=problems(400, 404))
async def list_disclosures(
    user_id: Id, asked: Annotated[DisclosureFilters, Query()], state: Running
) -> Response:
    """Who was shown a user's personal data, and what for, the first time first; also after the user was
    deleted or erased."""
    after = decode_cursor(asked.cursor) or 0
    await log_has(state, asked.min_position)
    async with state.pool.connection() as conn:
        first = await log.stream_events(conn, user_id, after_version=0, limit=1)
        if not first or not isinstance(first[0].data, Registered):
            raise ProblemError("user_not_found", user_id=user_id)
        found = await log.read_events(
            conn, after, asked.limit + 1, topic=Disclosed.topic, stream_id=user_id
        )
    rows = [_disclosure(event) for event in found.events[: asked.limit]]
    more = len(found.events) > asked.limit
    return json_response(
        {
            "data": rows,
            "next_cursor": encode_cursor(rows[-1]["position"]) if more else None,
            "has_more": more,
        }
    )


def _disclosure(event: log.LoggedEvent) -> Json:
    assert isinstance(event.data, Disclosed), "of this topic only"
    return {
        "position": event.position,
        "recorded_at": event.recorded_at,
        "actor": event.metadata.get("actor", ""),
        "fields": event.data.fields,
        "purpose": event.data.purpose,
    }

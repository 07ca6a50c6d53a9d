"""API keys, for programs: issued and shown once, listed by their beginnings, revoked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from api.callers import caller_of
from api.models import Id, In
from api.paging import complete
from api.people_changes import known_here
from api.people_models import ApiKeyIn
from api.people_responses import PRIVATE, ApiKeyOut, ApiKeyPage, NewApiKeyOut
from api.people_views import NO_STORE, key_row
from api.preconditions import refuse_if_match
from api.problems import ProblemError
from api.responses import problems
from api.state import Running, State
from api.strict_json import StrictRoute
from api.views import Json
from api.writing import change, create, json_response, refuse_idempotency_key
from application.identity import api_keys
from application.identity.api_keys import ApiKey
from application.people.credentials import key_issue, key_revocation

router = APIRouter(prefix="/api/api-keys", tags=["api keys"], route_class=StrictRoute)


@router.post(
    "",
    status_code=201,
    response_model=NewApiKeyOut,
    responses={201: PRIVATE, **problems(400, 404, 422)},
)
async def issue(request: Request, body: ApiKeyIn, state: Running) -> Response:
    """Issue a key of one's own, which does no more than oneself and its scopes may. It is in this answer
    and nowhere else; when the answer is lost, revoke the key and issue another."""
    refuse_idempotency_key(request)
    caller = caller_of(request)
    prepared = key_issue(
        caller.user_id,
        caller.role,
        name=body.name,
        scopes=body.scopes,
        now=datetime.now(UTC),
        expires_at=body.expires_at,
    )

    async def finish(state: State, row: Json) -> Json:
        found = await _find(state, prepared.key.id)
        assert found is not None, "it was kept in the transaction of the event"
        return {**key_row(found), "key": prepared.key.text, "position": row["position"]}

    answered = await create(request, state, prepared.command, beside=prepared.beside, finish=finish)
    answered.headers.update(NO_STORE)
    return await known_here(state, answered)


class KeyFilters(In):
    user_id: Id | None = None


@router.get("", response_model=ApiKeyPage, responses=problems(400))
async def list_keys(
    request: Request, asked: Annotated[KeyFilters, Query()], state: Running
) -> Response:
    """One's own keys, the newest first, revoked ones too; for admins and auditors also another one's."""
    caller = caller_of(request)
    user_id = asked.user_id or caller.user_id
    if not caller.sees(user_id):
        return json_response(complete([]))
    async with state.pool.connection() as conn:
        found = await api_keys.of_user(conn, user_id)
    return json_response(complete([key_row(key) for key in found]))


@router.get("/{key_id}", response_model=ApiKeyOut, responses=problems(400, 404))
async def get_key(request: Request, key_id: Id, state: Running) -> Response:
    """One key, which may be revoked."""
    return json_response(key_row(await _visible(request, state, key_id)))


@router.delete("/{key_id}", response_model=ApiKeyOut, responses=problems(400, 404))
async def revoke(request: Request, key_id: Id, state: Running) -> Response:
    """Refuse a key from now on."""
    refuse_if_match(request)
    key = await _visible(request, state, key_id)
    prepared = key_revocation(key.user_id, key_id, datetime.now(UTC))

    async def finish(state: State, row: Json) -> Json:
        return key_row(await _visible(request, state, key_id))

    answered = await change(request, state, prepared.command, beside=prepared.beside, finish=finish)
    return await known_here(state, answered)


async def _visible(request: Request, state: State, key_id: UUID) -> ApiKey:
    """Raises `api_key_not_found` for another one's as well."""
    found = await _find(state, key_id)
    if found is None or not caller_of(request).sees(found.user_id):
        raise ProblemError("api_key_not_found", key_id=key_id)
    return found


async def _find(state: State, key_id: UUID) -> ApiKey | None:
    async with state.pool.connection() as conn:
        return await api_keys.find(conn, key_id)

"""One's own profile: looked at, changed, and a new password for it."""

from __future__ import annotations

from datetime import UTC, datetime
from unicodedata import normalize
from uuid import UUID

from fastapi import APIRouter, Request, Response

from api.attempts import count_attempt
from api.callers import caller_of
from api.people_changes import known_here, prepared_profile
from api.people_models import PasswordChangeIn, ProfileIn, agreed_password
from api.people_responses import PRIVATE, PRIVATE_TAGGED, UserOut
from api.people_views import NO_STORE, in_clear, own_user
from api.preconditions import ExpectedVersions, etag, refuse_if_match
from api.problems import ProblemError
from api.responses import problems
from api.state import Running, State
from api.strict_json import StrictRoute
from api.writing import change, private_response
from application.people.credentials import login_by_id, password_change
from application.people.vault import Login

router = APIRouter(prefix="/api/profile", tags=["profile"], route_class=StrictRoute)


@router.get("", response_model=UserOut, responses={200: PRIVATE_TAGGED, **problems(404)})
async def get_profile(request: Request, state: Running) -> Response:
    """The caller, as of now, own writes included."""
    body = await own_user(state, caller_of(request).user_id)
    answered = private_response(body)
    answered.headers["ETag"] = etag(body["version"])
    return answered


@router.put(
    "",
    response_model=UserOut,
    responses={200: PRIVATE_TAGGED, **problems(400, 403, 404, 409, 412)},
)
async def change_profile(
    request: Request, body: ProfileIn, state: Running, expected: ExpectedVersions
) -> Response:
    """Change one's own name or address. A new address has to be verified again: a mail goes to it."""
    if body.full_name is None and body.email is None:
        raise ProblemError("missing_fields", fields=list(ProfileIn.model_fields))
    user_id = caller_of(request).user_id
    if body.email is not None:  # a mail goes there, and whether somebody has it is told
        await count_attempt(request, state, f"address {user_id}")
    prepared = await prepared_profile(state, user_id, body.full_name, body.email, expected)
    answered = await change(
        request, state, prepared.command, beside=prepared.beside, finish=in_clear
    )
    answered.headers.update(NO_STORE)
    return answered


@router.put(
    "/password",
    response_model=UserOut,
    responses={200: PRIVATE, **problems(400, 401, 404, 409)},
)
async def change_password(request: Request, body: PasswordChangeIn, state: Running) -> Response:
    """Change one's own password. All other sessions end; this one goes on."""
    refuse_if_match(request)
    caller, now = caller_of(request), datetime.now(UTC)
    await count_attempt(request, state, f"password {caller.user_id}")
    login = await _proved(state, body, caller.user_id)
    password = agreed_password(body.new_password, body.password_confirmation, login.role)
    if normalize("NFC", password) == normalize("NFC", body.current_password):
        raise ProblemError(
            "invalid_password_format", why="it is the password that you have already"
        )
    assert login.changed_at is not None, "there was a password"
    prepared = password_change(
        caller.user_id,
        await state.hasher.hash(password),
        now,
        proved_at=login.changed_at,
        keep=caller.session_id,
    )
    answered = await change(
        request, state, prepared.command, beside=prepared.beside, finish=in_clear
    )
    answered.headers.update(NO_STORE)
    return await known_here(state, answered)


async def _proved(state: State, body: PasswordChangeIn, user_id: UUID) -> Login:
    """The caller, who knows the current password. Raises `invalid_credentials`."""
    async with state.pool.connection() as conn:
        found = await login_by_id(conn, user_id)
    stored = None if found is None else found.password_hash
    verdict = await state.hasher.verify(body.current_password, stored)
    if found is None or not verdict.ok:
        raise ProblemError("invalid_credentials", why="the current password is not that one")
    return found

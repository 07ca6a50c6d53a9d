"""Logging in and out: tokens for a password, new tokens for old ones, and one's open sessions."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Request, Response

from api.attempts import count_attempt
from api.callers import Caller, caller_of
from api.models import Id
from api.paging import complete
from api.people_models import LoginIn, LogoutIn, RefreshIn
from api.people_responses import (
    PRIVATE,
    EndedOut,
    LoginOut,
    SessionPage,
    TokensOut,
    UserOut,
    ValidOut,
)
from api.people_views import own_user
from api.problems import ProblemError
from api.responses import problems
from api.state import Running, State
from api.strict_json import StrictRoute
from api.views import Json
from api.writing import private_response
from application.identity import sessions
from application.identity.access import role_and_status
from application.identity.errors import TokenError
from application.identity.passwords import keep_rehash
from application.identity.sessions import ACCESS_LIFE, Session
from application.people.vault import Login

router = APIRouter(prefix="/api/auth", tags=["auth"], route_class=StrictRoute)

_SHOWN_AT_LOGIN = ("id", "email", "full_name", "role", "status")


@router.post(
    "/login",
    response_model=LoginOut,
    responses={200: PRIVATE, **problems(400, 401, 404, 422)},
)
async def log_in(request: Request, body: LoginIn, state: Running) -> Response:
    """Begin a session. The access token goes with requests; the refresh token gets the next ones.

    Which of e-mail address and password is wrong is not told, nor is anything of a user without the
    right password.
    """
    await count_attempt(request, state, state.vault.index.email(body.email).hex())
    login = await _proved(state, body)
    now = datetime.now(UTC)
    async with state.pool.connection() as conn:
        assert login.changed_at is not None, "there was a password"
        session = await sessions.start(conn, login.user_id, login.role, login.changed_at, now)
    if session is None:  # the password or the role was changed this very moment
        raise ProblemError("invalid_credentials")
    user = await own_user(state, login.user_id)
    shown = {name: user[name] for name in _SHOWN_AT_LOGIN}
    return private_response({**_tokens(state, session, login.role, now), "user": shown})


async def _proved(state: State, body: LoginIn) -> Login:
    """Who logs in. Raises `invalid_credentials`, and with the right password `account_inactive`."""
    async with state.pool.connection() as conn:
        found = await state.vault.login_of(conn, body.email)
    stored = None if found is None else found.password_hash
    # Nobody's password takes as long to be wrong as anybody's.
    verdict = await state.hasher.verify(body.password, stored)
    if found is None or stored is None or not verdict.ok:
        raise ProblemError("invalid_credentials")
    if found.status != "active":
        raise ProblemError("account_inactive", account_id=found.user_id)
    if verdict.rehash is not None:
        async with state.pool.connection() as conn:
            await keep_rehash(conn, found.user_id, stored, verdict.rehash)
    return found


def _tokens(state: State, session: Session, role: str, now: datetime) -> Json:
    signer = state.gate.signer
    return {
        "access_token": signer.issue_access(session.user_id, role, session.id, now).token,
        "refresh_token": signer.issue_refresh(session, now).token,
        "token_type": "Bearer",
        "expires_in": int(ACCESS_LIFE.total_seconds()),
        "refresh_expires_in": int((session.expires_at - now).total_seconds()),
    }


@router.post(
    "/refresh",
    response_model=TokensOut,
    responses={200: PRIVATE, **problems(400, 401, 404, 422)},
)
async def refresh(body: RefreshIn, state: Running) -> Response:
    """New tokens for a refresh token, which is good once: used again, it ends the session, since then
    two have it. So a client must not refresh twice at a time."""
    now = datetime.now(UTC)
    claims = state.gate.signer.verify(body.refresh_token, "refresh", now)
    async with state.pool.connection() as conn:
        try:
            session = await sessions.rotate(conn, claims.session_id, claims.jti, now)
        except TokenError as error:
            if error.reason == "token_revoked":
                state.gate.access.note_revoked(claims.session_id)
            raise
        role, status = await role_and_status(conn, session.user_id)
        if status != "active":
            await sessions.end(conn, session.id, now)
            state.gate.access.note_revoked(session.id)
            raise ProblemError("account_inactive", account_id=session.user_id)
    return private_response(_tokens(state, session, role, now))


@router.post("/logout", response_model=EndedOut, responses={200: PRIVATE, **problems(400)})
async def log_out(request: Request, state: Running, body: LogoutIn | None = None) -> Response:
    """End the session of the access token, and with it all its tokens. With a `refresh_token` that
    session, which is of the same user, is ended too."""
    caller, now = caller_of(request), datetime.now(UTC)
    ids = {_session_of(caller)}
    if body is not None and body.refresh_token is not None:
        claims = state.gate.signer.verify(body.refresh_token, "refresh", now)
        if claims.user_id != caller.user_id:
            raise ProblemError("invalid_token")
        ids.add(claims.session_id)
    async with state.pool.connection() as conn:
        ended = [id_ for id_ in ids if await sessions.end_own(conn, id_, caller.user_id, now)]
    if not ended:
        raise ProblemError("token_revoked")
    state.gate.access.note_revoked(*ended)
    return private_response({"sessions": len(ended)})


@router.post("/logout-all", response_model=EndedOut, responses={200: PRIVATE, **problems()})
async def log_out_everywhere(request: Request, state: Running) -> Response:
    """End all sessions of the caller, this one included."""
    caller, now = caller_of(request), datetime.now(UTC)
    async with state.pool.connection() as conn:
        ended = await sessions.end_all(conn, caller.user_id, now)
    state.gate.access.note_revoked(_session_of(caller))
    await state.gate.access.refresh()
    return private_response({"sessions": ended})


@router.get("/me", response_model=UserOut, responses={200: PRIVATE, **problems(404)})
async def me(request: Request, state: Running) -> Response:
    """The caller, as of now."""
    return private_response(await own_user(state, caller_of(request).user_id))


@router.get("/validate", response_model=ValidOut, responses={200: PRIVATE, **problems()})
async def validate(request: Request) -> Response:
    """What the credentials of this request are good for."""
    caller = caller_of(request)
    expires_at = datetime.fromtimestamp(caller.expires_at, UTC) if caller.expires_at else None
    return private_response(
        {
            "user_id": caller.user_id,
            "role": caller.role,
            "session_id": caller.session_id,
            "expires_at": expires_at,
            "scopes": sorted(caller.scopes),
        }
    )


@router.get("/sessions", response_model=SessionPage, responses={200: PRIVATE, **problems()})
async def list_sessions(request: Request, state: Running) -> Response:
    """The caller's open sessions, the last used first."""
    caller = caller_of(request)
    async with state.pool.connection() as conn:
        found = await sessions.open_of(conn, caller.user_id, datetime.now(UTC))
    rows = [{**one._asdict(), "current": one.id == caller.session_id} for one in found]
    return private_response(complete(rows))


@router.delete(
    "/sessions/{session_id}",
    response_model=EndedOut,
    responses={200: PRIVATE, **problems(400, 404)},
)
async def end_session(request: Request, session_id: Id, state: Running) -> Response:
    """End one of the caller's sessions, with all its tokens."""
    caller = caller_of(request)
    async with state.pool.connection() as conn:
        ended = await sessions.end_own(conn, session_id, caller.user_id, datetime.now(UTC))
    if not ended:
        raise ProblemError("session_not_found")
    state.gate.access.note_revoked(session_id)
    return private_response({"sessions": 1})


def _session_of(caller: Caller) -> UUID:
    assert caller.session_id is not None, "API keys have no scope for sessions"
    return caller.session_id

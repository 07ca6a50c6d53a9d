"""Registering oneself, and proving that an e-mail address is one's own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Query, Request, Response

from api.attempts import count_attempt
from api.callers import caller_of
from api.ids import new_id
from api.mailing import VERIFY_EMAIL, link_for
from api.people_models import LinkIn, RegistrationIn, agreed_password
from api.people_responses import PRIVATE, MailQueuedOut, UserOut, VerifiedOut
from api.people_views import NO_STORE, in_clear, user_now
from api.problems import ProblemError
from api.responses import TAGGED, problems
from api.state import Running, State, correlation_of
from api.strict_json import StrictRoute
from api.writing import Author, create, private_response
from application.ledger import Refused, Submission
from application.people import registering
from domain.provenance import Provenance
from domain.users import VerifyEmail

router = APIRouter(prefix="/api", tags=["auth"], route_class=StrictRoute)

_REGISTERED = {"headers": {**PRIVATE["headers"], **TAGGED["headers"]}}


@router.post(
    "/users",
    status_code=201,
    response_model=UserOut,
    responses={201: _REGISTERED, **problems(400, 403, 409, 422)},
)
async def register(request: Request, body: RegistrationIn, state: Running) -> Response:
    """Register as a user, who can log in at once. A mail goes out with a link that proves that the
    address is the user's; until then `verified` is false."""
    if not state.policy.registration_is_open:
        raise ProblemError("forbidden", why="who uses this is registered by its administrators")
    await count_attempt(request, state)
    password = agreed_password(body.password, body.password_confirmation, "user")
    # Not of the client's choice: whose accounts these are is told by such ids.
    user_id = new_id()
    prepared = registering.registration(
        state.vault,
        user_id,
        email=body.email,
        full_name=body.full_name,
        password_hash=await state.hasher.hash(password),
        mail_id=uuid4(),
        link_for=link_for(state, user_id),
    )
    # Nobody is known yet: whoever sends the same again has the same address.
    name = f"public:{state.vault.index.email(body.email).hex()}"
    answered = await create(
        request,
        state,
        prepared.command,
        beside=prepared.beside,
        finish=in_clear,
        author=Author(f"user:{user_id}", name),
    )
    answered.headers.update(NO_STORE)
    return answered


@router.get(
    "/auth/verify-email",
    response_model=VerifiedOut,
    responses={200: PRIVATE, **problems(400, 401, 404)},
)
async def follow_link(
    request: Request, link: Annotated[LinkIn, Query()], state: Running
) -> Response:
    """What the link in the mail leads to: the address is the user's. It works once, for a day.

    HEAD only tells whether it is such a link: that is what programs send that look at mails first.
    """
    return await _verify(request, state, link.token)


@router.post(
    "/auth/verify-email",
    response_model=VerifiedOut,
    responses={200: PRIVATE, **problems(400, 401, 404, 422)},
)
async def verify_email(request: Request, body: LinkIn, state: Running) -> Response:
    """As the link in the mail does, for programs that have its token."""
    return await _verify(request, state, body.token)


async def _verify(request: Request, state: State, token: str) -> Response:
    claims = state.gate.signer.verify(token, "link", datetime.now(UTC))
    if claims.purpose != VERIFY_EMAIL:
        raise ProblemError("invalid_token_type", expected=VERIFY_EMAIL)
    if request.scope["state"]["is_head"]:
        return private_response({})
    provenance = Provenance(actor=f"user:{claims.user_id}", correlation_id=correlation_of(request))
    command = VerifyEmail(claims.user_id, claims.subject_digest)
    done = await state.ledger.post(Submission([command], provenance))
    (outcome,) = done.outcomes
    if isinstance(outcome, Refused):
        raise ProblemError(outcome.reason, **outcome.details)
    return private_response({"user_id": claims.user_id, "verified": True})


@router.post(
    "/auth/verify-email/resend",
    status_code=202,
    response_model=MailQueuedOut,
    responses={202: PRIVATE, **problems(404, 409)},
)
async def send_again(request: Request, state: Running) -> Response:
    """Have another mail sent to one's own address, with a new link to verify it."""
    user_id = caller_of(request).user_id
    await count_attempt(request, state, f"verify {user_id}")
    user = await user_now(state, user_id)
    if user.verified:
        raise ProblemError("already_processed", why="the address is verified")
    async with state.pool.connection() as conn:
        key = (await state.vault.keys(conn, [user_id])).get(user_id)
        if key is None:
            raise ProblemError("person_erased")
        row = state.vault.open_user(key, user_id, {"email": user.email})
        await registering.ask_again(
            conn,
            uuid4(),
            user_id,
            key,
            email=row["email"],
            sealed_email=user.email,
            link_for=link_for(state, user_id),
        )
    return private_response({"queued": True}, 202)

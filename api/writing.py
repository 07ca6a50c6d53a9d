"""From a request's commands to its answer: through the ledger, once, whatever is sent again."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from fastapi import Request, Response
from psycopg import Connection

from api import views
from api.callers import caller_of, caller_or_none
from api.people_views import NO_STORE
from api.preconditions import etag, has_already, refuse_if_match
from api.problems import CATALOGUE, PROBLEM_JSON, ProblemError, render
from api.state import State, correlation_of
from application.ledger import Accepted, Answer, Outcome, Receipt, Refused, Submission
from application.ledger.outcomes import Command
from application.ledger.writer import LINKED_REFUSED
from domain.approvals import Approval
from domain.provenance import Provenance

_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")

APPROVALS = "/api/approvals"
"""Where that is which waits for a second person."""

Render = Callable[[Sequence[Outcome]], Answer]

Beside = Callable[[Connection[Any]], None]
"""Writes to ordinary tables in the transaction of a command's events."""

View = Callable[[Accepted], views.Json]
"""Shows what a command did, where that is not the resource itself."""

Finish = Callable[[State, views.Json], Awaitable[views.Json]]
"""Makes what is sent of what is kept: what is personal is kept sealed, so that it can be forgotten, and
opened anew for each answer."""


class Author(NamedTuple):
    """Who writes: `actor` as the log has it, `name` as idempotency keys are kept for."""

    actor: str
    name: str


def json_response(body: object, headers: Mapping[str, str] | None = None) -> Response:
    """A read's answer, encoded once and not checked again."""
    return Response(views.encode(body), headers=headers, media_type="application/json")


def private_response(body: views.Json, status: int = 200) -> Response:
    """An answer that nothing on its way may keep."""
    return Response(views.encode(body), status, NO_STORE, "application/json")


def tagged_response(body: object, version: int, if_none_match: list[str] | None) -> Response:
    """A read's answer with the ETag of what it shows; 304 when the caller has that version."""
    headers = {"ETag": etag(version)}
    if has_already(if_none_match, version):
        return Response(status_code=304, headers=headers)
    return json_response(body, headers)


async def create(
    request: Request,
    state: State,
    *commands: Command,
    status: int = 201,
    beside: Beside | None = None,
    finish: Finish | None = None,
    author: Author | None = None,
    view: View | None = None,
    place: str = "",
) -> Response:
    """Submit a command that starts something new, and answer with that, or with the problem. Of several
    all are carried out or none, and the last is what is answered.

    `status` is 202 for what only begins. `author` is for public routes, where no caller is known. `place`
    is the path under which it is found, by default the request's own. Raises what `beside` refuses.
    """
    refuse_if_match(request)
    answered = await _write(
        request,
        state,
        commands,
        _one(request, status, view),
        linked=len(commands) > 1,
        beside=beside,
        finish=finish,
        author=author,
    )
    return _tagged(answered, place or request.scope["path"])


async def change(
    request: Request,
    state: State,
    *commands: Command,
    beside: Beside | None = None,
    finish: Finish | None = None,
) -> Response:
    """Submit a command on what is there, which has the versions that If-Match names, and answer with
    what it led to, or with the problem. Of several on the same, all are carried out or none. Raises
    what `beside` refuses."""
    answered = await _write(
        request,
        state,
        commands,
        _one(request, 200),
        linked=len(commands) > 1,
        beside=beside,
        finish=finish,
    )
    return _tagged(answered)


async def write_batch(
    request: Request,
    state: State,
    commands: Sequence[Command],
    render_answer: Render,
    *,
    linked: bool,
) -> Response:
    """Submit commands that start something new each, and answer as `render_answer` says."""
    refuse_if_match(request)
    return await _write(request, state, commands, render_answer, linked=linked)


async def _write(
    request: Request,
    state: State,
    commands: Sequence[Command],
    render_answer: Render,
    *,
    linked: bool = False,
    beside: Beside | None = None,
    finish: Finish | None = None,
    author: Author | None = None,
) -> Response:
    """With an Idempotency-Key the answer is kept with the events, refusals too, and the same request
    gets it again."""
    if request.query_params:
        raise ProblemError("unknown_fields", fields=sorted(request.query_params))
    key = _idempotency_key(request)
    by = author or _author(request)
    provenance = Provenance(actor=by.actor, correlation_id=correlation_of(request), command_id=key)
    receipt = None
    if key:
        fingerprint = state.vault.index.request(await _asked(request))
        receipt = Receipt(by.name, key, fingerprint, render_answer)
    done = await state.ledger.post(Submission(commands, provenance, linked, receipt, beside))
    replayed = done.replayed
    answer = done.answer
    if answer is None:
        for outcome in done.outcomes:
            if isinstance(outcome, Refused) and outcome.reason == "idempotency_key_reused":
                raise ProblemError(outcome.reason, **outcome.details)
        answer = render_answer(done.outcomes)
        replayed = bool(done.outcomes) and all(
            isinstance(o, Accepted) and o.replayed for o in done.outcomes
        )
    if finish is not None and answer.status < 400:
        body = views.encode(await finish(state, msgspec.json.decode(answer.body)))
        answer = Answer(answer.status, body, answer.position)
    if answer.status >= 400:
        request.scope["state"]["reason"] = _decode_told(answer.body).reason
    return _response(answer, replayed=replayed)


def _author(request: Request) -> Author:
    caller = caller_of(request)
    return Author(caller.actor, caller.name)


def _one(request: Request, status: int, view: View | None = None) -> Render:
    """The answer to a request about one resource: the resource, or the problem. What waits for a second
    person is answered with 202."""
    correlation_id = correlation_of(request)
    caller = caller_or_none(request)

    def sees(owner_id: UUID | None) -> bool:
        return caller is not None and caller.sees(owner_id)

    def render_one(outcomes: Sequence[Outcome]) -> Answer:
        for outcome in outcomes:
            if isinstance(outcome, Refused) and outcome.reason != LINKED_REFUSED:
                return refused(outcome, request.url.path, correlation_id)
        outcome = outcomes[-1]
        assert isinstance(outcome, Accepted), "one is refused for itself if any is"
        state = outcome.state
        waits = isinstance(state, Approval) and state.status == "pending"
        shown = view(outcome) if view and not waits else views.accepted(outcome, sees)
        body = views.encode(shown)
        return Answer(202 if waits else status, body, outcome.position)

    return render_one


def refused(outcome: Refused, instance: str, correlation_id: str) -> Answer:
    """A refusal as a problem."""
    body = render(outcome.reason, outcome.details, instance=instance, correlation_id=correlation_id)
    return Answer(CATALOGUE[outcome.reason].status, body, 0)


def _response(answer: Answer, *, replayed: bool) -> Response:
    headers: dict[str, str] = {}
    if answer.position:
        headers["Daybook-Position"] = str(answer.position)
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    media_type = "application/json" if answer.status < 400 else PROBLEM_JSON
    return Response(answer.body, answer.status, headers, media_type)


class _Shown(msgspec.Struct):
    """What the headers say of the account or transfer in an answer, kept ones too."""

    id: str
    version: int = 0
    """0 in transfers' answers that were kept before they had one."""
    maker_id: str = ""
    """Only approvals have one."""


class _Told(msgspec.Struct):
    """What is told of a problem where requests are watched, kept ones too."""

    reason: str = ""


_decode_shown = msgspec.json.Decoder(_Shown).decode
_decode_told = msgspec.json.Decoder(_Told).decode


def _tagged(answered: Response, path: str = "") -> Response:
    """With the version of what is answered, and where that is; `path` is where new things are made that do
    not wait for a second person."""
    if answered.status_code < 400:
        shown = _decode_shown(answered.body)
        if shown.version:
            answered.headers["ETag"] = etag(shown.version)
        if answered.status_code in (201, 202):
            place = APPROVALS if shown.maker_id else path
            answered.headers["Location"] = f"{place}/{shown.id}"
    return answered


def refuse_idempotency_key(request: Request) -> None:
    """For requests whose answer is shown once and kept nowhere. Raises `invalid_idempotency_key`."""
    if "idempotency-key" in request.headers:
        raise ProblemError("invalid_idempotency_key")


def _idempotency_key(request: Request) -> str:
    """The key, without the quotes of a structured header; empty when there is none."""
    given = request.headers.get("idempotency-key")
    if given is None:
        return ""
    key = given[1:-1] if len(given) > 1 and given[0] == given[-1] == '"' else given
    if not _KEY.fullmatch(key):
        raise ProblemError("invalid_idempotency_key")
    return key


async def _asked(request: Request) -> bytes:
    """What is asked: method, path, If-Match and the body's content, whatever its key order."""
    raw = await request.body()
    try:
        content: Any = msgspec.json.decode(raw) if raw else {}
        canonical = msgspec.json.encode(content, order="deterministic")
    except msgspec.DecodeError:
        canonical = raw
    line = f"{request.method} {request.url.path.lower()}\n".encode()
    if if_match := request.headers.getlist("if-match"):
        line += f"If-Match: {', '.join(if_match)}\n".encode()
    return line + canonical

"""Webhooks of others: proven by their signatures, and taken in once each."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response

from api.limits import headers_of, refuse_beyond
from api.origins import client_key
from api.paging import decode_keys, encode_keys
from api.problems import CATALOGUE, ProblemError
from api.responses import problems
from api.state import Running, State, correlation_of
from api.webhook_models import ReceivedFilters
from api.webhook_responses import ReceivedPage, TakenOut
from api.webhook_views import cut, received
from api.writing import json_response
from application.webhooks import incoming
from application.webhooks.incoming import (
    ACCEPTED,
    IGNORED,
    NOTHING_NEW,
    MessageError,
    Place,
)
from application.webhooks.signing import SignatureError, verify

_log = logging.getLogger("daybook.api")

router = APIRouter(prefix="/api/webhooks", tags=["webhooks"])

MAX_MESSAGE_BYTES = 64 * 1024
_SHOWN = 60
"""Characters of a name that nobody knows."""

_MESSAGE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["type", "data"],
                    "examples": [
                        {
                            "type": "movement.settled",
                            "timestamp": "2026-03-01T12:00:00Z",
                            "data": {
                                "movement_id": "3f0c9a52-6d0b-4d5e-9f57-0f6f5a8a1c11",
                                "status": "COMPLETED",
                                "bank_reference": "B-4711",
                                "sequence": 3,
                            },
                        }
                    ],
                    "properties": {
                        "type": {"type": "string", "maxLength": incoming.MAX_TYPE},
                        "timestamp": {"type": "string", "format": "date-time"},
                        "data": {"type": "object"},
                    },
                }
            }
        },
    },
    "parameters": [
        {
            "name": name,
            "in": "header",
            "required": True,
            "description": description,
            "schema": {"type": "string"},
        }
        for name, description in (
            ("webhook-id", "of the message: the same when it is sent again"),
            ("webhook-timestamp", "when it is sent, in Unix seconds"),
            ("webhook-signature", "`v1,` and base64 of the HMAC-SHA256 of `id.timestamp.body`"),
        )
    ],
}


@router.post(
    "/incoming/{provider}",
    response_model=TakenOut,
    responses=problems(400, 401, 404, 422),
    openapi_extra=_MESSAGE,
)
async def receive_webhook(request: Request, provider: str, state: Running) -> Response:
    """Take in what a provider tells, signed as Standard Webhooks says. Sent again, a message has no
    further effect, and is answered as the first time."""
    body = await _body(request)
    known = state.webhooks.providers.get(provider)
    if known is None:
        await _count(request, state)
        raise ProblemError("webhook_provider_not_found", provider=provider[:_SHOWN])
    try:
        proven = verify(
            request.headers, body, known.secrets, datetime.now(UTC), state.webhooks.tolerance_s
        )
    except SignatureError as error:
        _log.warning("a webhook for %s is refused: %s", provider, error)
        await _count(request, state)
        raise ProblemError("invalid_webhook_signature") from None
    try:
        taken = await incoming.receive(
            state.ledger, state.pool, provider, known, proven, body, correlation_of(request)
        )
    except MessageError as error:
        raise ProblemError(error.reason, fields=error.fields) from None
    if taken.outcome not in (ACCEPTED, NOTHING_NEW, IGNORED):
        if taken.outcome not in CATALOGUE:
            raise ProblemError("invalid_request")
        raise ProblemError(taken.outcome, **taken.details)
    return json_response({"message_id": taken.message_id, "outcome": taken.outcome})


async def _count(request: Request, state: State) -> None:
    """Count for its address what is not proven. Raises `rate_limited`."""
    limiter = state.gate.limiter
    if limiter is not None:
        verdict = await limiter.hit("address", client_key(request.scope))
        request.scope["state"]["limit_headers"] = headers_of(verdict)
        refuse_beyond(verdict)


async def _body(request: Request) -> bytes:
    """Raises `body_too_large` as soon as it is."""
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > MAX_MESSAGE_BYTES:
            raise ProblemError("body_too_large", limit_bytes=MAX_MESSAGE_BYTES)
    return bytes(found)


@router.get("/received", response_model=ReceivedPage, responses=problems(400))
async def list_received_webhooks(
    asked: Annotated[ReceivedFilters, Query()], state: Running
) -> Response:
    """What others have told, the newest first, and what came of it."""
    before = _place(asked.cursor)
    async with state.pool.connection() as conn:
        rows = await incoming.listed(
            conn,
            provider=asked.provider,
            subject=asked.subject,
            before=before,
            limit=asked.limit + 1,
        )
    return json_response(
        cut(
            rows,
            asked.limit,
            received,
            lambda row: encode_keys(Place(row.received_at, row.provider, row.message_id)),
        )
    )


def _place(cursor: str | None) -> Place | None:
    """Raises `invalid_cursor`."""
    if cursor is None:
        return None
    try:
        return msgspec.convert(decode_keys(cursor), Place)
    except msgspec.ValidationError:
        raise ProblemError("invalid_cursor") from None

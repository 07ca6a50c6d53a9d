"""Webhooks: where one wants to hear of what is one's own, and what has been sent there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from api.callers import caller_of
from api.models import Id, ReasonIn
from api.pages import decode_place, encode_place
from api.paging import decode_cursor, encode_cursor
from api.people_responses import PRIVATE
from api.problems import ProblemError
from api.responses import problems
from api.state import Running, State, correlation_of
from api.strict_json import StrictRoute
from api.views import encode
from api.webhook_models import (
    DeliveryFilters,
    EndpointChangeIn,
    EndpointFilters,
    EndpointIn,
    ReplayIn,
    fit_url,
)
from api.webhook_responses import (
    CREATED,
    PLACED,
    DeliveryDetailOut,
    DeliveryOut,
    DeliveryPage,
    EndpointOut,
    EndpointPage,
    EndpointWithSecretOut,
    ReplayedOut,
)
from api.webhook_views import cut, delivery, delivery_in_detail, endpoint
from api.writing import json_response, private_response, refuse_idempotency_key
from application.webhooks import deliveries, endpoints
from application.webhooks.deliveries import Delivery, ReplayUnderWayError, Wanted
from application.webhooks.endpoints import MAX_ENDPOINTS, Endpoint, TooManyEndpointsError
from application.webhooks.types import TEST, body_of
from projections.paging import Place

router = APIRouter(prefix="/api/webhooks", tags=["webhooks"], route_class=StrictRoute)

_NO_REASON = "by its owner"


@router.post(
    "/endpoints",
    status_code=201,
    response_model=EndpointWithSecretOut,
    responses={201: CREATED, **problems(400, 422)},
)
async def create_webhook_endpoint(request: Request, body: EndpointIn, state: Running) -> Response:
    """Have messages sent to a URL. The secret that signs them is in this answer and nowhere else."""
    refuse_idempotency_key(request)
    url = fit_url(body.url, state.webhooks.allowed)
    async with state.pool.connection() as conn:
        try:
            made = await endpoints.register(
                conn,
                state.webhooks.secrets,
                caller_of(request).user_id,
                url=url,
                types=body.types,
                description=body.description,
            )
        except TooManyEndpointsError:
            raise ProblemError("too_many_webhook_endpoints", most=MAX_ENDPOINTS) from None
    answered = private_response({**endpoint(made.endpoint), "secret": made.secret}, 201)
    answered.headers["Location"] = f"{router.prefix}/endpoints/{made.endpoint.id}"
    return answered


@router.get("/endpoints", response_model=EndpointPage, responses=problems(400))
async def list_webhook_endpoints(
    request: Request, asked: Annotated[EndpointFilters, Query()], state: Running
) -> Response:
    """One's endpoints, the newest first; for admins and auditors everybody's."""
    after = decode_place(asked.cursor)
    async with state.pool.connection() as conn:
        rows = await endpoints.listed(
            conn, caller_of(request).owner_id, after=after, limit=asked.limit + 1
        )
    return json_response(
        cut(rows, asked.limit, endpoint, lambda row: encode_place(Place(row.created_at, row.id)))
    )


@router.get("/endpoints/{endpoint_id}", response_model=EndpointOut, responses=problems(400, 404))
async def get_webhook_endpoint(request: Request, endpoint_id: Id, state: Running) -> Response:
    """One endpoint, never with its secret."""
    return json_response(endpoint(await _visible(request, state, endpoint_id)))


@router.put("/endpoints/{endpoint_id}", response_model=EndpointOut, responses=problems(400, 404))
async def update_webhook_endpoint(
    request: Request, endpoint_id: Id, body: EndpointChangeIn, state: Running
) -> Response:
    """Change where messages go, or which."""
    await _visible(request, state, endpoint_id)
    url = None if body.url is None else fit_url(body.url, state.webhooks.allowed)
    async with state.pool.connection() as conn:
        found = await endpoints.update(
            conn, endpoint_id, url=url, types=body.types, description=body.description
        )
    return json_response(endpoint(_there(found, endpoint_id)))


@router.delete("/endpoints/{endpoint_id}", response_model=EndpointOut, responses=problems(400, 404))
async def delete_webhook_endpoint(request: Request, endpoint_id: Id, state: Running) -> Response:
    """Forget an endpoint, and all that was sent to it. To keep that, disable it."""
    await _visible(request, state, endpoint_id)
    async with state.pool.connection() as conn:
        return json_response(
            endpoint(_there(await endpoints.delete(conn, endpoint_id), endpoint_id))
        )


@router.post(
    "/endpoints/{endpoint_id}/rotate-secret",
    response_model=EndpointWithSecretOut,
    responses={200: PRIVATE, **problems(400, 404)},
)
async def rotate_webhook_secret(request: Request, endpoint_id: Id, state: Running) -> Response:
    """Have another secret, which is in this answer and nowhere else. For 24 hours messages are signed
    with the one before as well: change over within that time."""
    refuse_idempotency_key(request)
    await _visible(request, state, endpoint_id)
    async with state.pool.connection() as conn:
        made = await endpoints.rotate(conn, state.webhooks.secrets, endpoint_id, datetime.now(UTC))
    if made is None:
        raise _not_found(endpoint_id)
    return private_response({**endpoint(made.endpoint), "secret": made.secret})


@router.post(
    "/endpoints/{endpoint_id}/enable", response_model=EndpointOut, responses=problems(400, 404)
)
async def enable_webhook_endpoint(request: Request, endpoint_id: Id, state: Running) -> Response:
    """Send messages to it again, from now on; `replay` sends those that it has missed."""
    await _visible(request, state, endpoint_id)
    async with state.pool.connection() as conn:
        return json_response(
            endpoint(_there(await endpoints.enable(conn, endpoint_id), endpoint_id))
        )


@router.post(
    "/endpoints/{endpoint_id}/disable", response_model=EndpointOut, responses=problems(400, 404)
)
async def disable_webhook_endpoint(
    request: Request, endpoint_id: Id, body: ReasonIn, state: Running
) -> Response:
    """Send it nothing more; what waits for a try fails."""
    await _visible(request, state, endpoint_id)
    async with state.pool.connection() as conn:
        found = await endpoints.disable(conn, endpoint_id, body.reason or _NO_REASON)
    return json_response(endpoint(_there(found, endpoint_id)))


@router.post(
    "/endpoints/{endpoint_id}/test",
    status_code=202,
    response_model=DeliveryOut,
    responses={202: PLACED, **problems(400, 404, 409)},
)
async def test_webhook_endpoint(request: Request, endpoint_id: Id, state: Running) -> Response:
    """Send it a message of type `webhook.test`, whatever it asks for."""
    found = await _visible(request, state, endpoint_id)
    _require_enabled(found)
    body = body_of(TEST, datetime.now(UTC), {"endpoint_id": str(endpoint_id)})
    async with state.pool.connection() as conn:
        sent = await deliveries.send(conn, endpoint_id, TEST, body, correlation_of(request))
    if sent is None:
        raise _not_found(endpoint_id)
    return _accepted(sent)


@router.post(
    "/endpoints/{endpoint_id}/replay",
    status_code=202,
    response_model=ReplayedOut,
    responses=problems(400, 404, 409),
)
async def replay_webhook_endpoint(
    request: Request, endpoint_id: Id, body: ReplayIn, state: Running
) -> Response:
    """Send again what was sent since a time, each message with the id that it had; what is still tried by
    itself is left alone."""
    _require_enabled(await _visible(request, state, endpoint_id))
    async with state.pool.connection() as conn:
        try:
            made, later = await deliveries.replay_since(
                conn, endpoint_id, body.since, correlation_of(request), only_failed=body.only_failed
            )
        except ReplayUnderWayError:
            raise ProblemError("webhook_replay_under_way", endpoint_id=endpoint_id) from None
    replayed = {"replayed": len(made), "deliveries": made, "next_since": later}
    return Response(encode(replayed), 202, media_type="application/json")


@router.get("/deliveries", response_model=DeliveryPage, responses=problems(400))
async def list_webhook_deliveries(
    request: Request, asked: Annotated[DeliveryFilters, Query()], state: Running
) -> Response:
    """What was sent to one's endpoints, the newest first; for admins and auditors to everybody's."""
    wanted = Wanted(
        caller_of(request).owner_id,
        asked.endpoint_id,
        asked.status,
        asked.type,
        asked.from_,
        asked.to,
    )
    before = decode_cursor(asked.cursor)
    async with state.pool.connection() as conn:
        rows = await deliveries.listed(conn, wanted, before=before, limit=asked.limit + 1)
    return json_response(cut(rows, asked.limit, delivery, lambda row: encode_cursor(row.number)))


@router.get(
    "/deliveries/{delivery_id}", response_model=DeliveryDetailOut, responses=problems(400, 404)
)
async def get_webhook_delivery(request: Request, delivery_id: Id, state: Running) -> Response:
    """One delivery, with what was sent and how each try ended."""
    found = await _visible_delivery(request, state, delivery_id)
    async with state.pool.connection() as conn:
        attempts = await deliveries.attempts_of(conn, delivery_id)
    return json_response(delivery_in_detail(found, attempts))


@router.post(
    "/deliveries/{delivery_id}/replay",
    status_code=202,
    response_model=DeliveryOut,
    responses={202: PLACED, **problems(400, 404, 409)},
)
async def replay_webhook_delivery(request: Request, delivery_id: Id, state: Running) -> Response:
    """Send a message again, with the id that it had."""
    found = await _visible_delivery(request, state, delivery_id)
    async with state.pool.connection() as conn:
        if await deliveries.is_under_way(conn, delivery_id):
            raise ProblemError("webhook_delivery_under_way", delivery_id=delivery_id)
        (again,) = await deliveries.replay(conn, [found], correlation_of(request))
        made = await deliveries.find(conn, again)
    if made is None:
        raise _not_found(found.endpoint_id)
    return _accepted(made)


def _accepted(row: Delivery) -> Response:
    place = {"Location": f"{router.prefix}/deliveries/{row.id}"}
    return Response(encode(delivery(row)), 202, place, "application/json")


async def _visible(request: Request, state: State, endpoint_id: UUID) -> Endpoint:
    """Raises `webhook_endpoint_not_found` for another one's as well."""
    async with state.pool.connection() as conn:
        found = await endpoints.find(conn, endpoint_id)
    if found is None or not caller_of(request).sees(found.owner_id):
        raise _not_found(endpoint_id)
    return found


async def _visible_delivery(request: Request, state: State, delivery_id: UUID) -> Delivery:
    """Raises `webhook_delivery_not_found` for another one's as well."""
    async with state.pool.connection() as conn:
        found = await deliveries.find(conn, delivery_id)
    if found is None or not caller_of(request).sees(found.owner_id):
        raise ProblemError("webhook_delivery_not_found", delivery_id=delivery_id)
    return found


def _there(found: Endpoint | None, endpoint_id: UUID) -> Endpoint:
    """Raises `webhook_endpoint_not_found` for one that was deleted meanwhile."""
    if found is None:
        raise _not_found(endpoint_id)
    return found


def _not_found(endpoint_id: UUID) -> ProblemError:
    return ProblemError("webhook_endpoint_not_found", endpoint_id=endpoint_id)


def _require_enabled(found: Endpoint) -> None:
    """Raises `webhook_endpoint_disabled`: nothing is sent to it."""
    if found.status != "enabled":
        raise ProblemError(
            "webhook_endpoint_disabled", endpoint_id=found.id, why=found.disabled_because
        )

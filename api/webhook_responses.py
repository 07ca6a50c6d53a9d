"""The shapes of webhooks that go out, for the API's description."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from api.people_responses import PRIVATE

_PLACE = {"Location": {"$ref": "#/components/headers/Location"}}

CREATED: dict[str, Any] = {"headers": {**PRIVATE["headers"], **_PLACE}}
"""An answer with a secret, which nothing on its way may keep."""

PLACED: dict[str, Any] = {"headers": _PLACE}


class EndpointOut(BaseModel):
    id: UUID
    owner_id: UUID
    url: str
    types: list[str] = Field(description="empty: everything")
    description: str
    status: str = Field(description="enabled or disabled")
    disabled_because: str | None
    old_secret_until: datetime | None = Field(
        description="until then messages have two signatures; null when no secret was replaced"
    )
    created_at: datetime


class EndpointWithSecretOut(EndpointOut):
    secret: str = Field(description="signs what is sent: it is not shown again")


class EndpointPage(BaseModel):
    data: list[EndpointOut]
    next_cursor: str | None
    has_more: bool


class DeliveryOut(BaseModel):
    id: UUID
    endpoint_id: UUID
    message_id: str = Field(description="the header `webhook-id`, the same in each try and replay")
    type: str
    status: str = Field(description="waiting (for the next try), delivered or failed")
    attempts: int = Field(description="tries so far")
    answer_status: int | None = Field(description="of the last try; null when there was no answer")
    error: str | None
    replays: UUID | None = Field(description="the delivery that this one repeats")
    created_at: datetime
    tried_at: datetime | None


class DeliveryAttemptOut(BaseModel):
    number: int
    started_at: datetime
    ended_at: datetime
    outcome: str
    error: str | None


class DeliveryDetailOut(DeliveryOut):
    body: dict[str, Any] = Field(description="what is sent")
    attempt_log: list[DeliveryAttemptOut] = Field(
        description="kept for some days after the last try"
    )


class DeliveryPage(BaseModel):
    data: list[DeliveryOut]
    next_cursor: str | None
    has_more: bool


class ReplayedOut(BaseModel):
    replayed: int
    deliveries: list[UUID] = Field(description="the new ones")
    next_since: datetime | None = Field(
        description="ask again with this as `since`; null when these were all"
    )


class TakenOut(BaseModel):
    message_id: str
    outcome: str = Field(
        description="accepted, nothing_new (it was known before) or ignored (not for us); sent again, a"
        " message is answered as the first time"
    )


class ReceivedOut(BaseModel):
    provider: str
    message_id: str
    type: str
    subject: str = Field(description="the id of what it is about")
    outcome: str = Field(description="accepted, nothing_new, ignored, or the reason of a refusal")
    details: dict[str, Any] = Field(description="of a refusal")
    received_at: datetime


class ReceivedPage(BaseModel):
    data: list[ReceivedOut]
    next_cursor: str | None
    has_more: bool

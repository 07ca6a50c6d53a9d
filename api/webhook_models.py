"""The shapes of webhooks that come in from their owners."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from api.models import Cursor, EndMoment, Id, In, Limit, Moment, Text, enum, one_of, shape, text
from api.problems import ProblemError
from application.notifications.rules import MESSAGE_TYPES, PATTERNS
from application.webhooks.addresses import MAX_URL, AddressError, Allowed, check_url
from application.webhooks.types import MAX_TYPES, TEST

DELIVERY_STATUSES = ("waiting", "delivered", "failed")
_SENT = (*MESSAGE_TYPES, TEST)

Url = Annotated[str, text("invalid_text", 1, MAX_URL), shape(1, MAX_URL)]
Pattern = Annotated[str, one_of("invalid_webhook_type", PATTERNS), enum(PATTERNS)]
Types = Annotated[
    list[Pattern],
    Field(max_length=MAX_TYPES, description="what it wants to hear of; empty: of everything"),
]
MessageType = Annotated[str, one_of("invalid_webhook_type", _SENT), enum(_SENT)]
DeliveryStatus = Annotated[
    str, one_of("invalid_status", DELIVERY_STATUSES), enum(DELIVERY_STATUSES)
]


def fit_url(url: str, allowed: Allowed) -> str:
    """The URL, if webhooks may be sent there. Raises `invalid_webhook_url`."""
    try:
        check_url(url, allowed)
    except AddressError as error:
        raise ProblemError("invalid_webhook_url", why=str(error)) from None
    return url


class EndpointIn(In):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "url": "https://example.com/hooks/daybook",
                    "types": ["investment.completed", "withdrawal.*"],
                }
            ]
        }
    )
    url: Url
    types: Types = []
    description: Text = ""


class EndpointChangeIn(In):
    """What is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"types": ["investment.*"]}]})
    url: Url | None = None
    types: Types | None = None
    description: Text | None = None


class ReplayIn(In):
    model_config = ConfigDict(json_schema_extra={"examples": [{"since": "2026-03-01T00:00:00Z"}]})
    since: Moment
    only_failed: Annotated[
        bool, Field(strict=True, description="leave out what got there, at whichever try")
    ] = False


class EndpointFilters(In):
    limit: Limit = 50
    cursor: Cursor | None = None


class DeliveryFilters(In):
    endpoint_id: Id | None = None
    status: DeliveryStatus | None = None
    type: MessageType | None = None
    from_: Annotated[Moment | None, Field(alias="from")] = None
    to: EndMoment | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class ReceivedFilters(In):
    provider: Text | None = None
    subject: Annotated[Text | None, Field(description="the id of what it is about")] = None
    limit: Limit = 50
    cursor: Cursor | None = None

"""Security log: what was tried and refused at the edge, in one stream an hour.

`address` and `user_agent` tell of persons: they are sealed under a key of the month, so that the log can
forget them. `count` tells how many alike were noticed at once; floods are told of, not written down.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID, uuid5

from msgspec import Struct

from domain.events import Event

_NAMESPACE = UUID("da4b0000-0000-4000-8000-0000000005ec")


class Noticed(Event, frozen=True):
    """What all notices tell. `actor` is who it was, as far as that is known; `action` the method and the
    route; `reason` a code of the problem catalogue; `correlation_id` that of the first of them."""

    reason: str
    action: str
    actor: str = ""
    address: str = ""
    user_agent: str = ""
    correlation_id: str = ""
    count: int = 1


# Events. Stored for ever: add a field with a default, or a new event; never edit one.
class AuthenticationFailed(Noticed, frozen=True):
    """Somebody did not prove who he is."""

    topic: ClassVar[str] = "security.authentication_failed"


class AuthorizationFailed(Noticed, frozen=True):
    """Somebody known asked for what he may not do."""

    topic: ClassVar[str] = "security.authorization_failed"


class RateLimited(Noticed, frozen=True):
    """Somebody asked too often."""

    topic: ClassVar[str] = "security.rate_limited"


class SuspiciousRequest(Noticed, frozen=True):
    """A request looked like a search for weaknesses; `reason` says what for."""

    topic: ClassVar[str] = "security.suspicious_request"


EVENTS: tuple[type[Event], ...] = (
    AuthenticationFailed, AuthorizationFailed, RateLimited, SuspiciousRequest,
)  # fmt: skip


# State.
class SecurityLog(Struct, frozen=True):
    id: UUID
    version: int


def evolve(log: SecurityLog | None, event: Event, stream_id: UUID) -> SecurityLog:
    """The log after one more notice."""
    return SecurityLog(stream_id, 1 if log is None else log.version + 1)


def stream_of(moment: datetime) -> UUID:
    """The stream of an hour (UTC)."""
    return uuid5(_NAMESPACE, moment.strftime("%Y-%m-%dT%H"))


def key_of(moment: datetime) -> UUID:
    """Whose key seals the addresses of a month (UTC): destroy it, and they are forgotten."""
    return uuid5(_NAMESPACE, moment.strftime("%Y-%m"))


# Commands.
class NoteSecurity(Struct, frozen=True):
    """Add notices to an hour's log."""

    stream_id: UUID
    notices: tuple[Noticed, ...]

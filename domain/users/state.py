"""A user's events, and the state that they lead to."""

from __future__ import annotations

import hashlib
from typing import ClassVar, Literal, get_args
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.events import Event
from domain.sealed import ERASED

Role = Literal["user", "support", "admin", "auditor", "operator", "officer"]
UserStatus = Literal["active", "suspended", "deleted"]

ROLES: tuple[str, ...] = get_args(Role)
STATUSES: tuple[str, ...] = get_args(UserStatus)

DISCLOSABLE = ("email", "full_name")
"""The personal fields of a user."""

TRANSITIONS: dict[str, tuple[str, ...]] = {
    "active": ("suspended", "deleted"),
    "suspended": ("active", "deleted"),
    "deleted": (),
}
"""Status -> what may follow."""


# Events. Stored for ever: add a field with a default, or a new event; never edit one.
class Registered(Event, frozen=True):
    """`registered_by` is who made the user, None when the person did it."""

    topic: ClassVar[str] = "user.registered"
    email: str
    full_name: str
    role: str = "user"
    registered_by: UUID | None = None


class ProfileChanged(Event, frozen=True):
    topic: ClassVar[str] = "user.profile_changed"
    full_name: str


class EmailChanged(Event, frozen=True):
    """The new address has to be verified again."""

    topic: ClassVar[str] = "user.email_changed"
    email: str


class EmailVerified(Event, frozen=True):
    topic: ClassVar[str] = "user.email_verified"


class PasswordChanged(Event, frozen=True):
    """`reset`: by somebody who did not have to know the old one. The password is kept elsewhere."""

    topic: ClassVar[str] = "user.password_changed"
    reset: bool = False


class RoleChanged(Event, frozen=True):
    topic: ClassVar[str] = "user.role_changed"
    role: str
    previous: str


class Suspended(Event, frozen=True):
    topic: ClassVar[str] = "user.suspended"
    reason: str = ""


class Activated(Event, frozen=True):
    topic: ClassVar[str] = "user.activated"


class Deleted(Event, frozen=True):
    topic: ClassVar[str] = "user.deleted"
    reason: str = ""


class Erased(Event, frozen=True):
    """The key of what is sealed was destroyed, in the transaction of this event."""

    topic: ClassVar[str] = "user.erased"


class Disclosed(Event, frozen=True):
    """Somebody other than the person was shown these fields in clear, for this purpose."""

    topic: ClassVar[str] = "user.disclosed"
    fields: tuple[str, ...]
    purpose: str


class ApiKeyIssued(Event, frozen=True):
    topic: ClassVar[str] = "user.api_key_issued"
    key_id: UUID
    name: str
    scopes: tuple[str, ...]


class ApiKeyRevoked(Event, frozen=True):
    topic: ClassVar[str] = "user.api_key_revoked"
    key_id: UUID


EVENTS: tuple[type[Event], ...] = (
    Registered, ProfileChanged, EmailChanged, EmailVerified, PasswordChanged, RoleChanged, Suspended,
    Activated, Deleted, Erased, Disclosed, ApiKeyIssued, ApiKeyRevoked,
)  # fmt: skip


# State. Runs again at every replay: no rule, no clock, no exception.
class User(Struct, frozen=True):
    """What the rules need to know of a user. `version` counts its events."""

    id: UUID
    version: int
    role: str
    status: str
    verified: bool
    email: str
    full_name: str
    registered_by: UUID | None = None
    api_keys: frozenset[UUID] = frozenset()
    """Those that were issued and not revoked."""
    barred: int = 0
    """How often what the user may do was changed: each time the sessions of before end."""

    @property
    def is_erased(self) -> bool:
        return self.email == ERASED


def evolve(user: User | None, event: Event, stream_id: UUID) -> User:
    """The user after one more event."""
    if isinstance(event, Registered):
        return User(
            stream_id, 1, event.role, "active", False, event.email, event.full_name,
            event.registered_by,
        )  # fmt: skip
    assert user is not None, "a user's first event is user.registered"
    return _after(replace(user, version=user.version + 1), event)


def _after(user: User, event: Event) -> User:
    match event:
        case ProfileChanged(full_name=full_name):
            return replace(user, full_name=full_name)
        case EmailChanged(email=email):
            return replace(user, email=email, verified=False)
        case EmailVerified():
            return replace(user, verified=True)
        case RoleChanged(role=role):
            # Keys were given out for what the user could do before.
            return replace(user, role=role, barred=user.barred + 1, api_keys=frozenset())
        case Suspended():
            return replace(user, status="suspended", barred=user.barred + 1)
        case Activated():
            return replace(user, status="active")
        case Deleted():
            return replace(user, status="deleted", barred=user.barred + 1)
        case Erased():
            return replace(user, email=ERASED, full_name=ERASED)
        case ApiKeyIssued(key_id=key_id):
            return replace(user, api_keys=user.api_keys | {key_id})
        case ApiKeyRevoked(key_id=key_id):
            return replace(user, api_keys=user.api_keys - {key_id})
    return user


def mark_of(sealed_email: str) -> str:
    """Names an address without saying it: given again, even the same one has another mark."""
    return hashlib.sha256(sealed_email.encode()).hexdigest()[:32]

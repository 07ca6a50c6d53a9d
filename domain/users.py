"""User: a person or a program that may use the ledger, what it may do, and whether it still may.

`email` and `full_name` are sealed before they come here: texts that only the holder of the person's key
can open. The rules never look into them.
"""

from __future__ import annotations

import hashlib
from typing import ClassVar, Literal, get_args
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.events import Event
from domain.refusals import Refusal
from domain.sealed import ERASED
from domain.versions import Expected, check_version

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


# Commands. `by` is who asks; None is the house itself, such as its command line.
class RegisterUser(Struct, frozen=True):
    """`email` and `full_name` are sealed."""

    user_id: UUID
    email: str
    full_name: str
    role: str = "user"
    by: UUID | None = None


class ChangeProfile(Struct, frozen=True):
    """New sealed texts; None leaves as it is."""

    user_id: UUID
    full_name: str | None = None
    email: str | None = None
    expected_versions: Expected = None


class VerifyEmail(Struct, frozen=True):
    """`mark` is that of the address to which the link was sent; see `mark_of`."""

    user_id: UUID
    mark: str


class NotePasswordChange(Struct, frozen=True):
    user_id: UUID
    reset: bool = False


class ChangeRole(Struct, frozen=True):
    user_id: UUID
    role: str
    by: UUID | None = None
    expected_versions: Expected = None


class ChangeUserStatus(Struct, frozen=True):
    """Suspend, activate or delete a user."""

    user_id: UUID
    status: str
    reason: str = ""
    by: UUID | None = None
    expected_versions: Expected = None


class EraseUser(Struct, frozen=True):
    """Delete a user for good, with all that is known of the person."""

    user_id: UUID
    reason: str = ""
    by: UUID | None = None


class NoteDisclosure(Struct, frozen=True):
    user_id: UUID
    fields: tuple[str, ...]
    purpose: str


class IssueApiKey(Struct, frozen=True):
    user_id: UUID
    key_id: UUID
    name: str
    scopes: tuple[str, ...]


class RevokeApiKey(Struct, frozen=True):
    user_id: UUID
    key_id: UUID


Command = (
    RegisterUser | ChangeProfile | VerifyEmail | NotePasswordChange | ChangeRole | ChangeUserStatus
    | EraseUser | NoteDisclosure | IssueApiKey | RevokeApiKey
)  # fmt: skip

MAX_API_KEYS = 50
"""A user's live keys."""


# Decisions. A "no" is raised as a Refusal and leaves nothing behind.
def decide(user: User | None, command: Command) -> tuple[Event, ...]:
    """The events of a command on a user. Refuses `user_not_found` for whoever is not there or deleted,
    `precondition_failed`, `invalid_role`, `invalid_transition`, `insufficient_permissions` (on
    oneself), `token_revoked` (a link that was used, or is for another address), `api_key_not_found`,
    `too_many_api_keys`, `user_erased`."""
    if isinstance(command, RegisterUser):
        _check_role(command.role)
        return (Registered(command.email, command.full_name, command.role, command.by),)
    if user is None:
        raise Refusal("user_not_found", user_id=command.user_id)
    if isinstance(command, EraseUser):
        return _erase(user, command)
    if user.status == "deleted":
        raise Refusal("user_not_found", user_id=user.id)
    match command:
        case ChangeProfile():
            return _change_profile(user, command)
        case VerifyEmail():
            if user.verified or command.mark != mark_of(user.email):
                raise Refusal("token_revoked")
            return (EmailVerified(),)
        case NotePasswordChange(reset=reset):
            return (PasswordChanged(reset),)
        case ChangeRole():
            return _change_role(user, command)
        case ChangeUserStatus():
            return _change_status(user, command)
        case NoteDisclosure(fields=fields, purpose=purpose):
            return (Disclosed(fields, purpose),)
        case IssueApiKey():
            if len(user.api_keys) >= MAX_API_KEYS:
                raise Refusal("too_many_api_keys", most=MAX_API_KEYS)
            return (ApiKeyIssued(command.key_id, command.name, command.scopes),)
        case RevokeApiKey(key_id=key_id):
            if key_id not in user.api_keys:
                raise Refusal("api_key_not_found", key_id=key_id)
            return (ApiKeyRevoked(key_id),)


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise Refusal("invalid_role", role=role, allowed=list(ROLES))


def _check_other(user: User, by: UUID | None, action: str) -> None:
    """Nobody does this to himself: a house must not lose its last admin by a slip."""
    if by == user.id:
        raise Refusal("insufficient_permissions", action=action, why="nobody does that to himself")


def _change_profile(user: User, command: ChangeProfile) -> tuple[Event, ...]:
    check_version(user.id, user.version, command.expected_versions)
    events: list[Event] = []
    if command.full_name is None and command.email is None:
        raise Refusal("missing_fields", fields=["full_name", "email"])
    if command.full_name is not None:
        events.append(ProfileChanged(command.full_name))
    if command.email is not None:
        events.append(EmailChanged(command.email))
    return tuple(events)


def _change_role(user: User, command: ChangeRole) -> tuple[Event, ...]:
    _check_role(command.role)
    _check_other(user, command.by, "users.change_role")
    check_version(user.id, user.version, command.expected_versions)
    if command.role == user.role:
        raise Refusal(
            "invalid_transition",
            user_id=user.id,
            current=user.role,
            requested=command.role,
            allowed=[role for role in ROLES if role != user.role],
        )
    return (RoleChanged(command.role, user.role),)


def _change_status(user: User, command: ChangeUserStatus) -> tuple[Event, ...]:
    _check_other(user, command.by, "users.change_status")
    check_version(user.id, user.version, command.expected_versions)
    if command.status not in TRANSITIONS[user.status]:
        raise Refusal(
            "invalid_transition",
            user_id=user.id,
            current=user.status,
            requested=command.status,
            allowed=list(TRANSITIONS[user.status]),
        )
    if command.status == "suspended":
        return (Suspended(command.reason),)
    if command.status == "deleted":
        return (Deleted(command.reason),)
    return (Activated(),)


def _erase(user: User, command: EraseUser) -> tuple[Event, ...]:
    _check_other(user, command.by, "users.erase")
    if user.is_erased:
        raise Refusal("user_erased", user_id=user.id)
    if user.status == "deleted":
        return (Erased(),)
    return (Deleted(command.reason), Erased())

"""What becomes of a command on a user. A "no" is raised as a Refusal and leaves nothing behind."""

from __future__ import annotations

from uuid import UUID

from domain.events import Event
from domain.refusals import Refusal
from domain.users.commands import (
    ChangeProfile,
    ChangeRole,
    ChangeUserStatus,
    Command,
    EraseUser,
    IssueApiKey,
    NoteDisclosure,
    NotePasswordChange,
    RegisterUser,
    RevokeApiKey,
    VerifyEmail,
)
from domain.users.state import (
    ROLES,
    TRANSITIONS,
    Activated,
    ApiKeyIssued,
    ApiKeyRevoked,
    Deleted,
    Disclosed,
    EmailChanged,
    EmailVerified,
    Erased,
    PasswordChanged,
    ProfileChanged,
    Registered,
    RoleChanged,
    Suspended,
    User,
    mark_of,
)
from domain.versions import check_version

MAX_API_KEYS = 50
"""A user's live keys."""


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

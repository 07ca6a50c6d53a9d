"""The shapes of people that come in: registrations, logins, passwords, tokens."""

from __future__ import annotations

import re
from typing import Annotated, Any

from email_validator import EmailNotValidError, validate_email
from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from api.models import Id, In, Moment, Name, enum, one_of, problem, shape, text
from api.problems import ProblemError
from application.identity import passwords
from application.privacy.blind_index import normal_email
from domain.policies import SCOPES
from domain.texts import is_fit
from domain.users import DISCLOSABLE, ROLES, STATUSES

MAX_EMAIL = 255
MIN_FULL_NAME, MAX_FULL_NAME = 2, 255
MIN_PURPOSE, MAX_PURPOSE = 3, 255

_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")


def _check_email(value: object) -> str:
    """The one spelling of an address that could be one; whether it is there, only a mail tells."""
    if not isinstance(value, str) or len(value) > MAX_EMAIL or not is_fit(value):
        raise problem("invalid_email_format")
    try:
        found = validate_email(normal_email(value), check_deliverability=False)
    except EmailNotValidError:
        raise problem("invalid_email_format") from None
    return normal_email(found.normalized)


def _check_length(value: object) -> object:
    """What is too long for an address is not even looked for."""
    if isinstance(value, str) and len(value) > MAX_EMAIL:
        raise problem("invalid_email_format")
    return value


def _check_password(value: object) -> str:
    if not isinstance(value, str):
        raise problem("invalid_password_format")
    return value


def _check_refresh_token(value: object) -> str:
    if not isinstance(value, str) or not _JWT.fullmatch(value):
        raise problem("invalid_refresh_token_format")
    return value


Email = Annotated[
    str,
    BeforeValidator(_check_email),
    Field(max_length=MAX_EMAIL, json_schema_extra={"format": "email"}),
]
FullName = Annotated[
    str,
    text("invalid_name_format", MIN_FULL_NAME, MAX_FULL_NAME),
    shape(MIN_FULL_NAME, MAX_FULL_NAME),
]
NewPassword = Annotated[
    str,
    BeforeValidator(_check_password),
    Field(
        repr=False,
        description="at least 8 characters, 15 for every role but user, and at most 128",
        json_schema_extra={"format": "password", "minLength": 8, "maxLength": 128},
    ),
]
Password = Annotated[str, Field(repr=False, json_schema_extra={"format": "password"})]
UserRole = Annotated[str, one_of("invalid_role", ROLES), enum(ROLES)]
_STATUSES = tuple(status.upper() for status in STATUSES)
UserStatus = Annotated[str, one_of("invalid_status", _STATUSES), enum(_STATUSES)]
_KEPT = ("ACTIVE", "SUSPENDED")
KeptStatus = Annotated[str, one_of("invalid_status", _KEPT), enum(_KEPT)]
"""What a user can be made by a change; deleting is another request."""
Purpose = Annotated[
    str,
    text("invalid_text", MIN_PURPOSE, MAX_PURPOSE),
    shape(MIN_PURPOSE, MAX_PURPOSE),
]
DisclosableField = Annotated[str, one_of("invalid_request", DISCLOSABLE), enum(DISCLOSABLE)]
Scope = Annotated[str, one_of("invalid_scope", SCOPES), enum(SCOPES)]
_DECIDED_BY_OTHERS = frozenset({"role", "status", "active", "verified", "suspended", "deleted"})
RefreshToken = Annotated[
    str,
    BeforeValidator(_check_refresh_token),
    Field(json_schema_extra={"pattern": f"^{_JWT.pattern}$"}),
]
_A_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0NzExIn0.c2lnbmVk"  # noqa: S105 - an example, of nobody
"""What tokens look like, for the API's description."""


def agreed_password(password: str, confirmation: str, role: str) -> str:
    """A new password, typed twice. Raises `invalid_password_format`."""
    if password != confirmation:
        raise ProblemError(
            "invalid_password_format", why="password_confirmation is another text than the password"
        )
    passwords.check_strength(password, role)
    return password


class RegistrationIn(In):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "email": "carol@example.com",
                    "full_name": "Carol Jones",
                    "password": "three words and 1",
                    "password_confirmation": "three words and 1",
                }
            ]
        }
    )
    email: Email
    full_name: FullName
    password: NewPassword
    password_confirmation: NewPassword
    role: Annotated[Any, Field(description="ignored: who registers is a user")] = None


class LoginIn(In):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"email": "alice@example.com", "password": "password123!"}]}
    )
    # Whatever is no address, nobody has: that is answered as any wrong address is.
    email: Annotated[str, BeforeValidator(_check_length), Field(max_length=MAX_EMAIL)]
    password: Password


class RefreshIn(In):
    model_config = ConfigDict(json_schema_extra={"examples": [{"refresh_token": _A_TOKEN}]})
    refresh_token: RefreshToken


class LogoutIn(In):
    model_config = ConfigDict(json_schema_extra={"examples": [{}]})
    refresh_token: RefreshToken | None = None


class LinkIn(In):
    model_config = ConfigDict(json_schema_extra={"examples": [{"token": _A_TOKEN}]})
    token: Annotated[str, Field(repr=False)]


class UserIn(RegistrationIn):
    """A user as an administrator makes one: staff have longer passwords."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "email": "sam@example.com",
                    "full_name": "Sam Support",
                    "password": "three words and 1 more",
                    "password_confirmation": "three words and 1 more",
                    "role": "support",
                }
            ]
        }
    )
    id: Id | None = None
    role: UserRole = "user"


class UserChangeIn(In):
    """What to change; a role by itself, since it takes a second person."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "SUSPENDED"}]})
    full_name: FullName | None = None
    email: Email | None = None
    status: KeptStatus | None = None
    role: UserRole | None = None


class ProfileIn(In):
    model_config = ConfigDict(json_schema_extra={"examples": [{"full_name": "Alice Jones"}]})
    full_name: FullName | None = None
    email: Email | None = None

    @model_validator(mode="before")
    @classmethod
    def _only_ones_own(cls, given: object) -> object:
        """What others decide about one is known here, and still not to be changed."""
        if isinstance(given, dict) and not _DECIDED_BY_OTHERS.isdisjoint(given):
            raise problem("insufficient_permissions")
        return given


class PasswordChangeIn(In):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "current_password": "three words and 1",
                    "new_password": "four words and a 2",
                    "password_confirmation": "four words and a 2",
                }
            ]
        }
    )
    current_password: Password
    new_password: NewPassword
    password_confirmation: NewPassword


class DisclosureIn(In):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"fields": ["email"], "purpose": "court order 7 C 12/26"}]}
    )
    fields: Annotated[list[DisclosableField], Field(min_length=1, max_length=len(DISCLOSABLE))]
    purpose: Purpose


class ApiKeyIn(In):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "the shop", "scopes": ["transfers:write"]}]}
    )
    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(SCOPES))]
    expires_at: Moment | None = None

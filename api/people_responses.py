"""The shapes of people that go out, for the API's description."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from api.responses import TAGGED

_NO_STORE = {"description": "`no-store`", "schema": {"type": "string"}}

PRIVATE: dict[str, Any] = {"headers": {"Cache-Control": _NO_STORE}}
"""An answer that nothing on its way may keep."""

PRIVATE_TAGGED: dict[str, Any] = {"headers": {**PRIVATE["headers"], **TAGGED["headers"]}}
"""The same, of one user as it is now."""


class UserOut(BaseModel):
    id: UUID
    email: str = Field(examples=["alice@example.com"])
    full_name: str
    role: str
    status: str = Field(description="ACTIVE, SUSPENDED or DELETED")
    active: bool
    verified: bool = Field(description="whether the e-mail address was")
    suspended: bool
    deleted: bool
    version: int
    position: int | None = Field(None, description="of the write; absent in reads of oneself")
    recorded_at: datetime | None = Field(
        None, description="ledger time of the write; absent in reads"
    )


class TokensOut(BaseModel):
    access_token: str = Field(description="for `Authorization: Bearer`")
    refresh_token: str = Field(description="good once, for `POST /api/auth/refresh`")
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="seconds that the access token is good for")
    refresh_expires_in: int = Field(description="seconds that the refresh token is good for")


class LoggedInUserOut(BaseModel):
    id: UUID
    email: str
    full_name: str
    role: str
    status: str


class LoginOut(TokensOut):
    user: LoggedInUserOut


class ValidOut(BaseModel):
    user_id: UUID
    role: str
    session_id: UUID | None = Field(description="null for API keys")
    expires_at: datetime | None = Field(description="of the access token; null for API keys")
    scopes: list[str] = Field(description="of an API key; a session needs none")


class SessionOut(BaseModel):
    id: UUID
    created_at: datetime
    used_at: datetime = Field(description="when it was logged in, or refreshed last")
    expires_at: datetime = Field(description="when it is over unless it is refreshed")
    current: bool = Field(description="whether this request is of it")


class SessionPage(BaseModel):
    data: list[SessionOut]
    next_cursor: None
    has_more: bool


class EndedOut(BaseModel):
    sessions: int = Field(description="how many were ended")


class VerifiedOut(BaseModel):
    user_id: UUID
    verified: bool


class MailQueuedOut(BaseModel):
    queued: bool


class UserRead(UserOut):
    """As staff see a user: `a***@example.com` and `A. L.`"""

    registered_by: UUID | None = Field(description="null for who did it without help")
    created_at: datetime
    updated_at: datetime


class PaginationOut(BaseModel):
    page: int
    page_size: int
    total_count: int
    total_pages: int
    has_next: bool
    has_prev: bool


class UserList(BaseModel):
    data: list[UserRead]
    pagination: PaginationOut


class UserPage(BaseModel):
    data: list[UserRead]
    next_cursor: str | None
    has_more: bool


class UserStatsOut(BaseModel):
    """All but `deleted_users` are without those."""

    total_users: int
    active_users: int
    admin_users: int
    suspended_users: int
    deleted_users: int
    verified_users: int
    by_role: dict[str, int]


class DisclosedOut(BaseModel):
    """The fields that were asked for, and where the event is that says so."""

    id: UUID
    email: str | None = None
    full_name: str | None = None
    purpose: str
    position: int
    recorded_at: datetime


class DisclosureOut(BaseModel):
    position: int
    recorded_at: datetime
    actor: str = Field(description="who was shown them")
    fields: list[str]
    purpose: str


class DisclosurePage(BaseModel):
    data: list[DisclosureOut]
    next_cursor: str | None
    has_more: bool


class ApiKeyOut(BaseModel):
    id: UUID
    user_id: UUID
    name: str
    hint: str = Field(description="the beginning of the key, to know it by")
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class NewApiKeyOut(ApiKeyOut):
    key: str = Field(description="the whole key: it is not shown again")
    position: int


class ApiKeyPage(BaseModel):
    data: list[ApiKeyOut]
    next_cursor: None
    has_more: bool

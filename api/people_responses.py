"""The shapes of people that go out, for the API's description."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

_NO_STORE = {"description": "`no-store`", "schema": {"type": "string"}}

PRIVATE: dict[str, Any] = {"headers": {"Cache-Control": _NO_STORE}}
"""An answer that nothing on its way may keep."""


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

"""Who asks: what a request's credentials prove, and how far the caller's arm is for what is asked."""

from __future__ import annotations

from uuid import UUID

from fastapi import Request
from msgspec import Struct

from domain.policies import reach


class Caller(Struct, frozen=True, gc=False):
    """A user behind a request, by a session's access token or by an API key."""

    user_id: UUID
    role: str
    session_id: UUID | None = None
    token_id: UUID | None = None
    """The access token's `jti`."""
    expires_at: int = 0
    """When the access token ends, in Unix seconds."""
    key_id: UUID | None = None
    scopes: frozenset[str] = frozenset()
    """Of an API key; a session needs none."""
    owner_id: UUID | None = None
    """The only person whose things the action may touch; None: everybody's."""

    @property
    def actor(self) -> str:
        """Who is answerable, as the log has it."""
        return f"user:{self.user_id}" if self.key_id is None else f"key:{self.key_id}"

    @property
    def name(self) -> str:
        """Whose idempotency keys these are, whatever the credentials. In another role, what was answered
        before is not for this caller's eyes any more."""
        return f"{self.role}:{self.user_id}"

    def sees(self, owner_id: UUID | None) -> bool:
        """Whether what belongs to this person is within reach."""
        return self.owner_id is None or self.owner_id == owner_id

    def reaches_all(self, action: str) -> bool:
        """Whether the caller may do another action, to everybody's things."""
        return reach(self.role, action) == "all"


def caller_of(request: Request) -> Caller:
    """The caller of a route that is not public."""
    caller: Caller = request.scope["state"]["caller"]
    return caller


def caller_or_none(request: Request) -> Caller | None:
    """The caller of a public route, if there were credentials."""
    caller: Caller | None = request.scope["state"].get("caller")
    return caller

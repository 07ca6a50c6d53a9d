"""Stands before every route that is not public: who asks, whether they may, and not too often."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from api.callers import Caller
from api.limits import Limiter, headers_of, refuse_beyond
from api.origins import client_key
from api.policies import PUBLIC, ROUTES
from api.problems import ProblemError
from application.identity import api_keys
from application.identity.access import Access
from application.identity.errors import TokenError
from application.identity.tokens import Signer, VerifiedTokens
from domain.policies import RULES, reach

_KEY_PREFIX = "dbk_"
_READING = frozenset({"GET", "HEAD"})


class UnguardedRouteError(Exception):
    """A route has no rule, or a rule no route: add it to the table in api/policies.py."""


@dataclass(frozen=True)
class Gate:
    """What is known of callers in this process; `limiter` None counts nobody."""

    signer: Signer
    access: Access
    limiter: Limiter | None
    tokens: VerifiedTokens

    def identify(self, scope: Scope) -> Caller:
        """Who the request's credentials say it is from. Raises `ProblemError`."""
        bearer, key = _credentials(scope)
        if not self.access.is_current:
            raise ProblemError("database_unavailable")
        now = datetime.now(UTC)
        try:
            if key is not None:
                return self._of_key(key, now)
            return self._of_token(bearer, now)
        except TokenError as error:
            raise ProblemError(error.reason, **error.details) from None

    def _of_token(self, token: str, now: datetime) -> Caller:
        claims = self.tokens.verify(token, now)
        if self.access.is_revoked(claims.session_id, claims.jti, claims.user_id):
            raise TokenError("token_revoked")
        if self.access.status(claims.user_id) != "active":
            raise TokenError("token_revoked")
        return Caller(claims.user_id, claims.role, claims.session_id, claims.jti, claims.expires_at)

    def _of_key(self, text: str, now: datetime) -> Caller:
        found = self.access.key(api_keys.parse(text), now)
        if found is None or found.status != "active":
            raise TokenError("invalid_api_key")
        return Caller(found.user_id, found.role, key_id=found.key_id, scopes=found.scopes)

    def still_lets_in(self, caller: Caller, now: datetime) -> bool:
        """Whether a caller who was let in still would be: answers may go on for long."""
        if not self.access.is_current or self.access.status(caller.user_id) != "active":
            return False
        if caller.key_id is not None:
            found = self.access.key_by_id(caller.key_id, now)
            return found is not None and (found.role, found.status) == (caller.role, "active")
        if caller.expires_at <= now.timestamp():
            return False
        assert caller.token_id is not None, "it came with a token"
        return not self.access.is_revoked(caller.session_id, caller.token_id, caller.user_id)

    async def count(self, caller: Caller, scope: Scope) -> None:
        """Count a caller's request. Raises `rate_limited`.

        However many API keys a user has, they are counted together: those of customers as the person
        that has them, others as one machine.
        """
        if self.limiter is None:
            return
        is_person = caller.key_id is None or caller.role == "user"
        kinds = ["person"] if is_person else ["machine"]
        if scope["method"] not in _READING and is_person:
            kinds.append("writes")
        for kind in kinds:
            verdict = await self.limiter.hit(kind, str(caller.user_id))
            if kind != "writes" or not verdict.allowed:
                scope["state"]["limit_headers"] = headers_of(verdict)
            refuse_beyond(verdict)


def authorise(caller: Caller, action: str) -> Caller:
    """The caller with the reach of this action. Raises `insufficient_permissions`, `scope_missing`."""
    how_far = reach(caller.role, action)
    if how_far is None:
        raise ProblemError("insufficient_permissions", action=action, role=caller.role)
    if caller.key_id is not None:
        scope = RULES[action].scope
        if scope is None:
            raise ProblemError(
                "insufficient_permissions", action=action, why="it is for people, not for API keys"
            )
        if scope not in caller.scopes:
            raise ProblemError("scope_missing", scope=scope, action=action)
    if how_far == "all":
        return caller
    return Caller(
        caller.user_id, caller.role, caller.session_id, caller.token_id, caller.expires_at,
        caller.key_id, caller.scopes, owner_id=caller.user_id,
    )  # fmt: skip


class Guard:
    """A route's ASGI application with its rule before it, so that no handler can forget it."""

    def __init__(self, app: ASGIApp, action: str) -> None:
        self._app = app
        self._action = action

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gate: Gate = scope["app"].state.daybook.gate
        caller = gate.identify(scope)
        scope["state"]["caller"] = caller
        await gate.count(caller, scope)
        scope["state"]["caller"] = authorise(caller, self._action)
        await self._app(scope, receive, send)


class Open:
    """A public route: whoever says that he is somebody counts for his address all the same."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limiter = scope["app"].state.daybook.gate.limiter
        if limiter is not None and "limit_headers" not in scope["state"]:
            verdict = await limiter.hit("address", client_key(scope))
            scope["state"]["limit_headers"] = headers_of(verdict)
            refuse_beyond(verdict)
        await self._app(scope, receive, send)


def guard(routes: Iterable[APIRoute]) -> None:
    """Put each route's rule before it. Raises `UnguardedRouteError` unless each has exactly one."""
    found: set[str] = set()
    for route in routes:
        for method in route.methods or ():
            name = f"{method} {plain(route.path)}"
            if name not in ROUTES:
                raise UnguardedRouteError(f"no rule for {name}: add it to api/policies.py")
            found.add(name)
        action = ROUTES[name]
        if isinstance(route.app, Guard | Open):
            continue  # for another application of this process: once more would count twice
        route.app = Open(route.app) if action == PUBLIC else Guard(route.app, action)
    if extra := ROUTES.keys() - found:
        raise UnguardedRouteError(f"no route for the rules of {', '.join(sorted(extra))}")


def plain(path: str) -> str:
    """A route's path without the converters of its parameters."""
    return path.replace(":path}", "}")


def _credentials(scope: Scope) -> tuple[str, str | None]:
    """The bearer token, and the API key if it is one instead. Raises `unauthorized`."""
    bearer = key = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, text = value.decode("latin-1").partition(" ")
            if kind.lower() == "bearer":
                bearer = text.strip()
        elif name == b"x-api-key":
            key = value.decode("latin-1").strip()
    if key is None and bearer is not None and bearer.startswith(_KEY_PREFIX):
        key = bearer
    if key is None and not bearer:
        raise ProblemError("unauthorized")
    return bearer or "", key

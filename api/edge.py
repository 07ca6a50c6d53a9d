"""What happens to every request before and after its route: correlation id, limits, headers."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from uuid import uuid4

from msgspec import Struct
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from api.access_log import Access
from api.limits import Limiter, Verdict, details_of, headers_of
from api.negotiation import (
    VERSIONS,
    Envelope,
    unknown_version,
    wants_envelope,
    without_version,
)
from api.noticing import Noticer
from api.origins import (
    LOCAL_NAMES,
    PREFLIGHT,
    client_key,
    cors_headers,
    host_of,
    is_cross_site,
    is_preflight,
)
from api.problems import CATALOGUE, PROBLEM_JSON, problem_headers, render

_log = logging.getLogger("daybook.api")

MAX_BATCH_BYTES = 16 * 1024 * 1024
"""A full batch of 10,000 transfers with all their fields fits."""
MAX_BODY_BYTES = 1024 * 1024
MAX_HEADERS_BYTES = 8 * 1024
"""Names and values of all headers together."""
MAX_URL_BYTES = 2 * 1024
"""Path and query."""

_BATCHES = "/batch"
"""How the paths end whose bodies may be as large as a batch."""

_COUNTED_LATER = "/api/webhooks/incoming/"
"""A bank has much to tell from one address: the route counts those that it has not signed."""

_DOCS = ("/docs", "/redoc")
"""Pages that fetch their scripts and styles from elsewhere, and then the description from here."""
_CONSOLE = "/console"
"""Pages that have all they need from here, and make no markup of text."""

_SAFE = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"x-xss-protection", b"1; mode=block"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"x-api-version", b"1"),
]
"""On every answer, errors included."""

_NO_CONTENT = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_DOCS_CONTENT = (
    b"content-security-policy",
    b"default-src 'none'; script-src https: 'unsafe-inline'; style-src https: 'unsafe-inline';"
    b" font-src https:; img-src https: data:; worker-src blob:; connect-src 'self';"
    b" frame-ancestors 'none'",
)
_CONSOLE_CONTENT = (
    b"content-security-policy",
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    b" form-action 'none'; base-uri 'none'; frame-ancestors 'none';"
    b" require-trusted-types-for 'script'; trusted-types 'none'",
)

_HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_CORRELATION = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


class EdgeOptions(Struct, frozen=True):
    """What the settings say of the edge; as it is, of a server that only this machine reaches."""

    allowed_hosts: frozenset[str] = LOCAL_NAMES
    """Names in lower case without ports; other requests may come from a page that took a name over."""
    cors_origins: frozenset[str] = frozenset()
    """Whose pages may call, as browsers write it: `https://app.example.com`."""
    is_production: bool = False
    limiter: Limiter | None = None
    noticer: Noticer | None = None


_LOCAL = EdgeOptions()


class Edge:
    """Plain ASGI middleware, since the framework's own costs a task and a queue a request."""

    def __init__(self, app: ASGIApp, options: EdgeOptions = _LOCAL) -> None:
        self._app = app
        self._options = options
        vary = b"Accept, Origin" if options.cors_origins else b"Accept"
        self._always = [*_SAFE, (b"vary", vary), *([_HSTS] if options.is_production else [])]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # The first of each name, in one pass: they are looked up a dozen times.
        headers = {n.decode("latin-1"): v.decode("latin-1") for n, v in reversed(scope["headers"])}
        given = headers.get("x-correlation-id", "")
        correlation_id = given if _CORRELATION.fullmatch(given) else uuid4().hex
        scope.setdefault("state", {})["correlation_id"] = correlation_id
        # Not unbound at the end: the server gives each request a context of its own.
        bind_contextvars(correlation_id=correlation_id)
        access = Access(scope)
        body = _Body(receive, _body_limit(scope))
        reply = _Reply(send, scope, body, access, self._own_headers(scope, headers))
        if self._options.limiter is not None:
            reply.count_with(self._options.limiter)
        reply.noticer = self._options.noticer
        if wants_envelope(headers):
            reply.in_envelope(correlation_id)
        try:
            await self._pass_on(scope, headers, body, reply)
        except _RateLimitedError as error:
            await _answer(scope, reply, "rate_limited", details_of(error.verdict))
        finally:
            access.write()

    def _own_headers(self, scope: Scope, headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
        own = [(b"x-correlation-id", scope["state"]["correlation_id"].encode()), *self._always]
        own.append(_content(scope["path"]))
        return own + cors_headers(headers, self._options.cors_origins)

    async def _pass_on(
        self, scope: Scope, headers: Mapping[str, str], body: _Body, reply: _Reply
    ) -> None:
        refusal = _refusal(scope, headers, self._options, body.limit)
        if refusal is None:
            if is_preflight(scope["method"], headers, self._options.cors_origins):
                await reply({"type": "http.response.start", "status": 204, "headers": PREFLIGHT})
                await reply({"type": "http.response.body", "body": b""})
                return
            refusal = await self._beyond_limit(scope, headers)
        if refusal is not None:
            await _answer(scope, reply, *refusal)
            return
        # Answered like a GET; the server's own scope still says that no body is wanted, and the state says
        # so to a route that does something.
        is_head = scope["state"]["is_head"] = scope["method"] == "HEAD"
        method = "GET" if is_head else scope["method"]
        query = without_version(scope["query_string"])
        reply.scope = {**scope, "method": method, "query_string": query}
        try:
            await self._app(reply.scope, body, reply)
        except BodyTooLargeError:
            body.too_large = False
            await _answer(scope, reply, "body_too_large", {"limit_bytes": body.limit})
        except _RateLimitedError:
            raise
        except Exception:  # the last resort: no request ends without an answer that finds the cause
            _log.exception("unexpected error, correlation id %s", scope["state"]["correlation_id"])
            if reply.started:
                raise
            await _answer(scope, reply, "internal_server_error", {})

    async def _beyond_limit(
        self, scope: Scope, headers: Mapping[str, str]
    ) -> tuple[str, dict[str, object]] | None:
        """The refusal of a request that says nothing of who it is from, and is one too many from there;
        the others count for whom they are from."""
        limiter = self._options.limiter
        if limiter is None or "authorization" in headers or "x-api-key" in headers:
            return None
        if scope["path"].startswith(_COUNTED_LATER):
            scope["state"]["limit_headers"] = ()
            return None
        verdict = await limiter.hit("address", client_key(scope))
        scope["state"]["limit_headers"] = headers_of(verdict)
        return None if verdict.allowed else ("rate_limited", details_of(verdict))


def _content(path: str) -> tuple[bytes, bytes]:
    """What an answer may make a browser fetch and run."""
    if path.startswith(_DOCS):
        return _DOCS_CONTENT
    return _CONSOLE_CONTENT if path.startswith(_CONSOLE) else _NO_CONTENT


def _body_limit(scope: Scope) -> int:
    return MAX_BATCH_BYTES if scope["path"].endswith(_BATCHES) else MAX_BODY_BYTES


def _refusal(
    scope: Scope, headers: Mapping[str, str], options: EdgeOptions, body_limit: int
) -> tuple[str, dict[str, object]] | None:
    """Why a request is not even looked at. Other web sites must not be able to use a visitor's browser
    to reach what only that visitor can."""
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > body_limit:
        return "body_too_large", {"limit_bytes": body_limit}
    if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_URL_BYTES:
        return "url_too_long", {"limit_bytes": MAX_URL_BYTES}
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADERS_BYTES:
        return "headers_too_large", {"limit_bytes": MAX_HEADERS_BYTES}
    if host_of(headers) not in options.allowed_hosts:
        return "untrusted_host", {"known": sorted(options.allowed_hosts)}
    if is_cross_site(scope["method"], headers, options.cors_origins):
        return "cross_site_request", {}
    version = unknown_version(headers, scope["query_string"])
    if version is not None:
        return "unsupported_api_version", {"given": version[:20], "known": list(VERSIONS)}
    return None


class _Reply:
    """`send` that adds the headers of every answer, and makes of the answer what the client asked for."""

    def __init__(
        self, send: Send, scope: Scope, body: _Body, access: Access, own: list[tuple[bytes, bytes]]
    ) -> None:
        self.started = False
        self.scope = scope
        """What is known of the request, its route too once that is found."""
        self.noticer: Noticer | None = None
        self._send = send
        self._body = body
        self._access = access
        self._own = own
        self._is_head = scope["method"] == "HEAD"
        self._limiter: Limiter | None = None
        self._envelope: Envelope | None = None

    def count_with(self, limiter: Limiter) -> None:
        """Count for its address what was not counted by the time of its answer: there is no route, or
        nothing comes of the credentials that it has, so that there is nobody else to count it for."""
        self._limiter = limiter

    def in_envelope(self, correlation_id: str) -> None:
        self._envelope = Envelope(correlation_id)

    async def __call__(self, message: Message) -> None:
        if self._body.too_large and not self.started:
            raise BodyTooLargeError  # whatever the route made of the part that it got
        if message["type"] == "http.response.start":
            await self._count()
        messages = [message] if self._envelope is None else self._envelope.take(message)
        for ready in messages:
            await self._pass_on(ready)

    async def _pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            if self.noticer is not None:
                self.noticer.answered(self.scope, message["status"])
            limits = self.scope["state"].get("limit_headers", ())
            message["headers"] = [*message["headers"], *self._own, *limits]
        elif self._is_head:
            return
        self._access.note(message)
        await self._send(message)
        if self._is_head:  # now, since a stream may be long in having anything to say
            await self._send({"type": "http.response.body"})

    async def _count(self) -> None:
        state = self.scope["state"]
        if self._limiter is None or "limit_headers" in state:
            return
        verdict = await self._limiter.hit("address", client_key(self.scope))
        state["limit_headers"] = headers_of(verdict)
        if not verdict.allowed:
            raise _RateLimitedError(verdict)


class _RateLimitedError(Exception):
    """One too many from an address, which nobody else was counted for."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__()
        self.verdict = verdict


class BodyTooLargeError(Exception):
    """A body without Content-Length grew past the limit."""


class _Body:
    """`receive` that counts what comes in."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self.limit = limit
        self._receive = receive
        self._bytes = 0
        self.too_large = False

    async def __call__(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > self.limit:
            self.too_large = True
            raise BodyTooLargeError
        return message


async def _answer(scope: Scope, send: Send, reason: str, details: dict[str, object]) -> None:
    correlation_id = scope["state"]["correlation_id"]
    scope["state"]["reason"] = reason
    body = render(reason, details, instance=scope["path"], correlation_id=correlation_id)
    headers = [
        (b"content-type", PROBLEM_JSON.encode()),
        (b"content-length", str(len(body)).encode()),
        *((n.lower().encode(), v.encode()) for n, v in problem_headers(reason, details).items()),
    ]
    status = CATALOGUE[reason].status
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

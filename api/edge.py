"""What happens to every request before and after its route: correlation id, limits, headers."""

from __future__ import annotations

import logging
import re
from time import perf_counter
from uuid import uuid4

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from api.problems import CATALOGUE, PROBLEM_JSON, render

_log = logging.getLogger("daybook.api")
_access = logging.getLogger("daybook.access")

_SLOW_S = 1.0
"""Requests whose answers begin later are worth a line by default."""

MAX_BATCH_BYTES = 16 * 1024 * 1024
"""A full batch of 10,000 transfers with all their fields fits."""
MAX_BODY_BYTES = 1024 * 1024
MAX_HEADERS_BYTES = 8 * 1024
"""Names and values of all headers together."""
MAX_URL_BYTES = 2 * 1024
"""Path and query."""

_BATCHES = "/batch"
"""How the paths end whose bodies may be as large as a batch."""

_DOCS = ("/docs", "/redoc")
"""Pages that fetch their scripts and styles from elsewhere, and then the description from here."""

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

_LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_OTHER_SITES = frozenset({"cross-site", "same-site"})
_CORRELATION = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


class Edge:
    """Plain ASGI middleware, since the framework's own costs a task and a queue a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-correlation-id", "")
        correlation_id = given if _CORRELATION.fullmatch(given) else uuid4().hex
        scope.setdefault("state", {})["correlation_id"] = correlation_id
        # Not unbound at the end: the server gives each request a context of its own.
        bind_contextvars(correlation_id=correlation_id)
        access = _Access(scope)
        try:
            await self._pass_on(scope, headers, receive, send, access)
        finally:
            access.write()

    async def _pass_on(
        self, scope: Scope, headers: Headers, receive: Receive, send: Send, access: _Access
    ) -> None:
        correlation_id: str = scope["state"]["correlation_id"]
        started = False
        is_head = scope["method"] == "HEAD"
        if is_head:  # answered like a GET; the server's own scope still says that no body is wanted
            scope = {**scope, "method": "GET"}

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if is_head and message["type"] == "http.response.body":
                return
            if body.too_large and not started:
                raise BodyTooLargeError  # whatever the route made of the part that it got
            if message["type"] == "http.response.start":
                started = True
                own = [(b"x-correlation-id", correlation_id.encode()), *_SAFE]
                own.append(_DOCS_CONTENT if scope["path"].startswith(_DOCS) else _NO_CONTENT)
                message["headers"] = [*message["headers"], *own]
            access.note(message)
            await send(message)
            if is_head and started:  # now, since a stream may be long in having anything to say
                await send({"type": "http.response.body"})

        limit = MAX_BATCH_BYTES if scope["path"].endswith(_BATCHES) else MAX_BODY_BYTES
        body = _Body(receive, limit)
        refusal = _refusal(scope, headers, limit)
        if refusal is not None:
            await _answer(scope, send_with_headers, *refusal)
            return
        try:
            await self._app(scope, body, send_with_headers)
        except BodyTooLargeError:
            body.too_large = False
            await _answer(scope, send_with_headers, "body_too_large", {"limit_bytes": limit})
        except Exception:  # the last resort: no request ends without an answer that finds the cause
            _log.exception("unexpected error, correlation id %s", correlation_id)
            if started:
                raise
            await _answer(scope, send_with_headers, "internal_server_error", {})


def _refusal(
    scope: Scope, headers: Headers, body_limit: int
) -> tuple[str, dict[str, object]] | None:
    """Why a request is not even looked at: with no authentication yet, other web sites must not be
    able to use a visitor's browser to reach this machine."""
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > body_limit:
        return "body_too_large", {"limit_bytes": body_limit}
    if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_URL_BYTES:
        return "url_too_long", {"limit_bytes": MAX_URL_BYTES}
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADERS_BYTES:
        return "headers_too_large", {"limit_bytes": MAX_HEADERS_BYTES}
    host = headers.get("host", "").rsplit(":", 1)[0] if headers.get("host") != "[::1]" else "[::1]"
    if host not in _LOCAL_NAMES:
        return "untrusted_host", {}
    if scope["method"] not in ("GET", "HEAD") and headers.get("sec-fetch-site", "") in _OTHER_SITES:
        return "cross_site_request", {}
    version = headers.get("x-api-version", "1")
    if version != "1":
        return "unsupported_api_version", {"given": version[:20], "known": ["1"]}
    return None


class _Access:
    """What is told of a request when it is over."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._begun = perf_counter()
        self._waited_s = 0.0
        self._status: int | None = None
        self._bytes = 0

    def note(self, message: Message) -> None:
        """Something of the answer is about to be sent."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._waited_s = perf_counter() - self._begun
        else:
            self._bytes += len(message.get("body", b""))

    def write(self) -> None:
        """A line that most people see of what failed, had no answer, or began late; streams are long."""
        worth = self._status is None or self._status >= 500 or self._waited_s > _SLOW_S
        level = logging.WARNING if worth else logging.DEBUG
        if not _access.isEnabledFor(level):
            return
        client = self._scope.get("client")
        fields = {
            "method": self._scope["method"],
            "path": self._scope["path"],
            "status": self._status,
            "duration_ms": round((perf_counter() - self._begun) * 1000, 3),
            "bytes": self._bytes,
            "client": client[0] if client else None,
        }
        _access.log(level, "request", extra=fields)


class BodyTooLargeError(Exception):
    """A body without Content-Length grew past the limit."""


class _Body:
    """`receive` that counts what comes in."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._bytes = 0
        self.too_large = False

    async def __call__(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > self._limit:
            self.too_large = True
            raise BodyTooLargeError
        return message


async def _answer(scope: Scope, send: Send, reason: str, details: dict[str, object]) -> None:
    correlation_id = scope["state"]["correlation_id"]
    body = render(reason, details, instance=scope["path"], correlation_id=correlation_id)
    headers = [
        (b"content-type", PROBLEM_JSON.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    status = CATALOGUE[reason].status
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

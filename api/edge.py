"""What happens to every request before and after its route: correlation id, size limit, headers."""

from __future__ import annotations

import logging
import re
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import CATALOGUE, PROBLEM_JSON, render

_log = logging.getLogger("daybook.api")

MAX_BODY_BYTES = 16 * 1024 * 1024
"""A full batch of 10,000 transfers with all their fields fits."""

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
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if body.too_large and not started:
                raise BodyTooLargeError  # whatever the route made of the part that it got
            if message["type"] == "http.response.start":
                started = True
                out = MutableHeaders(scope=message)
                out["X-Correlation-ID"] = correlation_id
                out["X-Content-Type-Options"] = "nosniff"
            await send(message)

        body = _Body(receive)
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > MAX_BODY_BYTES:
            await _answer(
                scope, send_with_headers, "body_too_large", {"limit_bytes": MAX_BODY_BYTES}
            )
            return
        reason = _refusal(scope, headers)
        if reason is not None:
            await _answer(scope, send_with_headers, reason, {})
            return
        try:
            await self._app(scope, body, send_with_headers)
        except BodyTooLargeError:
            body.too_large = False
            await _answer(
                scope, send_with_headers, "body_too_large", {"limit_bytes": MAX_BODY_BYTES}
            )
        except Exception:  # the last resort: no request ends without an answer that finds the cause
            _log.exception("unexpected error, correlation id %s", correlation_id)
            if started:
                raise
            await _answer(scope, send_with_headers, "internal_server_error", {})


def _refusal(scope: Scope, headers: Headers) -> str | None:
    """Why a request is not even looked at: with no authentication yet, other web sites must not be
    able to use a visitor's browser to reach this machine."""
    host = headers.get("host", "").rsplit(":", 1)[0] if headers.get("host") != "[::1]" else "[::1]"
    if host not in _LOCAL_NAMES:
        return "untrusted_host"
    if scope["method"] not in ("GET", "HEAD") and headers.get("sec-fetch-site", "") in _OTHER_SITES:
        return "cross_site_request"
    return None


class BodyTooLargeError(Exception):
    """A body without Content-Length grew past the limit."""


class _Body:
    """`receive` that counts what comes in."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._bytes = 0
        self.too_large = False

    async def __call__(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > MAX_BODY_BYTES:
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

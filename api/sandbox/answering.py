"""What the services of the sandbox have in common: who may ask, how errors are told, and what goes wrong
with a call as such."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence
from contextlib import suppress

from fastapi import Depends, FastAPI, Request, Response, params
from fastapi.responses import JSONResponse

from api.sandbox.rules import AnyRule, FaultError
from api.sandbox.sending import TargetError

DROP = "daybook.drop"
"""The extension of a server that can end a connection without an answer."""

_HANG_S = 60.0


class AnswerError(Exception):
    """Ends a request with an error, whose `code` says which."""

    def __init__(self, status: int, code: str, message: str = "", retry_after_s: int | None = None):
        super().__init__(message or code)
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s


class DroppedError(Exception):
    """Ends a request without an answer."""


def require(token: str) -> params.Depends:
    """Lets those in who know the token."""
    expected = f"Bearer {token}".encode()

    async def check(request: Request) -> None:
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, expected):
            raise AnswerError(401, "unauthorized", "send the token as a bearer token")

    found = Depends(check)
    assert isinstance(found, params.Depends)
    return found


def answer_errors(app: FastAPI) -> None:
    """Have the errors of this module, of rules and of targets answered."""
    app.add_exception_handler(AnswerError, _answer_error)
    app.add_exception_handler(DroppedError, _drop)
    app.add_exception_handler(FaultError, _bad_request)
    app.add_exception_handler(TargetError, _bad_request)


async def _answer_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, AnswerError)
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    told = {"error": {"code": error.code, "message": str(error)}}
    return JSONResponse(told, error.status, headers)


async def _bad_request(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": {"code": "invalid_request", "message": str(error)}}, 422)


async def _drop(request: Request, _: Exception) -> Response:
    drop = request.scope.get("extensions", {}).get(DROP)
    if drop is not None:
        drop["now"]()
        await disconnected(request)
    return Response(status_code=500)  # nobody reads it, unless the server cannot drop


async def go_wrong(rules: Sequence[AnyRule]) -> None:
    """What happens to a call before the service looks at it."""
    for rule in rules:
        match rule.fault:
            case "slow":
                await asyncio.sleep(1.0 if rule.value is None else rule.value)
            case "500":
                raise AnswerError(500, "internal_error")
            case "429":
                raise AnswerError(
                    429, "rate_limited", retry_after_s=1 if rule.value is None else int(rule.value)
                )
            case "drop":
                raise DroppedError


async def go_wrong_after(request: Request, rules: Sequence[AnyRule]) -> None:
    for rule in rules:
        match rule.fault:
            case "timeout_after_accepting":
                with suppress(TimeoutError):
                    async with asyncio.timeout(rule.value or _HANG_S):
                        await disconnected(request)
                raise DroppedError
            case "drop_after_accepting":
                raise DroppedError
            case "500_after_accepting":
                raise AnswerError(500, "internal_error")


async def disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

"""The one way to call a service over HTTP: limited in time, guarded by a breaker, with typed errors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpcore2
import httpx2
import msgspec
import stamina
from msgspec import Struct

from application.outbound.breaker import Breaker
from application.outbound.errors import (
    BadResponseError,
    CircuitOpenError,
    ConnectionFailedError,
    OutboundError,
    TimedOutError,
    is_code,
)
from application.outbound.transport import Guard, Transport

MAX_BODY = 1024 * 1024
"""In bytes; a longer answer is not read."""

_IDEMPOTENT = frozenset({"GET", "HEAD"})
_NOT_SENT = (httpcore2.ConnectError, httpcore2.ConnectTimeout, httpcore2.PoolTimeout)


class TimeLimits(Struct, frozen=True):
    """In seconds: for a connection, for each read and write, and for one try as a whole."""

    connect_s: float = 2.0
    read_s: float = 5.0
    overall_s: float = 10.0


class Tries(Struct, frozen=True):
    """How often a call is made that may be repeated, and the pauses: doubled each time, with jitter."""

    attempts: int = 3
    first_wait_s: float = 1.0
    longest_wait_s: float = 10.0
    jitter_s: float = 0.25


class Answer(Struct, frozen=True):
    """An answer of 2xx. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """Calls one service. Safe for threads; keeps its connections until `close`.

    `guard` hears each IP address before it is connected to and may raise `BlockedAddressError`.
    Redirects are not followed, and settings of the machine for proxies are not used.
    """

    def __init__(
        self,
        service: str,
        base_url: str,
        *,
        breaker: Breaker,
        headers: Mapping[str, str] | None = None,
        limits: TimeLimits | None = None,
        tries: Tries | None = None,
        guard: Guard | None = None,
    ) -> None:
        self.service = service
        self._breaker = breaker
        self._limits = limits or TimeLimits()
        self._tries = tries or Tries()
        self._transport = Transport(guard)
        self._http = httpx2.Client(
            base_url=base_url,
            headers={"user-agent": "daybook", **(headers or {})},
            timeout=httpx2.Timeout(self._limits.read_s, connect=self._limits.connect_s),
            transport=self._transport,
            trust_env=False,
        )

    def call(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Answer:
        """The answer, if it is of 2xx. Raises `OutboundError`, and nothing else.

        Transient failures are tried again when that does no harm: with a method that changes nothing,
        or with an `idempotency_key`, by which the service knows a repetition.
        """
        sent = dict(headers or {})
        if idempotency_key is not None:
            sent["idempotency-key"] = idempotency_key
        if json is not None:
            content = msgspec.json.encode(json)
            sent.setdefault("content-type", "application/json")
        request = self._http.build_request(
            method, path, content=content, headers=sent, params=params
        )
        may_repeat = method in _IDEMPOTENT or idempotency_key is not None
        for attempt in stamina.retry_context(
            self._again_after,
            attempts=self._tries.attempts if may_repeat else 1,
            timeout=None,
            wait_initial=self._tries.first_wait_s,
            wait_max=self._tries.longest_wait_s,
            wait_jitter=self._tries.jitter_s,
        ):
            with attempt:
                return self._once(request)
        raise AssertionError("the last attempt answers or raises")

    def check(self) -> None:
        """Raises `CircuitOpenError` while a call is known not to be made, before anything is made ready."""
        self._breaker.check()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def _again_after(self, error: Exception) -> bool | float:
        if not isinstance(error, OutboundError) or not error.transient:
            return False
        if isinstance(error, CircuitOpenError):
            return False
        if error.retry_after_s is None:
            return True
        # A long pause is for the caller to keep: here it would hold up a thread.
        return error.retry_after_s <= self._tries.longest_wait_s and error.retry_after_s

    def _once(self, request: httpx2.Request) -> Answer:
        permit = self._breaker.ask()
        try:
            answer = self._exchange(request)
        except OutboundError as error:
            if _is_the_services_fault(error):
                permit.failed(str(error))
            elif isinstance(error, BadResponseError):
                permit.succeeded()
            else:
                permit.dropped()
            raise
        except BaseException:
            permit.dropped()  # the time limit of a job, for example, says nothing of the service
            raise
        permit.succeeded()
        return answer

    def _exchange(self, request: httpx2.Request) -> Answer:
        try:
            with self._transport.limited(self._limits.overall_s):
                response = self._http.send(request, stream=True)
                try:
                    body = self._read(response)
                finally:
                    response.close()
        except httpcore2.TimeoutException as error:
            raise TimedOutError(self.service, sent=not isinstance(error, _NOT_SENT)) from error
        except httpcore2.NetworkError as error:
            sent = not isinstance(error, _NOT_SENT)
            raise ConnectionFailedError(
                self.service, str(error) or _why(error), sent=sent
            ) from error
        except httpx2.DecodingError as error:
            raise self._unreadable(response, _why(error)) from None
        except (httpcore2.ProtocolError, httpx2.HTTPError) as error:
            raise ConnectionFailedError(self.service, _why(error), sent=True) from None
        if response.is_success:
            return Answer(response.status_code, dict(response.headers), body)
        raise BadResponseError(
            self.service,
            response.status_code,
            code=_code(body),
            retry_after_s=_retry_after_s(response.headers.get("retry-after", "")),
        )

    def _read(self, response: httpx2.Response) -> bytes:
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > MAX_BODY:
                raise self._unreadable(response, "the answer is too long")
        return bytes(body)

    def _unreadable(self, response: httpx2.Response, problem: str) -> BadResponseError:
        return BadResponseError(
            self.service,
            response.status_code,
            problem=problem,
            transient=True,
            outcome_unknown=response.is_success or response.is_server_error,
        )


def _is_the_services_fault(error: OutboundError) -> bool:
    match error:
        case BadResponseError():
            # A refusal is an answer, and so is the wish to be called less often.
            return error.status >= 500 or (error.transient and error.status < 400)
        case ConnectionFailedError() | TimedOutError():
            return True
        case _:
            return False


def _why(error: Exception) -> str:
    """Without the error's own words, which may repeat some of the answer."""
    return type(error).__name__


def _code(body: bytes) -> str:
    """The code for what is wrong, where services usually put it; empty for free text."""
    try:
        told: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    for place in (told.get("error"), told) if isinstance(told, dict) else ():
        word = place.get("code") if isinstance(place, dict) else place
        if isinstance(word, str) and is_code(word):
            return word
    return ""


def _retry_after_s(told: str) -> float | None:
    """From seconds, or from a date. None for anything else."""
    if told.isascii() and told.isdigit():
        return float(told[:9])
    try:
        until = parsedate_to_datetime(told)
    except (ValueError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())

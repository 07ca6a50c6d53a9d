"""Posts one message to an address that was checked, within a limit of time, and follows nobody elsewhere."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping

import httpcore2
import httpx2
from msgspec import Struct

from application.outbound.transport import Transport
from application.webhooks.addresses import AddressError, Allowed, check_address, check_url

LIMIT_S = 5.0
"""For all of it: connecting, sending, and waiting for the head of the answer."""


class Answered(Struct, frozen=True):
    """What came of a try: a status, or without one the sentence that says why there is none."""

    status: int | None
    error: str | None = None
    retry_after: str | None = None
    """The header, as it was sent."""

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


Post = Callable[[str, Mapping[str, str], bytes], Answered]
"""Posts a body with headers to a URL."""


class Poster:
    """Sends messages; several threads may at once."""

    def __init__(self, allowed: Allowed, *, limit_s: float = LIMIT_S) -> None:
        self._allowed = allowed
        self._limit_s = limit_s
        # What is checked is what is connected to: a name may have another address a moment later.
        self._transport = Transport(lambda address: check_address(address, allowed))
        # No proxy either, which would ask for the address by itself.
        self._client = httpx2.Client(
            transport=self._transport, trust_env=False, follow_redirects=False, timeout=limit_s
        )

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answered:
        """Post a message. Of what it is answered, status and headers are read and no more."""
        try:
            check_url(url, self._allowed)
            with (
                self._transport.limited(self._limit_s),
                self._client.stream("POST", url, headers=dict(headers), content=body) as answer,
            ):
                return Answered(answer.status_code, retry_after=answer.headers.get("retry-after"))
        except AddressError as error:
            return Answered(None, f"not sent: {error}")
        except httpcore2.TimeoutException:
            return Answered(None, f"no answer within {self._limit_s:g} s")
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpx2.InvalidURL) as error:
            return Answered(None, f"no answer: {_told(error)}")

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()


def _told(error: Exception) -> str:
    """What kind of failure it was, without addresses."""
    # The library keeps what the socket said as its argument.
    inner = error.args[0] if error.args else None
    cause = inner if isinstance(inner, OSError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not good ({cause.verify_message})"
    if isinstance(cause, ConnectionRefusedError):
        return "the connection was refused"
    return type(cause).__name__

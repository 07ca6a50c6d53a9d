"""A kept-alive HTTP connection with hardly a cost of its own, for requests that are made beforehand."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from api.bench.posting import BenchError

_HEADERS_END = b"\r\n\r\n"
_LENGTH = b"content-length: "
_POSITION = b"daybook-position: "


class Answered(NamedTuple):
    """A response, as far as it is looked at."""

    status: int
    headers: bytes
    body: bytes

    @property
    def position(self) -> int:
        """What the API says in the header `Daybook-Position`."""
        return _number(self.headers, _POSITION)


class Connection(asyncio.Protocol):
    """One request at a time. Get one with `connect`."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answered] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(BenchError(f"the server closed the connection: {exc}"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(_HEADERS_END)
        if end < 0:
            return
        headers = bytes(self._buffer[:end]).lower()
        body_start = end + len(_HEADERS_END)
        body_end = body_start + _number(headers, _LENGTH)
        if len(self._buffer) < body_end:
            return
        answered = Answered(int(headers[9:12]), headers, bytes(self._buffer[body_start:body_end]))
        self._buffer.clear()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(answered)

    def ask(self, request: bytes) -> asyncio.Future[Answered]:
        """Send a request; the future is its response. Raises `BenchError` when nobody listens."""
        if self._transport is None:
            raise BenchError("the server closed an idle connection")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._waiting

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def connect(port: int) -> Connection:
    """A connection to this machine's `port`."""
    _, connection = await asyncio.get_running_loop().create_connection(
        Connection, "127.0.0.1", port
    )
    return connection


def post(path: str, token: str, body: str) -> bytes:
    """The bytes of a POST of JSON."""
    content = body.encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    ).encode() + content


def get(path: str, token: str) -> bytes:
    """The bytes of a GET."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()


def _number(headers: bytes, name: bytes) -> int:
    start = headers.find(name)
    if start < 0:
        return 0
    start += len(name)
    return int(headers[start:].split(b"\r\n", 1)[0])

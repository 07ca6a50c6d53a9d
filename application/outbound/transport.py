"""HTTP connections with one limit for a whole exchange, and a say in which addresses are called."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import httpcore2
import httpx2

Guard = Callable[[str], None]
"""Hears an IP address before it is connected to; raises to forbid it."""

SocketOption = (
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
)


class Transport(httpx2.BaseTransport):
    """Keeps connections. Raises httpcore2's errors as they are."""

    def __init__(self, guard: Guard | None, *, connections: int = 20) -> None:
        self._backend = _Backend(guard)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=4.0,  # before the other side ends it, usually after five
            network_backend=self._backend,
        )

    @contextmanager
    def limited(self, overall_s: float) -> Iterator[None]:
        """What this thread does within takes no longer; it raises as for any other time limit.

        The limits of a client are for each read: a server that sends a byte now and then meets them.
        """
        self._backend.until.at = time.monotonic() + overall_s
        try:
            yield
        finally:
            self._backend.until.at = None

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        assert isinstance(request.stream, httpx2.SyncByteStream)
        answer = self._pool.handle_request(
            httpcore2.Request(
                method=request.method,
                url=httpcore2.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        assert isinstance(answer.stream, Iterable)
        return httpx2.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer.stream),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        self._pool.close()


class _Body(httpx2.SyncByteStream):
    def __init__(self, stream: Iterable[bytes]) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    def close(self) -> None:
        if hasattr(self._stream, "close"):
            self._stream.close()


class _Until(threading.local):
    at: float | None = None

    def left(self, timeout: float | None) -> float | None:
        """The shorter of the two, in seconds; not above zero when there is none left."""
        if self.at is None:
            return timeout
        left = self.at - time.monotonic()
        return left if timeout is None else min(timeout, left)


class _Backend(httpcore2.NetworkBackend):
    def __init__(self, guard: Guard | None) -> None:
        self.until = _Until()
        self._guard = guard
        self._plain = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore2.NetworkStream:
        last: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in self._addresses(host, port):
            left = self.until.left(timeout)
            if left is not None and left <= 0:
                raise httpcore2.ConnectTimeout("the time for the whole call is over")
            try:
                stream = self._plain.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                last = error
            else:
                return _Stream(stream, self.until)
        raise last

    def _addresses(self, host: str, port: int) -> list[str]:
        """What the guard allows is what is connected to: asking for it again may name another one."""
        if self._guard is None:
            return [host]
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(str(error)) from error
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        for address in addresses:
            self._guard(address)
        return addresses


class _Stream(httpcore2.NetworkStream):
    def __init__(self, plain: httpcore2.NetworkStream, until: _Until) -> None:
        self._plain = plain
        self._until = until

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = self._until.left(timeout)
        if left is not None and left <= 0:
            raise httpcore2.ReadTimeout("the time for the whole call is over")
        return self._plain.read(max_bytes, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = self._until.left(timeout)
        if left is not None and left <= 0:
            raise httpcore2.WriteTimeout("the time for the whole call is over")
        self._plain.write(buffer, left)

    def close(self) -> None:
        self._plain.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        left = self._until.left(timeout)
        if left is not None and left <= 0:
            raise httpcore2.ConnectTimeout("the time for the whole call is over")
        return _Stream(self._plain.start_tls(ssl_context, server_hostname, left), self._until)

    def get_extra_info(self, info: str) -> object:
        return self._plain.get_extra_info(info)

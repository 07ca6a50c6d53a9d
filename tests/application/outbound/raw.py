"""A server that says on each connection just what a test wants, byte by byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Say = Callable[[socket.socket], None]


class RawServer:
    """`said` is what came in, one text a request."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self, answers: Iterator[Say]) -> None:
        """One answer a connection, which ends with it."""
        for answer in answers:
            with suppress(OSError):
                connection, _ = self._listener.accept()
                with connection:
                    self.said.append(_request(connection))
                    answer(connection)
            if self.stopping.is_set():
                return

    def stop(self) -> None:
        self.stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _request(connection: socket.socket) -> str:
    text = b""
    while b"\r\n\r\n" not in text and (more := connection.recv(65536)):
        text += more
    head, _, body = text.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(lengths[0].partition(b":")[2]) if lengths else 0
    while len(body) < length and (more := connection.recv(65536)):
        body += more
    return (head + b"\r\n\r\n" + body).decode()


def saying(status: int, body: bytes = b"{}", **headers: str) -> Say:
    """A whole answer. Underscores in the names of headers are hyphens."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} Whatever\r\n{lines}content-length: {len(body)}\r\n"
    return lambda connection: connection.sendall(f"{head}connection: close\r\n\r\n".encode() + body)


def hanging_up(_: socket.socket) -> None:
    """No answer."""


@contextmanager
def raw_server(make: Callable[[RawServer], Iterator[Say]]) -> Iterator[RawServer]:
    """A running one."""
    server = RawServer()
    thread = threading.Thread(target=server.serve, args=(make(server),), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()

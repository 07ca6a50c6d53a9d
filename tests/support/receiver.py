"""A small server that gets webhooks in tests, and answers as it is told to."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec


@dataclass(frozen=True)
class Got:
    """A request as it came in; `headers` have names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


@dataclass
class Receiver:
    """What it got, and what it answers: `answers` one after the other, then 200. `hangs` answers nothing
    until it is set; `trickles` sends a byte of an endless header line each so many seconds."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    hangs: threading.Event | None = None
    trickles_s: float | None = None

    def will(self, *statuses: int, **headers: str) -> None:
        """Answer these next, with these headers."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers += [(status, named) for status in statuses]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    receiver: Receiver
    stopping: threading.Event

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        named = {name.lower(): value for name, value in self.headers.items()}
        me = self.receiver
        me.got.append(Got(self.path, named, body))
        if me.hangs is not None:
            me.hangs.wait()
        if me.trickles_s is not None:
            self._trickle(me.trickles_s)
            return
        status, headers = me.answers.pop(0) if me.answers else (200, {})
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _trickle(self, each_s: float) -> None:
        self.close_connection = True
        try:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not self.stopping.wait(each_s):
                self.wfile.write(b"a")
                self.wfile.flush()
        except OSError:
            return  # the other side has had enough

    def log_message(self, *_: object) -> None:
        """Nothing goes to the tests' output."""


@contextmanager
def receiving(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver on this machine, with TLS when there is a context for it."""
    receiver, stopping = Receiver(), threading.Event()
    handler = type("Handler", (_Handler,), {"receiver": receiver, "stopping": stopping})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_address[1]}/hooks"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        stopping.set()
        if receiver.hangs is not None:
            receiver.hangs.set()
        server.shutdown()
        thread.join()
        server.server_close()

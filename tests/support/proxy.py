"""A way to Postgres that can be cut at the worst moments."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from psycopg.conninfo import conninfo_to_dict, make_conninfo

Moment = Literal["before", "after", "under way", "late"]
"""When to cut, seen from the COMMIT: before the server gets it; after the server did it, before its
answer arrives; right when it was sent; or before, but the server gets it all the same, later."""


class Proxy:
    """Passes on what a client and the server say, until `cut_at` says otherwise, once."""

    def __init__(self, conninfo: str) -> None:
        target = conninfo_to_dict(conninfo)
        self._upstream = f"{target['host']}/.s.PGSQL.{target['port']}"
        self._folder = tempfile.TemporaryDirectory(prefix="proxy-")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(Path(self._folder.name) / ".s.PGSQL.5432"))
        self._listener.listen()
        self._moment: Moment | None = None
        self._deliver_when: Callable[[], object] = bool
        self._away = self._stays_away = False
        self.cuts = 0
        self._threads: list[threading.Thread] = []
        self._sockets: set[socket.socket] = set()
        self.conninfo = make_conninfo(conninfo, host=self._folder.name, port=5432)
        self._start(self._accept)

    def cut_at(
        self, moment: Moment, *, away: bool = False, deliver_when: Callable[[], object] = bool
    ) -> None:
        """Cut the connection at the next COMMIT. `away`: and let no new one through. `deliver_when`
        waits until it is time to hand over a late COMMIT."""
        self._deliver_when = deliver_when
        self._stays_away = away
        self._moment = moment

    def let_through(self) -> None:
        """The server can be reached again."""
        self._away = False

    def go_away(self) -> None:
        """Cut what is there and let nothing through."""
        self._away = True
        for end in list(self._sockets):
            _close(end)

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.go_away()
        _close(self._listener)
        for thread in self._threads:
            thread.join(10)
        self._folder.cleanup()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._away:
                _close(client)
                continue
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._upstream)
            self._sockets |= {client, server}
            link = _Link(client, server)
            self._start(self._from_client, link)
            self._start(self._from_server, link)

    def _from_client(self, link: _Link) -> None:
        with link.closing(), contextlib.suppress(OSError):
            while data := link.client.recv(1 << 20):
                if self._moment is not None and b"COMMIT" in data:
                    moment, self._moment = self._moment, None
                    self._away = self._stays_away
                    self.cuts += 1
                    self._cut(link, moment, data)
                    if moment != "after":
                        return
                else:
                    link.server.sendall(data)

    def _cut(self, link: _Link, moment: Moment, data: bytes) -> None:
        match moment:
            case "before":
                pass
            case "after":
                link.is_cut_at_answer = True
                link.server.sendall(data)
            case "under way":
                link.server.sendall(data)
            case "late":
                _close(link.client)
                self._deliver_when()
                link.server.sendall(data)

    def _from_server(self, link: _Link) -> None:
        with link.closing(), contextlib.suppress(OSError):
            while data := link.server.recv(1 << 20):
                if link.is_cut_at_answer and b"COMMIT\0" in data:
                    return
                link.client.sendall(data)


class _Link:
    """One client's connection and the one that it has through this to the server."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.is_cut_at_answer = False

    @contextlib.contextmanager
    def closing(self) -> Iterator[None]:
        try:
            yield
        finally:
            _close(self.client)
            _close(self.server)


def _close(end: socket.socket) -> None:
    """Close for good: whoever reads from it wakes up too."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()

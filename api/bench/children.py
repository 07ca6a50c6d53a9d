"""Programs of the benchmark that run in processes of their own, and what they answer."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM
from typing import Any

from api.bench.posting import BenchError
from api.local.children import tied
from api.local.supervisor import Child
from api.settings import Settings

_READY_S = 30.0
_POLL_S = 0.05
_DEFAULTS = dict.fromkeys(Settings.model_fields, "") | {"ENV_FILE": os.devnull}
"""Whatever the person who measures has set for a server of their own."""


def ask(module: str, question: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
    """Run a module that reads JSON from its input and writes JSON to its output.

    Raises `BenchError` with the last line of what it said when it fails.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            tied([sys.executable, "-m", module], SIGTERM),
            input=json.dumps(question),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"{module} was not ready after {timeout_s:.0f} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"]
        raise BenchError(f"{module}: {lines[-1]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@contextmanager
def running(
    name: str,
    module: list[str],
    conninfo: str,
    data_dir: Path,
    port: int = 0,
    settings: Mapping[str, str] = _DEFAULTS,
) -> Iterator[Child]:
    """A process of Daybook on a database, ended with the block; with a port, once that listens."""
    environment = {
        **_DEFAULTS,
        **settings,
        "DATABASE_URL": conninfo,
        "DATABASE_ADMIN_URL": conninfo,
        "DATA_DIR": str(data_dir),
        "LOG_FORMAT": "text",
        "HOST": "127.0.0.1",
    }
    if port:
        environment["PORT"] = str(port)
    child = Child(name, [sys.executable, "-m", *module], environment=environment)
    child.launch()
    try:
        if port:
            _wait_until_listening(child, port)
        yield child
    finally:
        child.stop()


def free_port() -> int:
    """A port of this machine that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_listening(child: Child, port: int) -> None:
    give_up = time.monotonic() + _READY_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if child.poll() is not None:
                raise BenchError(f"the {child.name} ended with status {child.poll()}") from None
            if time.monotonic() > give_up:
                raise BenchError(
                    f"the {child.name} did not listen within {_READY_S:.0f} s"
                ) from None
            time.sleep(_POLL_S)
        else:
            return


def answer(result: Mapping[str, Any]) -> None:
    """In such a program: hand the result back."""
    sys.stdout.write(json.dumps(result))
    sys.stdout.flush()


def question() -> dict[str, Any]:
    """In such a program: what was asked."""
    asked: dict[str, Any] = json.load(sys.stdin)
    return asked

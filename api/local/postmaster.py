"""What a data folder says about its Postgres server, and the end of what an owner left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGQUIT

from api.local.errors import LocalServerError

_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Postmaster:
    """The lines of postmaster.pid that matter here; the file may outlive its server."""

    pid: int
    sockets: Path
    is_ready: bool


def recorded(data: Path) -> Postmaster | None:
    """What postmaster.pid says, None when there is none or it is only half written."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        # pid, data folder, start time, port, socket folder, address, shared memory, status
        return Postmaster(int(lines[0]), Path(lines[4]), lines[7].strip() == "ready")
    except (FileNotFoundError, IndexError, ValueError):
        return None


def end_abandoned(data: Path) -> None:
    """End a server whose owner is gone, so that the next one is a child of this process.

    Happens where the kernel does not tie children to their parents, or when someone used pg_ctl.
    Raises `LocalServerError` when it does not end within a minute.
    """
    found = recorded(data)
    if found is None or not _is_running(found.pid):
        return
    if not _serves(found.pid, data):
        # Another program has the process id by now, as happens in containers; Postgres would take
        # that for a server and refuse to start.
        (data / "postmaster.pid").unlink(missing_ok=True)
        return
    os.kill(found.pid, SIGINT)
    _wait_for(lambda: not _is_running(found.pid) or not _serves(found.pid, data), data)


def end_backends(data: Path) -> None:
    """End the backends of a server that was killed; a new one refuses to start beside them.

    They end by themselves when they next wait for something, but a long query may compute for
    minutes before that. Elsewhere than on Linux they are left to it. Raises `LocalServerError`.
    """
    if sys.platform != "linux":
        return

    def backends() -> list[int]:
        processes = (int(name) for name in os.listdir("/proc") if name.isdigit())
        return [pid for pid in processes if _serves(pid, data)]

    for pid in backends():
        with suppress(ProcessLookupError):
            os.kill(pid, SIGQUIT)
    _wait_for(lambda: not backends(), data)


def _wait_for(condition: Callable[[], bool], data: Path) -> None:
    give_up = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > give_up:
            raise LocalServerError(
                f"other Postgres processes use {data} and do not end: end them, then try again"
            )
        time.sleep(0.05)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _serves(pid: int, data: Path) -> bool:
    """Whether a living process belongs to a Postgres server on this data folder."""
    if sys.platform == "linux":
        process = Path("/proc") / str(pid)
        try:
            is_postgres = (process / "comm").read_text() == "postgres\n"
            return is_postgres and (process / "cwd").readlink() == data
        except OSError:  # it has ended, or belongs to another user
            return False
    ps = ["/bin/ps", "-p", str(pid), "-o", "command="]
    shown = subprocess.run(ps, capture_output=True, text=True, check=False)  # noqa: S603 - constants
    return f"-D {data}" in shown.stdout

"""Folders for databases of tests: in memory where there is plenty, since each is a thousand small files."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_MEMORY = Path("/dev/shm")
_PLENTY = 4 * 2**30
"""Bytes; a test process needs a tenth of that."""
_PREFIX = "daybook-test-"


@contextmanager
def data_folder() -> Iterator[Path]:
    """An empty folder that is gone after the block, with a short path that other users can be let into:
    not in pytest's own, since as root Postgres runs as another user, who must get there.

    What is in memory outlives the end of processes as what is on a disk does, and not the machine's.
    """
    place = _MEMORY if _is_plenty() else Path(tempfile.gettempdir())
    with _alone_in(place):
        if place is _MEMORY:
            _sweep()
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place)).resolve()
        lock = _lock(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(lock)


def _is_plenty() -> bool:
    with suppress(OSError):
        return os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _PLENTY
    return False


@contextmanager
def _alone_in(place: Path) -> Iterator[None]:
    """Nobody sweeps what somebody else is about to lock."""
    lock = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _sweep() -> None:
    """Remove what tests left behind that were killed: it would stay in memory until the machine ends."""
    for folder in _MEMORY.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # in use, or another user's
            lock = _lock(folder)
            shutil.rmtree(folder)
            os.close(lock)


def _lock(folder: Path) -> int:
    """Raises `BlockingIOError` while another process has the lock."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor

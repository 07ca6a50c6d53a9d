"""Waits for what other threads and processes bring about."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event


def until(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Return once the condition holds. Raises `TimeoutError` when it never does."""
    give_up = time.monotonic() + timeout_s
    pause = Event()
    while not condition():
        if time.monotonic() > give_up:
            raise TimeoutError("what was waited for did not come")
        pause.wait(0.002)

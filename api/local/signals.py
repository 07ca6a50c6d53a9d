"""Ctrl-C and SIGTERM, once: the first one stops Daybook, more of them do not disturb the stopping."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

_Handler = Callable[[int, FrameType | None], Any] | int | None


class StopSignals:
    """While entered, the first SIGINT, SIGTERM or SIGHUP raises KeyboardInterrupt in the main thread.

    Inside `noted()` it raises nothing and is only seen in `requested`. Enter it in the main thread.
    """

    def __init__(self) -> None:
        self.requested = False
        self._raises = True
        self._before: dict[int, _Handler] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup's wish: go on when the terminal is closed
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """A block that must not be interrupted anywhere, because it looks at `requested` itself."""
        self._raises = False
        try:
            yield
        finally:
            self._raises = True

    def _receive(self, number: int, frame: FrameType | None) -> None:
        is_first, self.requested = not self.requested, True
        if is_first and self._raises:
            raise KeyboardInterrupt

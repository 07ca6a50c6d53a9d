"""Runs Daybook's processes as one tree: restarts what dies, gives up on what cannot live, stops all."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from api.local.children import tied
from api.local.signals import StopSignals

_POLL_S = 0.1
_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 5.0
_FAILURES = 5
_WINDOW_S = 30.0


class Service(Protocol):
    """What a supervisor can look after; an `EmbeddedPostgres` is one too."""

    @property
    def name(self) -> str: ...

    def launch(self) -> None:
        """Start it without waiting until it is ready."""

    def poll(self) -> int | None:
        """Its exit status (minus the signal that ended it), None while it lives."""

    def advice(self) -> str:
        """What a person can do when it does not stay alive."""


class Child:
    """A program of the tree, started by absolute path; its output goes where this process' goes."""

    def __init__(
        self,
        name: str,
        program: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        stop_within_s: float = 15.0,
    ) -> None:
        """`environment` comes on top of this process' own; after `stop_within_s` a stop is forced."""
        self.name = name
        self._stop_within_s = stop_within_s
        self._program = program
        self._environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id of its last start, None before the first."""
        return None if self._process is None else self._process.pid

    def launch(self) -> None:
        """Start it; see `Service`."""
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            tied(self._program, signal.SIGTERM),
            env={**os.environ, **self._environment},
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the supervisor, which then stops its children
        )

    def poll(self) -> int | None:
        """See `Service`."""
        return None if self._process is None else self._process.poll()

    def advice(self) -> str:
        """See `Service`."""
        return "its last messages above say why"

    def stop(self) -> None:
        """Ask it to end; when that takes too long, end it and whatever it has started."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(self._stop_within_s)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):  # it ended in this moment
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@dataclass
class _Watch:
    """What the supervisor remembers of one service."""

    service: Service
    failures: deque[float] = field(default_factory=lambda: deque(maxlen=_FAILURES))
    launch_at: float | None = None

    def fail(self, now: float) -> float | None:
        """Note a death; the seconds to wait before the next start, None to give up."""
        while self.failures and now - self.failures[0] > _WINDOW_S:
            self.failures.popleft()
        self.failures.append(now)
        if len(self.failures) == _FAILURES:
            return None
        delay = min(_FIRST_DELAY_S * 2.0 ** (len(self.failures) - 1), _LONGEST_DELAY_S)
        self.launch_at = now + delay
        return delay


class Supervisor:
    """Starts `children` in order, stops them in reverse order, and restarts what dies in between.

    `watched` services run already: they are restarted when they die, and left running at the end.
    """

    def __init__(
        self,
        children: Sequence[Child],
        *,
        watched: Sequence[Service] = (),
        notice: Callable[[str], None],
    ) -> None:
        self._children = children
        self._watches = [_Watch(service) for service in (*watched, *children)]
        self._notice = notice

    def run(self, signals: StopSignals) -> int:
        """Run until a signal asks to stop (0), or a service died five times in 30 seconds (1)."""
        with signals.noted():
            try:
                for child in self._children:
                    child.launch()
                while not signals.requested:
                    if not self._all_look_well():
                        return 1
                    time.sleep(_POLL_S)
                return 0
            finally:
                for child in reversed(self._children):
                    child.stop()

    def _all_look_well(self) -> bool:
        """Restart what died; False when one of them is beyond help."""
        now = time.monotonic()
        for watch in self._watches:
            service = watch.service
            if watch.launch_at is not None:
                if now >= watch.launch_at:
                    watch.launch_at = None
                    service.launch()
                continue
            status = service.poll()
            if status is None:
                continue
            delay = watch.fail(now)
            if delay is None:
                self._notice(
                    f"{service.name} {_ending(status)}, {_FAILURES} times in {_WINDOW_S:.0f} "
                    f"seconds, so everything stops: {service.advice()}"
                )
                return False
            self._notice(f"{service.name} {_ending(status)}; it starts again in {delay:.1f} s")
        return True


def _ending(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:  # a real-time signal has no name
        return f"was ended by signal {-status}"

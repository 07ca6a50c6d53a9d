"""Circuit breakers: a service that fails too often is left alone, then tried by one call at a time."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from application.outbound.breaker_rules import DEFAULT, FIGURES, Figures, Memory, ask, note
from application.outbound.breaker_sharing import SharedMemory
from application.outbound.errors import CircuitOpenError
from application.outbound.health import ServiceHealth

_MANY = 100
"""Beyond so many services, those that are idle are forgotten: anybody may have endpoints."""

_FRESH_S = 0.5
"""What others know of a service that works is looked up so often at most."""

_NOBODYS_TRIAL = "nobody"


class Permit:
    """Leave for one call. End it with one of its methods, whatever happens: a trial blocks all others."""

    def __init__(self, breaker: Breaker, trial: str) -> None:
        self._breaker = breaker
        self._trial = trial

    def succeeded(self) -> None:
        """The service answered; also with a refusal of what was asked."""
        self._breaker.note(self._trial, works=True)

    def failed(self, error: str) -> None:
        """The service did not answer, or said that it cannot work."""
        self._breaker.note(self._trial, works=False, error=error)

    def dropped(self) -> None:
        """The call says nothing about the service: it was broken off from this side."""
        self._breaker.note(self._trial, works=None)


class Breaker:
    """The breaker of one service; safe for threads. Get it from `Breakers`."""

    def __init__(
        self,
        service: str,
        figures: Figures,
        shared: SharedMemory | None,
        on_change: Callable[[ServiceHealth], None],
        clock: Callable[[], float],
    ) -> None:
        self.service = service
        self._figures = figures
        self._shared = shared
        self._on_change = on_change
        self._clock = clock
        self._lock = threading.Lock()
        self._memory = Memory(changed_at=clock())
        self._seen_at = float("-inf")

    def ask(self) -> Permit:
        """Leave for one call. Raises `CircuitOpenError`."""
        now = self._clock()
        if self._memory.state == "closed" and self._is_fresh(now):
            return Permit(self, "")
        trial = secrets.token_hex(8)
        memory = self._change(lambda memory: ask(memory, self._figures, now, trial))
        if memory.state == "closed":
            return Permit(self, "")
        if memory.trial == trial:
            return Permit(self, trial)
        raise CircuitOpenError(self.service, memory.wait_s(self._figures, now))

    def check(self) -> None:
        """Raises `CircuitOpenError` while `ask` would; makes no trial of its own."""
        if self._memory.state == "closed":
            return  # as this process last saw it
        memory, now = self._change(lambda memory: memory), self._clock()
        allowed = ask(memory, self._figures, now, _NOBODYS_TRIAL)
        if allowed.state != "closed" and allowed.trial != _NOBODYS_TRIAL:
            raise CircuitOpenError(self.service, memory.wait_s(self._figures, now))

    def note(self, trial: str, *, works: bool | None, error: str = "") -> None:
        """What came of a call; see `Permit`."""
        if not trial and (works is not False):
            return  # a call that went well changes nothing while the circuit is closed
        now = self._clock()
        self._change(lambda memory: note(memory, self._figures, now, trial, works, error))

    @property
    def is_idle(self) -> bool:
        """Whether another breaker in its place would do the same."""
        return self._memory.is_idle(self._figures, self._clock())

    def health(self) -> ServiceHealth:
        """How this process last saw it."""
        memory = self._memory
        return ServiceHealth(
            service=self.service,
            state=memory.state,
            failures=memory.failed,
            changed_at=datetime.fromtimestamp(memory.changed_at, UTC),
            error=memory.error or None,
        )

    def _is_fresh(self, now: float) -> bool:
        return self._shared is None or 0 <= now - self._seen_at < _FRESH_S

    def _change(self, change: Callable[[Memory], Memory]) -> Memory:
        """Apply a change to what is known, by all processes when they share it."""
        found = None
        if self._shared is not None:
            found = self._shared.change(self.service, self._memory, change)
        with self._lock:
            before = self._memory
            self._memory = change(before) if found is None else found
            self._seen_at = self._clock()
            after = self._memory
        if after.state != before.state:
            self._on_change(self.health())
        return after


class Breakers:
    """The breakers of a process, one a service, made when asked for.

    With `redis_url` all processes share what they know; while that Redis is away each goes by what it
    knew last. `on_change` hears the state of a service when it is first used and when it changes; it
    must not raise. `clock` is in seconds since the epoch, since processes compare it. Raises
    `ValueError` for a URL that is none of Redis.
    """

    def __init__(
        self,
        redis_url: str | None = None,
        *,
        on_change: Callable[[ServiceHealth], None] | None = None,
        clock: Callable[[], float] = time.time,
        figures: Mapping[str, Figures] = FIGURES,
    ) -> None:
        self._shared = SharedMemory(redis_url) if redis_url else None
        self._on_change = on_change or _nobody
        self._clock = clock
        self._figures = figures
        self._breakers: dict[str, Breaker] = {}
        self._lock = threading.Lock()

    def of(self, service: str) -> Breaker:
        """The breaker of a service; its figures go by the name, up to a colon."""
        figures = self._figures.get(service.partition(":")[0], DEFAULT)
        with self._lock:
            breaker = self._breakers.get(service)
            is_new = breaker is None
            if breaker is None:
                self._forget_idle()
                breaker = Breaker(service, figures, self._shared, self._on_change, self._clock)
                self._breakers[service] = breaker
        if is_new:
            # What an earlier process left in writing is not how this one finds it.
            self._on_change(breaker.health())
        return breaker

    def states(self) -> list[ServiceHealth]:
        """How this process sees each service that it has called."""
        with self._lock:
            breakers = list(self._breakers.values())
        return sorted((each.health() for each in breakers), key=lambda health: health.service)

    def _forget_idle(self) -> None:
        if len(self._breakers) >= _MANY:
            self._breakers = {name: one for name, one in self._breakers.items() if not one.is_idle}

    def close(self) -> None:
        """Let go of the connections to Redis."""
        if self._shared is not None:
            self._shared.close()


def _nobody(_: ServiceHealth) -> None:
    """Nobody wants to hear."""

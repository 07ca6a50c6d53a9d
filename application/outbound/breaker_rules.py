"""When a circuit opens, is tried, and closes again: pure, so that any order of things can be tested."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

State = Literal["closed", "open", "half_open"]

At = Annotated[float, Meta(ge=0, le=32_503_680_000)]
"""Seconds since the epoch, up to the year 3000."""
Count = Annotated[int, Meta(ge=0, le=1_000_000)]


class Figures(Struct, frozen=True):
    """So many failures within `window_s` open the circuit for `open_s`; so many successes close it."""

    failures: int = 5
    window_s: float = 30.0
    open_s: float = 30.0
    successes: int = 2


DEFAULT = Figures()

FIGURES = {
    "bank": Figures(failures=5, window_s=60.0, open_s=30.0),
    "payments": Figures(failures=3, window_s=45.0, open_s=60.0),
    "notifications": Figures(failures=10, window_s=30.0, open_s=15.0),
    # One delivery of an owner at a time: with many endpoints that are silent, each fails now and then.
    "webhooks": Figures(failures=5, window_s=600.0, open_s=60.0),
}

FORGOTTEN_S = 3600.0
"""After so long without news it says little of a service that it once failed."""

TRIAL_LIMIT_S = 60.0
"""A trial that nobody has ended by then is taken to be gone, with the process that made it."""

_ASK_AGAIN_S = 1.0
"""While another call tries the service."""


class Memory(Struct, frozen=True):
    """What is known of a service. Times are in seconds since the epoch.

    `failures` are the times of those that count while closed; `failed` is how many opened it.
    """

    state: State = "closed"
    failures: Annotated[tuple[At, ...], Meta(max_length=10_000)] = ()
    failed: Count = 0
    opened_at: At = 0.0
    successes: Count = 0
    trial: Annotated[str, Meta(max_length=100)] = ""
    trial_until: At = 0.0
    changed_at: At = 0.0
    error: Annotated[str, Meta(max_length=10_000)] = ""

    def is_idle(self, figures: Figures, now: float) -> bool:
        """Whether little would be lost if it were forgotten."""
        if self.state == "closed":
            return not any(0 <= now - at < figures.window_s for at in self.failures)
        return now - self.changed_at > FORGOTTEN_S

    def wait_s(self, figures: Figures, now: float) -> float:
        """After how long it makes sense to ask again."""
        if self.state == "open":
            return max(self.opened_at + figures.open_s - now, _ASK_AGAIN_S)
        return _ASK_AGAIN_S


def ask(memory: Memory, figures: Figures, now: float, trial: str) -> Memory:
    """Whether a call may be made: the circuit is closed afterwards, or `trial` is the one that runs."""
    if memory.state == "open":
        # A clock that was set back must not keep it open for longer.
        if 0 <= now - memory.opened_at < figures.open_s:
            return memory
        memory = replace(memory, state="half_open", successes=0, trial="", changed_at=now)
    if memory.state == "half_open":
        runs = memory.trial and 0 < memory.trial_until - now <= TRIAL_LIMIT_S
        return memory if runs else replace(memory, trial=trial, trial_until=now + TRIAL_LIMIT_S)
    return memory


def note(
    memory: Memory, figures: Figures, now: float, trial: str, works: bool | None, error: str
) -> Memory:
    """What came of a call. `trial` is empty for one made while the circuit was closed."""
    if trial:
        return _trial_ended(memory, figures, now, trial, works, error)
    if memory.state != "closed" or works is not False:
        return memory  # such a call began before the circuit opened, and says nothing of the time since
    count = tuple(at for at in memory.failures if 0 <= now - at < figures.window_s)
    failures = (*count, now)
    if len(failures) >= figures.failures:
        return _opened(replace(memory, failed=len(failures)), now, error)
    return replace(memory, failures=failures, failed=len(failures), error=error)


def _trial_ended(
    memory: Memory, figures: Figures, now: float, trial: str, works: bool | None, error: str
) -> Memory:
    if memory.state != "half_open" or memory.trial != trial:
        return memory  # it took so long that another one was let in its place
    if works is None:
        return replace(memory, trial="")
    if not works:
        return _opened(replace(memory, failed=memory.failed + 1), now, error)
    if memory.successes + 1 >= figures.successes:
        return Memory(changed_at=now)
    return replace(memory, trial="", successes=memory.successes + 1)


def _opened(memory: Memory, now: float, error: str) -> Memory:
    return Memory(state="open", failed=memory.failed, opened_at=now, changed_at=now, error=error)

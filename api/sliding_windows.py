"""Counts in this process by windows that slide: the limits library's way of doing it, without its cost.

The library's own storage takes twenty times as long for a hit and looks at all keys for what is over; a
request that is counted twice would feel it. With Redis the library counts.
"""

from __future__ import annotations

from math import floor
from typing import NamedTuple

_SLACK = 1_000


class Counted(NamedTuple):
    """Whether one more was allowed, how many count by now, and after how many seconds it is one less."""

    allowed: bool
    used: int
    wait_s: float


class SlidingWindows:
    """Of each key, how often in this window and in the one before, which counts for less and less."""

    def __init__(self) -> None:
        self._windows: dict[str, tuple[int, int, int, int]] = {}
        """Key -> window's length in seconds, its number, count in it, count in the one before."""
        self._sweep_beyond = _SLACK

    def __len__(self) -> int:
        return len(self._windows)

    def hit(self, key: str, amount: int, window_s: int, now: float) -> Counted:
        """Count one more, unless `amount` of them count already. `now` is in seconds, and never falls
        by more than clocks do."""
        number, into_s = int(now // window_s), now % window_s
        current = earlier = 0
        kept = self._windows.get(key)
        if kept is not None:
            _, kept_number, kept_current, kept_earlier = kept
            if kept_number == number:
                current, earlier = kept_current, kept_earlier
            elif kept_number == number - 1:
                earlier = kept_current
        left_s = window_s - into_s
        used = floor(earlier * left_s / window_s + current)
        allowed = used < amount
        if allowed:
            current, used = current + 1, used + 1
        self._windows[key] = (window_s, number, current, earlier)
        if len(self._windows) > self._sweep_beyond:
            self._sweep(now)
        # What the window before counts for falls steadily: until it is one less.
        wait_s = left_s % (window_s / earlier) if earlier else left_s
        return Counted(allowed, used, wait_s)

    def _sweep(self, now: float) -> None:
        """Forget what counts for nothing any more; the next time when there is twice as much."""
        self._windows = {
            key: kept for key, kept in self._windows.items() if kept[1] + 2 > now // kept[0]
        }
        self._sweep_beyond = 2 * len(self._windows) + _SLACK

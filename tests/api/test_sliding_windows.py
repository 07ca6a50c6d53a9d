"""Windows that slide: never more than the rate, as far as two windows can tell, and nothing kept for ever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from api.sliding_windows import SlidingWindows

WINDOW_S = 60
START = 1_700_000_040.0
"""The beginning of a window."""


def test_one_too_many_waits_until_the_window_is_over() -> None:
    windows = SlidingWindows()
    counted = [windows.hit("me", 3, WINDOW_S, START + second) for second in range(4)]
    assert [one.allowed for one in counted] == [True, True, True, False]
    assert [one.used for one in counted] == [1, 2, 3, 3]
    assert counted[-1].wait_s == WINDOW_S - 3


def test_the_window_before_counts_for_less_and_less() -> None:
    windows = SlidingWindows()
    for _ in range(6):
        assert windows.hit("me", 6, WINDOW_S, START).allowed
    at_once = windows.hit("me", 6, WINDOW_S, START + WINDOW_S)
    assert (at_once.allowed, at_once.wait_s) == (False, 0.0)  # from now on it is less
    assert [windows.hit("me", 6, WINDOW_S, START + WINDOW_S + 31).allowed for _ in range(5)] == [
        True,
        True,
        True,
        True,
        False,
    ]
    assert windows.hit("me", 6, WINDOW_S, START + 3 * WINDOW_S).used == 1


def test_each_key_is_counted_by_itself() -> None:
    windows = SlidingWindows()
    assert windows.hit("me", 1, WINDOW_S, START).allowed
    assert windows.hit("you", 1, WINDOW_S, START).allowed
    assert not windows.hit("me", 1, WINDOW_S, START).allowed


def test_what_is_over_is_forgotten() -> None:
    windows = SlidingWindows()
    for number in range(10_000):
        windows.hit(f"somebody {number}", 5, WINDOW_S, START + number * WINDOW_S)
    assert len(windows) < 1_100


@given(
    st.lists(st.floats(0, 45), min_size=1, max_size=80), st.integers(1, 8)
)  # seconds between hits
def test_no_stretch_of_a_window_has_more_than_twice_the_rate(
    pauses: list[float], amount: int
) -> None:
    windows = SlidingWindows()
    now, allowed = START, []
    for pause in pauses:
        now += pause
        if windows.hit("me", amount, WINDOW_S, now).allowed:
            allowed.append(now)
    for first in allowed:
        assert sum(first <= at < first + WINDOW_S for at in allowed) <= 2 * amount

"""When a circuit opens and closes, told with a clock that the test turns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from application.outbound.breaker_rules import (
    DEFAULT,
    FIGURES,
    TRIAL_LIMIT_S,
    Figures,
    Memory,
    ask,
    note,
)


def failed(memory: Memory, now: float, figures: Figures = DEFAULT, trial: str = "") -> Memory:
    return note(memory, figures, now, trial, False, "it is down")


def opened(figures: Figures = DEFAULT, now: float = 1000.0) -> Memory:
    memory = Memory()
    for _ in range(figures.failures):
        memory = failed(memory, now, figures)
    return memory


@pytest.mark.parametrize(
    ("service", "figures"),
    [
        ("bank", (5, 60.0, 30.0, 2)),
        ("payments", (3, 45.0, 60.0, 2)),
        ("notifications", (10, 30.0, 15.0, 2)),
        ("webhooks", (5, 600.0, 60.0, 2)),
        ("any other", (5, 30.0, 30.0, 2)),
    ],
)
def test_figures_are_those_that_were_promised(
    service: str, figures: tuple[int, float, float, int]
) -> None:
    found = FIGURES.get(service, DEFAULT)
    assert (found.failures, found.window_s, found.open_s, found.successes) == figures


@pytest.mark.parametrize("figures", [DEFAULT, *FIGURES.values()], ids=str)
def test_enough_failures_in_the_window_open_it(figures: Figures) -> None:
    memory = Memory()
    for number in range(figures.failures - 1):
        memory = failed(memory, 1000.0 + number, figures)
        assert memory.state == "closed"
    memory = failed(memory, 1000.0 + figures.window_s - 0.001, figures)
    assert (memory.state, memory.failed, memory.error) == ("open", figures.failures, "it is down")


def test_failures_older_than_the_window_do_not_count() -> None:
    memory = Memory()
    for number in range(20):
        memory = failed(memory, 1000.0 + number * DEFAULT.window_s / 4)
    assert (memory.state, memory.failed) == ("closed", 4)


def test_while_open_nobody_calls() -> None:
    memory = opened()
    just_before = 1000.0 + DEFAULT.open_s - 0.001
    assert ask(memory, DEFAULT, just_before, "me") == memory
    assert memory.wait_s(DEFAULT, 1010.0) == 20.0


def test_afterwards_one_calls_at_a_time() -> None:
    memory = ask(opened(), DEFAULT, 1030.0, "first")
    assert (memory.state, memory.trial) == ("half_open", "first")
    assert ask(memory, DEFAULT, 1031.0, "second") == memory
    memory = note(memory, DEFAULT, 1032.0, "first", True, "")
    assert (memory.state, memory.trial) == ("half_open", "")
    memory = ask(memory, DEFAULT, 1033.0, "second")
    memory = note(memory, DEFAULT, 1034.0, "second", True, "")
    assert memory == Memory(changed_at=1034.0)


def test_a_trial_that_fails_opens_it_again() -> None:
    memory = ask(opened(), DEFAULT, 1030.0, "trial")
    memory = note(memory, DEFAULT, 1031.0, "trial", True, "")
    memory = ask(memory, DEFAULT, 1032.0, "again")
    memory = failed(memory, 1033.0, trial="again")
    assert (memory.state, memory.opened_at, memory.failed) == ("open", 1033.0, 6)
    assert ask(memory, DEFAULT, 1062.9, "me") == memory


def test_a_trial_that_was_broken_off_leaves_its_place_to_the_next() -> None:
    memory = ask(opened(), DEFAULT, 1030.0, "first")
    memory = note(memory, DEFAULT, 1031.0, "first", None, "")
    assert ask(memory, DEFAULT, 1031.0, "second").trial == "second"


def test_a_trial_of_a_process_that_died_does_not_last_for_ever() -> None:
    memory = ask(opened(), DEFAULT, 1030.0, "dead")
    later = 1030.0 + TRIAL_LIMIT_S
    assert ask(memory, DEFAULT, later - 0.001, "next").trial == "dead"
    memory = ask(memory, DEFAULT, later, "next")
    assert memory.trial == "next"
    assert failed(memory, later, trial="dead") == memory, "it comes too late to tell anything"


def test_a_clock_that_is_set_back_does_not_keep_it_open() -> None:
    assert ask(opened(now=5000.0), DEFAULT, 1000.0, "me").trial == "me"
    running = ask(opened(now=5000.0), DEFAULT, 6000.0, "running")
    assert ask(running, DEFAULT, 1000.0, "me").trial == "me"


steps = st.lists(
    st.tuples(
        st.floats(0, 40),
        st.sampled_from(["ask", "works", "fails", "breaks off"]),
        st.integers(0, 3),
    ),
    max_size=60,
)


@given(steps)
def test_whatever_happens_one_trial_runs_and_successes_never_open_it(
    steps: list[tuple[float, str, int]],
) -> None:
    memory, now = Memory(), 1000.0
    running: list[str] = []
    for number, (pause, what, which) in enumerate(steps):
        now += pause
        before = memory
        if what == "ask":
            name = f"call-{number}"
            memory = ask(memory, DEFAULT, now, name)
            if memory.state == "closed":
                running.append("")
            elif memory.trial == name:
                taken_over = before.trial and now < before.trial_until
                assert not (before.state == "half_open" and taken_over)
                assert now - before.opened_at >= DEFAULT.open_s or before.state != "open"
                running.append(name)
        elif running:
            trial = running.pop(which % len(running))
            works = {"works": True, "fails": False, "breaks off": None}[what]
            memory = note(memory, DEFAULT, now, trial, works, "down")
            if works is not False:
                assert memory.state != "open" or memory == before
            if before.state != "closed" and memory.state == "closed":
                assert works
                assert before.successes + 1 == DEFAULT.successes


@given(st.lists(st.floats(0, 100), max_size=30))
def test_it_opens_exactly_when_so_many_failures_are_within_a_window(pauses: list[float]) -> None:
    memory, now, times = Memory(), 1000.0, list[float]()
    for pause in pauses:
        now += pause
        times.append(now)
        memory = failed(memory, now)
        recent = [at for at in times if now - at < DEFAULT.window_s]
        assert (memory.state == "open") == (len(recent) >= DEFAULT.failures)
        if memory.state == "open":
            break


def test_a_call_that_began_before_it_opened_says_nothing_of_the_time_since() -> None:
    half_open = ask(opened(), DEFAULT, 1030.0, "trial")
    for memory in (opened(), half_open, replace(half_open, trial="")):
        assert failed(memory, 1031.0) == memory

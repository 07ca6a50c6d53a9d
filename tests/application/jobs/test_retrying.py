"""The category of an error says how often it is tried again, and after how long."""

from __future__ import annotations

import pytest

from application.jobs import Failure, Job, Kind
from application.jobs.retrying import wait_s, wait_to_give_up_s


def nothing(job: Job, ctx: object) -> None:
    raise NotImplementedError


PLAIN = Kind(nothing)


def waits(
    category: str, kind: Kind = PLAIN, *, most: int | None = None, chance: float = 0.0
) -> list[float]:
    """The waits of a job that fails like this until it is dead."""
    found: list[float] = []
    while (wait := wait_s(Failure(category, ""), len(found) + 1, kind, most, chance)) is not None:
        found.append(wait)
    return found


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        ("external", [1.0, 2.0]),
        ("system", [0.5]),
        ("timeout", [2.0, 4.0]),
        ("business", []),
        ("lost", []),
    ],
)
def test_each_category_has_its_tries(category: str, expected: list[float]) -> None:
    assert waits(category) == expected


def test_a_kind_and_a_job_may_say_how_often_but_a_no_stays_a_no() -> None:
    five = Kind(nothing, max_attempts=5)
    assert waits("external", five) == [1.0, 2.0, 4.0, 8.0]
    assert waits("external", five, most=2) == [1.0]
    assert waits("external", PLAIN, most=20)[-1] == 3600.0
    assert waits("business", five) == []


def test_a_kind_may_have_a_timetable() -> None:
    webhooks = Kind(nothing, waits_s=(5.0, 300.0, 1800.0))
    assert waits("external", webhooks) == [5.0, 300.0, 1800.0]
    assert waits("external", webhooks, most=6) == [5.0, 300.0, 1800.0, 1800.0, 1800.0]
    assert waits("external", Kind(nothing, waits_s=())) == []


def test_waits_are_spread_and_no_shorter_than_was_asked_for() -> None:
    assert waits("external", chance=1.0) == [1.25, 2.5]
    asked = Failure("external", "", retry_after_s=30.0)
    assert wait_s(asked, 1, PLAIN, None, 0.5) == 30.0
    assert wait_s(Failure("external", "", retry_after_s=1.0), 2, PLAIN, None, 0.0) == 2.0
    assert wait_s(Failure("external", "", retry_after_s=1e9), 1, PLAIN, None, 0.0) == 86_400.0


def test_what_follows_the_last_try_is_tried_less_and_less_often() -> None:
    failure = Failure("external", "away")
    waits = [wait_to_give_up_s(failure, failures, PLAIN, None) for failures in range(3, 10)]
    assert waits == [30.0, 60.0, 120.0, 240.0, 480.0, 600.0, 600.0]

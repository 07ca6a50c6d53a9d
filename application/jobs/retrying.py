"""Whether a job that failed is tried again, and when."""

from __future__ import annotations

from typing import NamedTuple

from application.jobs.jobs import Failure, Kind

MAX_LOST = 10
"""Workers may end with a job this often: one that ends them all would go on for ever."""

_MAX_WAIT_S = 3600.0
_MAX_RETRY_AFTER_S = 86_400.0
_GIVE_UP_S = 30.0
_MAX_GIVE_UP_S = 600.0
_JITTER = 0.25
"""Up to this share is added to a wait, so that what failed together does not come back together."""


class Tries(NamedTuple):
    """How often at most, the wait after the first failure, and by what each further wait is longer."""

    attempts: int
    first_wait_s: float
    factor: float


TRIES = {
    "external": Tries(3, 1.0, 2.0),
    "system": Tries(2, 0.5, 1.5),
    "timeout": Tries(3, 2.0, 2.0),
    "business": Tries(1, 0.0, 1.0),
    "lost": Tries(1, 0.0, 1.0),
}
"""By the category of the error. A job's or its kind's own number takes the place of these, but never
makes a refusal be tried again."""


def wait_s(
    failure: Failure, failures: int, kind: Kind, max_attempts: int | None, chance: float
) -> float | None:
    """Seconds until the next attempt after this many failures; None: there is none.

    `chance` is from 0 to 1. What the other side asked for in Retry-After is not cut short.
    """
    if failures >= _attempts(failure.category, kind, max_attempts):
        return None
    tries = TRIES[failure.category]
    wait = min(tries.first_wait_s * tries.factor ** min(failures - 1, 64), _MAX_WAIT_S)
    if kind.waits_s:
        wait = kind.waits_s[min(failures, len(kind.waits_s)) - 1]
    wait *= 1 + _JITTER * chance
    return max(wait, min(failure.retry_after_s or 0.0, _MAX_RETRY_AFTER_S))


def wait_to_give_up_s(
    failure: Failure, failures: int, kind: Kind, max_attempts: int | None
) -> float:
    """Seconds until it is told again that there is no further attempt: telling it has failed too."""
    more = failures - _attempts(failure.category, kind, max_attempts)
    return float(min(_GIVE_UP_S * 2 ** min(max(more, 0), 16), _MAX_GIVE_UP_S))


def _attempts(category: str, kind: Kind, max_attempts: int | None) -> int:
    attempts = TRIES[category].attempts
    if attempts == 1:
        return 1
    own = kind.max_attempts if kind.waits_s is None else len(kind.waits_s) + 1
    return max_attempts or own or attempts

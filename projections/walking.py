"""Lists that walk one index from the newest row: fast however frequent the value looked for is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

_MICROSECOND = "interval '1 microsecond'"
_NO_END = "9223372036854775807"


class Bounds(NamedTuple):
    """SQL of the positions that a row's must be above and below."""

    above: str
    below: str


def bounds(
    before: int | None, recorded_from: datetime | None, recorded_to: datetime | None
) -> Bounds:
    """Bounds with the parameters `before`, `since` and `until`.

    Times rise with positions, so that a search by time is one by position, which every index ends with.
    """
    below = [_NO_END]
    if before is not None:
        below.append("%(before)s")
    if recorded_to is not None:
        below.append(f"(SELECT position_at(%(until)s - {_MICROSECOND}) + 1)")
    above = "0"
    if recorded_from is not None:
        above = f"(SELECT position_at(%(since)s - {_MICROSECOND}))"
    return Bounds(above, f"least({', '.join(below)})")


def along(
    select: str, column: str, key: str, param: str, within: Bounds, filters: Sequence[str],
    limit: int,
) -> str:  # fmt: skip
    """The `limit` + 1 newest rows with the parameter's value in `column`, by walking the index over
    `column` and `key`.

    An equality would say the same. But then the index over all rows has the order as well, and the
    planner walks that one when a value is frequent, past all that has come since its last use.
    """
    place = f"({column}, {key})"
    conditions = [
        f"{place} > (%({param})s, {within.above})",
        f"{place} < (%({param})s, {within.below})",
        *filters,
    ]
    return (
        f"({select} WHERE {' AND '.join(conditions)}"
        f" ORDER BY {column} DESC, {key} DESC LIMIT {int(limit) + 1})"
    )

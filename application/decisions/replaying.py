"""Puts past applications before other tables: who would be decided differently?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date

from msgspec import Struct

from application.decisions.judging import Decisions
from application.decisions.verdicts import Decision, Facts


class PastCase(Struct, frozen=True):
    """What was known of an application, the day it was decided, and what was decided."""

    application_id: str
    facts: Facts
    on: date
    decided: str


class Difference(Struct, frozen=True):
    """An application that would be decided differently, with the reasons it would then be told."""

    application_id: str
    country: str
    before: str
    after: Decision
    reasons: tuple[str, ...]

    @property
    def change(self) -> str:
        return f"{self.before} -> {self.after}"


class Comparison(Struct, frozen=True):
    """`judged`: how many were compared, and those that differ."""

    judged: int
    different: tuple[Difference, ...]

    @property
    def by_country(self) -> dict[str, int]:
        return dict(Counter(one.country for one in self.different))

    @property
    def by_change(self) -> dict[str, int]:
        return dict(Counter(one.change for one in self.different))


def compare(cases: Iterable[PastCase], new: Decisions) -> Comparison:
    """What was decided, against what `new` says of each case on its own day. Those that it has no table
    for are left out."""
    judged, different = 0, []
    for case in cases:
        if new.table_on(case.facts.country, case.on) is None:
            continue
        judged += 1
        after = new.judge(case.facts, case.on)
        if after.decision != case.decided:
            different.append(
                Difference(
                    case.application_id,
                    case.facts.country,
                    case.decided,
                    after.decision,
                    after.reasons,
                )
            )
    return Comparison(judged, tuple(different))

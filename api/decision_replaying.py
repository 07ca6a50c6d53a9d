"""The applications that were decided, for another table to be tried on: who would be decided differently?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from application.decisions import Comparison, Facts, PastCase
from projections.applications import queries
from projections.applications.shown import FactsRow

Json = dict[str, Any]

MAX_AT_ONCE = 1000


class Wanted(NamedTuple):
    """Which past applications a table is tried on, and how many at once."""

    limit: int
    country: str
    decided_from: datetime | None = None
    decided_before: datetime | None = None
    after: int = 0


class Past(NamedTuple):
    """What the tables have decided of past applications, each with the position where it begins."""

    cases: list[PastCase]
    positions: list[int]
    has_more: bool

    def next_after(self, done: int) -> int | None:
        """Where to go on when so many of them are done: None, there are no more."""
        if not done or (done == len(self.cases) and not self.has_more):
            return None
        return self.positions[done - 1]


async def past(conn: AsyncConnection[Any], wanted: Wanted) -> Past:
    """Past applications in the order in which they were submitted."""
    rows = await queries.facts(
        conn,
        limit=wanted.limit + 1,
        after=wanted.after,
        country=wanted.country,
        decided_from=wanted.decided_from,
        decided_before=wanted.decided_before,
    )
    shown = rows[: wanted.limit]
    positions = [row.first_position for row in shown]
    return Past([_case(row) for row in shown], positions, len(rows) > wanted.limit)


def _case(row: FactsRow) -> PastCase:
    known = Facts(
        country=row.country,
        document_type=row.document_type,
        credit_score=row.credit_score,
        monthly_income=row.monthly_income,
        amount_requested=row.amount_requested,
        total_debt=row.total_debt,
        currency=row.currency,
        loan_type=row.loan_type,
        months=row.months,
    )
    return PastCase(str(row.id), known, row.decided_at.date(), row.decision)


def changed(found: Comparison) -> Json:
    """How many are decided differently."""
    return {
        "count": len(found.different),
        "by_country": found.by_country,
        "by_change": found.by_change,
    }


def differences(found: Comparison) -> Iterable[Json]:
    for one in found.different:
        yield {
            "application_id": UUID(one.application_id),
            "country": one.country,
            "before": one.before,
            "after": one.after,
            "reasons": one.reasons,
        }

"""Tries a decision table on the applications that were decided: who would be decided differently?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from application.decisions import Comparison, Decisions, Facts, PastCase, Table, compare
from projections.applications import queries
from projections.applications.queries import FactsRow

Json = dict[str, Any]

MAX_AT_ONCE = 1000


class Asked(NamedTuple):
    """Which past applications a table is tried on, and how many at once."""

    limit: int
    country: str
    decided_from: datetime | None = None
    decided_before: datetime | None = None
    after: int = 0


class Replayed(NamedTuple):
    """What came of it, and where the next ones begin: None, there are none."""

    found: Comparison
    next_after: int | None


def table_of(read: Decisions) -> Table:
    """The only table."""
    return read.versions[0].table


async def replay(conn: AsyncConnection[Any], new: Decisions, asked: Asked) -> Replayed:
    """What the tables have decided of past applications, against what `new` would."""
    rows = await queries.facts(
        conn,
        limit=asked.limit + 1,
        after=asked.after,
        country=asked.country,
        decided_from=asked.decided_from,
        decided_before=asked.decided_before,
    )
    shown = rows[: asked.limit]
    found = await asyncio.to_thread(compare, map(_case, shown), new)
    return Replayed(found, shown[-1].first_position if len(rows) > asked.limit else None)


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

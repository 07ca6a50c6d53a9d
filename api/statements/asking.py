"""What is asked for in a statement: which days, where they end in the log, and of what account."""

from __future__ import annotations

from datetime import UTC
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from domain.refusals import Refusal
from projections import log
from projections.balances.queries import account_at_version
from projections.entries import statements
from projections.entries.statements import Period, Span, Statement


async def span_of(conn: AsyncConnection[Any], period: Period) -> Span:
    """Where a period is in the log. A day that is not over ends where the log does.

    Refuses `as_of_in_the_future` when its last day has not begun.
    """
    end = await log.settled_end(conn)
    today = end.now.astimezone(UTC).date()
    if period.last > today:
        raise Refusal("as_of_in_the_future", position=end.position, recorded_at=end.now.isoformat())
    is_final = period.last < today
    after = await log.position_at(conn, period.before)
    to = await log.position_at(conn, period.end) if is_final else end.position
    return Span(after, to, is_final)


async def statement_of(
    conn: AsyncConnection[Any], account_id: UUID, period: Period, span: Span
) -> Statement:
    """An account's statement, from a read model that shows all up to `span.to`.

    Refuses `account_not_found` and `as_of_before_opening`; raises `BrokenStatementError`.
    """
    found = await statements.statement(conn, account_id, period, span)
    if found is not None:
        return found
    if await account_at_version(conn, account_id, 1) is None:
        raise Refusal("account_not_found", account_id=account_id)
    (first, *_) = await log.stream_events(conn, account_id, after_version=0, limit=1)
    raise Refusal(
        "as_of_before_opening",
        account_id=account_id,
        opened_at=first.recorded_at.isoformat(),
        position=first.position,
    )

"""Reads bank statements for reconciliation, and finds what they are to be held against."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from psycopg import AsyncConnection

from api.problems import ProblemError
from application.importing.bank_files import Format, read_bank_file
from application.importing.bank_statements import (
    BankStatement,
    Unreadable,
    difference_of,
    told,
)
from application.reconciliations import days_of, lines_of, made_of
from application.reconciling import WINDOW_DAYS, InstructedMovement, reconcile
from domain.reconciliations import Made
from projections.flows.queries import LegRow, movements_between

EARLIER = timedelta(days=120)
"""So long before a statement begins, what it tells of may have been instructed."""

_NEVER_MOVED = frozenset({"failed", "cancelled"})


def read_statements(
    content: bytes | str, form: Format | None = None, source: str = ""
) -> list[BankStatement]:
    """The statements of a file, every one of which can be read and comes out even. Raises `ProblemError`
    with what is wrong with each that is not."""
    good: list[BankStatement] = []
    wrong: list[str] = []
    for statement in read_bank_file(content, form):
        if isinstance(statement, Unreadable):
            wrong.append(told(source, statement, statement.reason))
        elif difference := difference_of(statement):
            wrong.append(told(source, statement, difference))
        else:
            good.append(statement)
    if wrong:
        raise ProblemError("statement_unreadable", problems=wrong)
    return good


async def compare(
    conn: AsyncConnection[Any],
    statements: Sequence[BankStatement],
    content: bytes | str,
    source: str = "",
) -> list[Made]:
    """How the statements of a file compare with what was instructed, as the read model knows it now."""
    raw = content.encode() if isinstance(content, str) else content
    digest = hashlib.sha256(raw).hexdigest()
    made = []
    for statement in statements:
        first, last = days_of(statement)
        begin, end = _midnight(first) - EARLIER, _midnight(last + timedelta(days=1))
        legs = await movements_between(conn, statement.currency, begin, end)
        movements = [_instructed(leg, first) for leg in legs]
        # A statement may have thousands of lines, and others wait for their answers.
        matching = await asyncio.to_thread(reconcile, lines_of(statement), movements)
        made.append(made_of(statement, matching, digest, source))
    return made


def _instructed(leg: LegRow, first: date) -> InstructedMovement:
    settled_before = leg.settled_at is not None and (
        leg.settled_at.date() + timedelta(days=WINDOW_DAYS) < first
    )
    return InstructedMovement(
        id=leg.id,
        direction=leg.direction,
        amount=leg.amount,
        currency=leg.currency,
        account=leg.account,
        reference=leg.id.hex,
        instructed_at=leg.instructed_at,
        settled_at=leg.settled_at,
        bank_reference=leg.bank_reference,
        is_due=leg.status not in _NEVER_MOVED and not settled_before,
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)

"""Histories of an account, and their statements, without a database; and a log that was written days ago."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple
from uuid import UUID

from api.statements.formats import Format, writer_of
from projections.entries.queries import Direction, EntryRow
from projections.entries.statements import Period, Span, Statement, Sums, sums_of
from tests.conftest import Database

ACCOUNT, OTHER = UUID(int=2), UUID(int=3)
JANUARY = Period(date(2026, 1, 1), date(2026, 1, 31))


class Move(NamedTuple):
    """What came (above zero) or went, in minor units."""

    amount: int
    booked: datetime = datetime(2026, 1, 15, 12, tzinfo=UTC)
    value: datetime = datetime(2026, 1, 14, tzinfo=UTC)
    description: str = ""
    reference: str = ""


def history(moves: Sequence[Move]) -> list[EntryRow]:
    """The entries of an account to which nothing else happened, at every third position."""
    balance, entries = 0, []
    for number, move in enumerate(moves, 1):
        balance += move.amount
        direction: Direction = "credit" if move.amount > 0 else "debit"
        entries.append(
            EntryRow(
                ACCOUNT, 3 * number, UUID(int=100 + number), OTHER, direction, abs(move.amount),
                balance, move.value, move.booked, move.description, move.reference,
            )
        )  # fmt: skip
    return entries


def in_period(entries: Sequence[EntryRow], period: Period) -> list[EntryRow]:
    return [entry for entry in entries if period.before < entry.recorded_at <= period.end]


def statement(
    entries: Sequence[EntryRow],
    opening: int = 0,
    *,
    period: Period = JANUARY,
    currency: str = "EUR",
    name: str = "An account",
    is_final: bool = True,
) -> Statement:
    """The statement of these entries, which are all there are in the period."""
    after = entries[0].position - 1 if entries else 7
    span = Span(after, entries[-1].position + 1 if entries else 8, is_final)
    sums = sums_of(entries, Sums(opening))
    return Statement(ACCOUNT, name, currency, period, span, period.end, sums)


def written(one: Statement, entries: Sequence[EntryRow], format: Format, size: int = 3) -> bytes:
    """The file, so many entries at a time."""
    writer = writer_of(one, format)
    parts = [writer.begin()]
    for start in range(0, len(entries), size):
        parts.append(writer.entries(entries[start : start + size]))
    return b"".join([*parts, writer.end()])


def backdate(database: Database, ends: Mapping[datetime, int]) -> None:
    """Make a log one that was written long ago: the events up to each position at that time."""
    with database.connect(superuser=True) as conn:
        conn.execute("SET session_replication_role = replica")  # the log lets nobody do so
        after = 0
        for moment, to in ends.items():
            conn.execute(
                "UPDATE events SET recorded_at = %s"
                " WHERE notification_id > %s AND notification_id <= %s",
                (moment, after, to),
            )
            conn.execute("UPDATE ledger_head SET recorded_at = %s", (moment,))
            after = to

"""An account's statement: what was booked in some days, from an opening balance to a closing one.

A day is one of UTC, and what was recorded in it is what was booked on it: later entries never come into
it, whatever their value date. So the days end at two positions of the log, and are the same for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import Struct
from psycopg import AsyncConnection

from projections.balances.queries import account_at_position
from projections.entries.queries import EntryRow

_EARLIEST = date(1970, 1, 1)
"""Nothing was recorded before; the years of Python's clock end where there is nothing before them."""


class BrokenStatementError(Exception):
    """Entries do not lead from one balance to the next, or not to those of the log; says what to do."""


class Period(NamedTuple):
    """Days of UTC, both included; the first is not after the last."""

    first: date
    last: date

    @property
    def before(self) -> datetime:
        """The last moment that is not in it."""
        return _midnight(max(self.first, _EARLIEST)) - timedelta(microseconds=1)

    @property
    def end(self) -> datetime:
        """Its own last moment."""
        return _midnight(self.last + timedelta(days=1)) - timedelta(microseconds=1)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


class Span(NamedTuple):
    """The positions of a period: after one, and up to the other. It is final once its last day is over."""

    after: int
    to: int
    is_final: bool


class Sums(Struct, frozen=True):
    """What entries come to, in minor units: `opening`, and what was added to it and taken from it."""

    opening: int
    credits: int = 0
    debits: int = 0
    credit_count: int = 0
    debit_count: int = 0

    @property
    def closing(self) -> int:
        return self.opening + self.credits - self.debits

    @property
    def count(self) -> int:
        return self.credit_count + self.debit_count


class Statement(Struct, frozen=True):
    """All of a statement but its entries. `as_of` is when the event at position `span.to` was recorded."""

    account_id: UUID
    name: str
    currency: str
    period: Period
    span: Span
    as_of: datetime
    sums: Sums


def sums_of(entries: Iterable[EntryRow], before: Sums) -> Sums:
    """The sums once these entries, in order of position, have come to others.

    Raises `BrokenStatementError` when an entry's balance is not the one before it and its amount.
    """
    credits, debits, credit_count, debit_count = 0, 0, 0, 0
    balance = before.closing
    for entry in entries:
        if entry.direction == "credit":
            credits, credit_count = credits + entry.amount, credit_count + 1
            balance += entry.amount
        else:
            debits, debit_count = debits + entry.amount, debit_count + 1
            balance -= entry.amount
        if balance != entry.balance:
            raise BrokenStatementError(_broken(entry.account_id, entry.position))
    return Sums(
        before.opening,
        before.credits + credits,
        before.debits + debits,
        before.credit_count + credit_count,
        before.debit_count + debit_count,
    )


_SUMS = (
    "SELECT coalesce(sum(amount) FILTER (WHERE direction = 'credit'), 0),"
    " coalesce(sum(amount) FILTER (WHERE direction = 'debit'), 0),"
    " count(*) FILTER (WHERE direction = 'credit'), count(*) FILTER (WHERE direction = 'debit')"
    " FROM entries.entry WHERE account_id = %s AND position > %s AND position <= %s"
)


async def statement(
    conn: AsyncConnection[Any], account_id: UUID, period: Period, span: Span
) -> Statement | None:
    """An account's statement; None when it was not open by the end of it.

    The read model must show all up to `span.to`. Raises `BrokenStatementError` when its entries do not
    lead from the one balance that the log has to the other.
    """
    then = await account_at_position(conn, account_id, span.to)
    if then is None:
        return None
    before = await account_at_position(conn, account_id, span.after)
    found = await (await conn.execute(_SUMS, (account_id, span.after, span.to))).fetchone()
    assert found is not None, "an aggregate always answers one row"
    sums = Sums(0 if before is None else before.balance, *map(int, found))
    if sums.closing != then.balance:
        raise BrokenStatementError(_broken(account_id, span.to))
    as_of = await _recorded_at(conn, span.to)
    return Statement(account_id, then.name, then.currency, period, span, as_of, sums)


async def _recorded_at(conn: AsyncConnection[Any], position: int) -> datetime:
    cursor = await conn.execute(
        "SELECT recorded_at FROM events WHERE notification_id = %s", (position,)
    )
    row = await cursor.fetchone()
    assert row is not None, "the account was open at this position, so there is an event"
    found: datetime = row[0]
    return found.astimezone(UTC)


def _broken(account_id: UUID, position: int) -> str:
    return (
        f"the statement of account {account_id} does not come out even by position {position}: run"
        " `daybook projections verify entries`, and if that finds a difference, `daybook projections"
        " rebuild entries`"
    )

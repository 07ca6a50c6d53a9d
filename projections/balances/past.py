"""The trial balance at any past position: the marks up to it, and the few events after the last one."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from domain import catalogue
from domain.accounts import Credited, Debited, Opened
from projections.balances.projection import mark_before
from projections.balances.queries import CurrencyTotals, TrialBalance

_PAGE_EVENTS = 5_000
"""Events decoded at a stretch; other requests get their turn in between."""

# A name that this version doesn't know is read as well: then it is an answer that can't be given.
_WITHOUT_TOTALS = sorted(
    topic
    for topic, event in catalogue.EVENT_TYPES.items()
    if event not in (Opened, Debited, Credited)
)

_EVENTS = (
    "SELECT originator_id, topic, state FROM events"
    " WHERE notification_id > %s AND notification_id <= %s AND topic <> ALL(%s)"
)


class _Totals:
    """What some part of the log comes to, by currency, in minor units."""

    def __init__(self) -> None:
        self.accounts: Counter[str] = Counter()
        self.debits: Counter[str] = Counter()
        self.credits: Counter[str] = Counter()

    def report(self, position: int) -> TrialBalance:
        currencies = []
        for currency in sorted(self.accounts):
            debits, credits = self.debits[currency], self.credits[currency]
            difference = credits - debits
            currencies.append(
                CurrencyTotals(
                    currency, self.accounts[currency], debits, credits, difference, difference
                )
            )
        return TrialBalance(position, currencies)


async def trial_balance_at(conn: AsyncConnection[Any], position: int) -> TrialBalance:
    """Debits and credits of every currency right after the event at `position` of the log.

    The log must be there, and the read model must be at `mark_before(position)` at least.
    """
    start = mark_before(position)
    totals = await _marked(conn, start)
    await _add_events(conn, totals, start, position)
    return totals.report(position)


async def _marked(conn: AsyncConnection[Any], mark: int) -> _Totals:
    cursor = await conn.execute(
        "SELECT currency, sum(accounts), sum(debits), sum(credits) FROM balances.mark"
        " WHERE position <= %s GROUP BY currency",
        (mark,),
    )
    totals = _Totals()
    for currency, accounts, debits, credits in await cursor.fetchall():
        totals.accounts[currency] = int(accounts)
        totals.debits[currency] = int(debits)
        totals.credits[currency] = int(credits)
    return totals


async def _add_events(
    conn: AsyncConnection[Any], totals: _Totals, after: int, position: int
) -> None:
    currencies: dict[UUID, str] = {}
    debits: Counter[UUID] = Counter()
    credits: Counter[UUID] = Counter()
    for start in range(after, position, _PAGE_EVENTS):
        cursor = await conn.execute(
            _EVENTS, (start, min(start + _PAGE_EVENTS, position), _WITHOUT_TOTALS), binary=True
        )
        for stream_id, topic, state in await cursor.fetchall():
            match catalogue.decode(topic, state):
                case Debited(amount=amount):
                    debits[stream_id] += amount
                case Credited(amount=amount):
                    credits[stream_id] += amount
                case Opened(currency=currency):
                    currencies[stream_id] = currency
                    totals.accounts[currency] += 1
    currencies |= await _currencies(conn, (debits.keys() | credits.keys()) - currencies.keys())
    for id_, amount in debits.items():
        totals.debits[currencies[id_]] += amount
    for id_, amount in credits.items():
        totals.credits[currencies[id_]] += amount


async def _currencies(conn: AsyncConnection[Any], ids: set[UUID]) -> dict[UUID, str]:
    """Currencies of accounts that were open at the last mark, so the read model knows them."""
    if not ids:
        return {}
    cursor = await conn.execute(
        "SELECT id, currency FROM balances.account WHERE id = ANY(%s)", (list(ids),), binary=True
    )
    return dict(await cursor.fetchall())

"""What was posted, a day and currency: how many credits, and how much they come to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Cursor

from domain.accounts import Credited, Opened
from domain.events import Recorded

NAME = "daily_volume"
VERSION = 1
TOPICS = [Opened, Credited]

_OPEN = "INSERT INTO account SELECT * FROM unnest(%s::uuid[], %s::text[])"

# Added up, since a day's credits come in many batches and, in a rebuild, from several processes.
# Ordered, so that two processes never wait for each other's rows.
_ADD = """
INSERT INTO volume (day, currency, transfers, amount)
SELECT credit.day, account.currency, count(*), sum(credit.amount)
  FROM unnest(%s::date[], %s::uuid[], %s::bigint[]) AS credit (day, account_id, amount)
  JOIN account ON account.id = credit.account_id
 GROUP BY credit.day, account.currency ORDER BY credit.day, account.currency
    ON CONFLICT (day, currency) DO UPDATE SET
       transfers = volume.transfers + excluded.transfers,
       amount    = volume.amount + excluded.amount
"""


def project(batch: Sequence[Recorded], db: Cursor[Any]) -> None:
    """Add a batch of events to the days that they are of."""
    opened: list[tuple[object, ...]] = []
    credits: list[tuple[object, ...]] = []
    for event in batch:
        match event.data:
            case Opened(currency=currency):
                opened.append((event.stream_id, currency))
            case Credited(amount=amount):
                credits.append((event.recorded_at.date(), event.stream_id, amount))
    if opened:
        db.execute(_OPEN, [list(column) for column in zip(*opened, strict=True)])
    if credits:
        db.execute(_ADD, [list(column) for column in zip(*credits, strict=True)])

"""Keeps one row an account, and marks of what came meanwhile in total.

Events carry balances as they are afterwards; totals are added up.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Cursor

from domain import accounts
from domain.accounts import Credited, Debited, Held, Opened, Released, StatusChanged
from domain.events import Recorded

TOPICS = frozenset(event.topic for event in accounts.EVENTS)

MARK_EVERY = 20_000
"""Positions between two marks: a total of the past adds up at most so many events by itself, which takes
a few ten milliseconds. Fewer would make the marks, which are all added up, many."""

_TYPES = (
    "uuid", "text", "text", "text", "uuid", "text", "int8", "int8", "int8", "numeric", "numeric",
    "int8", "timestamptz", "int8", "int8",
)  # fmt: skip

_UPDATE = """
UPDATE account SET
    balance  = coalesce(change.balance, account.balance),
    held     = coalesce(change.held, account.held),
    status   = coalesce(change.status, account.status),
    debits   = account.debits + change.debits,
    credits  = account.credits + change.credits,
    version  = change.version,
    position = change.position
FROM unnest(%b::uuid[], %b::bigint[], %b::bigint[], %b::text[], %b::numeric[], %b::numeric[],
            %b::bigint[], %b::bigint[])
  AS change (id, balance, held, status, debits, credits, version, position)
WHERE account.id = change.id
"""

# Added up rather than written whole, so that it does not matter in which parts and in which order of
# streams the events of a mark come.
_MARK = """
INSERT INTO mark (position, currency, accounts, debits, credits)
SELECT %b::bigint, account.currency, count(*) FILTER (WHERE change.opened), sum(change.debits),
       sum(change.credits)
  FROM unnest(%b::uuid[], %b::boolean[], %b::numeric[], %b::numeric[])
    AS change (id, opened, debits, credits)
  JOIN account USING (id)
 WHERE change.opened OR change.debits <> 0 OR change.credits <> 0
 GROUP BY account.currency ORDER BY account.currency
    ON CONFLICT (position, currency) DO UPDATE SET
       accounts = mark.accounts + excluded.accounts,
       debits   = mark.debits + excluded.debits,
       credits  = mark.credits + excluded.credits
"""


class _Change(Struct):
    """What a batch does to one account; None leaves a column as it is."""

    opened: Recorded | None = None
    balance: int | None = None
    held: int | None = None
    status: str | None = None
    debits: int = 0
    credits: int = 0
    version: int = 0
    position: int = 0


def mark_before(position: int) -> int:
    """The last mark at or before a position; 0 is the log's start."""
    return position // MARK_EVERY * MARK_EVERY


def project(batch: Sequence[Recorded], db: Cursor[Any]) -> None:
    """Write what a batch of events did to accounts."""
    for part in _between_marks(batch):
        _project(part, db)


def _between_marks(batch: Sequence[Recorded]) -> Iterator[Sequence[Recorded]]:
    start = 0
    while start < len(batch):
        mark = mark_before(batch[start].position - 1) + MARK_EVERY
        end = bisect_right(batch, mark, lo=start, key=lambda event: event.position)
        yield batch[start:end]
        start = end


def _project(batch: Sequence[Recorded], db: Cursor[Any]) -> None:
    changes: dict[UUID, _Change] = {}
    for event in batch:
        change = changes.get(event.stream_id)
        if change is None:
            change = changes[event.stream_id] = _Change()
        data = event.data
        if isinstance(data, Debited):
            change.balance, change.held = data.balance, data.held
            change.debits += data.amount
        elif isinstance(data, Credited):
            change.balance, change.held = data.balance, data.held
            change.credits += data.amount
        elif isinstance(data, (Held, Released)):
            change.balance, change.held = data.balance, data.held
        elif isinstance(data, StatusChanged):
            change.status = data.status
        elif isinstance(data, Opened):
            change.opened = event
        change.version, change.position = event.version, event.position
    opened = [change for change in changes.values() if change.opened is not None]
    if opened:
        _insert(opened, db)
    if len(opened) < len(changes):
        _update({id_: c for id_, c in changes.items() if c.opened is None}, db)
    _mark(mark_before(batch[0].position - 1) + MARK_EVERY, changes, db)


def _insert(changes: Collection[_Change], db: Cursor[Any]) -> None:
    with db.copy("COPY account FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(_TYPES)
        for c in changes:
            event = c.opened
            assert event is not None
            data = event.data
            assert isinstance(data, Opened)
            copy.write_row((
                event.stream_id, data.name, data.type, data.currency, data.owner_id,
                c.status or "active", c.balance or 0, c.held or 0, data.credit_limit,
                c.debits, c.credits, c.version, event.recorded_at, event.position, c.position,
            ))  # fmt: skip


def _update(changes: dict[UUID, _Change], db: Cursor[Any]) -> None:
    rows = changes.values()
    db.execute(
        _UPDATE,
        (
            list(changes),
            [c.balance for c in rows],
            [c.held for c in rows],
            [c.status for c in rows],
            [c.debits for c in rows],
            [c.credits for c in rows],
            [c.version for c in rows],
            [c.position for c in rows],
        ),
        prepare=True,
    )


def _mark(mark: int, changes: dict[UUID, _Change], db: Cursor[Any]) -> None:
    rows = changes.values()
    db.execute(
        _MARK,
        (
            mark,
            list(changes),
            [c.opened is not None for c in rows],
            [c.debits for c in rows],
            [c.credits for c in rows],
        ),
        prepare=True,
    )

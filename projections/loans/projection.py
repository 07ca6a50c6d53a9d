"""Keeps one row a loan, one an instalment of its schedule, and one a repayment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Cursor
from psycopg.types.json import Jsonb

from domain import loans
from domain.events import Recorded
from domain.loans import Opened, Repaid
from projections.kept_rows import Kept
from projections.loans import rows
from projections.loans.rows import Book, Instalment, Loan

TOPICS = frozenset(event.topic for event in loans.EVENTS)

_LOANS = Kept("loan", Loan)
_INSTALMENTS = Kept("instalment", Instalment, keys=2)

_REMOVE = """
DELETE FROM instalment USING unnest(%b::uuid[], %b::bigint[]) AS gone (loan_id, number)
 WHERE instalment.loan_id = gone.loan_id AND instalment.number = gone.number
"""

_REPAYMENT_TYPES = (
    "uuid", "uuid", "int8", "int8", "int8", "date", "uuid", "uuid[]", "jsonb", "int8", "bool",
    "timestamptz", "int8",
)  # fmt: skip


def project(batch: Sequence[Recorded], db: Cursor[Any]) -> None:
    """Write what a batch of events did to loans."""
    begun = {e.stream_id for e in batch if isinstance(e.data, Opened)}
    books = _read(db, {e.stream_id for e in batch} - begun)
    there = {(id_, number) for id_, book in books.items() for number in book.instalments}
    for event in batch:
        if isinstance(event.data, Opened):
            books[event.stream_id] = Book(rows.opened(event, event.data))
        else:
            books[event.stream_id].apply(event)
    for book in books.values():
        book.sum_up()
    _LOANS.add(db, [book.loan for id_, book in books.items() if id_ in begun])
    _LOANS.put(db, (book.loan for id_, book in books.items() if id_ not in begun))
    _remove(db, books, there)
    changed = [book.instalments[number] for book in books.values() for number in book.changed]
    _INSTALMENTS.add(db, [row for row in changed if (row.loan_id, row.number) not in there])
    _INSTALMENTS.put(db, (row for row in changed if (row.loan_id, row.number) in there))
    _add_repayments(batch, db)


def _remove(
    db: Cursor[Any], books: Mapping[UUID, Book], there: Collection[tuple[UUID, int]]
) -> None:
    gone = [(id_, number) for id_, book in books.items() for number in book.gone]
    gone = [place for place in gone if place in there and place[1] not in books[place[0]].changed]
    if gone:
        ids, numbers = zip(*gone, strict=True)
        db.execute(_REMOVE, (list(ids), list(numbers)), prepare=True)


def _read(db: Cursor[Any], ids: Iterable[UUID]) -> dict[UUID, Book]:
    found = {row.id: Book(row) for row in _LOANS.read(db, list(ids))}
    for row in _INSTALMENTS.read(db, list(found)):
        found[row.loan_id].instalments[row.number] = row
    return found


def _add_repayments(batch: Sequence[Recorded], db: Cursor[Any]) -> None:
    with db.copy("COPY repayment FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(_REPAYMENT_TYPES)
        for event in batch:
            match event.data:
                case Repaid() as repaid:
                    copy.write_row((
                        repaid.repayment_id, event.stream_id, repaid.amount, repaid.interest,
                        repaid.principal, repaid.on, repaid.account_id, list(repaid.transfer_ids),
                        Jsonb(msgspec.to_builtins(repaid.parts)), repaid.outstanding,
                        repaid.is_early, event.recorded_at, event.position,
                    ))  # fmt: skip

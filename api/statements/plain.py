"""A statement as JSON: one object, its entries the last member."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from api import views
from domain.money import format_amount
from projections.entries.queries import EntryRow
from projections.entries.statements import Statement


class Plain:
    """Amounts are decimal strings, and entries as in the list of entries."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._is_first = True

    def begin(self) -> bytes:
        one = self._statement
        sums, currency = one.sums, one.currency

        def side(amount: int, count: int) -> dict[str, object]:
            return {"count": count, "amount": format_amount(amount, currency)}

        head = {
            "account_id": one.account_id,
            "name": one.name,
            "currency": currency,
            "from": one.period.first,
            "to": one.period.last,
            "is_final": one.span.is_final,
            "position": one.span.to,
            "as_of": one.as_of,
            "opening_balance": format_amount(sums.opening, currency),
            "credits": side(sums.credits, sums.credit_count),
            "debits": side(sums.debits, sums.debit_count),
            "closing_balance": format_amount(sums.closing, currency),
        }
        return views.encode(head)[:-1] + b',"entries":['

    def entries(self, entries: Sequence[EntryRow]) -> bytes:
        rows = b",".join(views.encode(self._row(entry)) for entry in entries)
        before = b"" if self._is_first else b","
        self._is_first = False
        return before + rows

    def end(self) -> bytes:
        return b"]}"

    def _row(self, entry: EntryRow) -> dict[str, object]:
        row = views.entry_row(entry, self._statement.currency)
        for name in (
            "effective_at",
            "recorded_at",
        ):  # the same in whatever zone the database answers
            row[name] = row[name].astimezone(UTC)
        return row

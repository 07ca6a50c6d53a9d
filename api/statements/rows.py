"""A statement as CSV (RFC 4180, UTF-8): the opening balance, a row a movement, the closing balance."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from api.statements.texts import day, shown
from domain.money import format_amount
from projections.entries.queries import EntryRow
from projections.entries.statements import Statement

COLUMNS = (
    "type", "booking_date", "value_date", "amount", "balance", "currency", "description", "reference",
    "transfer_id", "counterparty_account_id", "account_id", "position",
)  # fmt: skip

_FORMULA = "=+\\-@＝＋－＠"
_STARTS = re.compile(rf"[\s\"]*[{_FORMULA}']")
_SPLITS = re.compile(rf";(?=[\s\"]*[{_FORMULA}])")


class Rows:
    """`amount` is below zero where money left; `balance` is the account's right after the row."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement

    def begin(self) -> bytes:
        one = self._statement
        opening = _balance_row(one, "opening", one.sums.opening)
        return _lines([COLUMNS, opening])

    def entries(self, entries: Sequence[EntryRow]) -> bytes:
        currency = self._statement.currency
        return _lines([
            (
                "movement",
                day(entry.recorded_at),
                day(entry.effective_at),
                format_amount(
                    entry.amount if entry.direction == "credit" else -entry.amount, currency
                ),
                format_amount(entry.balance, currency),
                currency,
                guarded(entry.description),
                guarded(entry.reference),
                entry.transfer_id,
                entry.counterparty_id,
                entry.account_id,
                entry.position,
            )
            for entry in entries
        ])  # fmt: skip

    def end(self) -> bytes:
        return _lines([_balance_row(self._statement, "closing", self._statement.sums.closing)])


def _balance_row(statement: Statement, name: str, balance: int) -> tuple[object, ...]:
    is_opening = name == "opening"
    return (
        name,
        statement.period.first if is_opening else statement.period.last,
        "",
        "",
        format_amount(balance, statement.currency),
        statement.currency,
        "",
        "",
        "",
        "",
        statement.account_id,
        statement.span.after if is_opening else statement.span.to,
    )


def guarded(text: str) -> str:
    """A text that no spreadsheet runs: an apostrophe stands before what it would take for a formula, and
    before an apostrophe, so that taking one away gives the text back. Spreadsheets of many countries end
    columns at `;`: one that would make of what follows a formula of its own is shown as U+FFFD."""
    text = _SPLITS.sub("\ufffd", shown(text))
    return f"'{text}" if _STARTS.match(text) else text


def _lines(rows: Sequence[Sequence[object]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode()

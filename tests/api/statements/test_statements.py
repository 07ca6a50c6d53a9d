"""Statements come out even, whatever happened and however it is cut into days, and each format says so."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from api.statements.formats import KINDS, accepted
from api.statements.rows import COLUMNS, guarded
from application.importing.bank_statements import BankStatement, difference_of
from application.importing.camt053 import read_statements
from application.importing.texts import clean
from projections.entries.statements import BrokenStatementError, Period, Sums, sums_of
from tests.support.statements import (
    ACCOUNT,
    OTHER,
    Move,
    history,
    in_period,
    statement,
    written,
)

SCHEMA = xmlschema.XMLSchema(Path(__file__).parents[2] / "data/camt053/camt.053.001.08.xsd")
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
LAST_DAY = 40

NASTY = [
    Move(100_00, description="=1+1", reference="'+49"),
    Move(-250_00, description="@SUM(A1), \"quoted\"; <&> ]]>", reference="-5"),
    Move(1, description="  =cmd", reference="R" * 35),
    Move(-1, description="zwölf Wörter " * 19, reference="x" * 140),
    Move(5_00, description="y" * 254, reference="NOTPROVIDED"),
    Move(5_00, description="Жук 字 नमस्ते \U0001f600 Ł\u0301 \uffff\u202e", reference=" "),
]  # fmt: skip


def read(file: bytes) -> BankStatement:
    """A file as our own reader has it, once the standard's schema has nothing against it."""
    SCHEMA.validate(file.decode())
    (found,) = read_statements(file)
    assert isinstance(found, BankStatement), found
    return found


def table(file: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.decode(), newline="")))


moves = st.lists(
    st.tuples(
        st.integers(0, LAST_DAY * 86_400_000_000 - 1),
        st.integers(-(10**9), 10**9).filter(bool),
        st.integers(-90, 90),
    ),
    max_size=25,
)


@settings(max_examples=40)
@given(moves, st.sets(st.integers(1, LAST_DAY - 1), max_size=6))
def test_days_chain_and_every_entry_is_in_one_of_them(
    made: list[tuple[int, int, int]], cuts: set[int]
) -> None:
    entries = history([
        Move(amount, booked := FIRST + timedelta(microseconds=at), booked + timedelta(days=shift))
        for at, amount, shift in sorted(made)
    ])  # fmt: skip
    days = [FIRST.date() + timedelta(days=n) for n in (0, *sorted(cuts), LAST_DAY)]
    periods = [Period(first, last - timedelta(days=1)) for first, last in pairwise(days)]
    seen, balance = [], 0
    for before, period in pairwise([None, *periods]):
        assert period is not None
        assert before is None or before.end == period.before
        found = in_period(entries, period)
        one = statement(found, balance, period=period)
        sums = one.sums
        assert sums.opening + sums.credits - sums.debits == sums.closing
        assert sums.closing == (found[-1].balance if found else balance)
        lines = read(written(one, found, "camt.053"))
        assert difference_of(lines) is None
        assert (lines.opening, lines.closing) == (balance, sums.closing)
        assert [(line.entry_date, line.value_date) for line in lines.lines] == [
            (entry.recorded_at.date(), entry.effective_at.date()) for entry in found
        ]
        assert all(period.first <= line.entry_date <= period.last for line in lines.lines)  # type: ignore[operator]
        seen += found
        balance = sums.closing
    assert seen == entries


def test_what_does_not_lead_from_one_balance_to_the_next_is_no_statement() -> None:
    entries = history([Move(5_00), Move(-2_00), Move(1)])
    assert sums_of(entries[1:], sums_of(entries[:1], Sums(0))) == sums_of(entries, Sums(0))
    for broken in (entries[1:], [entries[0], entries[2]], [replace(entries[0], amount=4_99)]):
        with pytest.raises(BrokenStatementError, match="projections verify entries"):
            sums_of(broken, Sums(0))


def test_the_days_of_a_period_are_those_of_utc() -> None:
    period = Period(date(2026, 3, 1), date(2026, 3, 1))
    assert period.before == datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC)
    assert period.end == datetime(2026, 3, 1, 23, 59, 59, 999_999, tzinfo=UTC)
    assert Period(date.min, date(2026, 3, 1)).before.year == 1969


@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD"])
def test_camt_is_read_back_as_the_same_movements(currency: str) -> None:
    entries = history([*NASTY, Move(-1_000_00, reference="INV-1")])
    one = statement(entries, currency=currency, name="N" * 100)
    found = read(written(one, entries, "camt.053"))
    assert (found.bank_account, found.currency) == (ACCOUNT.hex, currency)
    assert (found.opened_on, found.closed_on) == (one.period.first, one.period.last)
    assert (found.opening, found.closing) == (one.sums.opening, one.sums.closing)
    assert found.closing < 0
    assert [line.amount for line in found.lines] == [
        entry.amount if entry.direction == "credit" else -entry.amount for entry in entries
    ]
    assert [line.bank_reference for line in found.lines] == [e.transfer_id.hex for e in entries]
    assert [line.customer_reference for line in found.lines] == [
        "'+49", "-5", "R" * 35, "", "", "", "INV-1",
    ]  # fmt: skip
    assert [line.details for line in found.lines][:3] == [
        "=1+1", "@SUM(A1), \"quoted\"; <&> ]]>", "=cmd",
    ]  # fmt: skip
    assert found.lines[3].details == clean(f"{entries[3].description} {entries[3].reference}")
    assert found.lines[4].details.replace(" ", "") == "y" * 254
    assert "Жук 字 नमस्ते \U0001f600" in found.lines[5].details


def test_a_camt_tells_what_it_is_of_and_whether_that_is_over() -> None:
    entries = history([Move(5_00)])
    texts = [written(statement(entries, is_final=f), entries, "camt.053") for f in (True, False)]
    for text in texts:
        assert b"As of position 4 of the ledger." in text
        assert OTHER.hex.encode() in text
    assert [b"Not final" in text for text in texts] == [False, True]
    empty = read(written(statement([]), [], "camt.053"))
    assert (empty.opening, empty.closing, empty.lines) == (0, 0, ())


def test_csv_has_a_row_for_each_balance_and_each_movement() -> None:
    entries = history(NASTY)
    one = statement(entries, currency="EUR")
    file = written(one, entries, "csv")
    assert file.endswith(b"\r\n")
    assert file.count(b"\r\n") == file.count(b"\n") == len(entries) + 3
    opening, *movements, closing = rows = table(file)
    assert tuple(opening) == COLUMNS
    assert [row["type"] for row in rows] == ["opening", *["movement"] * 6, "closing"]
    assert (opening["booking_date"], opening["balance"]) == ("2026-01-01", "0.00")
    assert (closing["booking_date"], closing["balance"]) == ("2026-01-31", "-140.00")
    assert closing["position"] == str(one.span.to)
    assert [(row["booking_date"], row["value_date"]) for row in movements] == [
        ("2026-01-15", "2026-01-14")
    ] * 6
    assert [row["amount"] for row in movements][:3] == ["100.00", "-250.00", "0.01"]
    assert {row["account_id"] for row in rows} == {str(ACCOUNT)}


def test_no_text_in_csv_is_a_formula() -> None:
    entries = history(NASTY)
    rows = table(written(statement(entries), entries, "csv"))
    texts = [row[name] for row in rows for name in ("description", "reference")]
    assert texts[2:8] == ["'=1+1", "''+49", "'@SUM(A1), \"quoted\"; <&> ]]>", "'-5",
                          "'  =cmd", "R" * 35]  # fmt: skip
    for text in texts:
        assert not text.lstrip().startswith(("=", "+", "-", "@")), text
    for text, expected in {
        "x;=1+1": "x\ufffd=1+1",
        'x;"=1+1;y': 'x\ufffd"=1+1;y',
        "x; \u3000＠SUM(A1)": "x\ufffd \u3000＠SUM(A1)",
        "x\t=1+1": "x\ufffd=1+1",
        "；=1": "；=1",
        "＝1;2": "'＝1;2",
        "A; B; 5-7": "A; B; 5-7",
        ";-1;+2": "\ufffd-1\ufffd+2",
    }.items():
        assert guarded(text) == expected
    assert rows[6]["description"] == "Жук 字 नमस्ते \U0001f600 Ł\u0301 \ufffd\ufffd"


def test_a_header_chooses_the_format_as_it_is_weighted() -> None:
    for accept, format in {
        "": "json",
        "*/*": "json",
        "application/pdf": "pdf",
        "text/xml": "camt.053",
        "application/xml, text/csv": "camt.053",
        "application/xml;q=0.2, text/csv; charset=utf-8; q=0.9": "csv",
        "TEXT/CSV;q=often": "csv",
        "application/pdf;q=0, image/png": "json",
        "application/vnd.daybook.v1+json": "json",
    }.items():
        assert accepted(accept) == format, accept
    assert len({kind.ending for kind in KINDS.values()}) == len(KINDS)

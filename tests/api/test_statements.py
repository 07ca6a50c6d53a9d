"""Statements over HTTP: of days that are over and of today, for those who may see the account."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import combinations_with_replacement
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest

from api.statements import paper
from application.importing.bank_statements import BankStatement, difference_of
from application.importing.camt053 import read_statements
from application.ledger import Ledger
from domain.accounts import OpenAccount
from domain.money import format_amount, parse_decimal
from domain.transfers import PostTransfer
from projections.entries.queries import EntryRow
from tests.api.conftest import Bank, Json, problem_of, some_id
from tests.conftest import Database, MakeDatabase
from tests.projections.running import project_all
from tests.support.ledgers import accepted, open_account
from tests.support.people import bearer
from tests.support.serving import client_of, serving
from tests.support.statements import backdate

ANNA, BERT = UUID(int=71), UUID(int=72)
DAYS = [date(2026, 1, day) for day in range(1, 6)]
FORMATS = ("camt.053", "csv", "pdf", "json")


class Past(NamedTuple):
    """A ledger in which Anna opened an account on the second of five days, and then used it."""

    database: Database
    bank: Bank
    cash: UUID
    anna: UUID
    bert: UUID

    def get(self, account: object, **more: Any) -> httpx2.Response:
        """Of January; `first` and `last` are other days."""
        days = {"from": more.pop("first", DAYS[0]), "to": more.pop("last", DAYS[-1])}
        accept = {"Accept": more.pop("accept")} if "accept" in more else {}
        path = f"/api/accounts/{account}/statement"
        return self.bank.client.get(path, params=days | more, headers=accept)


@pytest.fixture(scope="module")
def past(make_database: MakeDatabase) -> Iterator[Past]:
    anna, bert, ends = uuid4(), uuid4(), {}
    with make_database() as database:
        with Ledger(database.url) as ledger:
            cash = open_account(ledger, "cash")
            end = accepted(ledger, OpenAccount(bert, "Bert", "checking", "EUR", BERT)).position

            def end_of(day: date) -> None:
                midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
                ends[midnight - timedelta(microseconds=1)] = end

            end_of(DAYS[0])
            end = accepted(ledger, OpenAccount(anna, "Anna", "checking", "EUR", ANNA)).position
            for day in DAYS[1:]:
                for amount in (300, 20, 1) if day != DAYS[3] else ():
                    paid = PostTransfer(
                        uuid4(), cash, anna, amount * day.day, "EUR", "Wages", "W-1",
                        effective_at=datetime(2025, 12, 31, tzinfo=UTC),
                    )  # fmt: skip
                    accepted(ledger, paid)
                    back = PostTransfer(uuid4(), anna, bert, 50 * day.day // amount + 1, "EUR")
                    end = accepted(ledger, back).position
                end_of(day)
        backdate(database, ends)
        project_all(database.url)
        with serving(database.url) as url, client_of(url) as client:
            yield Past(database, Bank(client), cash, anna, bert)


def minor(text: str) -> int:
    return parse_decimal(text, "EUR")


def test_any_days_come_out_even_and_have_what_was_booked_on_them(past: Past) -> None:
    entries = past.bank.get(f"/api/accounts/{past.anna}/entries", limit=100)["data"][::-1]
    assert len(entries) == 18
    for first, last in combinations_with_replacement(DAYS, 2):
        answer = past.get(past.anna, first=first, last=last)
        if last < DAYS[1]:
            problem_of(answer, 422, "as_of_before_opening")
            continue
        one = answer.json()
        assert one["entries"] == [
            e for e in entries if f"{first}" <= e["recorded_at"][:10] <= f"{last}"
        ]
        opening, closing = (minor(one[f"{name}_balance"]) for name in ("opening", "closing"))
        assert opening + minor(one["credits"]["amount"]) - minor(one["debits"]["amount"]) == closing
        if first > DAYS[1]:
            before = past.get(past.anna, first=DAYS[0], last=first - timedelta(days=1)).json()
            assert before["closing_balance"] == one["opening_balance"]
        else:
            assert opening == 0
        last_one = one["entries"][-1]["balance"] if one["entries"] else one["opening_balance"]
        assert last_one == one["closing_balance"]
        assert one["credits"]["count"] + one["debits"]["count"] == len(one["entries"])
        assert (one["name"], one["currency"], one["is_final"]) == ("Anna", "EUR", True)
        # The fourth day was a quiet one.
        assert one["as_of"][:10] == f"{DAYS[2] if last == DAYS[3] else last}"


def test_each_format_has_the_same_and_stays_as_it_is(past: Past) -> None:
    found = {f: past.get(past.anna, format=f) for f in FORMATS}
    one: Json = found["json"].json()
    types = ("application/xml", "text/csv; charset=utf-8", "application/pdf", "application/json")
    for (format, answer), type_ in zip(found.items(), types, strict=True):
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == type_
        ending = "xml" if format == "camt.053" else format
        name = f"statement-{past.anna}-2026-01-01-to-2026-01-05.{ending}"
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
        assert past.get(past.anna, accept=type_).content == answer.content
        head = past.bank.client.head(answer.request.url)
        assert head.status_code == 200
        for header in ("content-type", "content-disposition"):
            assert head.headers[header] == answer.headers[header]
    (camt,) = read_statements(found["camt.053"].content)
    assert isinstance(camt, BankStatement)
    assert difference_of(camt) is None
    signed = [
        minor(e["amount"]) * (1 if e["direction"] == "credit" else -1) for e in one["entries"]
    ]
    assert [line.amount for line in camt.lines] == signed
    rows = list(csv.DictReader(io.StringIO(found["csv"].text, newline="")))
    assert [minor(row["amount"]) for row in rows[1:-1]] == signed
    for opening, closing in (
        (camt.opening, camt.closing),
        tuple(minor(rows[n]["balance"]) for n in (0, -1)),
    ):
        assert format_amount(opening, "EUR") == one["opening_balance"]
        assert format_amount(closing, "EUR") == one["closing_balance"]

    early = datetime(2026, 1, 2, tzinfo=UTC).isoformat()
    moved = past.bank.move(str(past.cash), str(past.anna), "7.00", effective_at=early)
    position = moved.json()["position"]
    now = datetime.now(UTC).date()
    today = past.bank.get(
        f"/api/accounts/{past.anna}/statement",
        **{"from": DAYS[-1] + timedelta(days=1), "to": now, "min_position": position},
    )
    assert today["opening_balance"] == one["closing_balance"]
    assert [entry["amount"] for entry in today["entries"]] == ["7.00"]
    assert today["position"] >= position
    for format, answer in found.items():
        assert past.get(past.anna, format=format).content == answer.content
        assert past.get(past.anna, format=format, first="0001-01-01").status_code == 200


def test_the_first_day_that_is_not_over_is_not_final(past: Past) -> None:
    for _ in range(3):  # midnight may pass in between
        today = datetime.now(UTC).date()
        one = past.get(past.anna, last=today)
        tomorrow = past.get(past.anna, last=today + timedelta(days=1))
        if today == datetime.now(UTC).date():
            break
    assert one.json()["is_final"] is False
    problem_of(tomorrow, 422, "as_of_in_the_future")
    problem_of(past.get(past.anna, last="9999-12-31"), 422, "as_of_in_the_future")


def test_an_account_is_shown_to_those_who_see_it(past: Past) -> None:
    def asked(who: UUID, account: object, **more: str) -> httpx2.Response:
        days = {"from": "2026-01-01", "to": "2026-01-05", **more}
        path = f"/api/accounts/{account}/statement"
        return past.bank.client.get(path, params=days, headers=bearer("user", who))

    assert asked(ANNA, past.anna).json()["account_id"] == str(past.anna)
    for other in (past.bert, past.cash, some_id()):
        for format in FORMATS:
            problem_of(asked(ANNA, other, format=format), 404, "account_not_found")
        problem_of(asked(ANNA, other, to="2199-01-01"), 404, "account_not_found")
    problem_of(past.get(some_id()), 404, "account_not_found")
    counterparties = {
        e["counterparty_account_id"] for e in asked(ANNA, past.anna).json()["entries"]
    }
    assert str(past.bert) in counterparties
    for format in FORMATS:
        assert b"Bert" not in asked(ANNA, past.anna, format=format).content


def test_what_is_asked_wrongly_is_told(past: Past) -> None:
    for reason, asked in {
        "invalid_period": {"first": "2026-01-05", "last": "2026-01-04"},
        "invalid_datetime_format": {"first": "2026-02-30"},
        "invalid_format": {"format": "mt940"},
        "unknown_fields": {"until": "2026-01-05"},
        "invalid_uuid_format": {},
    }.items():
        problem_of(past.get("7" if not asked else past.anna, **asked), 400, reason)
    none = past.bank.client.get(f"/api/accounts/{past.anna}/statement")
    assert problem_of(none, 400, "missing_fields")["details"]["fields"] == ["from", "to"]


def test_a_long_one_is_sent_piece_by_piece_and_not_drawn(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {format: past.get(past.anna, format=format).content for format in FORMATS}
    monkeypatch.setattr("api.statements.formats._PAGE_ENTRIES", 4)
    for format in FORMATS:
        assert past.get(past.anna, format=format).content == whole[format]
    monkeypatch.setattr("api.statements.formats.MAX_ON_PAPER", 17)
    problem = problem_of(past.get(past.anna, format="pdf"), 422, "statement_too_long")
    assert "17 movements at most, and these days have 18" in problem["detail"]
    assert past.get(past.anna, format="csv").content == whole["csv"]


def test_a_pdf_is_made_beside_the_event_loop(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    on_loop = []
    row = paper._row

    def noted(entry: EntryRow, currency: str) -> paper._Row:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            on_loop.append(False)
        else:
            on_loop.append(True)
        return row(entry, currency)

    monkeypatch.setattr(paper, "_row", noted)
    assert past.get(past.anna, format="pdf").status_code == 200
    assert on_loop == [False] * 18


def test_a_read_model_that_is_not_as_the_log_makes_no_statement(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = (
        "UPDATE entries.entry SET {0} = {0} {1} 1 WHERE account_id = %s AND position ="
        " (SELECT max(position) FROM entries.entry WHERE account_id = %s AND recorded_at < '2026-01-04')"
    )
    monkeypatch.setattr("api.statements.formats._PAGE_ENTRIES", 4)
    with past.database.connect(superuser=True) as conn:
        # What the days come to is not what the log says.
        _changed(conn, change.format("amount", "+"), past.anna)
        problem_of(past.get(past.anna), 500, "internal_server_error")
        _changed(conn, change.format("amount", "-"), past.anna)
        # It comes to the same, and is wrong on the way: what was begun is never ended.
        _changed(conn, change.format("balance", "+"), past.anna)
        with pytest.raises(httpx2.RemoteProtocolError):
            past.get(past.anna, format="csv")
        pdf = past.get(past.anna, format="pdf")
        problem_of(pdf, 500, "internal_server_error")
        # Where only headers are wanted, no movement is read.
        assert past.bank.client.head(pdf.request.url).status_code == 200
        _changed(conn, change.format("balance", "-"), past.anna)
    assert past.get(past.anna).status_code == 200


def _changed(conn: psycopg.Connection[Any], change: str, account: UUID) -> None:
    assert conn.execute(change.encode(), (account, account)).rowcount == 1

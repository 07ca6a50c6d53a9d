"""Booking statements: whole and once, whatever else happens at the same time."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from application.importing.booking import bank_account_id
from application.importing.statements import StatementResult, import_statements
from application.ledger import Done, Ledger, Submission
from domain.accounts import Account, ChangeAccountStatus
from domain.statements import Statement
from domain.transfers import Posted, Transfer
from tests.application.importing.samples import FAULTY, LINE, SAMPLES, mt940, write
from tests.conftest import Database
from tests.support.ledgers import accepted, pay
from tests.support.log import assert_sound, head

SEPA_TRANSFERS = 97 + 19
"""Lines, and opening balances: one of the 20 accounts starts at zero."""

ACCOUNT = "NL01BANK0000000001"
NEXT = mt940(
    ":61:2402020202D20,NTRFNONREF//BANK0002\n:86:Rent",
    number="8/1",
    opening="C240201EUR125,50",
    closing="C240202EUR105,50",
)

IMPORT = """
import sys
from pathlib import Path
from application.importing.statements import import_statements
from application.ledger import Ledger

def report(done: int, total: int) -> None:
    if done == 9:
        print("here", flush=True)
        sys.stdin.read()


with Ledger(sys.argv[1]) as ledger:
    import_statements(ledger, sys.argv[1], [Path(sys.argv[2])], report)
"""


@pytest.fixture
def ledger(database: Database) -> Iterator[Ledger]:
    with Ledger(database.url) as opened:
        yield opened


def position(database: Database) -> int:
    with database.connect() as conn:
        return head(conn)[0]


def transfers(database: Database) -> list[Posted]:
    with database.connect() as conn:
        states = assert_sound(conn).values()
    requests = [state.request for state in states if isinstance(state, Transfer)]
    return [request for request in requests if isinstance(request, Posted)]


def balances(database: Database) -> dict[str, int]:
    """By the account's name."""
    with database.connect() as conn:
        states = assert_sound(conn).values()
    return {state.name: state.balance for state in states if isinstance(state, Account)}


def statuses(results: list[StatementResult]) -> list[str]:
    return [result.status for result in results]


def test_all_samples_are_booked_to_the_cent_but_those_that_do_not_add_up(
    ledger: Ledger, database: Database
) -> None:
    done: list[tuple[int, int]] = []
    results = import_statements(
        ledger, database.url, sorted(SAMPLES.glob("*.sta")), lambda *at: done.append(at)
    )
    assert Counter(statuses(results)) == {"imported": 32, "refused": 2}
    assert {r.file for r in results if r.status == "refused"} == {"abnamro.sta"}
    assert done == [(n, 34) for n in range(1, 35)]
    closing = {r.account_id: r.closing for r in results if r.status == "imported"}
    with database.connect() as conn:
        states = assert_sound(conn)
    for account_id, amount in closing.items():
        assert account_id is not None
        state = states[account_id]
        assert isinstance(state, Account)
        assert state.balance == amount
    assert sum(isinstance(state, Statement) for state in states.values()) == 32
    assert all(r.balance == r.closing for r in results if r.status == "imported")


def test_a_statement_that_does_not_add_up_is_refused_whole_with_the_difference(
    ledger: Ledger, database: Database
) -> None:
    results = import_statements(ledger, database.url, [SAMPLES / "abnamro.sta"])
    assert [result.reason for result in results] == [
        "abnamro.sta, account 517852257, statement 19321/1: opening balance 3236.28 EUR and 8 lines"
        " make 2914.84 EUR, but the closing balance is 876.84 EUR: difference 2038.00 EUR",
        "abnamro.sta, account 517852257, statement 19322/1: opening balance 2876.84 EUR and 2 lines"
        " make 2852.35 EUR, but the closing balance is 1849.75 EUR: difference 1002.60 EUR",
    ]
    assert [result.balance for result in results] == [None, None]
    assert position(database) == 0


def test_a_second_import_posts_nothing(ledger: Ledger, database: Database) -> None:
    first = import_statements(ledger, database.url, [SAMPLES / "sepa_mt9401.sta"])
    before = position(database)
    second = import_statements(ledger, database.url, [SAMPLES / "sepa_mt9401.sta"])
    assert position(database) == before
    assert set(statuses(second)) == {"already imported"}
    assert [r.balance for r in second] == [r.balance for r in first]


def test_a_first_statement_opens_the_accounts_and_brings_the_balance_along(
    ledger: Ledger, database: Database, tmp_path: Path
) -> None:
    import_statements(ledger, database.url, [write(tmp_path, mt940(LINE), NEXT)])
    assert balances(database) == {
        ACCOUNT: 105_50,
        f"{ACCOUNT} clearing": -5_50,
        "Opening balances": -100_00,
    }


def test_an_overdrawn_account_can_be_brought_along_too(
    ledger: Ledger, database: Database, tmp_path: Path
) -> None:
    path = write(tmp_path, mt940(LINE, opening="D240131EUR100,00", closing="D240201EUR74,50"))
    assert statuses(import_statements(ledger, database.url, [path])) == ["imported"]
    assert balances(database)[ACCOUNT] == -74_50


def test_accounts_in_other_currencies_are_other_accounts(
    ledger: Ledger, database: Database, tmp_path: Path
) -> None:
    usd = mt940(LINE, opening="C240131USD1,00", closing="C240201USD26,50")
    results = import_statements(ledger, database.url, [write(tmp_path, mt940(LINE), usd)])
    assert statuses(results) == ["imported", "imported"]
    assert results[0].account_id != results[1].account_id


def test_a_line_becomes_a_transfer_with_all_that_the_bank_said(
    ledger: Ledger, database: Database, tmp_path: Path
) -> None:
    import_statements(ledger, database.url, [write(tmp_path, mt940(LINE))])
    (posted,) = [t for t in transfers(database) if "line" in t.metadata]
    assert posted.destination_id == bank_account_id(ACCOUNT, "EUR")
    assert posted.amount == 25_50
    assert posted.description == "Paid by Ann"
    assert posted.reference == "BANK0001"
    assert posted.effective_at == datetime(2024, 2, 1, tzinfo=UTC)
    assert posted.metadata == {
        "bank_account": ACCOUNT,
        "statement_number": "7/1",
        "statement_reference": "REF1",
        "line": 1,
        "type": "NTRF",
        "customer_reference": "INVOICE 7",
        "entry_date": "2024-02-01",
    }


def test_lines_of_zero_move_nothing(ledger: Ledger, database: Database, tmp_path: Path) -> None:
    zero = ":61:240201C0,00NMSCNONREF\n:86:Interest"
    path = write(tmp_path, mt940(zero, LINE, opening="C240131EUR0,", closing="C240201EUR25,50"))
    (result,) = import_statements(ledger, database.url, [path])
    assert (result.status, result.lines) == ("imported", 2)
    assert [t.metadata["line"] for t in transfers(database)] == [2]


def test_a_statement_without_lines_is_booked_too(
    ledger: Ledger, database: Database, tmp_path: Path
) -> None:
    path = write(tmp_path, mt940(opening="C240131EUR0,", closing="C240131EUR0,"))
    assert statuses(import_statements(ledger, database.url, [path])) == ["imported"]
    assert statuses(import_statements(ledger, database.url, [path])) == ["already imported"]


def test_a_statement_that_does_not_follow_is_refused_with_the_difference(
    ledger: Ledger, database: Database, tmp_path: Path
) -> None:
    gap = mt940(number="9/1", opening="C240203EUR90,00", closing="C240203EUR90,00")
    results = import_statements(ledger, database.url, [write(tmp_path, mt940(LINE), gap)])
    assert statuses(results) == ["imported", "refused"]
    assert results[1].reason == (
        f"bank.sta, account {ACCOUNT}, statement 9/1: it opens with 90.00 EUR, but the ledger has"
        " 125.50 EUR on this account: difference -35.50 EUR; a statement in between is missing, or"
        " something else was booked on the account"
    )
    assert results[1].balance == 125_50
    assert balances(database)[ACCOUNT] == 125_50


def test_after_a_refused_statement_other_accounts_go_on_and_its_own_does_not(
    ledger: Ledger, database: Database, tmp_path: Path
) -> None:
    damaged = NEXT.replace("D20,", "D21,")
    after = mt940(number="9/1", opening="C240202EUR105,50", closing="C240202EUR105,50")
    other = mt940(LINE, account="NL01BANK0000000002")
    path = write(tmp_path, mt940(LINE), damaged, after, other)
    results = import_statements(ledger, database.url, [path])
    assert statuses(results) == ["imported", "refused", "refused", "imported"]
    mended = write(tmp_path, mt940(LINE), NEXT, after, other)
    assert statuses(import_statements(ledger, database.url, [mended])) == [
        "already imported",
        "imported",
        "imported",
        "already imported",
    ]


def test_what_cannot_be_read_is_refused_in_its_place(ledger: Ledger, database: Database) -> None:
    paths = [FAULTY / "empty.sta", FAULTY / "unknown_currency.sta", FAULTY / "does_not_close.sta"]
    results = import_statements(ledger, database.url, paths)
    assert statuses(results) == ["refused"] * 3
    assert results[0].reason == "empty.sta: the file is empty"
    assert results[1].reason == (
        f"unknown_currency.sta, account {ACCOUNT}, statement 7/1:"
        " invalid currency format (currency XYZ)"
    )
    assert results[2].reason.endswith("125.49 EUR: difference 0.01 EUR")
    assert position(database) == 0


def test_a_statement_on_a_frozen_account_is_refused_in_words(
    ledger: Ledger, database: Database, tmp_path: Path
) -> None:
    import_statements(ledger, database.url, [write(tmp_path, mt940(LINE))])
    account_id = bank_account_id(ACCOUNT, "EUR")
    accepted(ledger, ChangeAccountStatus(account_id, "frozen"))
    (result,) = import_statements(ledger, database.url, [write(tmp_path, NEXT)])
    assert result.reason == (
        f"bank.sta, account {ACCOUNT}, statement 8/1: the ledger refused it: account frozen"
        f" (account id {account_id}, status frozen)"
    )


def test_two_imports_at_once_book_everything_once(database: Database) -> None:
    start = threading.Barrier(2)

    def run() -> list[StatementResult]:
        with Ledger(database.url) as own:
            start.wait(30)
            return import_statements(own, database.url, [SAMPLES / "sepa_mt9401.sta"])

    with ThreadPoolExecutor(2) as pool:
        both = [future.result(60) for future in [pool.submit(run), pool.submit(run)]]
    for pair in zip(*both, strict=True):
        assert sorted(r.status for r in pair) == ["already imported", "imported"]
    with database.connect() as conn:
        states = assert_sound(conn).values()
    assert sum(isinstance(state, Transfer) for state in states) == SEPA_TRANSFERS


class Overtaken(Ledger):
    """A ledger before which, once, another process does something."""

    def __init__(self, conninfo: str, first: object) -> None:
        super().__init__(conninfo)
        self._first = first

    def submit_and_wait(self, submission: Submission) -> Done:
        first, self._first = self._first, None
        if callable(first):
            first()
        return super().submit_and_wait(submission)


def test_a_statement_that_another_process_books_meanwhile_counts_as_imported(
    ledger: Ledger, database: Database, tmp_path: Path
) -> None:
    path = write(tmp_path, mt940(LINE))

    def first() -> None:
        import_statements(ledger, database.url, [path])

    with Overtaken(database.url, first) as late:
        assert statuses(import_statements(late, database.url, [path])) == ["already imported"]
    assert balances(database)[ACCOUNT] == 125_50


def test_a_statement_that_no_longer_fits_meanwhile_is_refused_with_the_difference(
    ledger: Ledger, database: Database, tmp_path: Path
) -> None:
    import_statements(ledger, database.url, [write(tmp_path, mt940(LINE), name="1.sta")])
    account = bank_account_id(ACCOUNT, "EUR")
    clearing = next(t.source_id for t in transfers(database) if "line" in t.metadata)

    def first() -> None:
        accepted(ledger, pay(account, clearing, 5_50))

    with Overtaken(database.url, first) as late:
        (result,) = import_statements(late, database.url, [write(tmp_path, NEXT)])
    assert result.status == "refused"
    assert "opens with 125.50 EUR, but the ledger has 120.00 EUR" in result.reason


def test_the_opening_balance_is_brought_along_once_whatever_comes_between(
    ledger: Ledger, database: Database, tmp_path: Path
) -> None:
    lines = (":61:240101C9,00NTRFNONREF", ":61:240101D9,00NTRFNONREF")
    emptied = mt940(*lines, opening="C240101EUR0,", closing="C240101EUR0,", number="1/1")
    other = write(tmp_path, emptied, name="other.sta")

    def first() -> None:
        import_statements(ledger, database.url, [other])

    with Overtaken(database.url, first) as late:
        (result,) = import_statements(late, database.url, [write(tmp_path, mt940(LINE))])
    assert "opens with 100.00 EUR, but the ledger has 0.00 EUR" in result.reason
    assert balances(database)[ACCOUNT] == 0


def test_a_killed_import_leaves_whole_statements_and_can_be_done_again(
    ledger: Ledger, database: Database
) -> None:
    sample = SAMPLES / "sepa_mt9401.sta"
    command = [sys.executable, "-c", IMPORT, database.url, str(sample)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGKILL)
    with database.connect() as conn:
        states = assert_sound(conn)
    booked = [state.imported for state in states.values() if isinstance(state, Statement)]
    assert len(booked) == 9
    assert sum(isinstance(state, Transfer) for state in states.values()) == sum(
        imported.lines for imported in booked
    ) + len({imported.account_id for imported in booked})
    results = import_statements(ledger, database.url, [sample])
    assert Counter(statuses(results)) == {
        "already imported": 9,
        "imported": 17,
    }
    assert len(transfers(database)) == SEPA_TRANSFERS

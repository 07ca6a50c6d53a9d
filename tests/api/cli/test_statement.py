"""`daybook statement`: a file that is whole, or a sentence that says why there is none."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.cli.reading import catch_up
from application.importing.bank_statements import BankStatement
from application.importing.booking import bank_account_id
from application.importing.camt053 import read_statements
from application.ledger import Ledger
from tests.api.cli.conftest import Ledgered
from tests.support.ledgers import accepted, open_account, pay

LONG_AGO = "2026-01-01"


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def test_a_file_is_what_it_ends_with(ledgered: Ledgered, tmp_path: Path) -> None:
    days = ("--from", LONG_AGO, "--to", today())

    def made(name: str, *options: str) -> bytes:
        file = tmp_path / name
        said = ledgered.daybook.here.done(
            "statement", ledgered.alice, *days, "--output", file, *options
        )
        assert f"wrote {file}: opening 0.00, 2 movements, closing 70.00 EUR" in said
        assert ("not final" in said) == (days[-1] == today())
        return file.read_bytes()

    assert made("s.csv").startswith(b"type,")
    assert made("s.PDF").startswith(b"%PDF-")
    assert made("s.json").startswith(b'{"account_id":')
    assert made("s.txt", "--format", "csv") == made("s.csv")
    (found,) = read_statements(made("s.xml"))
    assert isinstance(found, BankStatement)
    assert [line.amount for line in found.lines] == [100_00, -30_00]
    assert found.lines[1].customer_reference == "INV-1"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "s.PDF", "s.csv", "s.json", "s.txt", "s.xml",
    ]  # fmt: skip


def test_another_ledger_books_the_file(ledgered: Ledgered, tmp_path: Path) -> None:
    """It may be the very same, which then has the account twice: as its own and as a bank's."""
    file, days = tmp_path / "s.xml", ("--from", LONG_AGO, "--to", today())
    ledgered.daybook.here.done("statement", ledgered.bob, *days, "-o", file)
    (booked,) = ledgered.daybook.here.json("import", "statement", file)
    assert (booked["status"], booked["lines"]) == ("imported", 1)
    (copy,) = ledgered.daybook.here.json("balance", bank_account_id(ledgered.bob.hex, "EUR"))
    assert copy["balance"] == "30.00"


def test_without_a_file_it_is_printed(ledgered: Ledgered) -> None:
    day = today()
    text = ledgered.daybook.done("statement", ledgered.alice, "--from", LONG_AGO, "--to", day)
    first, *_, last = text.splitlines()
    assert first.startswith("type,booking_date,")
    assert last.startswith(f"closing,{day}")


def test_what_is_booked_while_it_is_made_comes_into_the_next_one(
    ledgered: Ledgered, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Others write on: what comes once the read models are at the log's end is in none of them yet."""

    def caught_up_before_another_writes(conninfo: str) -> None:
        catch_up(conninfo)
        with Ledger(conninfo) as ledger:
            accepted(ledger, pay(ledgered.cash, cash, 7))

    with Ledger(ledgered.database.url) as ledger:
        cash = open_account(ledger, "cash")
    monkeypatch.setattr("api.cli.statement.catch_up", caught_up_before_another_writes)
    file = tmp_path / "s.json"
    for count in range(2):
        ledgered.daybook.here.done(
            "statement", cash, "--from", LONG_AGO, "--to", today(), "-o", file
        )
        assert json.loads(file.read_text())["credits"]["count"] == count


@pytest.mark.parametrize(
    ("status", "line", "words"),
    [
        (2, "{alice} --from 2026-01-02 --to 2026-01-01", "swap them"),
        (2, "{alice} --from 2026-01-32 --to 2026-02-01", "a day like 2026-01-31"),
        (2, "{alice} --from 2026-01-01", "Missing option"),
        (
            2,
            "{alice} --from 2026-01-01 --to 2026-01-01 --output {folder}/s.doc",
            ".xml, .csv, .pdf",
        ),
        (1, "{alice} --from 2026-01-01 --to 2026-01-01 --output {folder}/s.csv", "was not open"),
        (1, "{alice} --from 2026-01-01 --to 2199-01-01 --output {folder}/s.csv", "up to then"),
        (1, "{nobody} --from 2026-01-01 --to 2026-01-02 --output {folder}/s.csv", "no account"),
        (1, "{alice} --from 2026-01-01 --to 2026-01-02 --output {folder}/no/s.csv", "No such file"),
    ],
)
def test_what_cannot_be_made_is_told_and_leaves_no_file(
    status: int, line: str, words: str, ledgered: Ledgered, tmp_path: Path
) -> None:
    nobody = "7f1d9a0e-93a4-4d0c-8f0b-3d6a53c5d7e1"
    (tmp_path / "s.csv").write_text("kept")
    arguments = line.format(alice=ledgered.alice, nobody=nobody, folder=tmp_path).split()
    assert words in ledgered.daybook.here.refused(status, "statement", *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["s.csv"]
    assert (tmp_path / "s.csv").read_text() == "kept"

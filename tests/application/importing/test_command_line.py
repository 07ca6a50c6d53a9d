"""`daybook import` as a person and a script use it: words, JSON, exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from application.ledger import Ledger
from tests.api.cli.conftest import CommandLine, Result
from tests.application.importing.samples import LINE, SAMPLES, mt940, write
from tests.conftest import Database
from tests.support.ledgers import open_account
from tests.support.log import head
from tests.support.processes import settings_of


class Importing:
    """`daybook import` on a database; its output goes to pipes."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._daybook = CommandLine(settings_of(database))

    def __call__(self, *arguments: object, **environment: str) -> Result:
        # What an environment is for takes a process that begins in it.
        daybook = self._daybook if environment else self._daybook.here
        return daybook("import", *arguments, **environment)

    def json(self, *arguments: object) -> Any:
        return json.loads(self(*arguments, "--json").stdout)

    def position(self) -> int:
        with self.database.connect() as conn:
            return head(conn)[0]


@pytest.fixture
def daybook(database: Database) -> Importing:
    return Importing(database)


@pytest.fixture
def transfers(database: Database, tmp_path: Path) -> Path:
    """A file of two transfers that can be posted and one that can't."""
    with Ledger(database.url) as ledger:
        cash, checking = open_account(ledger, "cash"), open_account(ledger)
    path = tmp_path / "in.csv"
    path.write_text(
        "source_account_id,destination_account_id,amount,currency\n"
        f"{cash},{checking},10.00,EUR\n{checking},{cash},4.00,EUR\n{checking},{cash},7.00,EUR\n"
    )
    return path


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("│")[1:-1]]


def is_plain(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


def test_statements_are_shown_as_a_table_with_the_reasons_of_refused_ones_below(
    daybook: Importing,
) -> None:
    done = daybook(
        "statement", SAMPLES / "generic.sta", SAMPLES / "abnamro.sta", FORCE_COLOR="1", COLUMNS="40"
    )
    assert done.returncode == 1
    assert done.stderr == ""
    assert is_plain(done.stdout)
    lines = done.stdout.splitlines()
    assert [cells(line) for line in lines if line.startswith("│")] == [
        ["11111111 1", "generic.sta", "1", "100.00 EUR", "90.00 EUR", "90.00 EUR", "✓"],
        ["11111111 2", "generic.sta", "1", "90.00 EUR", "80.00 EUR", "80.00 EUR", "✓"],
        ["517852257 19321/1", "abnamro.sta", "8", "3236.28 EUR", "876.84 EUR", "", "✗"],
        ["517852257 19322/1", "abnamro.sta", "2", "2876.84 EUR", "1849.75 EUR", "", "✗"],
    ]
    assert lines[-2].startswith("✗ abnamro.sta, account 517852257, statement 19321/1: ")
    assert lines[-2].endswith("difference 2038.00 EUR")


def test_statements_that_are_there_count_as_done(daybook: Importing) -> None:
    assert daybook("statement", SAMPLES / "sns.sta").returncode == 0
    before = daybook.position()
    again = daybook("statement", SAMPLES / "sns.sta")
    assert again.returncode == 0
    assert again.stdout.count("✓ already imported") == 2
    assert daybook.position() == before


def test_statements_as_json(daybook: Importing, tmp_path: Path) -> None:
    path = write(tmp_path, mt940(LINE))
    (statement,) = daybook.json("statement", path)
    assert statement.pop("account_id")
    assert statement.pop("statement_id")
    assert statement == {
        "file": "bank.sta",
        "status": "imported",
        "bank_account": "NL01BANK0000000001",
        "number": "7/1",
        "reference": "REF1",
        "currency": "EUR",
        "lines": 1,
        "opening": "100.00",
        "closing": "125.50",
        "ledger_balance": "125.50",
        "reason": "",
    }


def test_what_a_bank_sends_cannot_write_on_the_terminal(daybook: Importing, tmp_path: Path) -> None:
    path = write(tmp_path, mt940(LINE, account="[red]\x1b[31m:x:"), name="a\x1bb.sta")
    done = daybook("statement", path)
    assert is_plain(done.stdout)
    assert "[red] [31m:x: 7/1" in done.stdout


def test_a_terminal_without_unicode_gets_words(daybook: Importing) -> None:
    samples = (SAMPLES / "sns.sta", SAMPLES / "abnamro.sta")
    done = daybook("statement", *samples, PYTHONIOENCODING="ascii")
    assert done.stdout.isascii()
    assert done.stdout.count("| ok ") == 2
    assert done.stdout.count("\nrefused abnamro.sta") == 2


@pytest.mark.parametrize("command", ["statement", "transfers"])
def test_a_missing_file_is_a_sentence_and_status_2(
    command: str, daybook: Importing, tmp_path: Path
) -> None:
    done = daybook(command, tmp_path / "missing.csv")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"{tmp_path}/missing.csv can't be read: No such file or directory.\n"


def test_transfers_end_with_what_became_of_them(daybook: Importing, transfers: Path) -> None:
    done = daybook("transfers", transfers)
    assert done.returncode == 1
    assert done.stderr == ""
    summary, where = done.stdout.splitlines()
    assert summary.startswith(f"{transfers}: 2 posted, 0 already there, 1 refused; ")
    assert where == f"Refused lines and why: {transfers}.refused.ndjson"


def test_transfers_as_json(daybook: Importing, transfers: Path) -> None:
    first, second = daybook.json("transfers", transfers), daybook.json("transfers", transfers)
    assert (first["posted"], first["already_there"], first["refused"]) == (2, 0, 1)
    assert (second["posted"], second["already_there"], second["refused"]) == (0, 2, 1)
    assert first["refused_file"] == f"{transfers}.refused.ndjson"
    transfers.write_text(transfers.read_text().rsplit("\n", 2)[0] + "\n")
    assert daybook("transfers", transfers).returncode == 0


def test_a_file_of_the_wrong_shape_is_a_sentence_and_status_2(
    daybook: Importing, tmp_path: Path
) -> None:
    path = tmp_path / "in.csv"
    path.write_text("from,to\n")
    done = daybook("transfers", path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{path}: it has columns or keys that aren't known: 'from', 'to'")


def test_a_database_that_is_not_there_is_a_sentence(
    daybook: Importing, transfers: Path, tmp_path: Path
) -> None:
    nowhere = f"postgresql://nobody@/nothing?host={tmp_path}"
    done = daybook("transfers", transfers, DATABASE_URL=nowhere, DATABASE_ADMIN_URL=nowhere)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "database can" in done.stderr

"""`daybook reconcile` in a process of its own."""

from __future__ import annotations

from pathlib import Path

from tests.api.cli.conftest import CommandLine
from tests.api.test_reconciliations import instruct, statement
from tests.application.importing.samples import entry, part
from tests.conftest import Database
from tests.support.processes import settings_of


def test_statements_on_the_command_line(database: Database, tmp_path: Path) -> None:
    daybook = CommandLine(settings_of(database))
    came, missing = (instruct(database, amount, "settled") for amount in (25_50, 3_00))
    file = tmp_path / "bank.xml"
    file.write_text(statement(entry("25.50", part(came.hex)), entry("-7.00"), closing="118.50"))
    result = daybook("reconcile", "--statement", file)
    assert (result.returncode, result.stderr) == (1, "")
    for shown in (
        came,
        missing,
        "matched:",
        "missing:",
        "unexpected:",
        "-7.00",
        "NL91ABNA0417164300",
    ):
        assert str(shown) in result.stdout, shown
    assert "mismatched:" not in result.stdout

    settled = entry("3.00", part(missing.hex))
    file.write_text(
        statement(
            entry("25.50", part(came.hex)), settled, entry("-7.00"), entry("7.00"), closing="128.50"
        )
    )
    result = daybook.here("reconcile", "--statement", file, "--json", "--format", "camt.053")
    assert result.returncode == 1
    assert '"unexpected": 2' in result.stdout
    file.write_text(statement(entry("25.50", part(came.hex)), settled, closing="128.50"))
    (one,) = daybook.here.json("reconcile", "--statement", file)
    assert one["totals"] == {"matched": 2, "missing": 0, "unexpected": 0, "mismatched": 0}
    assert one["source"] == "bank.xml"
    with database.connect() as conn:
        recorded = conn.execute(
            "SELECT count(*), min(metadata ->> 'actor') FROM event_log"
            " WHERE topic = 'reconciliation.made'"
        ).fetchone()
    assert recorded is not None
    assert recorded[0] == 3
    assert recorded[1].startswith("cli:")


def test_a_file_that_cannot_be_used_is_a_sentence(database: Database, tmp_path: Path) -> None:
    daybook = CommandLine(settings_of(database)).here
    file = tmp_path / "bank.xml"
    file.write_text(statement(entry("25.50"), closing="100.00"))
    assert "bank.xml, account NL91ABNA0417164300, statement 7: opening" in daybook.refused(
        1, "reconcile", "--statement", file
    )
    assert "No such file" in daybook.refused(1, "reconcile", "--statement", tmp_path / "none")

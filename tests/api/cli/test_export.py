"""`daybook export` as an analyst runs it, and the queries that the document shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api import demo
from application.ledger import Ledger
from projections.balances.queries import trial_balance
from tests.api.cli.conftest import CommandLine, Ledgered
from tests.conftest import Database
from tests.docs.documents import blocks
from tests.projections.exporting.reading import exported_rows, manifest
from tests.projections.histories import busy_history
from tests.projections.running import ask, project_all
from tests.support.log import head
from tests.support.processes import settings_of

PROGRAMS = [b.text for b in blocks() if (b.document, b.language) == ("analysts.md", "python")]


def test_an_export_goes_on_where_it_was(ledgered: Ledgered, tmp_path: Path) -> None:
    daybook, folder = ledgered.daybook, tmp_path / "exported"
    with ledgered.database.connect() as conn:
        end, digest = head(conn)
    said = daybook.done("export", "--to", folder)
    files = len(manifest(folder)["files"])
    assert said.startswith(f"exported {end} events, positions 1 to {end}, as {files} parquet files")
    again = daybook.here.done("export", "--to", folder)
    assert again == f"nothing new: {folder} is at position {end}, the end of the log\n"
    told = daybook.here.json("export", "--to", folder)
    assert told.pop("seconds") >= 0
    assert told == {
        "folder": str(folder),
        "format": "parquet",
        "from_position": end + 1,
        "to_position": end,
        "hash": digest.hex(),
        "events": 0,
        "files": 0,
    }


def test_an_export_in_json_begins_after_a_position(ledgered: Ledgered, tmp_path: Path) -> None:
    options = ("--to", tmp_path, "--format", "ndjson", "--since", "3")
    told = ledgered.daybook.here.json("export", *options)
    assert (told["format"], told["from_position"]) == ("ndjson", 4)
    rows = [row for rows in exported_rows(tmp_path).values() for row in rows]
    assert min(row["position"] for row in rows) == 4
    assert len(rows) == told["events"]


def test_what_is_refused_is_a_sentence(ledgered: Ledgered, tmp_path: Path) -> None:
    daybook = ledgered.daybook.here
    daybook.done("export", "--to", tmp_path)
    said = daybook.refused(1, "export", "--to", tmp_path, "--format", "ndjson")
    assert said.startswith("daybook: ")
    assert "holds parquet files: go on with --format parquet" in said
    assert "leave out --since" in daybook.refused(1, "export", "--to", tmp_path, "--since", "2")
    assert "Missing option '--to'" in daybook.refused(2, "export")
    assert "'xlsx' is not one of" in daybook.refused(2, "export", "--to", "x", "--format", "xlsx")


def test_a_folder_that_cannot_be_written_is_a_sentence(ledgered: Ledgered, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    daybook = ledgered.daybook.here
    assert "is a file" in daybook.refused(1, "export", "--to", tmp_path / "file")
    said = daybook.refused(1, "export", "--to", tmp_path / "file" / "below")
    assert "can't be written: Not a directory. What its manifest lists is good" in said


def test_an_empty_log_has_nothing_to_export(database: Database, tmp_path: Path) -> None:
    daybook = CommandLine(settings_of(database)).here
    assert daybook.done("export", "--to", tmp_path) == "nothing to export: the log is empty\n"


def fill_with_demo_data(ledger: Ledger, database: Database) -> None:
    demo.fill_if_new(ledger, database.url, lambda said: None)


def fill_with_a_busy_history(ledger: Ledger, database: Database) -> None:
    busy_history(ledger)


@pytest.mark.parametrize("fill", [fill_with_demo_data, fill_with_a_busy_history])
def test_the_documents_query_finds_the_trial_balance_in_the_files(
    fill: Callable[[Ledger, Database], None],
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Ledger(database.url) as ledger:
        fill(ledger, database)
    CommandLine(settings_of(database)).here.done("export", "--to", tmp_path / "exported")
    project_all(database.url, "balances")
    totals = ask(database.url, trial_balance).currencies
    assert len(totals) > 1 or fill is fill_with_demo_data
    monkeypatch.chdir(tmp_path)
    found = run_program(PROGRAMS[0])["trial_balance"]
    assert found.columns == ["currency", "accounts", "debits", "credits"]
    assert found.fetchall() == [total[:4] for total in totals]


def run_program(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(text, "analysts.md", "exec"), names)
    return names

"""The folder of an export: what is gone on with, what is refused, and what is left alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from application.ledger import Ledger
from projections.exporting.errors import ExportError
from projections.exporting.folder import locked
from tests.conftest import Database, MakeDatabase
from tests.projections.exporting.reading import export, exported_rows, manifest
from tests.projections.histories import open_accounts, write_raw
from tests.support.log import make_empty

Json = dict[str, Any]


@pytest.fixture
def folder(database: Database, ledger: Ledger, tmp_path: Path) -> Path:
    """A folder with an export."""
    open_accounts(ledger, 3)
    export(database.url, tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def refused(database: Database, folder: Path) -> str:
    """Why the folder is refused; it is left as it was."""
    before = contents(folder)
    with pytest.raises(ExportError) as caught:
        export(database.url, folder)
    assert contents(folder) == before
    return str(caught.value)


def test_one_folder_holds_one_format(database: Database, folder: Path) -> None:
    with pytest.raises(ExportError, match=r"holds parquet files: go on with --format parquet"):
        export(database.url, folder, "ndjson")


def test_the_folder_of_another_log_is_refused(make_database: MakeDatabase, folder: Path) -> None:
    with make_database() as other, Ledger(other.url) as ledger:
        assert "of another log" in refused(other, folder)  # which is shorter
        open_accounts(ledger, 9)
        assert "of another log" in refused(other, folder)  # which has other events there


def test_a_log_that_began_anew_is_another_log(
    database: Database, folder: Path, ledger: Ledger
) -> None:
    with database.connect(superuser=True) as conn:
        make_empty(conn)
    assert "this log ends at 0" in refused(database, folder)


def lose(found: Json) -> None:
    del found["files"][0]


def be_of_the_future(found: Json) -> None:
    found["layout"] = 2
    del found["files"]


def be_typed_otherwise(found: Json) -> None:
    found["topics"]["account.opened"][-1]["type"] = "float64"


def know_a_topic_that_is_gone(found: Json) -> None:
    found["files"][0]["topic"] = "account.begun"
    found["topics"]["account.begun"] = found["topics"]["account.opened"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lose, "does not add up"),
        (Json.clear, "is no manifest of an export"),
        (be_of_the_future, "is of layout 2, and this version writes 1"),
        (be_typed_otherwise, "account.opened with columns that this version does not write"),
        (know_a_topic_that_is_gone, "account.begun with columns that this version does not"),
    ],
)
def test_a_manifest_that_is_not_ours_is_refused(
    change: Callable[[Json], None], said: str, database: Database, folder: Path
) -> None:
    found = manifest(folder)
    change(found)
    (folder / "_manifest.json").write_text(json.dumps(found))
    assert said in refused(database, folder)


def test_a_manifest_that_is_cut_off_is_refused(database: Database, folder: Path) -> None:
    path = folder / "_manifest.json"
    path.write_bytes(path.read_bytes()[:100])
    assert "is no manifest of an export" in refused(database, folder)


def test_files_without_their_manifest_are_refused(database: Database, folder: Path) -> None:
    (folder / "_manifest.json").unlink()
    assert "is not empty and has no _manifest.json" in refused(database, folder)


def test_a_folder_of_somebody_else_is_refused(database: Database, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert "is not empty" in refused(database, tmp_path)


def test_a_file_that_was_lost_or_cut_is_refused(database: Database, folder: Path) -> None:
    path = folder / manifest(folder)["files"][0]["path"]
    path.write_bytes(path.read_bytes()[:-1])
    assert f"{path} is not as it was exported" in refused(database, folder)
    path.unlink()
    assert f"{path} is not as it was exported" in refused(database, folder)


def test_a_version_with_more_columns_goes_on(
    database: Database, folder: Path, conn: psycopg.Connection[Any]
) -> None:
    now = manifest(folder)
    older = manifest(folder)
    older["topics"]["account.opened"].pop()
    del older["topics"]["transfer.voided"]
    (folder / "_manifest.json").write_text(json.dumps(older))
    write_raw(database, "transfer.voided", b"{}")
    assert export(database.url, folder).events == 1
    assert manifest(folder)["topics"] == now["topics"]


def test_two_exports_do_not_write_to_one_folder(database: Database, folder: Path) -> None:
    with locked(folder):
        assert "another export writes to" in refused(database, folder)
    export(database.url, folder)


def test_only_what_exports_leave_behind_is_removed(database: Database, folder: Path) -> None:
    rows = exported_rows(folder)
    place = folder / next(iter(manifest(folder)["files"]))["path"]
    (left, *ours) = (
        place.with_name("000000000001-999999999999.parquet"),
        place.with_name(".000000000001.parquet.tmp"),
        folder / "._manifest.json.tmp",
    )
    left.write_bytes(place.read_bytes())
    for path in ours:
        path.write_bytes(b"half of ")
    kept = [place.with_name("notes.parquet"), folder / "trial-balance.sql", folder / ".DS_Store"]
    for path in kept:
        path.write_text("mine")
    export(database.url, folder)
    assert not any(path.exists() for path in (left, *ours))
    assert [path.read_text() for path in kept] == ["mine"] * 3
    kept[0].unlink()
    assert exported_rows(folder) == rows


@pytest.mark.parametrize("below", [".", "below"])
def test_a_file_is_no_folder(below: str, database: Database, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("mine")
    with pytest.raises(ExportError, match=r"is a file|Not a directory"):
        export(database.url, path / below)
    assert path.read_text() == "mine"

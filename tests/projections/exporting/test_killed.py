"""`kill -9` at any moment costs an export nothing but time."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any, get_args

import psycopg
import pytest

from application.ledger import Ledger
from projections.exporting.writing import Format
from projections.log import head_position
from tests.conftest import Database
from tests.projections.exporting.reading import export, exported_rows, manifest
from tests.projections.histories import busy_history, open_accounts
from tests.support.processes import PATIENCE_S, ROOT, environment

MODULE = "tests.projections.exporting.dying"

KILLS = [
    ("os.rename", 12),
    ("batch", 6),
    ("os.rename", 12),
    ("os.remove", 12),
    ("os.rename", 24),
    ("open", 50),
]
"""What is about to be done when the kill comes, and for which time at most."""

FIRST_KILLS = [
    ("os.mkdir", 1),
    ("open", 3),
    ("os.rename", 1),
    ("os.mkdir", 2),
    ("batch", 1),
    ("os.rename", 2),
    ("os.rename", 4),
]
"""The same for an export that is only beginning, exactly."""


def killed(database: Database, folder: Path, format: Format, thing: str, number: int) -> bool:
    """Export until right before a thing is done for the n-th time. False: it is done without."""
    ended = subprocess.run(
        [sys.executable, "-m", MODULE, database.url, str(folder), format, thing, str(number)],
        env=environment({}),
        cwd=ROOT,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode in (0, -signal.SIGKILL)
    return ended.returncode != 0


@pytest.mark.parametrize("format", get_args(Format))
def test_killed_again_and_again_it_ends_as_if_undisturbed(
    format: Format,
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    tmp_path: Path,
) -> None:
    random = Random()
    disturbed, undisturbed = tmp_path / "disturbed", tmp_path / "undisturbed"
    for seed, (thing, at_most) in enumerate(KILLS):
        busy_history(ledger, seed, transfers=60)
        number = random.randint(1, at_most)
        print("killed before", thing, number)  # shown when it fails
        killed(database, disturbed, format, thing, number)
        assert_listed_files_are_whole(disturbed)
    done = export(database.url, disturbed, format)
    export(database.url, undisturbed, format)
    assert done.to_position == head_position(conn)
    assert exported_rows(disturbed) == exported_rows(undisturbed)
    listed = {file["path"] for file in manifest(disturbed)["files"]}
    there = {str(p.relative_to(disturbed)) for p in disturbed.rglob("*") if p.is_file()}
    assert there == listed | {"_manifest.json"}


def test_killed_when_it_has_only_begun(database: Database, ledger: Ledger, tmp_path: Path) -> None:
    busy_history(ledger, transfers=30)
    undisturbed = tmp_path / "undisturbed"
    for thing, number in FIRST_KILLS:
        folder = tmp_path / f"{thing} {number}"
        assert killed(database, folder, "ndjson", thing, number)
        open_accounts(ledger, 2)  # so that the same files get other names
        export(database.url, folder, "ndjson")
        export(database.url, undisturbed, "ndjson")
        assert exported_rows(folder) == exported_rows(undisturbed)


def assert_listed_files_are_whole(folder: Path) -> None:
    if not (folder / "_manifest.json").exists():  # killed before there was one
        return
    for file in manifest(folder)["files"]:
        content = (folder / file["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]

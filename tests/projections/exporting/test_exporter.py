"""Exports: the whole log once, whatever parts it is written in, and whatever comes between."""

from __future__ import annotations

import hashlib
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import msgspec
import psycopg
import pytest

from application.ledger import Ledger
from domain import catalogue
from projections.exporting import exporter, parquet
from projections.exporting.errors import ExportError
from projections.exporting.writing import Format
from projections.log import UnreadableEventError, head_position
from tests.conftest import Database
from tests.projections.exporting.reading import (
    Rows,
    expected_rows,
    export,
    exported_rows,
    manifest,
)
from tests.projections.histories import busy_history, open_accounts, recorded, write_raw
from tests.support.log import head, tampering

FORMATS = get_args(Format)


def whole(conn: psycopg.Connection[Any]) -> Rows:
    return expected_rows(recorded(conn))


def positions(folder: Path) -> list[int]:
    return sorted(row["position"] for rows in exported_rows(folder).values() for row in rows)


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many batches, sets of files and row groups of a short log."""
    monkeypatch.setattr(exporter, "BATCH_EVENTS", 50)
    monkeypatch.setattr(exporter, "SET_EVENTS", 400)
    monkeypatch.setattr(parquet, "ROW_GROUP", 60)


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("format", FORMATS)
def test_the_files_hold_the_log(
    format: Format,
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    tmp_path: Path,
) -> None:
    busy_history(ledger)
    reports: list[tuple[int, int]] = []
    end = head_position(conn)
    done = exporter.export(
        database.url, tmp_path, lambda d, t: reports.append((d, t)), format=format
    )
    assert exported_rows(tmp_path) == whole(conn)
    assert (done.from_position, done.to_position, done.events) == (1, end, end)
    assert done.hash == head(conn)[1].hex()
    assert reports[-1] == (end, end)
    assert all(before[0] < after[0] for before, after in pairwise(reports))
    assert done.files == len(manifest(tmp_path)["files"]) > 2 * len(exported_rows(tmp_path))


@pytest.mark.usefixtures("_small")
def test_both_formats_hold_the_same_rows(
    database: Database, ledger: Ledger, tmp_path: Path
) -> None:
    busy_history(ledger, transfers=90)
    for format in FORMATS:
        export(database.url, tmp_path / format, format)
    parquet_rows, ndjson_rows = (exported_rows(tmp_path / format) for format in FORMATS)
    assert parquet_rows == ndjson_rows


def test_the_manifest_says_what_the_files_are(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any], tmp_path: Path
) -> None:
    open_accounts(ledger, 4)
    export(database.url, tmp_path)
    found = manifest(tmp_path)
    end, digest = head(conn)
    assert (found["layout"], found["format"]) == (1, "parquet")
    assert (found["from_position"], found["to_position"]) == (1, end)
    assert found["hash"] == digest.hex()
    rows = exported_rows(tmp_path)
    for file in found["files"]:
        content = (tmp_path / file["path"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        assert file["bytes"] == len(content)
        its_rows = rows[file["topic"]]
        assert file["rows"] == len(its_rows)
        assert [file["first_position"], file["last_position"]] == [
            its_rows[0]["position"],
            its_rows[-1]["position"],
        ]
        name = f"{file['first_position']:012d}-{file['last_position']:012d}.parquet"
        assert file["path"] == f"topic={file['topic']}/month={file['month']}/{name}"
        assert [c["name"] for c in found["topics"][file["topic"]]] == list(its_rows[0])
    assert {"name": "owner_id", "type": "string", "nullable": True} in found["topics"][
        "account.opened"
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_exported_in_parts_is_exported_at_once(
    format: Format,
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    tmp_path: Path,
) -> None:
    parts, at_once = tmp_path / "parts", tmp_path / "a folder" / "at once"
    last = 0
    for seed in (1, 2):
        open_accounts(ledger, 3)
        done = export(database.url, parts, format)
        assert done.from_position == last + 1
        last = done.to_position
        before = {path: path.stat().st_mtime_ns for path in parts.rglob("*")}
        again = export(database.url, parts, format)
        assert (again.events, again.files, again.to_position) == (0, 0, last)
        assert {path: path.stat().st_mtime_ns for path in parts.rglob("*")} == before
        busy_history(ledger, seed, transfers=30)
    export(database.url, parts, format)
    export(database.url, at_once, format)
    assert exported_rows(parts) == exported_rows(at_once)
    assert positions(parts) == list(range(1, head_position(conn) + 1))


def test_files_are_apart_by_the_month_of_recording_in_utc(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any], tmp_path: Path
) -> None:
    # The log's time is the head's or the clock's, whichever is later.
    for moment in ("2131-01-31T23:59:59.999999Z", "2131-02-01T00:00:00Z"):
        with database.connect() as other:
            other.execute("SET timezone TO 'Asia/Tokyo'")
            other.execute("UPDATE ledger_head SET recorded_at = %s", (moment,))
        for _ in range(3):
            write_raw(database, "transfer.voided", b"{}")
    export(database.url, tmp_path)
    assert {
        (file["month"], file["first_position"], file["last_position"])
        for file in manifest(tmp_path)["files"]
    } == {("2131-01", 1, 3), ("2131-02", 4, 6)}
    assert exported_rows(tmp_path) == whole(conn)
    january = exported_rows(tmp_path)["transfer.voided"][0]["recorded_at"]
    assert january == datetime(2131, 1, 31, 23, 59, 59, 999999, tzinfo=UTC)


def test_an_empty_log_is_an_empty_export_that_goes_on(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any], tmp_path: Path
) -> None:
    assert export(database.url, tmp_path).events == 0
    assert (manifest(tmp_path)["to_position"], manifest(tmp_path)["files"]) == (0, [])
    open_accounts(ledger, 2)
    assert export(database.url, tmp_path).from_position == 1
    assert exported_rows(tmp_path) == whole(conn)


def test_an_export_begins_after_a_position(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any], tmp_path: Path
) -> None:
    open_accounts(ledger, 3)
    end = head_position(conn)
    assert export(database.url, tmp_path, since=4).events == end - 4
    assert positions(tmp_path) == list(range(5, end + 1))
    open_accounts(ledger, 2)
    export(database.url, tmp_path, since=4)
    assert positions(tmp_path) == list(range(5, head_position(conn) + 1))
    with pytest.raises(ExportError, match="begins after position 4 and goes on after"):
        export(database.url, tmp_path, since=5)
    with pytest.raises(ExportError, match=r"no event 999 .* log ends at"):
        export(database.url, tmp_path / "late", since=999)


def test_an_old_shape_is_exported_as_todays(
    database: Database, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def renamed(state: bytes) -> tuple[str, bytes]:
        fields = msgspec.json.decode(state)
        fields["name"] = fields.pop("title")
        return "account.opened", msgspec.json.encode(fields)

    monkeypatch.setitem(catalogue.UPCASTERS, "account.begun", renamed)
    open_accounts(ledger, 1)
    write_raw(database, "account.begun", b'{"title":"Eve","type":"cash","currency":"EUR"}')
    export(database.url, tmp_path)
    rows = exported_rows(tmp_path)
    assert set(rows) == {"account.opened"}
    assert [row["name"] for row in rows["account.opened"]] == ["cash", "Eve"]


@pytest.mark.usefixtures("_small")
def test_all_before_an_event_that_cannot_be_read_is_exported(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any], tmp_path: Path
) -> None:
    open_accounts(ledger, 40)
    before, end = whole(conn), head_position(conn)
    write_raw(database, "account.painted", b"{}")
    for _ in range(2):
        with pytest.raises(UnreadableEventError, match=r"account\.painted"):
            export(database.url, tmp_path)
        assert exported_rows(tmp_path) == before
        assert manifest(tmp_path)["to_position"] == end


def test_a_log_with_a_long_gap_is_refused_with_what_to_do(
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exporter, "BATCH_EVENTS", 10)
    open_accounts(ledger, 20)
    with database.connect(superuser=True) as admin, tampering(admin):
        admin.execute("DELETE FROM events WHERE notification_id BETWEEN 11 AND 30")
    with pytest.raises(ExportError, match=r"missing after position 10: .*daybook audit verify"):
        export(database.url, tmp_path)


@pytest.mark.usefixtures("_small")
def test_an_export_that_is_interrupted_keeps_its_finished_sets(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any], tmp_path: Path
) -> None:
    busy_history(ledger)

    def interrupt(done: int, total: int) -> None:
        if done > 500:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exporter.export(database.url, tmp_path, interrupt)
    assert positions(tmp_path) == list(range(1, 401))
    assert manifest(tmp_path)["to_position"] == 400
    assert not list(tmp_path.rglob(".*"))
    assert export(database.url, tmp_path).from_position == 401
    assert exported_rows(tmp_path) == whole(conn)


def test_a_number_that_no_column_holds_is_a_sentence(database: Database, tmp_path: Path) -> None:
    write_raw(database, "transfer.captured", b'{"amount":%d}' % 2**70)
    with pytest.raises(ExportError, match=r"transfer\.captured .*fits into no column"):
        export(database.url, tmp_path)
    assert exported_rows(tmp_path) == {}


@contextmanager
def little_room(bytes_a_file: int) -> Iterator[None]:
    """No file can grow past a size: what a full disk is like."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("format", FORMATS)
def test_what_was_exported_before_the_disk_was_full_stays_and_the_rest_follows(
    format: Format,
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    tmp_path: Path,
) -> None:
    open_accounts(ledger, 3)
    export(database.url, tmp_path, format)
    before, listed = exported_rows(tmp_path), manifest(tmp_path)
    busy_history(ledger, transfers=600)
    with little_room(15_000), pytest.raises(ExportError, match="can't be written: File too large"):
        export(database.url, tmp_path, format)
    assert manifest(tmp_path) == listed
    assert exported_rows(tmp_path) == before
    assert not list(tmp_path.rglob(".*"))
    export(database.url, tmp_path, format)
    assert exported_rows(tmp_path) == whole(conn)

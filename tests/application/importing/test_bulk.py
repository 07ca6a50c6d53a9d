"""Bulk imports: every line posted once or refused once, whatever stops them in between."""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from application.importing.bulk import BulkResult, import_transfers
from application.importing.rows import FileError
from application.ledger import Ledger
from domain.accounts import Account
from domain.transfers import Transfer
from tests.conftest import Database
from tests.support.ledgers import accepted, open_account, pay
from tests.support.log import assert_sound, head

IMPORT = """
import sys
from pathlib import Path
from application.importing.bulk import import_transfers
from application.ledger import Ledger

reports = int(sys.argv[3])


def report(done: int, total: int) -> None:
    global reports
    reports -= 1
    if reports == 0:
        print("here", flush=True)
        sys.stdin.read()  # meanwhile the ledger goes on with what is in flight


with Ledger(sys.argv[1]) as ledger:
    import_transfers(ledger, sys.argv[1], Path(sys.argv[2]), progress=report)
"""


@pytest.fixture
def ledger(database: Database) -> Iterator[Ledger]:
    with Ledger(database.url) as opened:
        yield opened


@pytest.fixture
def accounts(ledger: Ledger) -> tuple[UUID, UUID]:
    """Where the money comes from, without limit, and where it goes."""
    return open_account(ledger, "cash"), open_account(ledger)


@pytest.fixture
def importing(ledger: Ledger, database: Database) -> Importing:
    return Importing(ledger, database)


class Importing:
    """Imports into a database, and what was said meanwhile."""

    def __init__(self, ledger: Ledger, database: Database) -> None:
        self.ledger = ledger
        self.database = database
        self.notices: list[str] = []
        self.progress: list[tuple[int, int]] = []

    def __call__(self, path: Path, *, restart: bool = False) -> BulkResult:
        return import_transfers(
            self.ledger,
            self.database.url,
            path,
            restart=restart,
            progress=lambda *at: self.progress.append(at),
            notice=self.notices.append,
        )

    def counts(self, path: Path, *, restart: bool = False) -> tuple[int, int, int]:
        result = self(path, restart=restart)
        return result.posted, result.already_there, result.refused

    def position(self) -> int:
        with self.database.connect() as conn:
            return head(conn)[0]

    def amounts(self) -> list[int]:
        """What was posted, in order of size."""
        with self.database.connect() as conn:
            states = assert_sound(conn).values()
        return sorted(state.amount for state in states if isinstance(state, Transfer))

    def kill_after(self, reports: int, path: Path) -> None:
        """Import in another process, and kill that after so many reports of progress."""
        command = [sys.executable, "-c", IMPORT, self.database.url, str(path), str(reports)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "here\n"
            process.send_signal(signal.SIGKILL)


def write(
    path: Path, accounts: tuple[UUID, UUID], amounts: list[str], ids: list[UUID] | None = None
) -> Path:
    """A file, CSV or NDJSON by its name, of transfers of these amounts."""
    rows: list[dict[str, str]] = [
        {
            "source_account_id": str(accounts[0]),
            "destination_account_id": str(accounts[1]),
            "amount": amount,
            "currency": "EUR",
        }
        for amount in amounts
    ]
    for row, id_ in zip(rows, ids or [], strict=False):
        row["id"] = str(id_)
    if path.suffix == ".csv":
        lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    else:
        lines = [json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def euros(count: int) -> list[str]:
    """Amounts that are all different: 0.01, 0.02 ..."""
    return [f"{n // 100}.{n % 100:02}" for n in range(1, count + 1)]


def refused(path: Path) -> list[dict[str, Any]]:
    text = path.with_name(f"{path.name}.refused.ndjson").read_text()
    return [json.loads(line) for line in text.splitlines()]


def beside(path: Path) -> set[str]:
    return {other.name for other in path.parent.iterdir()} - {path.name}


@pytest.mark.parametrize("name", ["in.csv", "in.ndjson"])
def test_every_line_is_posted(
    name: str, importing: Importing, accounts: tuple[UUID, UUID], tmp_path: Path
) -> None:
    path = write(tmp_path / name, accounts, euros(2_500))
    result = importing(path)
    assert (result.posted, result.already_there, result.refused) == (2_500, 0, 0)
    assert (result.lines, result.refused_path) == (2_500, None)
    assert result.lines_per_second > 0
    assert importing.amounts() == list(range(1, 2_501))
    size = path.stat().st_size
    assert [total for _, total in importing.progress] == [size] * 3
    assert importing.progress[-1] == (size, size)
    assert beside(path) == set()


@pytest.mark.parametrize("name", ["in.csv", "in.ndjson"])
@pytest.mark.parametrize("with_ids", [True, False])
def test_a_second_import_posts_nothing(
    name: str, with_ids: bool, importing: Importing, accounts: tuple[UUID, UUID], tmp_path: Path
) -> None:
    ids = [uuid4() for _ in range(1_500)] if with_ids else None
    path = write(tmp_path / name, accounts, euros(1_500), ids)
    importing(path)
    before = importing.position()
    assert importing.counts(path) == (0, 1_500, 0)
    assert importing.counts(path, restart=True) == (0, 1_500, 0)
    assert importing.position() == before
    assert importing.notices == []


def test_the_same_content_under_another_name_posts_nothing_either(
    importing: Importing, accounts: tuple[UUID, UUID], tmp_path: Path
) -> None:
    importing(write(tmp_path / "a.csv", accounts, euros(3)))
    assert importing.counts(write(tmp_path / "b.csv", accounts, euros(3))) == (0, 3, 0)


def test_lines_of_an_earlier_file_are_found_anywhere_by_their_ids(
    importing: Importing, accounts: tuple[UUID, UUID], tmp_path: Path
) -> None:
    ids = [uuid4() for _ in range(3_000)]
    importing(write(tmp_path / "a.csv", accounts, euros(3_000)[2_000:2_500], ids[2_000:2_500]))
    path = write(tmp_path / "b.csv", accounts, euros(3_000), ids)
    assert importing.counts(path) == (2_500, 500, 0)
    assert importing.amounts() == list(range(1, 3_001))


def test_an_id_that_belongs_to_something_else_is_refused(
    importing: Importing, accounts: tuple[UUID, UUID], tmp_path: Path
) -> None:
    taken = accepted(importing.ledger, pay(*accounts, 7)).id
    ids = [taken, accounts[0], uuid4(), taken]
    path = write(tmp_path / "in.csv", accounts, ["0.07", "0.08", "0.09", "0.10"], ids)
    assert importing.counts(path) == (1, 1, 2)
    assert [(r["line"], r["reason"]) for r in refused(path)] == [(3, "id_reused"), (5, "id_reused")]


def test_refused_lines_are_kept_with_their_number_reason_and_text(
    importing: Importing, accounts: tuple[UUID, UUID], tmp_path: Path
) -> None:
    cash, checking = accounts
    path = write(tmp_path / "in.csv", (checking, cash), ["1.00"])
    with path.open("a") as file:
        file.write(f"{cash},{checking},0.50,EUR\n{checking},{cash},1,5,EUR\n")
        file.write(f"{checking},{cash},0.75,EUR\n")
    result = importing(path)
    assert (result.posted, result.refused) == (1, 3)
    assert result.refused_path == tmp_path / "in.csv.refused.ndjson"
    assert refused(path) == [
        {
            "line": 2,
            "reason": "insufficient_funds",
            "detail": f"insufficient funds (account id {checking}, available 0.00 EUR,"
            " requested 1.00 EUR)",
            "raw": f"{checking},{cash},1.00,EUR",
        },
        {
            "line": 4,
            "reason": "invalid_csv",
            "detail": "invalid csv (columns 4, cells 5)",
            "raw": f"{checking},{cash},1,5,EUR",
        },
        {
            "line": 5,
            "reason": "insufficient_funds",
            "detail": f"insufficient funds (account id {checking}, available 0.50 EUR,"
            " requested 0.75 EUR)",
            "raw": f"{checking},{cash},0.75,EUR",
        },
    ]


def test_lines_that_were_refused_get_another_chance_when_the_file_is_imported_again(
    importing: Importing, accounts: tuple[UUID, UUID], tmp_path: Path
) -> None:
    cash, checking = accounts
    path = write(tmp_path / "in.ndjson", (checking, cash), ["1.00", "2.00"])
    assert importing.counts(path) == (0, 0, 2)
    accepted(importing.ledger, pay(cash, checking, 1_50))
    assert importing.counts(path) == (1, 0, 1)
    accepted(importing.ledger, pay(cash, checking, 9_00))
    assert importing.counts(path) == (1, 1, 0)
    assert beside(path) == set()


@pytest.mark.parametrize("name", ["in.csv", "in.ndjson"])
def test_a_killed_import_goes_on_and_posts_every_line_once(
    name: str, importing: Importing, accounts: tuple[UUID, UUID], tmp_path: Path
) -> None:
    amounts = euros(12_000)
    bad = range(50, 12_000, 100)
    for index in bad:
        amounts[index] = "none"
    path = write(tmp_path / name, accounts, amounts)
    importing.kill_after(3, path)
    stopped = json.loads((tmp_path / f"{name}.progress").read_text())
    assert stopped["posted"] + stopped["refused"] == 3_000
    importing.kill_after(2, path)
    result = importing(path)
    assert len(importing.notices) == 1
    line = 5_001 if name == "in.csv" else 5_000
    assert f"stopped after line {line}: going on" in importing.notices[0]
    assert result.lines == 7_000
    assert result.posted + result.already_there == 12_000 - len(bad)
    assert importing.amounts() == [n for n in range(1, 12_001) if n - 1 not in bad]
    first = 2 if name == "in.csv" else 1
    assert [r["line"] for r in refused(path)] == [index + first for index in bad]
    assert result.refused == len(bad)
    assert beside(path) == {f"{name}.refused.ndjson"}


def test_refused_lines_of_a_lost_attempt_are_not_there_twice(
    importing: Importing, accounts: tuple[UUID, UUID], tmp_path: Path
) -> None:
    path = write(tmp_path / "in.csv", accounts, ["x"] * 3_000)
    importing.kill_after(2, path)
    with (tmp_path / "in.csv.refused.ndjson").open("a") as file:
        file.write('{"line":3000,"reas')
    importing(path)
    assert [r["line"] for r in refused(path)] == list(range(2, 3_002))


def test_a_removed_file_of_refused_lines_is_begun_again(
    importing: Importing, accounts: tuple[UUID, UUID], tmp_path: Path
) -> None:
    path = write(tmp_path / "in.csv", accounts, ["x"] * 3_000)
    importing.kill_after(2, path)
    stopped = json.loads((tmp_path / "in.csv.progress").read_text())
    (tmp_path / "in.csv.refused.ndjson").unlink()
    assert importing(path).refused == 3_000
    assert [r["line"] for r in refused(path)] == list(range(stopped["line"] + 1, 3_002))


def test_a_changed_file_is_begun_anew_and_that_is_said(
    importing: Importing, accounts: tuple[UUID, UUID], tmp_path: Path
) -> None:
    ids = [uuid4() for _ in range(9_000)]
    path = write(tmp_path / "in.csv", accounts, euros(9_000), ids)
    importing.kill_after(1, path)
    write(path, accounts, euros(9_000)[:-1], ids)
    result = importing(path)
    assert result.lines == 8_999
    assert result.already_there >= 1_000
    assert "has changed since" in importing.notices[0]


def test_restart_begins_anew_and_posts_nothing_twice(
    importing: Importing, accounts: tuple[UUID, UUID], tmp_path: Path
) -> None:
    path = write(tmp_path / "in.csv", accounts, euros(9_000))
    importing.kill_after(1, path)
    result = importing(path, restart=True)
    assert result.lines == 9_000
    assert importing.notices == []
    assert importing.amounts() == list(range(1, 9_001))


@pytest.mark.parametrize("content", [b"", b"\x00\x00", b'{"offset":1}'])
def test_a_record_of_progress_that_cannot_be_read_is_as_good_as_none(
    content: bytes, importing: Importing, accounts: tuple[UUID, UUID], tmp_path: Path
) -> None:
    path = write(tmp_path / "in.csv", accounts, euros(2))
    (tmp_path / "in.csv.progress").write_bytes(content)
    assert importing.counts(path) == (2, 0, 0)


def test_a_full_queue_is_waited_for(
    database: Database, accounts: tuple[UUID, UUID], tmp_path: Path
) -> None:
    with Ledger(database.url, queue_limit=10) as narrow:
        importing = Importing(narrow, database)
        assert importing.counts(write(tmp_path / "in.csv", accounts, euros(5_000))) == (5_000, 0, 0)


def test_money_moves_as_the_file_says(
    importing: Importing, accounts: tuple[UUID, UUID], tmp_path: Path
) -> None:
    importing(write(tmp_path / "in.csv", accounts, euros(100)))
    with importing.database.connect() as conn:
        states = assert_sound(conn)
    both = [state.balance for id_ in accounts if isinstance(state := states[id_], Account)]
    assert both == [-5_050, 5_050]


def test_two_imports_of_one_file_at_once_are_refused(
    importing: Importing, accounts: tuple[UUID, UUID], tmp_path: Path
) -> None:
    path = write(tmp_path / "in.csv", accounts, euros(1))
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(FileError, match="another import of it is running"):
            importing(path)
    assert importing.counts(path) == (1, 0, 0)


@pytest.mark.parametrize("suffix", ["progress.new", "refused.ndjson"])
def test_files_beside_that_cannot_be_written_are_an_error_before_anything_is_posted(
    suffix: str, importing: Importing, accounts: tuple[UUID, UUID], tmp_path: Path
) -> None:
    path = write(tmp_path / "in.csv", accounts, euros(1))
    (tmp_path / f"in.csv.{suffix}").mkdir()
    before = importing.position()
    with pytest.raises(FileError, match=r"must be writable, for in\.csv\.progress and"):
        importing(path)
    assert importing.position() == before


def test_a_file_that_cannot_be_imported_is_an_error_that_leaves_nothing_behind(
    importing: Importing, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "columns.csv").write_text("what,is,this\n")
    (tmp_path / "folder.csv").mkdir()
    for name, words in {
        "a.txt": "its name must end in .csv or .ndjson",
        "empty.csv": "it is empty",
        "columns.csv": "aren't known: 'what', 'is', 'this'",
        "folder.csv": "it is no regular file",
        "missing.csv": "it can't be read: No such file",
    }.items():
        with pytest.raises(FileError) as caught:
            importing(tmp_path / name)
        assert words in str(caught.value)
    assert len(list(tmp_path.iterdir())) == 4

"""Read models that are files: what they may say, what they are told, and where their code goes."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import psycopg
import pytest

from application.ledger import Ledger
from domain.accounts import Credited, Debited
from projections import checkpoints, files, rebuild_state
from projections.catalogue import READ_MODELS, ReadModel
from projections.files import ModelFileError
from projections.log import head_position
from projections.rebuild import Options, RebuildFailedError, rebuild
from tests.conftest import Database
from tests.projections.histories import busy_history, open_accounts, recorded
from tests.projections.running import caught_up, no_progress, running, schemas_of

TWO = Options(parallel=2)

GOOD = """from dataclasses import dataclass

from domain.accounts import Credited

NAME = "moved"
VERSION = 1
TOPICS = ["account.debited", Credited]
TABLES = "CREATE TABLE entry (transfer_id uuid, position bigint)"
INDEXES = "CREATE INDEX entry_position ON entry (position)"

@dataclass
class Entry:
    transfer_id: object
    position: int

def project(batch, db):
    entries = [Entry(event.data.transfer_id, event.position) for event in batch]
    db.executemany("INSERT INTO entry VALUES (%s, %s)", [(e.transfer_id, e.position) for e in entries])

def key_of(event):
    return event.data.transfer_id
"""


def written(folder: Path, text: str = GOOD) -> Path:
    path = folder / "model.py"
    path.write_text(text)
    return path


def loaded(folder: Path, *changes: tuple[str, str]) -> ReadModel:
    """The good read model with changes to its text."""
    return files.load(written(folder, changed(*changes)))


def changed(*changes: tuple[str, str]) -> str:
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def entries(conn: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return conn.execute("SELECT transfer_id, position FROM moved.entry ORDER BY 2").fetchall()


def expected(conn: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return [
        (event.data.transfer_id, event.position)
        for event in recorded(conn)
        if isinstance(event.data, (Debited, Credited))
    ]


def test_a_file_says_all_that_a_read_model_is(tmp_path: Path) -> None:
    model = loaded(tmp_path)
    assert (model.name, model.version) == ("moved", 1)
    assert model.topics == {"account.debited", "account.credited"}
    assert model.tables == "CREATE TABLE entry (transfer_id uuid, position bigint)"
    assert model.indexes == "CREATE INDEX entry_position ON entry (position)"


def test_tables_and_indexes_may_lie_beside_it(tmp_path: Path) -> None:
    bare = changed(("TABLES =", "_ ="), ("INDEXES =", "_ ="), ("def key_of", "def _key_of"))
    written(tmp_path, bare)
    (tmp_path / "tables.sql").write_text("CREATE TABLE één (n int)", encoding="utf-8")
    model = files.load(tmp_path / "model.py")
    assert (model.tables, model.indexes, model.key_of) == ("CREATE TABLE één (n int)", "", None)
    (tmp_path / "indexes.sql").write_text("CREATE INDEX ON één (n)", encoding="utf-8")
    assert files.load(tmp_path / "model.py").indexes == "CREATE INDEX ON één (n)"


WRONG = [
    ("def project(batch, db):", "def project(batch, db)", "line 16 is no Python: expected ':'"),
    ("@dataclass", "@dataklass", "it fails at line 11 when it is loaded: NameError"),
    ('NAME = "moved"', "", "NAME is missing: the name of its schema"),
    ('"moved"', "7", "NAME = 7 can't name a schema: take lower-case letters"),
    ('"moved"', '"Moved"', "NAME = 'Moved' can't name a schema"),
    ('"moved"', '"m" * 51', "at most 50"),
    ("VERSION = 1", "", "VERSION is missing: a number to raise"),
    ("VERSION = 1", "VERSION = 0", "VERSION = 0 is no whole number from 1 up"),
    ("VERSION = 1", "VERSION = True", "VERSION = True is no whole number"),
    ("VERSION = 1", "VERSION = 2**31", "is no whole number"),
    ("TOPICS = ", "_ = ", "TOPICS is missing: what it reads"),
    ('["account.debited", Credited]', '"account.debited"', "is no list: write TOPICS = [...]"),
    ('["account.debited", Credited]', "[]", "TOPICS is empty; there are: account.credited, "),
    ('"account.debited"', '"account.debit"', "no event is called 'account.debit'; there are: acc"),
    ('"account.debited"', "Exception", """is called "<class 'Exception'>"; there are: acc"""),
    ("TABLES = ", "_ = ", "its tables.sql can't be read"),
    ("TABLES = ", "TABLES = ' ' #", "TABLES must be SQL, as text that is not empty"),
    ("INDEXES = ", "INDEXES = 3 #", "INDEXES must be SQL"),
    ("def project", "def _project", "project is missing: the function project(batch, db)"),
    ("def project(batch, db)", "def project(batch)", "take what project(batch, db) gives it"),
    ("def project", "async def project", "project must be a plain function, without async"),
    ("db.executemany", "yield db.executemany", "project must be a plain function, without async"),
    ("def key_of(event)", "def key_of()", "key_of must take what key_of(event) gives it"),
    ("def key_of", "key_of = 1\ndef _", "key_of is no function: define key_of(event)"),
]


@pytest.mark.parametrize(("right", "wrong", "words"), WRONG)
def test_what_is_wrong_with_a_file_is_told(
    right: str, wrong: str, words: str, tmp_path: Path
) -> None:
    path = written(tmp_path, changed((right, wrong)))
    with pytest.raises(ModelFileError) as told:
        files.load(path)
    assert str(told.value).startswith(f"{path}: ")
    assert words in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "name",
    [*(m.name for m in READ_MODELS), "public", "information_schema", "pg_mine", "a_shadow",
     "a_previous", "a_outdated", "a_aside"],
)  # fmt: skip
def test_names_that_are_taken(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=f"NAME = '{name}' is taken: choose one"):
        loaded(tmp_path, ('"moved"', f'"{name}"'))


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"none\.py: it can't be read \(No such file"):
        files.load(tmp_path / "none.py")
    with pytest.raises(ModelFileError, match=r"it can't be read \(Is a directory"):
        files.load(tmp_path)
    (tmp_path / "zeros.py").write_bytes(b"\0\0")
    with pytest.raises(ModelFileError, match=r"zeros\.py: .*null bytes"):
        files.load(tmp_path / "zeros.py")


def test_another_process_runs_what_was_loaded_though_the_file_has_changed(
    tmp_path: Path, database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    model = loaded(tmp_path)
    written(tmp_path, "raise AssertionError('not this')")
    assert pickle.loads(pickle.dumps(model)).topics == model.topics
    busy_history(ledger, transfers=60)
    for options in (Options(), TWO):
        done = rebuild(database.url, "moved", no_progress, [model], options)
        assert (done.outcome, done.events) == ("swapped", head_position(conn))
        assert entries(conn) == expected(conn)


def test_events_of_a_key_of_its_own_stay_together(
    tmp_path: Path, database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    # A debit and its credit are of two streams, and of one transfer.
    pairs = (
        ("position bigint)", "position bigint, process int)"),
        ("VALUES (%s, %s)", "VALUES (%s, %s, pg_backend_pid())"),
    )
    model = loaded(tmp_path, *pairs)
    open_accounts(ledger, 20)
    rebuild(database.url, "moved", no_progress, [model], TWO)
    found = conn.execute(
        "SELECT count(DISTINCT process) FROM moved.entry GROUP BY transfer_id"
    ).fetchall()
    assert found == [(1,)] * 19
    assert conn.execute("SELECT count(DISTINCT process) FROM moved.entry").fetchone() == (2,)


@pytest.mark.parametrize(
    ("key", "problem"),
    [("str(event.position)", "'5' is no UUID"), ("event.data.nothing", "AttributeError")],
)
def test_a_wrong_key_ends_a_rebuild_in_parts(
    key: str, problem: str, tmp_path: Path, database: Database, ledger: Ledger
) -> None:
    model = loaded(tmp_path, ("return event.data.transfer_id", f"return {key}"))
    open_accounts(ledger, 3)
    with pytest.raises(RebuildFailedError, match=rf"key_of fails at event 5 \({problem}"):
        rebuild(database.url, "moved", no_progress, [model], TWO)


def test_a_version_that_fails_is_refused_and_the_one_that_serves_goes_on(
    tmp_path: Path, database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    model = loaded(tmp_path)
    poisoned = loaded(
        tmp_path, ("VERSION = 1", "VERSION = 2"), ("entries = [", "1 / 0; entries = [")
    )
    with running(database.url, [model]):
        open_accounts(ledger, 3)
        caught_up(conn, "moved")
        with pytest.raises(RebuildFailedError, match=r"moved can't be rebuilt: .*Zero"):
            rebuild(database.url, "moved", no_progress, [poisoned])
        open_accounts(ledger, 3)
        caught_up(conn, "moved")
    assert entries(conn) == expected(conn)
    assert schemas_of(conn) == ["moved"]
    found = rebuild_state.find(conn, "moved")
    assert found is not None
    assert (found.state, found.code_version) == ("failed", 2)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("CREATE TABLE entry", "CREATE TABEL entry", 'syntax error at or near "TABEL"'),
        ("(position)", "(place)", 'column "place" does not exist'),
        ("(transfer_id uuid", "(about json", "equality operator for type json"),
    ],
)
def test_tables_are_tried_out_first(
    old: str, new: str, words: str, tmp_path: Path, conn: psycopg.Connection[Any]
) -> None:
    files.check(conn, tmp_path, loaded(tmp_path))
    model = loaded(tmp_path, (old, new))
    with pytest.raises(ModelFileError, match="the database refuses its tables or indexes") as told:
        files.check(conn, tmp_path / "model.py", model)
    assert words in str(told.value)
    assert schemas_of(conn) == []


def test_a_schema_that_holds_something_else_is_left_alone(
    tmp_path: Path, conn: psycopg.Connection[Any]
) -> None:
    conn.execute("CREATE SCHEMA moved CREATE TABLE precious (n int)")
    with pytest.raises(ModelFileError, match="a schema moved already that is no read model"):
        files.check(conn, tmp_path / "model.py", loaded(tmp_path))
    assert conn.execute("SELECT count(*) FROM moved.precious").fetchone() == (0,)
    checkpoints.put(conn, "moved", 0, 1)
    files.check(conn, tmp_path / "model.py", loaded(tmp_path))

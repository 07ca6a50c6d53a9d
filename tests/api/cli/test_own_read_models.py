"""Read models of one's own as their author drives them, and the role that reads them."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from api.cli.config import as_user
from application.ledger import Ledger
from projections import checkpoints, rebuild_state, shadows
from projections.files import load
from projections.rebuild import rebuild
from projections.rebuilder import ask
from projections.swapping import pause
from tests.api.cli.conftest import Ledgered
from tests.conftest import Database
from tests.projections.running import caught_up, end_connections, no_progress
from tests.support.ledgers import open_account
from tests.support.processes import Daybook, settings_of

MODEL = """
from domain.accounts import Opened

NAME, VERSION, TOPICS = "owners", 1, [Opened]
TABLES = "CREATE TABLE opened (account_id uuid PRIMARY KEY, name text)"

def project(batch, db):
    rows = [(event.stream_id, event.data.name) for event in batch]
    db.executemany("INSERT INTO opened VALUES (%s, %s)", rows)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path / "my model.py")


def written(path: Path, version: int = 1, of: str = "event.data.name") -> Path:
    text = MODEL.replace('"owners", 1,', f'"owners", {version},')
    path.write_text(text.replace("event.data.name", of))
    return path


def names(conn: psycopg.Connection[Any]) -> list[str]:
    return [name for (name,) in conn.execute("SELECT name FROM owners.opened")]


def state(conn: psycopg.Connection[Any]) -> str:
    found = rebuild_state.find(conn, "owners")
    return "" if found is None else found.state


def test_it_is_rebuilt_verified_shown_and_rolled_back_by_its_file(
    ledgered: Ledgered, file: Path
) -> None:
    daybook = ledgered.daybook.here
    for _ in range(2):
        (done,) = daybook.json("projections", "rebuild", file, "--parallel", 2)
        assert (done["name"], done["outcome"]) == ("owners", "swapped")
    found = daybook.json("projections", "verify", "balances", file, file)
    assert [(one["name"], one["outcome"]) for one in found] == [
        ("balances", "verified"), ("owners", "verified"),
    ]  # fmt: skip
    (shown,) = daybook.json("projections", "show", file)
    assert (shown["name"], shown["health"], shown["code_version"]) == ("owners", "not running", 1)
    assert shown["rebuild"]["state"] == "verified"
    rebuilds = {row["name"]: row["state"] for row in daybook.json("projections", "status")}
    assert (rebuilds["balances"], rebuilds["owners"]) == ("verified", "verified")
    assert "owners: rolled back to position" in daybook.done("projections", "rollback", file)
    newer = written(file, version=2)
    result = daybook("projections", "rollback", newer)
    assert "owners was built by version 1, code is version 2" in result.stderr


def test_a_new_version_that_comes_to_nothing_is_not_swapped(ledgered: Ledgered, file: Path) -> None:
    daybook = ledgered.daybook.here
    daybook.done("projections", "rebuild", file)
    newer = written(file, version=2)
    newer.write_text(newer.read_text().replace("for event in batch", "for event in ()"))
    said = daybook.refused(1, "projections", "rebuild", newer)
    assert "not swapped, opened came out empty; the rebuilt rows are in" in said
    accepted = daybook.json("projections", "rebuild", newer, "--accept-differences")
    assert accepted[0]["outcome"] == "swapped"


def test_a_paused_rebuild_is_resumed_and_cancelled_by_its_file(
    ledgered: Ledgered, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadows, "BATCH_EVENTS", 2)
    daybook, url, model = ledgered.daybook.here, ledgered.database.url, load(file)

    def begin_and_pause() -> None:
        def pauses(done: int, total: int) -> None:
            pause(url, "owners", [model])

        rebuild(url, "owners", pauses, [model])

    begin_and_pause()
    assert daybook.done("projections", "pause", file) == "owners: paused\n"
    assert daybook.json("projections", "resume", file)[0]["outcome"] == "swapped"
    begin_and_pause()
    assert daybook.done("projections", "cancel", file) == "owners: cancelled\n"


def test_advice_names_the_file(ledgered: Ledgered, file: Path) -> None:
    daybook = ledgered.daybook.here
    daybook.done("projections", "rebuild", file)
    with ledgered.database.connect() as conn:
        conn.execute("UPDATE owners.opened SET name = 'spoiled'")
    result = daybook("projections", "rebuild", file)
    assert result.returncode == 1
    assert "name=spoiled" in result.stdout
    assert f"projections rebuild '{file}' --accept-differences" in result.stderr
    assert f"projections cancel '{file}'" in result.stderr
    daybook.done("projections", "rebuild", file, "--accept-differences")
    said = daybook.refused(1, "projections", "resume", file)
    assert f"start one with `daybook projections rebuild '{file}'`" in said


def test_a_version_that_fails_leaves_the_one_that_serves(ledgered: Ledgered, file: Path) -> None:
    daybook = ledgered.daybook.here
    daybook.done("projections", "rebuild", file)
    with ledgered.database.connect() as conn:
        before = names(conn)
        said = daybook.refused(1, "projections", "rebuild", written(file, 2, "event.data.nome"))
        assert "owners can't be rebuilt: it fails between events" in said
        assert "AttributeError" in said
        assert names(conn) == before


def test_what_is_no_read_model_is_refused_in_one_sentence(
    ledgered: Ledgered, file: Path, tmp_path: Path
) -> None:
    daybook = ledgered.daybook.here
    for command in ("run", "rebuild", "verify", "resume", "pause", "cancel", "rollback", "show"):
        said = daybook.refused(1, "projections", command, tmp_path / "none.py")
        assert said.startswith("daybook: ")
        assert said.endswith("none.py: it can't be read (No such file or directory)")
    file.write_text(MODEL.replace("CREATE TABLE", "CREATE TABEL"))
    for command in ("run", "rebuild"):
        said = daybook.refused(1, "projections", command, file)
        assert 'the database refuses its tables or indexes: syntax error at or near "TABEL"' in said
    one, other = written(tmp_path / "one.py"), written(tmp_path / "other.py")
    said = daybook.refused(1, "projections", "rebuild", one, other)
    assert said.endswith(f"{other}: its NAME is 'owners', as that of {one} is")
    said = daybook.refused(1, "projections", "rebuild", "owners")
    assert "no read model is called 'owners'" in said
    assert said.endswith("and one of your own by its file, as path/to/model.py")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_is_kept_up_to_date_until_it_is_stopped(
    number: int, database: Database, file: Path
) -> None:
    running = Daybook("projections", "run", str(file), settings=settings_of(database))
    with Ledger(database.url) as ledger, database.connect() as conn:
        open_account(ledger)
        with running as process:
            process.says("owners, version 1, is kept up to date in the schema owners")
            caught_up(conn, "owners")
            open_account(ledger)
            caught_up(conn, "owners")
            assert len(names(conn)) == 2
            assert process.stop(number) == 0
            assert len(process.output.splitlines()) == 1, process.output
        checkpoint = checkpoints.read(conn, "balances")
        assert checkpoint is not None
        assert checkpoint.position == 0, "the product's own are for others to run"


def test_while_it_runs_rebuilds_go_on_that_were_interrupted_or_asked_for(
    database: Database, file: Path
) -> None:
    model = load(file)
    with Ledger(database.url) as ledger, database.connect() as conn:
        open_account(ledger)
        rebuild(database.url, "owners", no_progress, [model])
        with pytest.raises(psycopg.OperationalError):
            rebuild(
                database.url, "owners", lambda *_: end_connections(database, "daybook rebuild"),
                [model],
            )  # fmt: skip
        with Daybook("projections", "run", str(file), settings=settings_of(database)) as process:
            process.wait_for(lambda: state(conn) == "swapped")
            ask(database.url, "owners", models=[model])
            assert state(conn) == "waiting"
            process.wait_for(lambda: state(conn) == "swapped")
            assert process.stop() == 0


def test_the_readers_address(ledgered: Ledgered) -> None:
    daybook = ledgered.daybook.here
    url = ("config", "database-url", "--reader")
    result = daybook(*url)
    assert result.returncode == 0
    assert "ALTER ROLE daybook_reader PASSWORD" in result.stderr
    with psycopg.connect(result.stdout.strip()) as conn:
        found = conn.execute("SELECT current_user, current_database(), count(*) FROM event_log")
        assert found.fetchone() is not None
    assert result.stdout.startswith("postgresql://daybook_reader@")
    assert "not both" in daybook.refused(2, *url, "--superuser")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://ann:p%40ss@db.example:5433,[::1]/books", "@db.example:5433,[::1]/books"),
        ("postgresql://ann:secret@db.example", "@db.example/ann"),
        (
            "postgres://db/books?user=ann&password=secret&sslmode=require",
            "@db/books?sslmode=require",
        ),
        ("postgresql://ann@/books?host=%2Frun%2Fpg", "@/books?host=%2Frun%2Fpg"),
    ],
)
def test_the_readers_address_has_no_password_of_others(url: str, expected: str) -> None:
    assert as_user(url, "reader").partition("reader")[2] == expected

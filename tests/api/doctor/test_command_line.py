"""`daybook doctor` as a person and a script use it: words, JSON, exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.doctor.examining import CHECKS
from application.ledger import Ledger
from projections.catalogue import READ_MODELS
from projections.health import status
from tests.api.cli.conftest import CommandLine
from tests.api.doctor.conftest import fill
from tests.conftest import Database
from tests.projections.running import ask, caught_up, running
from tests.support.processes import settings_of
from tests.support.waiting import until

NAMES = [check.name for check in CHECKS]


@pytest.fixture
def daybook(safe_database: Database, tmp_path: Path) -> CommandLine:
    fill(safe_database)
    return CommandLine(settings_of(safe_database) | {"DATA_DIR": str(tmp_path)})


def test_a_healthy_ledger(daybook: CommandLine, safe_database: Database) -> None:
    with running(safe_database.url), safe_database.connect() as conn:
        caught_up(conn)
        until(lambda: {s.health for s in ask(safe_database.url, status)} == {"ok"})
        lines = daybook.done("doctor").splitlines()
        assert [line[6:18].strip() for line in lines if line.startswith("ok ")] == NAMES
        found = daybook.here.json("doctor", "--deep")
    assert found["healthy"] is True
    assert [check["name"] for check in found["checks"]] == NAMES
    assert {check["name"] for check in found["checks"] if check["findings"]} <= {"disk"}


def test_warnings_alone_are_no_failure(daybook: CommandLine, safe_database: Database) -> None:
    with running(safe_database.url), safe_database.connect() as conn:
        caught_up(conn)
    said = daybook.here.done("doctor")
    assert "WARN  runners" in said
    assert "      WARN: Nobody runs balances" in said
    assert "Start `daybook project`" in said
    # One a read model; the machine's disk may be nearly full besides.
    expected = len(READ_MODELS), len(READ_MODELS) + 1
    assert any(f"\n0 wrong, {number} warnings." in said for number in expected)
    found = daybook.here.json("doctor")
    assert found["healthy"] is True
    (runners,) = [check for check in found["checks"] if check["name"] == "runners"]
    assert runners["status"] == "warning"
    assert set(runners["findings"][0]) == {"severity", "sentence", "advice"}


def test_what_is_wrong_is_a_failure(daybook: CommandLine, safe_database: Database) -> None:
    with safe_database.connect(superuser=True) as admin:
        admin.execute("ALTER TABLE events DISABLE TRIGGER events_append_only")
    result = daybook("doctor")
    assert (result.returncode, result.stderr) == (1, "")
    assert "WRONG append-only" in result.stdout
    assert "      WRONG: The trigger events_append_only on events is disabled" in result.stdout
    assert " → As the owner" in result.stdout
    assert daybook.here("doctor", "--json").returncode == 1


def test_a_database_that_cannot_be_reached(daybook: CommandLine) -> None:
    url = "postgresql://daybook@127.0.0.1:1/none"
    for arguments in (("doctor",), ("doctor", "--json")):
        result = daybook.here(*arguments, DATABASE_URL=url, DATABASE_ADMIN_URL=url)
        assert (result.returncode, result.stderr) == (1, "")
        assert "The database cannot be reached: " in result.stdout


def test_an_embedded_database_that_cannot_start(daybook: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    settings = {"DATABASE_URL": "", "DATABASE_ADMIN_URL": "", "DATA_DIR": str(tmp_path / "taken")}
    result = daybook.here("doctor", **settings)
    assert result.returncode == 1
    assert "It does not start: " in result.stdout


def test_it_is_done_while_others_write(daybook: CommandLine, safe_database: Database) -> None:
    with running(safe_database.url), Ledger(safe_database.url), safe_database.connect() as conn:
        caught_up(conn)
        with conn.transaction():
            conn.execute("SELECT FROM ledger_head FOR UPDATE")
            assert daybook.here("doctor").returncode == 0

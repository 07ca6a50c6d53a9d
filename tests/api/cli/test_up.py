"""`daybook up`: all of it from nothing, once, until it is stopped, and again."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from api import demo
from tests.api.cli.conftest import CommandLine
from tests.conftest import Database
from tests.support.people import bearer
from tests.support.processes import (
    Daybook,
    are_gone,
    free_port,
    names,
    settings_at,
    settings_of,
    tree,
    wait_until_ready,
)

CASH = "da4b0000-0000-4000-8000-000000000001"


def test_it_starts_from_nothing_stops_and_starts_again(folder: Path) -> None:
    data_dir, port = folder / "var", free_port()
    with Daybook("up", settings=settings_at(data_dir, port)) as daybook:
        filled = log_of(daybook, port)
        assert filled > 400, "demo data"
        works_beside_others(CommandLine(settings_at(data_dir, port)))
        stops(daybook, signal.SIGTERM)
        daybook.start()
        assert log_of(daybook, port) == filled
        stops(daybook, signal.SIGINT)
        assert daybook.output.count("opened demo accounts") == 1
        assert daybook.output.count("Daybook has stopped.") == 2
        assert "Traceback" not in daybook.output
        assert f"-d '{demo.EXAMPLE_TRANSFER}'" in daybook.output


def log_of(daybook: Daybook, port: int) -> int:
    """How many events there are, once it is ready."""
    wait_until_ready(daybook, port)
    daybook.says("Daybook runs at")
    url = f"http://127.0.0.1:{port}/api/projections"
    return int(httpx2.get(url, headers=bearer()).json()["position"])


def stops(daybook: Daybook, number: int) -> None:
    everything = tree(daybook.pid)
    assert names(everything) > {"postgres"}
    assert daybook.stop(number) == 0
    assert are_gone(everything)


def works_beside_others(daybook: CommandLine) -> None:
    assert "cannot listen on 127.0.0.1" in daybook.refused(1, "up")
    assert "another daybook runs on" in daybook.refused(1, "up", PORT=str(free_port()))
    assert daybook.json("balance", CASH)[0]["name"] == "Cash desk"
    url = daybook.done("config", "database-url").strip()
    assert url.startswith("postgresql://daybook@/daybook?host=")


def test_other_commands_work_without_it(folder: Path) -> None:
    daybook = CommandLine(settings_at(folder, free_port()))
    listed = daybook("accounts", "--json")
    assert (listed.returncode, listed.stdout) == (0, "[]\n")
    assert "making a new Postgres data folder" in listed.stderr
    assert not (folder / "postgres" / "postmaster.pid").exists()


def test_it_uses_another_postgres(database: Database, folder: Path) -> None:
    port = free_port()
    theirs = folder / "api"
    theirs.mkdir()
    (theirs / "__init__.py").write_text("raise SystemExit('not what was meant')")
    with Daybook(
        "up", "--demo", settings=settings_of(database) | {"PORT": str(port)}, cwd=folder
    ) as daybook:
        daybook.says("Daybook runs at")
        assert not [name for name in names(tree(daybook.pid)) if "postgres" in name]
        answer = httpx2.get(f"http://127.0.0.1:{port}/api/accounts", headers=bearer())
        assert answer.json()["data"] == [], "no demo data where others may get at it"
        assert daybook.stop() == 0
        assert "the data stay in your database" in daybook.output
        assert demo.EXAMPLE_TRANSFER not in daybook.output


def a_file(folder: Path) -> Path:
    path = folder / "file"
    path.touch()
    return path


def another_version(folder: Path) -> Path:
    (folder / "postgres").mkdir()
    (folder / "postgres" / "PG_VERSION").write_text("15\n")
    return folder


def something_else(folder: Path) -> Path:
    (folder / "postgres").mkdir()
    (folder / "postgres" / "letter.txt").touch()
    return folder


def nowhere(folder: Path) -> Path:
    return Path("/proc/daybook")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (a_file, "a file is in its place"),
        (another_version, "was made by Postgres 15, and this is Postgres 18"),
        (something_else, "it is not a data folder of Postgres"),
        (nowhere, "make /proc/daybook writable"),
    ],
)
def test_a_folder_that_it_cannot_use_is_refused(
    make: Callable[[Path], Path], words: str, folder: Path
) -> None:
    daybook = CommandLine(settings_at(make(folder), free_port()))
    said = daybook.refused(1, "up")
    assert words in said
    assert "DATA_DIR" in said or "move it away" in said


def test_addresses_that_others_reach_are_refused_until_they_are_named(folder: Path) -> None:
    daybook = CommandLine(settings_at(folder, free_port()))
    assert "set ALLOWED_HOSTS to the names" in daybook.refused(1, "up", HOST="0.0.0.0")
    assert list(folder.iterdir()) == []


def test_a_port_in_use_is_refused_before_anything_is_made(folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        daybook = CommandLine(settings_at(folder, other.getsockname()[1]))
        assert "stop the program that does" in daybook.refused(1, "up")
    assert list(folder.iterdir()) == []

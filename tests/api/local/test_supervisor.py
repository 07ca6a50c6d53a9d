"""The supervisor keeps its processes alive, gives up when it must, and leaves none behind."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.api.local.conftest import Run, line_with

SUPERVISE = """
import sys
from api.local.signals import StopSignals
from api.local.supervisor import Child, Supervisor

programs = [argument.split(": ", 1) for argument in sys.argv[1:]]
children = [
    Child(name, [sys.executable, "-u", "-c", code], stop_within_s=5) for name, code in programs
]
with StopSignals() as signals:
    sys.exit(Supervisor(children, notice=print).run(signals))
"""
# Whole lines in single writes, because several processes share the output.
LIVE = """
import os, signal, sys
def stop(number, frame):
    os.write(1, b"{0} stops\\n")
    sys.exit()
signal.signal(signal.SIGTERM, stop)
os.write(1, f"{0} is {{os.getpid()}}\\n".encode())
while True:
    signal.pause()
"""
DEAF = """
import os, signal
signal.signal(signal.SIGTERM, lambda number, frame: print("deaf hears"))
print("deaf is", os.getpid())
while True:
    signal.pause()
"""
WITH_POSTGRES = """
import sys
from pathlib import Path
from api.local.postgres import EmbeddedPostgres
from api.local.signals import StopSignals
from api.local.supervisor import Supervisor

with StopSignals() as signals, EmbeddedPostgres(Path(sys.argv[1])) as server:
    print("ready", server.pid, server.url(superuser=True))
    sys.exit(Supervisor([], watched=[server], notice=print).run(signals))
"""


def live(name: str) -> str:
    return f"{name}: {LIVE.format(name)}"


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_killed_child_is_started_again(run_script: Run) -> None:
    tree = run_script(SUPERVISE, live("api"))
    first = int(line_with(tree, "api is").split()[-1])
    os.kill(first, signal.SIGKILL)
    assert line_with(tree, "api was") == "api was ended by SIGKILL; it starts again in 0.2 s"
    assert int(line_with(tree, "api is").split()[-1]) != first
    tree.terminate()
    assert tree.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_the_children_in_reverse_order(run_script: Run, number: int) -> None:
    tree = run_script(SUPERVISE, live("one"), live("two"))
    pids = [int(line_with(tree, " is ").split()[-1]) for _ in range(2)]
    tree.send_signal(number)
    assert line_with(tree, "stops") == "two stops"
    assert line_with(tree, "stops") == "one stops"
    assert tree.wait() == 0
    assert all(map(is_gone, pids))


def test_impatience_leaves_no_orphan(run_script: Run) -> None:
    tree = run_script(SUPERVISE, f"deaf: {DEAF}")
    pid = int(line_with(tree, "deaf is").split()[-1])
    tree.send_signal(signal.SIGINT)
    line_with(tree, "deaf hears")
    tree.send_signal(signal.SIGINT)
    tree.send_signal(signal.SIGTERM)
    assert tree.wait() == 0
    assert is_gone(pid)


def test_a_child_that_cannot_live_stops_everything(run_script: Run) -> None:
    tree = run_script(SUPERVISE, live("healthy"), "sick: raise SystemExit(3)")
    healthy = int(line_with(tree, "healthy is").split()[-1])
    for delay in ("0.2", "0.4", "0.8", "1.6"):
        assert line_with(tree, "sick") == f"sick ended with status 3; it starts again in {delay} s"
    given_up = line_with(tree, "sick")
    assert given_up.startswith("sick ended with status 3, 5 times in 30 seconds, so everything")
    line_with(tree, "healthy stops")
    assert tree.wait() == 1
    assert is_gone(healthy)


def test_a_program_that_is_not_there_is_named(
    run_script: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    missing = SUPERVISE.replace("sys.executable", "'/no/such/program'")
    assert run_script(missing, live("api")).wait() == 1
    assert "cannot run /no/such/program: No such file or directory" in capfd.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties children to their parents")
def test_children_end_with_a_killed_supervisor(run_script: Run) -> None:
    tree = run_script(SUPERVISE, live("api"))
    line_with(tree, "api is")
    tree.kill()
    line_with(tree, "api stops")


def test_a_killed_postgres_is_started_again(run_script: Run, folder: Path) -> None:
    tree = run_script(WITH_POSTGRES, str(folder))
    _, pid, url = line_with(tree, "ready").split()
    os.kill(int(pid), signal.SIGKILL)
    line_with(tree, "postgres was ended by SIGKILL; it starts again")
    with connected(url) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
    tree.terminate()
    assert tree.wait() == 0


def connected(url: str) -> psycopg.Connection[Any]:
    while True:
        with suppress(psycopg.OperationalError):
            return psycopg.connect(url)

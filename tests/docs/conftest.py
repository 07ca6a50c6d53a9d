"""A Daybook with demo data, and a folder to follow the documents in, so that nothing lands in the tree."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.folders import data_folder
from tests.support.people import bearer
from tests.support.processes import (
    PATIENCE_S,
    ROOT,
    Daybook,
    environment,
    free_port,
    settings_at,
    wait_until_ready,
)
from tests.support.waiting import until


class Reader:
    """Somebody who has run `make run`, and types what a document says."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.bank_port = 0
        self.settings = settings_at(folder / "var", port)

    def reads(self, welcome: str) -> None:
        """What `make run` says once it is ready, where the bank is too."""
        (port,) = re.findall(r"bank to try it with: http://127\.0\.0\.1:(\d+)/", welcome)
        self.bank_port = int(port)

    def types(self, command: str) -> str:
        """What a command prints, once the read models show all that there is; it must succeed."""
        until(self._all_is_shown)
        for port, ours in ((8000, self.port), (8010, self.bank_port)):
            command = command.replace(f"127.0.0.1:{port}", f"127.0.0.1:{ours}")
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=environment(self.settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE_S,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), f"{command}{done.stdout}{done.stderr}"
        return done.stdout

    def types_until(self, words: str, command: str) -> str:
        """What a command prints once these words are in it."""
        printed = [self.types(command)]

        def is_there() -> bool:
            if words not in printed[-1]:
                printed.append(self.types(command))
            return words in printed[-1]

        until(is_there, PATIENCE_S)
        return printed[-1]

    def _all_is_shown(self) -> bool:
        url = f"http://127.0.0.1:{self.port}/api/projections"
        models = httpx2.get(url, headers=bearer()).json()["data"]
        return all(model["lag_events"] == 0 for model in models)


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    # What is run from a folder is not always allowed to be where data are fastest.
    with data_folder() as data, tempfile.TemporaryDirectory(prefix="daybook-test-") as name:
        folder = Path(name).resolve()
        (folder / "var").symlink_to(data)
        yield from _reader(folder)


def _reader(folder: Path) -> Iterator[Reader]:
    reader = Reader(folder, free_port())
    installed = folder / ".venv" / "bin" / "daybook"
    installed.parent.mkdir(parents=True)
    installed.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m api.cli "$@"\n')
    installed.chmod(0o755)
    for shown in ("api/samples", "docs/examples"):
        shutil.copytree(ROOT / shown, folder / shown)
    with Daybook("up", settings=reader.settings) as daybook:
        wait_until_ready(daybook, reader.port)
        daybook.says("Ctrl-C stops it")
        reader.reads(daybook.output)
        yield reader
        assert daybook.stop() == 0

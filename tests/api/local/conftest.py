"""Folders for servers, and other processes that start servers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.folders import data_folder

Run = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder with a short path that other users can be let into."""
    with data_folder() as path:
        yield path


@pytest.fixture
def run_script() -> Iterator[Run]:
    """Runs Python code in processes of their own, which end with the test."""
    running: list[subprocess.Popen[str]] = []

    def run(code: str, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-u", "-c", code, *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def line_with(process: subprocess.Popen[str], words: str) -> str:
    """Wait for the next line of output that has these words in it."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        if words in line:
            return line.strip()
        seen.append(line)
    raise AssertionError(f"the output ended without {words!r}: {''.join(seen)}")

"""An export that kills itself (`kill -9`) right before it does a thing for the n-th time, counted from 1.

    python -m tests.projections.exporting.dying URL FOLDER FORMAT THING NUMBER

A thing is what Python's audit events call it (`open`, `os.rename`, `os.remove`, `os.mkdir`), done within
the folder, or `batch`: telling that one more batch is written.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any, cast

from projections.exporting import exporter
from projections.exporting.writing import Format


def main(url: str, folder: str, format: Format, thing: str, number: int) -> None:
    left = number

    def does(what: str) -> None:
        nonlocal left
        left -= what == thing
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == thing and str(arguments[0]).startswith(folder):
            does(event)

    exporter.BATCH_EVENTS = 50
    exporter.SET_EVENTS = 300
    sys.addaudithook(watch)
    exporter.export(url, Path(folder), lambda done, total: does("batch"), format=format)


if __name__ == "__main__":
    url, folder, format, thing, number = sys.argv[1:]
    main(url, folder, cast(Format, format), thing, int(number))

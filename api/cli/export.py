"""`daybook export`: the log as Parquet or NDJSON files, for tools that know nothing of Daybook."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from api import databases
from api.settings import load_settings
from projections.exporting import exporter
from projections.exporting.exporter import Exported
from projections.exporting.writing import Format

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a sentence.")]


def export(
    to: Annotated[
        Path, typer.Option(metavar="DIR", help="A folder: empty, or of an export to go on with.")
    ],
    format: Annotated[Format, typer.Option(help="What the files are.")] = "parquet",
    since: Annotated[
        int | None,
        typer.Option(metavar="POSITION", min=0, help="Begin after it, in an empty folder."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the event log as files, a folder for each topic and month, typed columns.

    A second run into the same folder adds what is new; one that was interrupted goes on.
    """
    with databases.ready_database(load_settings()) as conninfo, _bar() as progress:
        try:
            done = exporter.export(conninfo, to, progress, format=format, since=since)
        except KeyboardInterrupt:
            typer.echo("interrupted; the same command goes on", err=True)
            raise
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(done), ensure_ascii=False))
    else:
        typer.echo(_sentence(done))


def _sentence(done: Exported) -> str:
    if done.events:
        return (
            f"exported {done.events:,} events, positions {done.from_position} to"
            f" {done.to_position}, as {done.files} {done.format} files to {done.folder} in"
            f" {done.seconds:.1f} s"
        )
    if done.to_position == 0:
        return "nothing to export: the log is empty"
    return f"nothing new: {done.folder} is at position {done.to_position}, the end of the log"


@contextmanager
def _bar() -> Iterator[exporter.Progress]:
    """A progress bar on a terminal; calls it when told the events done and to do."""
    columns = (
        TextColumn("exporting"), BarColumn(), MofNCompleteColumn(), TextColumn("events"),
        TimeRemainingColumn(),
    )  # fmt: skip
    stderr = Console(stderr=True)
    with Progress(*columns, console=stderr, disable=not stderr.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)

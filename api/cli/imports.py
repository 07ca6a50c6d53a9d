"""`daybook import`: bank statements and files of transfers, with progress, tables and exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import psycopg
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from api.cli.output import Json
from api.databases import open_ledger
from application.importing.bulk import BulkResult, import_transfers
from application.importing.rows import FileError
from application.importing.statements import StatementResult, import_statements
from application.importing.texts import clean
from application.ledger import WriteFailedError
from domain.money import format_amount

_WIDTH_OF_PIPES = 240
"""Columns to lay a table out in when it goes to a file or a pipe, where nothing needs to be cut."""

app = typer.Typer(help="Bring in bank statements and files of transfers.", no_args_is_help=True)


@app.command()
def statement(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="MT940 or camt.053 files, the oldest first."),
    ],
    as_json: Json = False,
) -> None:
    """Book bank statements (MT940, camt.053), each one whole and once. Exit status 1 when any was refused."""
    for file in files:
        _check_readable(file)
    with _sentences(), open_ledger() as (ledger, conninfo), _bar(MofNCompleteColumn()) as report:
        results = import_statements(ledger, conninfo, files, report)
    if as_json:
        _print_json([_statement_json(result) for result in results])
    else:
        _print_statements(results)
    raise typer.Exit(int(any(result.status == "refused" for result in results)))


@app.command()
def transfers(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .csv or .ndjson file.")],
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew although an earlier import stopped.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Post a file of transfers. After a crash, run it again: it goes on, and posts nothing twice.

    Refused lines go to FILE.refused.ndjson. Exit status 1 when there are any.
    """
    _check_readable(file)
    shown = clean(str(file), limit=1000)
    columns = (DownloadColumn(), TimeRemainingColumn())
    with _sentences(), open_ledger() as (ledger, conninfo), _bar(*columns) as report:
        try:
            result = import_transfers(
                ledger,
                conninfo,
                file,
                restart=restart,
                progress=report,
                notice=lambda said: _console(stderr=True).print(f"{shown}: {said}."),
            )
        except FileError as error:
            _fail(f"{shown}: {error}.", status=2)
    if as_json:
        _print_json(_bulk_json(result))
    else:
        _print_bulk(shown, result)
    raise typer.Exit(int(result.refused > 0))


def _check_readable(file: Path) -> None:
    try:
        with file.open("rb"):
            return
    except OSError as error:
        _fail(f"{clean(str(file), limit=1000)} can't be read: {error.strerror}.", status=2)


def _fail(sentence: str, *, status: int = 1) -> NoReturn:
    _console(stderr=True).print(sentence)
    raise typer.Exit(status)


@contextmanager
def _sentences() -> Iterator[None]:
    """What stops an import half-way as a sentence: whatever it is, to run it again goes on."""
    again = "What was booked stays booked; run the same command again to go on."
    try:
        yield
    except WriteFailedError as error:
        _fail(f"{error}. {again}")
    except psycopg.OperationalError as error:
        _fail(f"The database can't be reached: {clean(str(error))}. {again}")
    except OSError as error:
        _fail(f"{clean(str(error))}. {again}")


def _console(*, stderr: bool = False) -> Console:
    """A console that shows what banks and files say as it is, and controls terminals only."""
    is_terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(
        stderr=stderr,
        force_terminal=is_terminal,
        width=None if is_terminal else _WIDTH_OF_PIPES,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=stderr,
    )


@contextmanager
def _bar(*columns: ProgressColumn) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error while there is somebody to see it; yields how to move it."""
    console = _console(stderr=True)
    bar = Progress(
        TextColumn("importing"),
        BarColumn(),
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, default=str))


def _print_statements(results: Sequence[StatementResult]) -> None:
    console = _console()
    good, bad = ("✓", "✗") if console.encoding.startswith("utf") else ("ok", "refused")
    table = Table()
    for heading in ("Statement", "File"):
        table.add_column(heading)
    for heading in ("Lines", "Opening", "Closing", "Ledger balance"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for result in results:
        mark = {"imported": good, "already imported": f"{good} already imported", "refused": bad}
        table.add_row(
            f"{result.bank_account} {result.number}".strip() or "none",
            result.file,
            str(result.lines) if result.closing is not None else "",
            _amount(result.opening, result),
            _amount(result.closing, result),
            _amount(result.balance, result),
            mark[result.status],
        )
    console.print(table)
    for result in results:
        if result.reason:
            console.print(f"{bad} {result.reason}")


def _amount(minor: int | None, result: StatementResult) -> str:
    return "" if minor is None else f"{format_amount(minor, result.currency)} {result.currency}"


def _statement_json(result: StatementResult) -> dict[str, Any]:
    def amount(minor: int | None) -> str | None:
        return None if minor is None else format_amount(minor, result.currency)

    return {
        "file": result.file,
        "status": result.status,
        "bank_account": result.bank_account,
        "number": result.number,
        "reference": result.reference,
        "currency": result.currency,
        "lines": result.lines,
        "opening": amount(result.opening),
        "closing": amount(result.closing),
        "ledger_balance": amount(result.balance),
        "account_id": result.account_id,
        "statement_id": result.statement_id,
        "reason": result.reason,
    }


def _print_bulk(shown: str, result: BulkResult) -> None:
    console = _console()
    console.print(
        f"{shown}: {result.posted:,} posted, {result.already_there:,} already there,"
        f" {result.refused:,} refused; {result.lines_per_second:,.0f} lines/s."
    )
    if result.refused_path is not None:
        console.print(f"Refused lines and why: {clean(str(result.refused_path), limit=1000)}")


def _bulk_json(result: BulkResult) -> dict[str, Any]:
    return {
        "posted": result.posted,
        "already_there": result.already_there,
        "refused": result.refused,
        "refused_file": result.refused_path,
        "lines": result.lines,
        "seconds": round(result.seconds, 3),
        "lines_per_second": round(result.lines_per_second),
    }

"""What all commands print with: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from application.importing.texts import clean
from domain.texts import is_fit

# Into a pipe or a file nothing is cut off to the width of a screen.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)

_WHOLE = frozenset(
    {"id", "stream_id", "account_id", "position", "recorded_at", "currency", "status"}
)
"""Columns that are useless when they are cut or wrapped."""

_FIGURES = frozenset({"amount", "balance", "held", "available", "debits", "credits", "difference"})

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def show(rows: Sequence[dict[str, Any]], columns: Iterable[str], *, as_json: bool) -> None:
    """Rows as a table of some of their columns, or as JSON with all of them."""
    if as_json:
        typer.echo(json.dumps(rows, default=str, ensure_ascii=False))
        return
    names = list(columns)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        figure = name in _FIGURES
        table.add_column(
            name, no_wrap=figure or name in _WHOLE, justify="right" if figure else "left"
        )
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in names))
    console.print(table)


def one_line(text: str) -> str:
    """The text as a terminal may show it: what would move its cursor becomes spaces.

    The log keeps what it was given, and it may have been given it before that was refused.
    """
    return text if is_fit(text) else clean(text, len(text))


def _cell(value: object) -> Text:
    """Text as it is: a description with brackets is no markup."""
    if value is None:
        return Text("")
    if isinstance(value, dict):
        return Text(json.dumps(value, ensure_ascii=False))
    if isinstance(value, list):
        return Text(one_line(", ".join(map(str, value))))
    return Text(one_line(str(value)))

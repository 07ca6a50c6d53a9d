"""The figures as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import floor, log10
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.bench.rows import Row

_DIGITS = 3
"""More than three digits of a measurement are noise."""


def write_json(path: Path, machine: Mapping[str, str | int], rows: Sequence[Row]) -> None:
    """`{"machine": {...}, "rows": [...]}`."""
    content = {"machine": machine, "rows": [row.as_json() for row in rows]}
    path.write_text(json.dumps(content, indent=2) + "\n")


def show(console: Console, machine: Mapping[str, str | int], rows: Sequence[Row]) -> None:
    """The machine, the promises with whether they hold, and what they are made of."""
    console.print(Text(" · ".join(f"{name} {value}" for name, value in machine.items())))
    promises = [row for row in rows if row.spec.hold is not None]
    others = [row for row in rows if row.spec.hold is None]
    if promises:
        console.print(_table(promises, with_targets=True))
    if others:
        console.print(_table(others, with_targets=False))
    for row in rows:
        if row.problem:
            console.print(Text(f"{row.spec.name} could not be measured: {row.problem}"))


def _table(rows: Sequence[Row], *, with_targets: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("row", no_wrap=True)
    table.add_column("what")
    table.add_column("measured", justify="right", no_wrap=True)
    table.add_column("lowest to highest", justify="right", no_wrap=True)
    if with_targets:
        table.add_column("hold", justify="right", no_wrap=True)
        table.add_column("reach for", justify="right", no_wrap=True)
        table.add_column("holds", no_wrap=True)
    for row in rows:
        cells = [row.spec.name, row.spec.what, figure(row.value), _spread(row)]
        if with_targets:
            cells += [_target(row, row.spec.hold), _target(row, row.spec.reach), _verdict(row)]
        table.add_row(*map(Text, cells))
    return table


def _spread(row: Row) -> str:
    return "" if row.low is None else f"{figure(row.low)} to {figure(row.high)}"


def _target(row: Row, value: float | None) -> str:
    return f"{'≤' if row.spec.is_time else '≥'} {figure(value)}"


def _verdict(row: Row) -> str:
    if row.holds is None:
        return "not measured"
    return "yes" if row.holds else "NO"


def figure(value: float | None) -> str:
    """A number with three digits that count, and thousands apart; empty for none."""
    if value is None:
        return ""
    if value == 0:
        return "0"
    decimals = _DIGITS - 1 - floor(log10(abs(value)))
    rounded = round(value, decimals)
    return (
        f"{rounded:,.{max(decimals, 0)}f}".rstrip("0").rstrip(".")
        if decimals > 0
        else f"{rounded:,.0f}"
    )

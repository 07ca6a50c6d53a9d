"""`daybook projections rebuild` and what goes with it: verify, pause, resume, cancel, roll back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import psycopg
import typer
from psycopg import AsyncConnection
from rich.console import Console
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from api.cli.output import Json, show
from api.cli.own_models import Chosen, choose, ready_database
from api.cli.reading import read
from api.rebuild_views import parity_in_words, rebuild_view
from projections import rebuild_state, swapping
from projections.catalogue import READ_MODELS, ReadModel
from projections.rebuild import Options, Rebuilt, rebuild_many
from projections.rebuild_state import Rebuild

_POLL_S = 0.5

Name = Annotated[str, typer.Argument(help="The read model's name, or the .py file of your own.")]
Names = Annotated[
    list[str],
    typer.Argument(help="Names of read models, or .py files of your own; the log is read once."),
]
Throttle = Annotated[
    int | None, typer.Option(help="At most so many events a second.", min=1, show_default=False)
]

_COLUMNS = ("name", "state", "events_done", "events_total", "events_per_s", "eta_seconds", "error")


def add_to(app: typer.Typer) -> None:
    for command in (rebuild, verify, resume, pause, cancel, rollback, status):
        app.command()(command)


def rebuild(
    names: Names,
    parallel: Annotated[int, typer.Option(help="Processes that read the log.", min=1, max=64)] = 1,
    throttle: Throttle = None,
    accept_differences: Annotated[
        bool, typer.Option(help="Swap even when rows differ, because the code was corrected.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Build read models anew beside the live ones, which serve meanwhile; compare, and swap if equal.

    One that was interrupted goes on where it was. Exit status 1: rows differ, nothing was swapped.
    """
    options = Options(accept_differences=accept_differences, throttle=throttle, parallel=parallel)
    _run(names, options, as_json)


def verify(names: Names, throttle: Throttle = None, as_json: Json = False) -> None:
    """Compare read models with what the log comes to, and leave them as they are.

    Exit status 1: rows differ.
    """
    _run(names, Options(only_verify=True, throttle=throttle), as_json)


def resume(names: Names, throttle: Throttle = None, as_json: Json = False) -> None:
    """Go on with rebuilds that were paused or interrupted."""
    _run(names, Options(must_be_begun=True, throttle=throttle), as_json)


def pause(name: Name) -> None:
    """Have a rebuild stop until it is resumed."""
    chosen, model = _the_one(name)
    with ready_database(chosen) as conninfo:
        done = swapping.pause(conninfo, model.name, chosen.models)
    typer.echo(f"{model.name}: {'paused' if done else 'pauses after the events in hand'}")


def cancel(name: Name) -> None:
    """Give a rebuild up, and drop what it has built."""
    chosen, model = _the_one(name)
    with ready_database(chosen) as conninfo:
        done = swapping.cancel(conninfo, model.name, chosen.models)
    typer.echo(f"{model.name}: {'cancelled' if done else 'is cancelled after the events in hand'}")


def rollback(name: Name) -> None:
    """Put the tables back that the last rebuild replaced; a second time swaps again."""
    chosen, model = _the_one(name)
    with ready_database(chosen) as conninfo:
        now = swapping.rollback(conninfo, model.name, chosen.models)
    typer.echo(f"{model.name}: rolled back to position {now.position}")
    if now.code_version != model.version:
        typer.echo(
            f"{model.name} was built by version {now.code_version}, code is version {model.version}:"
            " it stands still until it is rebuilt or that version runs",
            err=True,
        )


def _the_one(word: str) -> tuple[Chosen, ReadModel]:
    chosen = choose([word])
    return chosen, chosen.models[0]


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Until no rebuild runs.")] = False,
    as_json: Json = False,
) -> None:
    """Show the last rebuild of each read model, and how far it is."""
    rows = _status()
    if watch and not as_json:
        with Live(_table(rows), console=Console(stderr=True), transient=True) as live:
            while any(row["is_running"] for row in rows):
                time.sleep(_POLL_S)
                rows = _status()
                live.update(_table(rows))
    show(rows, _COLUMNS, as_json=as_json)


def _status() -> list[dict[str, Any]]:
    found = read(_rebuilds, fresh=False)
    return [{**rebuild_view(one), "is_running": one.is_running} for one in found]


async def _rebuilds(conn: AsyncConnection[Any]) -> list[Rebuild]:
    """The last rebuild of every read model, those of people's own at the end."""
    product = [model.name for model in READ_MODELS]
    others = await conn.execute(
        "SELECT name FROM rebuilds WHERE NOT name = ANY(%s) ORDER BY name", (product,)
    )
    own = [name for (name,) in await others.fetchall()]
    return await rebuild_state.find_all(conn, [*product, *own])


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(*_COLUMNS)
    for row in rows:
        table.add_row(*("" if row[name] is None else str(row[name]) for name in _COLUMNS))
    return table


def _run(words: list[str], options: Options, as_json: bool) -> None:
    chosen = choose(words)
    names = chosen.names
    with ready_database(chosen) as conninfo, _bar(conninfo, names) as progress:
        try:
            done = rebuild_many(conninfo, names, progress, chosen.models, options)
        except KeyboardInterrupt:
            typer.echo(
                "interrupted; to go on: daybook projections resume " + " ".join(words), err=True
            )
            raise
    show([_row(one) for one in done], ("name", "outcome", "events", "seconds", "events_per_s",
                                       "position"), as_json=as_json)  # fmt: skip
    for one in done:
        if one.parity is not None and not one.parity.is_equal and not as_json:
            typer.echo("\n".join([f"{one.name} differs:", *parity_in_words(one.parity)]))
    different = [one for one in done if one.outcome == "different"]
    if different:
        if not options.only_verify:
            typer.echo(chosen.with_files(_advice(different)), err=True)
        raise typer.Exit(1)


def _advice(different: list[Rebuilt]) -> str:
    name, parity = different[0].name, different[0].parity
    emptied = [] if parity is None else parity.emptied
    why = f", {', '.join(emptied)} came out empty" if emptied else ""
    return (
        f"not swapped{why}; the rebuilt rows are in the schema {name}_shadow. If the new rows are right:"
        f" daybook projections rebuild {name} --accept-differences; to drop them:"
        f" daybook projections cancel {name}"
    )


def _row(done: Rebuilt) -> dict[str, Any]:
    return {
        "name": done.name,
        "outcome": done.outcome,
        "events": done.events,
        "seconds": round(done.seconds, 3),
        "events_per_s": round(done.events / done.seconds) if done.seconds else None,
        "position": done.position,
        "report": None if done.parity is None else done.parity.to_json(),
    }


class _Rate(ProgressColumn):
    """Events a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.0f} events/s")


@contextmanager
def _bar(conninfo: str, names: list[str]) -> Iterator[Any]:
    """A progress bar on a terminal; calls it when told the events done and to do."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(),
        TimeRemainingColumn(), TextColumn("{task.fields[lag]}"),
    )  # fmt: skip
    stderr = Console(stderr=True)
    with Progress(*columns, console=stderr, disable=not stderr.is_terminal, transient=True) as bar:
        task = bar.add_task(" ".join(names), total=None, lag="")
        looked_at = 0.0

        def progress(done: int, total: int) -> None:
            nonlocal looked_at
            bar.update(task, completed=done, total=total)
            if stderr.is_terminal and time.monotonic() > looked_at + 1:
                looked_at = time.monotonic()
                bar.update(task, lag=f"live lags {_lag(conninfo, names):,} events")

        yield progress


def _lag(conninfo: str, names: list[str]) -> int:
    """Events that the live read models don't show yet, of the one that is furthest behind."""
    with psycopg.connect(conninfo, autocommit=True) as conn:
        row = conn.execute(
            "SELECT coalesce(max(head.position - c.position), 0) FROM ledger_head AS head,"
            " checkpoints AS c WHERE c.name = ANY(%s)",
            (names,),
        ).fetchone()
    return 0 if row is None else int(row[0])

"""`daybook projections`: the read models, how far they are, and building one anew."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from api import wiring
from api.cli.output import Json, show
from api.cli.reading import read
from api.settings import load_settings
from projections.health import status
from projections.rebuild import rebuild

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_projections(as_json: Json = False) -> None:
    """List the read models: position, lag behind the log, health."""
    found = read(status, fresh=False)
    rows = [
        {
            "name": s.name,
            "position": s.position,
            "lag_events": s.lag_events,
            "lag_seconds": round(s.lag_s, 3),
            "health": s.health,
            "error": s.error,
        }
        for s in found
    ]
    show(
        rows, ("name", "position", "lag_events", "lag_seconds", "health", "error"), as_json=as_json
    )


@app.command("rebuild")
def rebuild_projection(
    name: Annotated[str, typer.Argument(help="The read model's name.")], as_json: Json = False
) -> None:
    """Build a read model anew beside the live one, which serves meanwhile, and swap."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("events"),
        TimeRemainingColumn(),
    )
    stderr = Console(stderr=True)
    with (
        wiring.ready_database(load_settings()) as conninfo,
        Progress(*columns, console=stderr, disable=not stderr.is_terminal, transient=True) as bar,
    ):
        task = bar.add_task(f"rebuilding {name}", total=None)
        done = rebuild(
            conninfo, name, lambda part, whole: bar.update(task, completed=part, total=whole)
        )
    row = {
        "name": done.name,
        "events": done.events,
        "seconds": round(done.seconds, 3),
        "events_per_s": round(done.events / done.seconds) if done.seconds else None,
        "position": done.position,
    }
    show([row], row.keys(), as_json=as_json)

"""`daybook projections`: the read models, how far they are, and building them anew."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from psycopg import AsyncConnection

from api.cli import parking as parking_commands
from api.cli import rebuilding
from api.cli.output import Json, show
from api.cli.own_models import Chosen, choose, ready_database
from api.cli.projecting import keep_up
from api.cli.reading import read
from api.local.signals import StopSignals
from api.rebuild_views import rebuild_view
from projections import files, parking, rebuild_state
from projections.health import ModelStatus, status, status_of_others

app = typer.Typer(no_args_is_help=True)

_COLUMNS = ("name", "position", "lag_events", "lag_seconds", "health", "parked", "error")


@app.command("list")
def list_projections(as_json: Json = False) -> None:
    """List the read models: position, lag behind the log, health."""

    async def ask(conn: AsyncConnection[Any]) -> list[ModelStatus]:
        return [*await status(conn), *await status_of_others(conn)]

    show([_view(s) for s in read(ask, fresh=False)], _COLUMNS, as_json=as_json)


def _view(s: ModelStatus) -> dict[str, Any]:
    return {
        "name": s.name,
        "position": s.position,
        "lag_events": s.lag_events,
        "lag_seconds": round(s.lag_s, 3),
        "health": s.health,
        "parked": s.parked,
        "error": s.error,
    }


@app.command("show")
def show_projection(name: rebuilding.Name, as_json: Json = False) -> None:
    """Show one read model and its last rebuild."""
    (model,) = choose([name]).models
    (found,) = read(lambda conn: status(conn, [model]), fresh=False)
    last = read(lambda conn: rebuild_state.find_all(conn, [model.name]), fresh=False)
    left_out = read(lambda conn: parking.parked(conn, model.name), fresh=False)
    row = {
        **_view(found),
        "built_by_version": found.built_by,
        "code_version": found.code_version,
        "rebuild": rebuild_view(last[0]) if last else None,
        "parked_keys": [one._asdict() for one in left_out],
    }
    if as_json:
        show([row], row, as_json=True)
        return
    facts = {
        **row,
        "rebuild": None,
        "parked_keys": None,
        **{f"parked_{one.key}": f"from event {one.position}: {one.error}" for one in left_out},
        **{f"rebuild_{k}": v for k, v in (row["rebuild"] or {}).items()},
    }
    lines = [{"fact": k, "value": v} for k, v in facts.items() if v is not None]
    show(lines, ("fact", "value"), as_json=False)


@app.command("run")
def run_own(
    file: Annotated[Path, typer.Argument(help="The .py file of a read model of your own.")],
) -> None:
    """Keep a read model of your own up to date, beside the product's, until SIGTERM or Ctrl-C.

    It also goes on with rebuilds of it that were interrupted. A second one stands by.
    """
    with StopSignals(), suppress(KeyboardInterrupt):
        model = files.load(file)
        chosen = Chosen([model], {model.name: file})
        with ready_database(chosen) as conninfo:
            typer.echo(
                f"{model.name}, version {model.version}, is kept up to date in the schema"
                f" {model.name}; Ctrl-C stops it"
            )
            sys.stdout.flush()
            keep_up(conninfo, chosen.models)


rebuilding.add_to(app)
parking_commands.add_to(app)

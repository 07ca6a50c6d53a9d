"""`daybook projections retry`: shows again what a read model has left out because its code failed."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from api.cli.output import Json, show
from api.cli.own_models import choose, ready_database
from api.cli.rebuilding import Name
from projections import parking


def add_to(app: typer.Typer) -> None:
    app.command()(retry)


def retry(
    name: Name,
    key: Annotated[
        UUID | None, typer.Argument(help="An account, transfer or stream; all that are parked.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the events of parked keys, once the code that failed on them is corrected.

    Exit status 1: some still fail, and stay parked.
    """
    chosen = choose([name])
    (model,) = chosen.models
    with ready_database(chosen) as conninfo:
        done = parking.retry(conninfo, model.name, key, chosen.models)
    if not done and not as_json:
        typer.echo(f"nothing of {model.name} is parked")
        return
    rows = [
        {
            "key": str(one.key),
            "outcome": "shown" if one.error is None else "still fails",
            "events": one.events,
            "error": one.error,
        }
        for one in done
    ]
    show(rows, ("key", "outcome", "events", "error"), as_json=as_json)
    if any(one.error is not None for one in done):
        raise typer.Exit(1)

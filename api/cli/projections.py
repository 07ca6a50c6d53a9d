"""`daybook projections`: the read models, how far they are, and building them anew."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.cli import rebuilding
from api.cli.output import Json, show
from api.cli.reading import read
from api.rebuild_views import rebuild_view
from projections import rebuild_state
from projections.catalogue import read_model
from projections.health import ModelStatus, status

app = typer.Typer(no_args_is_help=True)

_COLUMNS = ("name", "position", "lag_events", "lag_seconds", "health", "error")


@app.command("list")
def list_projections(as_json: Json = False) -> None:
    """List the read models: position, lag behind the log, health."""
    found = read(status, fresh=False)
    show([_view(s) for s in found], _COLUMNS, as_json=as_json)


def _view(s: ModelStatus) -> dict[str, Any]:
    return {
        "name": s.name,
        "position": s.position,
        "lag_events": s.lag_events,
        "lag_seconds": round(s.lag_s, 3),
        "health": s.health,
        "error": s.error,
    }


@app.command("show")
def show_projection(
    name: Annotated[str, typer.Argument(help="The read model's name.")], as_json: Json = False
) -> None:
    """Show one read model and its last rebuild."""
    model = read_model(name)
    (found,) = read(lambda conn: status(conn, [model]), fresh=False)
    last = read(lambda conn: rebuild_state.find_all(conn, [name]), fresh=False)
    row = {
        **_view(found),
        "built_by_version": found.built_by,
        "code_version": found.code_version,
        "rebuild": rebuild_view(last[0]) if last else None,
    }
    if as_json:
        show([row], row, as_json=True)
        return
    facts = {
        **row,
        "rebuild": None,
        **{f"rebuild_{k}": v for k, v in (row["rebuild"] or {}).items()},
    }
    lines = [{"fact": k, "value": v} for k, v in facts.items() if v is not None]
    show(lines, ("fact", "value"), as_json=False)


rebuilding.add_to(app)

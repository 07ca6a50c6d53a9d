"""`daybook decisions replay`: who would have been decided differently, had a table been in force?"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import typer
from psycopg import AsyncConnection

from api import decision_replaying as replaying
from api.cli.output import show
from api.cli.reading import read
from application.decisions import Comparison, Decisions, Difference, compare


def show_replay(
    new: Decisions, since: datetime | None, until: datetime | None, *, as_json: bool
) -> None:
    """Who would be decided differently by a table, of all that were decided in that time."""
    country = new.versions[0].table.country
    wanted = replaying.Wanted(replaying.MAX_AT_ONCE, country, since, until)
    found = read(lambda conn: _replay(conn, new, wanted))
    rows: list[dict[str, Any]] = list(replaying.differences(found))
    told = {"evaluated": found.judged, "changed": replaying.changed(found)}
    if as_json:
        show([{"country": country, **told, "items": rows}], (), as_json=True)
        return
    if rows:
        shown = [{**row, "reasons": "; ".join(row["reasons"])} for row in rows]
        show(shown, ("application_id", "before", "after", "reasons"), as_json=False)
    changes = ", ".join(f"{change}: {number}" for change, number in found.by_change.items())
    typer.echo(
        f"{len(rows)} of {found.judged} applications in {country} would be decided differently"
        f"{f' ({changes})' if changes else ''}"
    )


async def _replay(
    conn: AsyncConnection[Any], new: Decisions, wanted: replaying.Wanted
) -> Comparison:
    """All of them, so many at once."""
    judged, different = 0, list[Difference]()
    after: int | None = wanted.after
    while after is not None:
        past = await replaying.past(conn, wanted._replace(after=after))
        found, after = compare(past.cases, new), past.next_after(len(past.cases))
        judged += found.judged
        different += found.different
    return Comparison(judged, tuple(different))

"""`daybook replay`: the story of one stream, a line an event."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer
from psycopg import AsyncConnection

from api import databases, histories, views
from api.cli.ledger import moment_option
from api.cli.output import console, one_line
from api.settings import load_settings
from domain import catalogue
from projections.audit.words import describe
from projections.histories import events_of
from projections.log import LoggedEvent

Json = Annotated[bool, typer.Option("--json", help="Print a JSON object a line instead.")]


def replay(
    stream: Annotated[UUID, typer.Argument(help="The id of an account, transfer or statement.")],
    at: Annotated[str | None, typer.Option(help="Up to what was recorded at this time.")] = None,
    position: Annotated[int | None, typer.Option(min=0, help="Up to this position.")] = None,
    version: Annotated[int | None, typer.Option(min=0, help="Up to this version.")] = None,
    as_json: Json = False,
) -> None:
    """Tell the story of a stream: when, who, what, and why, one line an event."""
    if sum(given is not None for given in (at, position, version)) > 1:
        raise typer.BadParameter("give one of --at, --position and --version")
    when = moment_option(at) if at is not None else None
    with databases.ready_database(load_settings()) as conninfo:
        asyncio.run(_tell(conninfo, stream, version, position, when, as_json=as_json))


async def _tell(
    conninfo: str,
    stream_id: UUID,
    version: int | None,
    position: int | None,
    at: datetime | None,
    *,
    as_json: bool,
) -> None:
    async with await AsyncConnection.connect(conninfo, autocommit=True) as conn:
        end = await histories.version_then(conn, stream_id, version, position, at)
        currency = ""
        async for event in events_of(conn, stream_id, end):
            if event.version == 1:
                state = catalogue.evolve(None, event.data, stream_id)
                currency = histories.currency_of(state)
            row = _row(event, currency)
            if as_json:
                typer.echo(views.encode(row).decode())
            else:
                console.print(_line(row), soft_wrap=True, markup=False)


def _row(event: LoggedEvent, currency: str) -> dict[str, Any]:
    origin = {
        name: event.metadata.get(name, "")
        for name in ("actor", "causation_id", "correlation_id", "command_id")
    }
    return {
        "version": event.version,
        "position": event.position,
        "recorded_at": event.recorded_at,
        "topic": event.topic,
        **origin,
        "summary": describe(event.data, currency),
    }


def _line(row: dict[str, Any]) -> str:
    why = [
        f"{word} {row[name]}"
        for word, name in (
            ("caused by", "causation_id"),
            ("in", "correlation_id"),
            ("as", "command_id"),
        )
        if row[name]
    ]
    because = f" ({', '.join(why)})" if why else ""
    who = row["actor"] or "somebody unnamed"
    story = one_line(f"{who}: {row['summary']}{because}")
    return f"{row['version']:>6}  {row['recorded_at'].isoformat()}  {story}"

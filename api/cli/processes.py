"""`daybook processes`: flows that go on for days, and an operator's hand in those that are stuck."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec
import psycopg
import typer
from psycopg import AsyncConnection

from api import databases
from api.cli.output import Json, show
from api.cli.people import person
from api.settings import load_settings
from application.processes import operating
from application.processes.catalogue import process_called, processes

app = typer.Typer(no_args_is_help=True)

T = TypeVar("T")

_COLUMNS = ("name", "key", "status", "step", "updated_at", "error")

Status = Literal["started", "waiting", "completed", "compensating", "compensated", "stuck"]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The process, as `list` shows it.")]
Key = Annotated[UUID, typer.Argument(metavar="KEY", help="The flow's id.")]


@app.command("list")
def list_processes(
    status: Annotated[Status | None, typer.Option(help="Only with this status.")] = None,
    name: Annotated[str | None, typer.Option(help="Only of this process.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many rows.")] = 50,
    as_json: Json = False,
) -> None:
    """List flows, those first that something happened to last."""
    rows = _ask(lambda conn: operating.list_processes(conn, limit=limit, name=name, status=status))
    show([msgspec.to_builtins(row) for row in rows], _COLUMNS, as_json=as_json)


@app.command("show")
def show_process(name: Name, key: Key, as_json: Json = False) -> None:
    """Show one flow: what was done at each event, what it waits for, and what waits for it."""
    process = process_called(name, processes())
    found = _ask(lambda conn: operating.detail(conn, process.name, key))
    if found is None:
        typer.echo(f"{name} drives nothing that has the id {key}", err=True)
        raise typer.Exit(1)
    row, history, deadlines, inbox = msgspec.to_builtins(found)
    if as_json:
        told = {**row, "history": history, "deadlines": deadlines, "inbox": inbox}
        show([told], (), as_json=True)
        return
    show([row], _COLUMNS, as_json=False)
    show(history, ("at", "position", "step", "did", "error"), as_json=False)
    if deadlines:
        show(deadlines, ("deadline", "due_at"), as_json=False)
    if inbox:
        typer.echo(f"events that wait: {', '.join(map(str, inbox))}")


@app.command()
def retry(name: Name, key: Key) -> None:
    """Try again what a flow is stuck with: an event, a deadline, or what it asks an operator for."""
    _operate(operating.retry, name, key)


@app.command()
def skip(name: Name, key: Key) -> None:
    """Go on without the event or the deadline that a flow is stuck with."""
    _operate(operating.skip, name, key)


@app.command()
def compensate(
    name: Name,
    key: Key,
    reason: Annotated[str, typer.Option(help="Why, for the history.")] = "",
) -> None:
    """Give up a flow that waits for an operator: what was done is undone."""
    _operate(operating.compensate, name, key, reason=reason)


def _operate(act: Callable[..., None], name: str, key: UUID, **more: Any) -> None:
    process = process_called(name, processes())
    with (
        databases.open_ledger() as (ledger, conninfo),
        psycopg.connect(conninfo, autocommit=True) as conn,
    ):
        act(conn, ledger, process, key, f"cli:{person()}", **more)
    show_process(name, key)


def _ask(question: Callable[[AsyncConnection[Any]], Awaitable[T]]) -> T:
    """What is answered, beside a running server or alone."""

    async def answer(conninfo: str) -> T:
        async with await AsyncConnection.connect(conninfo, autocommit=True) as conn:
            return await question(conn)

    with databases.ready_database(load_settings()) as conninfo:
        return asyncio.run(answer(conninfo))

"""`daybook jobs`: what is to be done outside, and an operator's hand in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec
import typer
from psycopg import AsyncConnection

from api import databases
from api.cli.output import Json, show
from api.settings import load_settings
from application.jobs import operating
from application.jobs.operating import JobRow

app = typer.Typer(no_args_is_help=True)

T = TypeVar("T")

_COLUMNS = ("id", "kind", "queue", "status", "attempts", "due_at", "error")
_DEAD_COLUMNS = ("id", "kind", "queue", "category", "failures", "finished_at", "error")

Status = Literal["waiting", "running", "done", "dead", "cancelled"]
JobId = Annotated[UUID, typer.Argument(metavar="ID", help="The job's id, as `list` shows it.")]
Kind = Annotated[str | None, typer.Option(help="Only of this kind.")]
Queue = Annotated[str | None, typer.Option(help="Only of this queue.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="At most so many rows.")]


@app.command("list")
def list_jobs(
    status: Annotated[Status | None, typer.Option(help="Only with this status.")] = None,
    kind: Kind = None,
    queue: Queue = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List jobs, the last put in first."""
    _show_list(_COLUMNS, status, kind, queue, limit, as_json=as_json)


@app.command()
def dead(kind: Kind = None, queue: Queue = None, limit: Limit = 50, as_json: Json = False) -> None:
    """List the jobs that are not tried again, with the reason: `retry` them, or `cancel` them."""
    _show_list(_DEAD_COLUMNS, "dead", kind, queue, limit, as_json=as_json)


@app.command("show")
def show_job(job_id: JobId, as_json: Json = False) -> None:
    """Show one job: what it is about, each attempt, and where its last error came from."""

    async def ask(conn: AsyncConnection[Any]) -> dict[str, Any]:
        row = await operating.find(conn, job_id)
        return {**msgspec.to_builtins(row), "tries": await operating.attempts_of(conn, job_id)}

    found = msgspec.to_builtins(_ask(ask))
    if as_json:
        show([found], (), as_json=True)
        return
    tries, trace = found.pop("tries"), found.pop("trace")
    told = [{"name": name, "value": value} for name, value in found.items() if value is not None]
    show(told, ("name", "value"), as_json=False)
    if tries:
        show(tries, ("number", "started_at", "ended_at", "outcome", "error"), as_json=False)
    if trace:
        typer.echo(trace)


@app.command()
def retry(
    job_id: Annotated[
        UUID | None, typer.Argument(metavar="[ID]", help="The job's id, as `list` shows it.")
    ] = None,
    dead: Annotated[
        bool, typer.Option("--dead", help="All that are dead, instead of one.")
    ] = False,
    kind: Kind = None,
    queue: Queue = None,
    as_json: Json = False,
) -> None:
    """Have a dead or cancelled job run again, or one that waits run now; with --dead, all the dead.

    A job keeps its id, so what it has done elsewhere is not done twice there.
    """
    if (job_id is None) != dead:
        raise typer.BadParameter("give the id of a job, or --dead")
    if job_id is None:
        count = _ask(lambda conn: operating.retry_dead(conn, kind=kind, queue=queue))
        typer.echo(f"waiting again: {count}")
        return
    if kind is not None or queue is not None:
        raise typer.BadParameter("--kind and --queue go with --dead")
    row = _ask(lambda conn: operating.retry(conn, job_id))
    _show([row], _COLUMNS, as_json=as_json)


@app.command()
def cancel(job_id: JobId, as_json: Json = False) -> None:
    """Give a job up. A worker ends one that waits, and tells who waits for it. One that runs goes on,
    and counts if it succeeds, but is not tried again; one that is dead is discarded."""
    row = _ask(lambda conn: operating.cancel(conn, job_id))
    _show([row], _COLUMNS, as_json=as_json)
    if row.status == "running":
        typer.echo("It runs: this attempt is its last.", err=True)
    elif row.cancel_asked:
        typer.echo("Asked for: `daybook worker` ends it, now or once it runs.", err=True)


def _show_list(
    columns: Sequence[str],
    status: str | None,
    kind: str | None,
    queue: str | None,
    limit: int,
    *,
    as_json: bool,
) -> None:
    rows = _ask(
        lambda conn: operating.list_jobs(conn, limit=limit, status=status, kind=kind, queue=queue)
    )
    _show(rows, columns, as_json=as_json)


def _show(rows: Sequence[JobRow], columns: Sequence[str], *, as_json: bool) -> None:
    show([msgspec.to_builtins(row) for row in rows], columns, as_json=as_json)


def _ask(question: Callable[[AsyncConnection[Any]], Awaitable[T]]) -> T:
    """What is answered, beside a running server or alone. Raises what it is refused with."""

    async def answer(conninfo: str) -> T:
        async with await AsyncConnection.connect(conninfo, autocommit=True) as conn:
            return await question(conn)

    with databases.ready_database(load_settings()) as conninfo:
        return asyncio.run(answer(conninfo))

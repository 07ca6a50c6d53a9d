"""Reading for the command line: straight from the database, as new as the log's end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg
import typer
from psycopg import AsyncConnection, Connection

from api import databases
from api.settings import load_settings
from projections.catalogue import READ_MODELS
from projections.runner import Runner

T = TypeVar("T")

_PATIENCE_S = 60.0
_POLL_S = 0.02


def read(ask: Callable[[AsyncConnection[Any]], Awaitable[T]], *, fresh: bool = True) -> T:
    """What a query answers; with `fresh` after the read models have everything that is in the log."""
    with databases.ready_database(load_settings()) as conninfo:
        if fresh:
            catch_up(conninfo)

        async def answer() -> T:
            async with await AsyncConnection.connect(conninfo, autocommit=True) as conn:
                return await ask(conn)

        return asyncio.run(answer())


def catch_up(conninfo: str) -> None:
    """Wait until the read models are at the log's end; project here when nobody else does.

    A model that stands still (failing, or built by another version) is read as it is, with a warning.
    """
    with psycopg.connect(conninfo, autocommit=True) as conn:
        row = conn.execute("SELECT position FROM ledger_head").fetchone()
        head = row[0] if row else 0
        _warn_of_gaps(conn)
        if not _behind(conn, head):
            return
        stop = threading.Event()
        runner = threading.Thread(target=Runner(conninfo).run, args=(stop,), daemon=True)
        runner.start()
        deadline = time.monotonic() + _PATIENCE_S
        try:
            while _behind(conn, head, hopeless=False) and time.monotonic() < deadline:
                time.sleep(_POLL_S)
        finally:
            stop.set()
            runner.join()
        late = _behind(conn, head)
        if late:
            typer.echo(
                f"not up to date: {', '.join(late)}; see `daybook projections list`", err=True
            )


def _warn_of_gaps(conn: Connection[Any]) -> None:
    names = [model.name for model in READ_MODELS]
    found = conn.execute(
        "SELECT name, parked FROM checkpoints WHERE parked > 0 AND name = ANY(%s)", (names,)
    )
    for name, parked in found:
        typer.echo(
            f"not complete: {name} leaves out {parked} keys, and sums over all lack them; see"
            f" `daybook projections show {name}`",
            err=True,
        )


def _behind(conn: Connection[Any], head: int, *, hopeless: bool = True) -> list[str]:
    """The read models before a position; if asked so, without those that nobody moves."""
    names = [model.name for model in READ_MODELS]
    versions = [model.version for model in READ_MODELS]
    rows = conn.execute(
        "SELECT name FROM unnest(%s::text[], %s::int[]) AS model (name, version)"
        " LEFT JOIN checkpoints AS c USING (name) WHERE coalesce(c.position, 0) < %s"
        " AND (%s OR c.error IS NULL AND coalesce(c.code_version, model.version) = model.version)"
        " ORDER BY name",
        (names, versions, head, hopeless),
    ).fetchall()
    return [name for (name,) in rows]

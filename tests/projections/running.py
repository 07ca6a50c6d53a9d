"""Runs read models in tests, asks them, and waits for them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Concatenate, LiteralString, ParamSpec, TypeVar

import psycopg
import pytest
from psycopg import AsyncConnection, Connection

from domain.events import Recorded
from projections import agreement, checkpoints, rebuilder, schemas
from projections.agreement import ReadModelVerdict
from projections.catalogue import READ_MODELS, ReadModel
from projections.compared import TABLES as COMPARED
from projections.log import LOG_CHANNEL, head_position
from projections.rebuild import rebuild_many
from projections.rebuilder import Rebuilder
from projections.runner import Runner
from projections.schemas import RUNNER_LOCKS, lock_key
from tests.conftest import Database
from tests.support.waiting import until

P = ParamSpec("P")
Answer = TypeVar("Answer")

NAMES = [model.name for model in READ_MODELS]
TABLES = {
    "balances": "account", "entries": "entry", "transfers": "transfer", "audit": "event",
    "users": "person", "approvals": "approval", "security": "notice",
    "funds": "fund", "flows": "flow", "reconciliations": "reconciliation",
    "applications": "application", "loans": "loan",
}  # fmt: skip


@contextmanager
def running(url: str, models: Sequence[ReadModel] = READ_MODELS) -> Iterator[None]:
    """A runner works while the block runs, and has stopped after it."""
    stop = threading.Event()
    thread = threading.Thread(target=Runner(url, models).run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        with suppress(psycopg.OperationalError), psycopg.connect(url, autocommit=True) as conn:
            conn.execute(f"NOTIFY {LOG_CHANNEL}".encode())  # it need not wait for its next tick
        thread.join(60)
        assert not thread.is_alive(), "the runner does not stop"


@contextmanager
def rebuilding(url: str, models: Sequence[ReadModel] = READ_MODELS) -> Iterator[None]:
    """What rebuilds when asked to works while the block runs, and has stopped after it."""
    stop = threading.Event()
    thread = threading.Thread(target=Rebuilder(url, models).run, args=(stop,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rebuilder, "_POLL_S", 0.05)  # nobody else has to live with it
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(60)
    assert not thread.is_alive(), "the rebuilder does not stop"


def position(conn: Connection[Any], name: str) -> int:
    """A read model's position, 0 when it was never built."""
    checkpoint = checkpoints.read(conn, name)
    return 0 if checkpoint is None else checkpoint.position


def caught_up(conn: Connection[Any], *names: str) -> None:
    """Return once these read models (all by default) show the whole log."""
    head = head_position(conn)
    until(lambda: all(position(conn, name) >= head for name in names or NAMES))


def project_all(url: str, *names: str) -> None:
    """Rebuild read models (all by default) from the log as it is."""
    rebuild_many(url, names or NAMES, no_progress)


def fill(url: str) -> None:
    """Make all read models and fill them from the log as it is: twice as fast as rebuilds do it."""
    with running(url), psycopg.connect(url, autocommit=True) as conn:
        caught_up(conn)


def ask(
    url: str,
    query: Callable[Concatenate[AsyncConnection[Any], P], Awaitable[Answer]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Answer:
    """What an async query answers, over a connection of its own."""

    async def run() -> Answer:
        async with await AsyncConnection.connect(url, autocommit=True) as conn:
            return await query(conn, *args, **kwargs)

    return asyncio.run(run())


def ask_each(
    url: str, query: Callable[..., Awaitable[Answer]], asked: Iterable[tuple[Any, ...]]
) -> list[Answer]:
    """What a query answers to each of many arguments, over one connection."""

    async def each(conn: AsyncConnection[Any]) -> list[Answer]:
        return [await query(conn, *arguments) for arguments in asked]

    return ask(url, each)


def ask_pages(
    url: str, query: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any
) -> list[list[Any]]:
    """The rows of page after page up to the last one, over one connection."""

    async def each(conn: AsyncConnection[Any]) -> list[list[Any]]:
        pages = []
        before = None
        while True:
            page = await query(conn, *args, before=before, **kwargs)
            pages.append(page.rows)
            before = page.next_before
            if before is None:
                return pages

    return ask(url, each)


def verdict_of(conn: Connection[Any], name: str) -> ReadModelVerdict:
    """One read model against the log; those that a test is not about are left out."""
    with pytest.MonkeyPatch.context() as patch:
        tables = tuple(one for one in COMPARED if one.model == name)
        if tables:
            patch.setattr(agreement, "TABLES", tables)
        (found,) = [one for one in agreement.hold_against_log(conn) if one.name == name]
    return found


def differences(conn: Connection[Any], name: str) -> list[str]:
    """What is wrong in a read model, by the log."""
    return verdict_of(conn, name).differences


@contextmanager
def kept(conn: Connection[Any], table: LiteralString) -> Iterator[None]:
    """What the block does to a table is undone after it."""
    conn.execute(f"CREATE TEMPORARY TABLE kept AS TABLE {table}")
    try:
        yield
    finally:
        conn.execute(f"DELETE FROM {table}")
        conn.execute(f"INSERT INTO {table} TABLE kept")
        conn.execute("DROP TABLE kept")


def rows(conn: Connection[Any], name: str, table: str = "") -> list[tuple[Any, ...]]:
    """All rows of a read model's table, its first one by default, in a fixed order."""
    from_ = psycopg.sql.Identifier(name, table or TABLES[name])
    query = psycopg.sql.SQL("SELECT * FROM {} ORDER BY 1, 2, 3").format(from_)
    return conn.execute(query).fetchall()


def projected(
    conn: Connection[Any], model: ReadModel, events: Sequence[Recorded], size: int, table: str = ""
) -> list[tuple[Any, ...]]:
    """What a read model makes of these events in batches of so many; nothing of it stays."""
    own = [event for event in events if event.topic in model.topics]
    with conn.transaction(force_rollback=True), conn.cursor() as cursor:
        schemas.create(conn, model, "by_hand")
        schemas.search_in(conn, "by_hand")
        for start in range(0, len(own), size):
            model.project(own[start : start + size], cursor)
        from_ = psycopg.sql.Identifier(table or TABLES[model.name])
        query = psycopg.sql.SQL("SELECT * FROM {} ORDER BY 1, 2, 3").format(from_)
        return conn.execute(query).fetchall()


def no_progress(done: int, total: int) -> None:
    pass


def schemas_of(conn: psycopg.Connection[Any]) -> list[str]:
    found = conn.execute(
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'"
        " AND nspname NOT IN ('information_schema', 'public') ORDER BY 1"
    )
    return [name for (name,) in found]


def holders(conn: psycopg.Connection[Any], name: str) -> list[int]:
    """The server processes of the runners that have a read model: one at most."""
    found = conn.execute(
        "SELECT pid FROM pg_locks JOIN pg_database AS d ON d.oid = database"
        " WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s"
        " AND datname = current_database()",
        (RUNNER_LOCKS, lock_key(name)),
    )
    return [pid for (pid,) in found]


def runners(database: Database) -> int:
    """Connections of runners, be it of those that work or of those that stand by."""
    with database.connect() as conn:
        row = conn.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'daybook runner'"
        ).fetchone()
    assert row is not None
    return int(row[0])


def end_connections(database: Database, name: str) -> None:
    """As a restart of the database does it."""
    with database.connect(superuser=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = %s",
            (name,),
        )

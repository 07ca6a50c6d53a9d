"""Holds the read models against the log itself: accounts and entries, transfers, flows, the audit trail.

What a read model shows is copied first, in one short transaction; then the log is folded up to its
checkpoint, batch by batch, into a temporary table, and the two are joined. So memory stays flat, the read
models go on, and no snapshot is held for long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, LiteralString, NamedTuple

from psycopg import Connection
from psycopg.sql import SQL, Composable, Identifier, Literal

from domain.events import Recorded
from projections import trail
from projections.balances.projection import MARK_EVERY
from projections.checkpoints import read as read_checkpoint
from projections.compared import SNAPSHOTS, TABLES
from projections.compared_table import Compared
from projections.garbage import gc_paused
from projections.log import head_position, read_batch
from projections.snapshots import copy_snapshots, up_to_snapshots

BATCH_EVENTS = 20_000

MAX_DIFFERENCES = 10
"""Differences that are told of each table, the first ones."""

_TRAIL = "audit.event"

Progress = Callable[[int, int], object]
"""Told the events done and the events there are, after each batch."""


class ReadModelVerdict(NamedTuple):
    """A read model against the log up to its checkpoint; `counted` says what was compared."""

    name: str
    position: int
    counted: str
    differences: list[str]


_DIFFERENCES = """
SELECT coalesce(logged.id, shown.id)::text, to_jsonb(logged) - 'id', to_jsonb(shown) - 'id'
  FROM ({logged}) AS logged FULL JOIN {shown} AS shown ON shown.id = logged.id
 WHERE logged IS DISTINCT FROM shown
 ORDER BY least(logged.position, shown.position), 1 LIMIT {limit}
"""


def hold_against_log(
    conn: Connection[Any],
    progress: Progress = lambda done, total: None,
    *,
    snapshot_shape: int | None = None,
) -> list[ReadModelVerdict]:
    """Compare every read model with the log; the writer's snapshots too, when their shape is given.

    `conn` is in autocommit mode and may make temporary tables. Raises `UnreadableEventError`.
    """
    tables = list(TABLES)
    try:
        to = {
            model: _copy_shown(conn, model) for model in dict.fromkeys(one.model for one in TABLES)
        }
        if snapshot_shape is not None:
            tables.append(SNAPSHOTS)
            to[SNAPSHOTS.model] = copy_snapshots(conn, snapshot_shape)
        head = head_position(conn)
        _fold(
            conn, tables, {model: min(position, head) for model, position in to.items()}, progress
        )
        verdicts = [_verdict(conn, model, tables, to[model], head) for model in to]
        return [*verdicts, _verdict_of_trail(conn, head, progress)]
    finally:
        for one in (*TABLES, SNAPSHOTS):
            _run(conn, "DROP TABLE IF EXISTS {shown}, {tally}", one)


def _run(conn: Connection[Any], statement: LiteralString, one: Compared, **more: Composable) -> Any:
    """Run a query with the names of a compared table's temporary tables in it."""
    shown, tally = Identifier(f"shown_{one.name}"), Identifier(f"tally_{one.name}")
    return conn.execute(SQL(statement).format(shown=shown, tally=tally, **more))


def _verdict(
    conn: Connection[Any], model: str, tables: Sequence[Compared], position: int, head: int
) -> ReadModelVerdict:
    parts = [one for one in tables if one.model == model]
    differences = _beyond(model, position, head)
    for one in parts:
        differences += _differences(conn, one)
    if differences:
        differences += _parked(conn, model)
    (many,) = _run(conn, "SELECT count(*) FROM {shown}", parts[0]).fetchone()
    counted = f"{many} {parts[0].key}{'s' * (many != 1)}"
    return ReadModelVerdict(model, position, counted, differences)


def _beyond(model: str, position: int, head: int) -> list[str]:
    if position <= head:
        return []
    return [
        f"{model} has seen event {position}, and the log ends at {head}: events are missing at its end."
    ]


def _parked(conn: Connection[Any], model: str) -> list[str]:
    """What is left out on purpose differs as well, and it is nobody's tampering."""
    checkpoint = read_checkpoint(conn, model)
    if checkpoint is None or not checkpoint.parked:
        return []
    return [
        f"{model} leaves out {checkpoint.parked} parked keys, which differ by that: see"
        f" `daybook projections show {model}`."
    ]


def _verdict_of_trail(conn: Connection[Any], head: int, progress: Progress) -> ReadModelVerdict:
    """Of the audit trail, whose rows need not be copied first, since they never change."""
    while True:
        table = _oid(conn, _TRAIL)
        checkpoint = read_checkpoint(conn, "audit")
        position = 0 if checkpoint is None else checkpoint.position
        to = min(position, head)
        found = trail.differences(conn, to, MAX_DIFFERENCES, lambda done: progress(done, to))  # noqa: B023
        if _oid(conn, _TRAIL) == table:
            events = f"{to} event{'s' * (to != 1)}"
            found = _beyond("audit", position, head) + found
            found += _parked(conn, "audit") if found else []
            return ReadModelVerdict("audit", position, events, found)


def _copy_shown(conn: Connection[Any], model: str) -> int:
    """Copy what a read model shows; answers its checkpoint, which belongs to just that."""
    parts = [one for one in TABLES if one.model == model]
    while True:
        tables = [_oid(conn, one.table) for one in parts]
        with conn.transaction():
            conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            checkpoint = read_checkpoint(conn, model)
            for one in parts:
                query = SQL(one.shown)
                _run(conn, "CREATE TEMPORARY TABLE {shown} AS {query}", one, query=query)
        if [_oid(conn, one.table) for one in parts] == tables:
            return 0 if checkpoint is None else checkpoint.position
        for one in parts:  # a rebuild has put others in place meanwhile
            _run(conn, "DROP TABLE {shown}", one)


def _oid(conn: Connection[Any], table: str) -> int | None:
    row = conn.execute("SELECT to_regclass(%s)::oid", (table,)).fetchone()
    return None if row is None else row[0]


def _fold(
    conn: Connection[Any], tables: Sequence[Compared], to: dict[str, int], progress: Progress
) -> None:
    """Tally the log for each read model up to a position of its own, in one pass."""
    for one in tables:
        if one.tally is not None:
            columns = SQL(one.tally_columns)
            _run(conn, "CREATE TEMPORARY TABLE {tally} ({columns})", one, columns=columns)
    position, last = 0, max(to.values())
    while position < last:
        to_mark = MARK_EVERY - position % MARK_EVERY
        with gc_paused():
            batch = read_batch(conn, position, min(BATCH_EVENTS, to_mark, last - position))
            for one in tables:
                _tally(conn, one, batch[: max(0, to[one.model] - position)])
        if not batch:
            break  # the chain's verification names what is missing
        position = batch[-1].position
        progress(position, last)
    for one in tables:
        _run(conn, "ANALYZE {shown}", one)
        if one.tally is not None:
            _run(conn, "ANALYZE {tally}", one)


def _tally(conn: Connection[Any], one: Compared, batch: Sequence[Recorded]) -> None:
    if one.tally is None:
        return
    if one is SNAPSHOTS:
        batch = up_to_snapshots(conn, batch)
    query = SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(Identifier(f"tally_{one.name}"))
    with conn.cursor().copy(query) as copy:
        copy.set_types([column.split()[1] for column in one.tally_columns.split(",")])
        for row in one.tally(batch):
            copy.write_row(row)


def _differences(conn: Connection[Any], one: Compared) -> list[str]:
    logged = SQL(one.logged).format(every=Literal(MARK_EVERY))
    limit = Literal(MAX_DIFFERENCES)
    found = _run(conn, _DIFFERENCES, one, logged=logged, limit=limit).fetchall()
    return [_sentence(one, id_, logged, shown) for id_, logged, shown in found]


def _sentence(
    one: Compared, id_: str, logged: dict[str, Any] | None, shown: dict[str, Any] | None
) -> str:
    who = f"{one.model}: {one.key} {id_}"
    if shown is None:
        return f"{who} is in the log, and not in the read model."
    if logged is None:
        return f"{who} is there, and not in the log."
    odd = [
        f"{name} is {shown[name]}, by the log {value}"
        for name, value in logged.items()
        if shown[name] != value
    ]
    return f"{who}: {'; '.join(odd)}."

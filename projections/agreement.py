"""Holds the read models against the log itself: sums and counts of each account, the state of each transfer.

What a read model shows is copied first, in one short transaction; then the log is folded up to its
checkpoint, batch by batch, into a temporary table, and the two are joined. So memory stays flat, the read
models go on, and no snapshot is held for long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, LiteralString, NamedTuple

from psycopg import Connection
from psycopg.sql import SQL, Composable, Identifier, Literal

from domain.events import Recorded
from projections import tallies
from projections.checkpoints import read as read_checkpoint
from projections.garbage import gc_paused
from projections.log import head_position, read_batch

BATCH_EVENTS = 20_000

MAX_DIFFERENCES = 10
"""Differences that are told of each read model, the first ones."""

Progress = Callable[[int, int], object]
"""Told the events done and the events there are, after each batch."""


class ReadModelVerdict(NamedTuple):
    """A read model against the log up to its checkpoint; `counted` says what was compared."""

    name: str
    position: int
    counted: str
    differences: list[str]


class _Compared(NamedTuple):
    """How one read model is compared. Both selects give the same columns, the first being the key."""

    name: str
    key: str
    table: str
    shown: LiteralString
    tally_columns: LiteralString
    tally: Callable[[Sequence[Recorded]], Iterable[tuple[Any, ...]]]
    logged: LiteralString


_COMPARED = (
    _Compared(
        name="balances",
        key="account",
        table="balances.account",
        shown="""
            SELECT id, type, currency, name, owner_id::text AS owner, credit_limit, status,
                   debits, credits, balance::numeric, held::numeric, version, position
              FROM balances.account""",
        tally_columns="""
            id uuid, type text, currency text, name text, owner text, credit_limit bigint,
            status text, debits numeric, credits numeric, held numeric, events bigint,
            position bigint""",
        tally=tallies.of_accounts,
        logged="""
            SELECT id, max(type) AS type, max(currency) AS currency, max(name) AS name,
                   max(owner) AS owner, max(credit_limit) AS credit_limit,
                   (array_agg(status ORDER BY position DESC) FILTER (WHERE status <> ''))[1]
                       AS status,
                   sum(debits) AS debits, sum(credits) AS credits,
                   sum(credits) - sum(debits) AS balance, sum(held) AS held,
                   sum(events)::bigint AS version, max(position) AS position
              FROM {tally} GROUP BY id""",
    ),
    _Compared(
        name="entries",
        key="account",
        table="entries.entry",
        shown="""
            SELECT account_id AS id, count(*) AS entries,
                   coalesce(sum(amount) FILTER (WHERE direction = 'debit'), 0) AS debits,
                   coalesce(sum(amount) FILTER (WHERE direction = 'credit'), 0) AS credits,
                   sum(balance) AS sum_of_balances, sum(position) AS sum_of_positions,
                   max(position) AS position
              FROM entries.entry GROUP BY account_id""",
        tally_columns="""
            id uuid, entries bigint, debits numeric, credits numeric, balances numeric,
            positions numeric, position bigint""",
        tally=tallies.of_entries,
        logged="""
            SELECT id, sum(entries)::bigint AS entries, sum(debits) AS debits,
                   sum(credits) AS credits, sum(balances) AS sum_of_balances,
                   sum(positions) AS sum_of_positions, max(position) AS position
              FROM {tally} GROUP BY id""",
    ),
    _Compared(
        name="transfers",
        key="transfer",
        table="transfers.transfer",
        shown="""
            SELECT id, source_id::text AS source, destination_id::text AS destination, currency,
                   status, amount, reversed::numeric, position, debit_position, credit_position
              FROM transfers.transfer""",
        tally_columns="""
            id uuid, source text, destination text, currency text, status text, amount bigint,
            reversed numeric, position bigint, debit_position bigint, credit_position bigint""",
        tally=tallies.of_transfers,
        logged="""
            SELECT id, max(source) AS source, max(destination) AS destination,
                   max(currency) AS currency,
                   (array_agg(status ORDER BY position DESC) FILTER (WHERE status <> ''))[1]
                       AS status,
                   (array_agg(amount ORDER BY position DESC) FILTER (WHERE amount IS NOT NULL))[1]
                       AS amount,
                   sum(reversed) AS reversed, max(position) AS position,
                   max(debit_position) AS debit_position, max(credit_position) AS credit_position
              FROM {tally} GROUP BY id""",
    ),
)

_DIFFERENCES = """
SELECT coalesce(logged.id, shown.id)::text, to_jsonb(logged) - 'id', to_jsonb(shown) - 'id'
  FROM ({logged}) AS logged FULL JOIN {shown} AS shown ON shown.id = logged.id
 WHERE logged IS DISTINCT FROM shown
 ORDER BY least(logged.position, shown.position) LIMIT {limit}
"""


def hold_against_log(
    conn: Connection[Any], progress: Progress = lambda done, total: None
) -> list[ReadModelVerdict]:
    """Compare every read model with the log. `conn` is in autocommit mode and may make temporary tables.

    Raises `UnreadableEventError`.
    """
    try:
        positions = {compared.name: _copy_shown(conn, compared) for compared in _COMPARED}
        head = head_position(conn)
        _fold(conn, {name: min(position, head) for name, position in positions.items()}, progress)
        return [_verdict(conn, one, positions[one.name], head) for one in _COMPARED]
    finally:
        for one in _COMPARED:
            _run(conn, "DROP TABLE IF EXISTS {shown}, {tally}", one)


def _run(
    conn: Connection[Any], statement: LiteralString, one: _Compared, **more: Composable
) -> Any:
    """Run a query with the names of a read model's temporary tables in it."""
    shown, tally = Identifier(f"shown_{one.name}"), Identifier(f"tally_{one.name}")
    return conn.execute(SQL(statement).format(shown=shown, tally=tally, **more))


def _verdict(
    conn: Connection[Any], compared: _Compared, position: int, head: int
) -> ReadModelVerdict:
    differences = _differences(conn, compared)
    if position > head:
        differences.insert(
            0,
            f"{compared.name} has seen event {position}, and the log ends at {head}: events are missing"
            " at its end.",
        )
    (many,) = _run(conn, "SELECT count(*) FROM {shown}", compared).fetchone()
    return ReadModelVerdict(
        compared.name, position, f"{many} {compared.key}{'s' * (many != 1)}", differences
    )


def _copy_shown(conn: Connection[Any], compared: _Compared) -> int:
    """Copy what a read model shows; answers its checkpoint, which belongs to just that."""
    while True:
        table = _oid(conn, compared.table)
        with conn.transaction():
            conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            checkpoint = read_checkpoint(conn, compared.name)
            query = SQL(compared.shown)
            _run(conn, "CREATE TEMPORARY TABLE {shown} AS {query}", compared, query=query)
        if _oid(conn, compared.table) == table:
            return 0 if checkpoint is None else checkpoint.position
        _run(conn, "DROP TABLE {shown}", compared)  # a rebuild has put another in place meanwhile


def _oid(conn: Connection[Any], table: str) -> int | None:
    row = conn.execute("SELECT to_regclass(%s)::oid", (table,)).fetchone()
    return None if row is None else row[0]


def _fold(conn: Connection[Any], to: dict[str, int], progress: Progress) -> None:
    """Tally the log for each read model up to a position of its own, in one pass."""
    for one in _COMPARED:
        columns = SQL(one.tally_columns)
        _run(conn, "CREATE TEMPORARY TABLE {tally} ({columns})", one, columns=columns)
    position, last = 0, max(to.values())
    while position < last:
        with gc_paused():
            batch = read_batch(conn, position, min(BATCH_EVENTS, last - position))
            for one in _COMPARED:
                _tally(conn, one, batch[: max(0, to[one.name] - position)])
        if not batch:
            break  # the chain's verification names what is missing
        position = batch[-1].position
        progress(position, last)
    for one in _COMPARED:
        _run(conn, "ANALYZE {tally}, {shown}", one)


def _tally(conn: Connection[Any], one: _Compared, batch: Sequence[Recorded]) -> None:
    query = SQL("COPY {} FROM STDIN").format(Identifier(f"tally_{one.name}"))
    with conn.cursor().copy(query) as copy:
        for row in one.tally(batch):
            copy.write_row(row)


def _differences(conn: Connection[Any], compared: _Compared) -> list[str]:
    tally = Identifier(f"tally_{compared.name}")
    logged = SQL(compared.logged).format(tally=tally)
    limit = Literal(MAX_DIFFERENCES)
    found = _run(conn, _DIFFERENCES, compared, logged=logged, limit=limit).fetchall()
    return [_sentence(compared, id_, logged, shown) for id_, logged, shown in found]


def _sentence(
    compared: _Compared,
    id_: str,
    logged: dict[str, Any] | None,
    shown: dict[str, Any] | None,
) -> str:
    who = f"{compared.name}: {compared.key} {id_}"
    if shown is None:
        return f"{who} is in the log, and not in the read model."
    if logged is None:
        return f"{who} is in the read model, and not in the log."
    odd = [
        f"{name} is {shown[name]}, by the log {value}"
        for name, value in logged.items()
        if shown[name] != value
    ]
    return f"{who}: {'; '.join(odd)}."

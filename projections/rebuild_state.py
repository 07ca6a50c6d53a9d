"""The state of rebuilds, in Postgres: whoever goes on with one, or asks something of it, finds it there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection, Connection
from psycopg.rows import args_row
from psycopg.types.json import Jsonb

from projections import checkpoints
from projections.schemas import REBUILD_LOCKS, lock_key

Phase = Literal[
    "waiting", "filling", "indexing", "verifying", "swapping", "paused",
    "swapped", "verified", "different", "cancelled", "failed",
]  # fmt: skip
Request = Literal["pause", "cancel"]

UNFINISHED: tuple[Phase, ...] = (
    "waiting",
    "filling",
    "indexing",
    "verifying",
    "swapping",
    "paused",
)
"""A rebuild in one of these goes on where it was."""


class Rebuild(NamedTuple):
    """The last rebuild of a read model. `done` and `total` are events.

    `code_version`: of the code that fills the shadow. `report`: `Parity.to_json`, once compared.
    """

    name: str
    id: UUID
    code_version: int
    phase: Phase
    only_verify: bool
    accept_differences: bool
    is_indexed: bool
    is_verified: bool
    throttle: int | None
    parallel: int
    requested: Request | None
    done: int
    total: int
    started_at: datetime
    updated_at: datetime
    report: dict[str, Any] | None
    error: str | None
    events_per_s: float | None
    is_running: bool

    @property
    def is_unfinished(self) -> bool:
        return self.phase in UNFINISHED

    @property
    def is_due(self) -> bool:
        """Seen by whoever holds its lock: a projector may go on with it."""
        return self.is_unfinished and self.phase != "paused"

    @property
    def eta_s(self) -> float | None:
        """Seconds until all is filled; what follows, indexes and comparing, comes on top."""
        return (self.total - self.done) / self.events_per_s if self.events_per_s else None

    @property
    def state(self) -> str:
        """The phase, or that somebody has to resume it."""
        idle = ("paused", "waiting")
        if self.is_unfinished and self.phase not in idle and not self.is_running:
            return "interrupted"
        return self.phase


class SupersededError(Exception):
    """Another process goes on with this rebuild, or has begun it anew: this one has stopped, and has
    written nothing since."""


_SELECT = """
SELECT name, id, code_version, phase, only_verify, accept_differences, is_indexed,
       is_verified, throttle, parallel,
       requested, done, total, started_at, updated_at, report, error,
       CASE WHEN phase = 'filling' THEN ((done - resumed_from)
            / greatest(extract(epoch FROM clock_timestamp() - resumed_at), 0.001))::float8 END,
       EXISTS (SELECT FROM pg_locks
                WHERE locktype = 'advisory' AND granted AND objsubid = 2
                  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                  AND classid = %(kind)s::bigint::oid
                  AND objid = (%(keys)s::bigint[])[array_position(%(names)s::text[], name)]::oid)
  FROM rebuilds CROSS JOIN LATERAL (
         SELECT coalesce(avg(position), 0)::bigint AS done
           FROM rebuild_partitions AS part WHERE part.name = rebuilds.name) AS parts
 WHERE name = ANY(%(names)s) ORDER BY array_position(%(names)s::text[], name)
"""


def _parameters(names: Sequence[str]) -> dict[str, object]:
    return {"kind": REBUILD_LOCKS, "names": list(names), "keys": [lock_key(n) for n in names]}


def find(conn: Connection[Any], name: str) -> Rebuild | None:
    """The last rebuild of a read model, None when there was none."""
    with conn.cursor(row_factory=args_row(Rebuild)) as cursor:
        return cursor.execute(_SELECT, _parameters([name])).fetchone()


async def find_all(conn: AsyncConnection[Any], names: Sequence[str]) -> list[Rebuild]:
    """The last rebuild of each of these read models that ever had one, in their order."""
    async with conn.cursor(row_factory=args_row(Rebuild)) as cursor:
        await cursor.execute(_SELECT, _parameters(names))
        return await cursor.fetchall()


def begin(
    conn: Connection[Any],
    name: str,
    code_version: int,
    *,
    only_verify: bool,
    accept_differences: bool,
) -> UUID:
    """Inside a transaction, note a rebuild from the first event; answers its id."""
    conn.execute("DELETE FROM rebuilds WHERE name = %s", (name,))
    row = conn.execute(
        "INSERT INTO rebuilds (name, code_version, only_verify, accept_differences)"
        " VALUES (%s, %s, %s, %s) RETURNING id",
        (name, code_version, only_verify, accept_differences),
    ).fetchone()
    assert row is not None
    conn.execute("INSERT INTO rebuild_partitions (name, partition) VALUES (%s, 0)", (name,))
    return UUID(str(row[0]))


def enter(conn: Connection[Any], name: str, phase: Phase) -> None:
    conn.execute(
        "UPDATE rebuilds SET phase = %s, updated_at = clock_timestamp() WHERE name = %s",
        (phase, name),
    )


def take_up(conn: Connection[Any], name: str, *, accept_differences: bool) -> None:
    """Go on with a rebuild, under its lock."""
    conn.execute(
        "UPDATE rebuilds SET error = NULL, accept_differences = accept_differences OR %s,"
        " resumed_at = clock_timestamp(), resumed_from = (SELECT coalesce(avg(position), 0)"
        " FROM rebuild_partitions AS part WHERE part.name = rebuilds.name),"
        " phase = CASE WHEN is_verified THEN 'swapping' WHEN is_indexed THEN 'verifying'"
        " ELSE 'filling' END,"
        " updated_at = clock_timestamp() WHERE name = %s",
        (accept_differences, name),
    )


def wait(
    conn: Connection[Any],
    name: str,
    *,
    accept_differences: bool,
    throttle: int | None,
    parallel: int,
) -> None:
    """Leave a rebuild, begun or not, to a projector."""
    conn.execute(
        "UPDATE rebuilds SET phase = 'waiting', error = NULL, throttle = %s,"
        " parallel = %s, accept_differences = accept_differences OR %s,"
        " updated_at = clock_timestamp() WHERE name = %s",
        (throttle, parallel, accept_differences, name),
    )


def set_total(conn: Connection[Any], name: str, total: int) -> None:
    conn.execute("UPDATE rebuilds SET total = %s WHERE name = %s", (total, name))


def set_indexed(conn: Connection[Any], name: str) -> None:
    conn.execute("UPDATE rebuilds SET is_indexed = true WHERE name = %s", (name,))


def set_verified(conn: Connection[Any], name: str, report: dict[str, Any] | None) -> None:
    """Nothing is left but the swap: the shadow may now go beyond the live read model."""
    conn.execute(
        "UPDATE rebuilds SET is_verified = true, phase = 'swapping', report = %s,"
        " updated_at = clock_timestamp() WHERE name = %s",
        (None if report is None else Jsonb(report), name),
    )


def move(
    conn: Connection[Any], name: str, id_: UUID, part: int, *, old: int, new: int
) -> Request | None:
    """Move a part of a rebuild in the transaction that writes its rows; answers what is asked of it.

    Raises `SupersededError` when it isn't at `old` any more.
    """
    row = conn.execute(
        "WITH moved AS (UPDATE rebuild_partitions SET position = %(new)s"
        "  WHERE name = %(name)s AND partition = %(part)s AND position = %(old)s"
        "    AND EXISTS (SELECT FROM rebuilds WHERE name = %(name)s AND id = %(id)s)"
        "  RETURNING name)"
        " SELECT requested FROM rebuilds JOIN moved USING (name) WHERE id = %(id)s",
        {"name": name, "id": id_, "part": part, "old": old, "new": new},
    ).fetchone()
    if row is None:
        raise SupersededError(f"another process has taken over the rebuild of {name}")
    requested: Request | None = row[0]
    return requested


def positions(conn: Connection[Any], name: str) -> list[int]:
    """How far each part is, by number."""
    found = conn.execute(
        "SELECT position FROM rebuild_partitions WHERE name = %s ORDER BY partition", (name,)
    )
    return [position for (position,) in found]


def divide(conn: Connection[Any], name: str, parts: int) -> None:
    """Have a rebuild that has not got anywhere yet done in so many parts."""
    conn.execute(
        "INSERT INTO rebuild_partitions (name, partition)"
        " SELECT %s, number FROM generate_series(1, %s - 1) AS number",
        (name, parts),
    )


def unite(conn: Connection[Any], name: str) -> None:
    """Make one of the parts of a rebuild, which are all at the same position."""
    conn.execute("DELETE FROM rebuild_partitions WHERE name = %s AND partition > 0", (name,))


def finish(
    conn: Connection[Any],
    name: str,
    phase: Phase,
    *,
    report: dict[str, Any] | None = None,
    error: str | None = None,
) -> None:
    """End a rebuild, for good or until it is resumed."""
    conn.execute(
        "UPDATE rebuilds SET phase = %s, requested = NULL, report = coalesce(%s, report),"
        " error = %s, updated_at = clock_timestamp() WHERE name = %s",
        (
            phase,
            None if report is None else Jsonb(report),
            None if error is None else checkpoints.storable(error),
            name,
        ),
    )


def request(conn: Connection[Any], name: str, what: Request) -> bool:
    """Ask something of whoever does a rebuild. False: it is over."""
    asked = conn.execute(
        "UPDATE rebuilds SET requested = %s WHERE name = %s AND phase = ANY(%s)",
        (what, name, list(UNFINISHED)),
    )
    return asked.rowcount == 1


def forget_request(conn: Connection[Any], name: str) -> None:
    """What was asked of whoever did the rebuild before is over: somebody wants it to go on."""
    conn.execute("UPDATE rebuilds SET requested = NULL WHERE name = %s", (name,))


def requested(conn: Connection[Any], name: str) -> Request | None:
    """What is asked of whoever does the rebuild."""
    row = conn.execute("SELECT requested FROM rebuilds WHERE name = %s", (name,)).fetchone()
    return None if row is None else row[0]

"""How the read models are: how far behind, and whether somebody has to do something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from psycopg import AsyncConnection

from projections.catalogue import READ_MODELS, ReadModel
from projections.schemas import RUNNER_LOCKS, lock_key

Health = Literal["ok", "lagging", "parked keys", "not running", "stale version", "failing"]


class ModelStatus(NamedTuple):
    """A read model against the log. `lag_s` is the age of the oldest event that it doesn't show yet.

    Health: `failing` tries again by itself, see `error`; `stale version` waits for a rebuild: its
    tables were filled by code of version `built_by`; `not running` has no runner anywhere; `parked
    keys` leaves out `parked` keys that its code fails on, until they are retried.
    """

    name: str
    position: int
    head: int
    lag_events: int
    lag_s: float
    health: Health
    error: str | None
    code_version: int
    built_by: int
    parked: int = 0


LAGGING_S = 30.0
"""A read model this far behind is not well, though somebody runs it."""

# A lock's number is unsigned there, and lock_key stays within what both agree on.
_STATUS = """
SELECT checkpoint.position, head.position,
       coalesce(extract(epoch FROM clock_timestamp() - next.recorded_at), 0),
       checkpoint.error, checkpoint.code_version, coalesce(checkpoint.parked, 0),
       EXISTS (SELECT FROM pg_locks
                WHERE locktype = 'advisory' AND granted AND objsubid = 2
                  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                  AND classid = %(kind)s::bigint::oid AND objid = %(key)s::bigint::oid)
  FROM ledger_head AS head
  LEFT JOIN checkpoints AS checkpoint ON checkpoint.name = %(name)s
  LEFT JOIN events AS next ON next.notification_id = coalesce(checkpoint.position, 0) + 1
"""


# A read model of somebody's own has its code elsewhere; what is kept for a rollback is none.
_OTHERS = """
SELECT name FROM checkpoints
 WHERE name <> ALL(%s) AND NOT (name LIKE '%%\\_previous' AND EXISTS (
           SELECT FROM checkpoints AS live WHERE live.name || '_previous' = checkpoints.name))
 ORDER BY name
"""


async def status(
    conn: AsyncConnection[Any], models: Sequence[ReadModel] = READ_MODELS
) -> list[ModelStatus]:
    """These read models, in the catalogue's order."""
    return [await _status_of(conn, model.name, model.version) for model in models]


async def status_of_others(conn: AsyncConnection[Any]) -> list[ModelStatus]:
    """The read models that aren't in the catalogue, by name: what version their code is, only the one
    who runs them knows."""
    cursor = await conn.execute(_OTHERS, ([model.name for model in READ_MODELS],))
    return [await _status_of(conn, name, None) for (name,) in await cursor.fetchall()]


async def _status_of(conn: AsyncConnection[Any], name: str, version: int | None) -> ModelStatus:
    cursor = await conn.execute(
        _STATUS, {"name": name, "kind": RUNNER_LOCKS, "key": lock_key(name)}
    )
    row = await cursor.fetchone()
    assert row is not None, "ledger_head has its one row since the first migration"
    position, head, lag_s, error, built_by, parked, is_running = row
    if version is None:
        version = built_by or 0
    health: Health = "ok"
    if error is not None and built_by in (0, version):  # no code has version 0: it was never built
        health = "failing"
    elif built_by is not None and built_by != version:
        health = "stale version"
        error = f"built by version {built_by}, code is version {version}: rebuild it"
    elif not is_running:
        health = "not running"
    elif parked:
        health = "parked keys"
    elif lag_s > LAGGING_S:
        health = "lagging"
    return ModelStatus(
        name=name,
        position=position or 0,
        head=head,
        lag_events=head - (position or 0),
        lag_s=max(float(lag_s), 0.0),
        health=health,
        error=error,
        code_version=version,
        built_by=version if built_by is None else built_by,
        parked=parked,
    )

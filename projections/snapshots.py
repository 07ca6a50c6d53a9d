"""Reads the writer's snapshots as rows to be held against the log: the writer believes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Connection

from domain.accounts import Account
from domain.events import Recorded
from projections.log import head_position

_ROWS = 1_000

_TABLE = """
CREATE TEMPORARY TABLE shown_snapshots (
    id uuid, account text, type text, currency text, name text, owner text, credit_limit numeric,
    status text, balance numeric, held numeric, version bigint, version_inside numeric,
    position bigint
)
"""

_decode = msgspec.json.Decoder(Account).decode


def copy_snapshots(conn: Connection[Any], shape: int) -> int:
    """Copy all snapshots of that shape into a table of columns, in one transaction; answers the log's
    last position then. What can't be read leaves its columns empty."""
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        conn.execute(_TABLE)
        with conn.cursor(name="snapshots") as source:
            source.execute(
                "SELECT originator_id, version, state FROM snapshots WHERE shape = %s", (shape,)
            )
            while rows := source.fetchmany(_ROWS):
                with conn.cursor().copy("COPY shown_snapshots FROM STDIN") as copy:
                    for id_, version, state in rows:
                        copy.write_row(_columns(id_, version, state))
        conn.execute("CREATE INDEX ON shown_snapshots (id)")
        return head_position(conn)


def _columns(id_: UUID, version: int, state: bytes) -> tuple[Any, ...]:
    try:
        a = _decode(state)
    except msgspec.MsgspecError:
        return (id_, *[None] * 9, version, None, None)
    return (
        id_, str(a.id), *map(_storable, (a.type, a.currency, a.name)),
        None if a.owner_id is None else str(a.owner_id), a.credit_limit, _storable(a.status),
        a.balance, a.held, version, a.version, None,
    )  # fmt: skip


def _storable(text: str) -> str:
    return text.replace("\0", "\ufffd")


def up_to_snapshots(conn: Connection[Any], batch: Sequence[Recorded]) -> list[Recorded]:
    """The events of a batch that the copied snapshots hold."""
    ids = {event.stream_id for event in batch if event.topic.startswith("account.")}
    rows = conn.execute(
        "SELECT id, version FROM shown_snapshots WHERE id = ANY(%s)", (list(ids),), binary=True
    )
    versions: dict[UUID, int] = dict(rows.fetchall())
    if not versions:
        return []
    return [event for event in batch if event.version <= versions.get(event.stream_id, 0)]

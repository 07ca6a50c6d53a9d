"""What the writer reads under the head's lock: cold streams, the log's tail, and earlier answers."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Connection

from application.event_store.appending import Head
from application.ledger.book import StateCache
from application.ledger.outcomes import Answer, Receipt
from domain import catalogue
from domain.accounts import Account
from domain.catalogue import AggregateState

SNAPSHOT_SHAPE = 2
"""Raise it when the fields of `Account` change: snapshots of another shape are ignored."""

SNAPSHOT_EVERY = 256
"""Account events between snapshots, so that a cold load reads at most that many and one batch."""

MAX_TAIL = 20_000
"""A cache further behind than this is cheaper to fill anew than to bring up to date."""

_LOAD = """
SELECT wanted.id, snapshot.version, NULL AS topic, snapshot.state
  FROM unnest(%(ids)s::uuid[]) AS wanted (id)
  JOIN snapshots AS snapshot ON snapshot.originator_id = wanted.id AND snapshot.shape = %(shape)s
UNION ALL
SELECT wanted.id, event.originator_version, event.topic, event.state
  FROM unnest(%(ids)s::uuid[]) AS wanted (id)
  LEFT JOIN snapshots AS snapshot
    ON snapshot.originator_id = wanted.id AND snapshot.shape = %(shape)s
 CROSS JOIN LATERAL (
    SELECT originator_version, topic, state FROM events
     WHERE originator_id = wanted.id AND originator_version > coalesce(snapshot.version, 0)
     ORDER BY originator_version
 ) AS event
 ORDER BY 2
"""
"""Sorted twice: inside, so that streams are read one by one by their index; outside, since a snapshot
must come before its tail, and a UNION ALL promises no order."""

_TAIL = """
SELECT originator_id, topic, state, hash FROM events
 WHERE notification_id BETWEEN %s AND %s ORDER BY notification_id
"""

_decode_account = msgspec.json.Decoder(Account).decode
encode_snapshot = msgspec.json.Encoder().encode


def load(conn: Connection[Any], ids: Collection[UUID]) -> dict[UUID, AggregateState | None]:
    """The states of streams by snapshot and tail, with one query; None where there is no stream."""
    states: dict[UUID, AggregateState | None] = dict.fromkeys(ids)
    rows = conn.execute(
        _LOAD, {"ids": list(ids), "shape": SNAPSHOT_SHAPE}, prepare=True, binary=True
    )
    for stream_id, _, topic, state in rows:
        if topic is None:
            states[stream_id] = _decode_account(state)
        else:
            event = catalogue.decode(topic, state)
            states[stream_id] = catalogue.evolve(states[stream_id], event, stream_id)
    return states


def follow(conn: Connection[Any], cache: StateCache, head: Head) -> None:
    """Bring cached states up to the head: what other processes wrote meanwhile.

    A cache that is not of this log (a standby took over without the last commits, a backup was
    restored) forgets all.
    """
    if not len(cache) or not 0 < head.position - cache.position <= MAX_TAIL:
        cache.clear(head.position, head.hash)
        return
    rows = conn.execute(_TAIL, (cache.position, head.position), prepare=True, binary=True)
    last_seen = rows.fetchone()
    if last_seen is None or last_seen[3] != cache.hash:
        cache.clear(head.position, head.hash)
        return
    changed: dict[UUID, AggregateState] = {}
    unknown: set[UUID] = set()
    for stream_id, topic, state, _ in rows:
        before = changed.get(stream_id) or cache.get(stream_id)
        if before is None:
            continue
        try:
            event = catalogue.decode(topic, state)
        except catalogue.UnknownEventError:
            # Only commands on this stream must stop: their load meets the event again.
            unknown.add(stream_id)
        else:
            changed[stream_id] = catalogue.evolve(before, event, stream_id)
    cache.put(changed.values(), head.position, head.hash)
    for stream_id in unknown:
        cache.forget(stream_id)


def any_there(conn: Connection[Any], ids: Collection[UUID]) -> bool:
    """Whether the log has one of the streams."""
    row = conn.execute(
        "SELECT FROM events WHERE originator_id = ANY(%s) LIMIT 1", (list(ids),)
    ).fetchone()
    return row is not None


def earlier_answers(
    conn: Connection[Any], receipts: Collection[Receipt]
) -> dict[tuple[str, str], tuple[bytes, Answer]]:
    """Fingerprint and answer of those receipts that were answered before."""
    rows = conn.execute(
        "SELECT caller, key, fingerprint, status, body, position FROM idempotency_keys"
        " JOIN unnest(%s::text[], %s::text[]) AS asked (caller, key) USING (caller, key)",
        ([r.caller for r in receipts], [r.key for r in receipts]),
        prepare=True,
        binary=True,
    )
    return {
        (caller, key): (fingerprint, Answer(status, body, position))
        for caller, key, fingerprint, status, body, position in rows
    }

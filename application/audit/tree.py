"""The log's Merkle tree, grown event by event and kept in Postgres from blocks of 1,024 events upwards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from psycopg import AsyncConnection, Connection

from application.audit import merkle
from application.audit.errors import AuditError
from application.audit.merkle import Range, Subtree

BLOCK_LEVEL = 10
BLOCK_EVENTS = 1 << BLOCK_LEVEL
"""A proof reads the hashes of at most two such blocks; kept nodes take 64 bytes a block."""

REPAIR = "See `Repair` in docs/audit.md."
"""What somebody does about kept nodes that are wrong: whoever owns the database can make them anew."""

_STORED = (
    "SELECT level, index, hash FROM audit_nodes"
    " JOIN unnest(%s::smallint[], %s::bigint[]) AS wanted (level, index) USING (level, index)"
)
_HASHES = "SELECT notification_id, hash FROM events WHERE notification_id = ANY(%s::bigint[])"


class Node(NamedTuple):
    """The root of a perfect subtree of whole blocks."""

    subtree: Subtree
    hash: bytes


class Growth:
    """The tree over the first events, without those: its largest perfect subtrees and its last,
    unfinished block. Begins behind a number of whole blocks, whose subtrees' roots are `peaks`."""

    def __init__(self, blocks: int = 0, peaks: Sequence[Node] = ()) -> None:
        self._blocks = blocks
        self._peaks = list(peaks)
        self._pending: list[bytes] = []

    @property
    def size(self) -> int:
        """Events so far."""
        return self._blocks * BLOCK_EVENTS + len(self._pending)

    def add(self, hashes: Iterable[bytes]) -> list[Node]:
        """Add the next events by their chain hashes; answers the nodes that are final now."""
        self._pending += hashes
        made: list[Node] = []
        whole = len(self._pending) // BLOCK_EVENTS * BLOCK_EVENTS
        for start in range(0, whole, BLOCK_EVENTS):
            block = merkle.root_of(self._pending[start : start + BLOCK_EVENTS])
            made += self._push(block)
        del self._pending[:whole]
        return made

    def _push(self, block: bytes) -> list[Node]:
        node = Node(Subtree(BLOCK_LEVEL, self._blocks), block)
        made = [node]
        while self._peaks and self._peaks[-1].subtree.level == node.subtree.level:
            left = self._peaks.pop()
            above = Subtree(node.subtree.level + 1, left.subtree.number >> 1)
            node = Node(above, merkle.node_hash(left.hash, node.hash))
            made.append(node)
        self._peaks.append(node)
        self._blocks += 1
        return made

    def tail(self) -> bytes | None:
        """The root over the unfinished block, None when there is none."""
        return merkle.root_of(self._pending) if self._pending else None

    def root(self) -> bytes:
        """The root over all events so far."""
        hashes = [peak.hash for peak in self._peaks]
        tail = self.tail()
        return merkle.fold(hashes if tail is None else [*hashes, tail])


class Lookup:
    """What must be read to know the roots of some ranges: kept nodes, and hashes of events."""

    def __init__(self, ranges: Sequence[Range]) -> None:
        self._parts = [list(merkle.perfect(range_)) for range_ in ranges]
        every = [part for parts in self._parts for part in parts]
        kept = [part for part in every if part.level >= BLOCK_LEVEL]
        small = [part.leaves for part in every if part.level < BLOCK_LEVEL]
        self.nodes = [part.level for part in kept], [part.number for part in kept]
        self.events = [position for range_ in small for position in _positions(range_)]

    def roots(
        self, nodes: Iterable[tuple[int, int, bytes]], events: Iterable[tuple[int, bytes]]
    ) -> list[bytes]:
        """The root of each range. Raises `AuditError` when something is not there."""
        kept = {Subtree(level, index): bytes(hash_) for level, index, hash_ in nodes}
        contents = {position: bytes(hash_) for position, hash_ in events}
        try:
            return [
                merkle.fold([_root(part, kept, contents) for part in parts])
                for parts in self._parts
            ]
        except KeyError as error:
            raise AuditError(
                f"the kept tree of the log or the log itself has a hole ({error}): run"
                " `daybook audit verify`"
            ) from None


def _root(part: Subtree, kept: dict[Subtree, bytes], contents: dict[int, bytes]) -> bytes:
    if part.level >= BLOCK_LEVEL:
        return kept[part]
    return merkle.root_of([contents[position] for position in _positions(part.leaves)])


def _positions(leaves: Range) -> range:
    start, stop = leaves
    return range(start + 1, stop + 1)


def roots(conn: Connection[Any], ranges: Sequence[Range]) -> list[bytes]:
    """The roots of ranges of leaves: logarithmic many rows, and those of at most two blocks' events."""
    lookup = Lookup(ranges)
    nodes = conn.execute(_STORED, lookup.nodes).fetchall()
    return lookup.roots(nodes, conn.execute(_HASHES, (lookup.events,)).fetchall())


async def roots_async(conn: AsyncConnection[Any], ranges: Sequence[Range]) -> list[bytes]:
    """As `roots`."""
    lookup = Lookup(ranges)
    nodes = await (await conn.execute(_STORED, lookup.nodes)).fetchall()
    return lookup.roots(nodes, await (await conn.execute(_HASHES, (lookup.events,))).fetchall())


def load(conn: Connection[Any], blocks: int) -> Growth:
    """The tree over so many whole blocks from their kept nodes, to be grown further. Raises `AuditError`."""
    parts = list(merkle.perfect((0, blocks * BLOCK_EVENTS)))
    hashes = roots(conn, [part.leaves for part in parts])
    peaks = [Node(part, hash_) for part, hash_ in zip(parts, hashes, strict=True)]
    return Growth(blocks, peaks)


def kept_blocks(conn: Connection[Any]) -> int:
    """How many blocks the kept nodes cover, if there is none that does not belong there."""
    row = conn.execute(
        "SELECT coalesce(max(index) + 1, 0) FROM audit_nodes WHERE level = %s", (BLOCK_LEVEL,)
    ).fetchone()
    assert row is not None, "an aggregate has one row"
    return int(row[0])


def keep(conn: Connection[Any], nodes: Sequence[Node]) -> None:
    """Keep nodes that are final, and be sure that these are what is kept.

    The application's role may put nodes in, too, and whoever was stopped left some. Raises
    `AuditError` when another one is in the place of one of these.
    """
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO audit_nodes (level, index, hash) VALUES (%s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            [(*node.subtree, node.hash) for node in nodes],
        )
    kept = kept_nodes(conn, nodes)
    for node in nodes:
        if kept.get(node.subtree) != node.hash:
            start, stop = node.subtree.leaves
            raise AuditError(
                f"nothing was signed: the node of level {node.subtree.level} that audit_nodes keeps"
                f" for events {start + 1} to {stop} is not the one that they give. {REPAIR}"
            )


def kept_nodes(conn: Connection[Any], nodes: Sequence[Node]) -> dict[Subtree, bytes]:
    """What is kept for these nodes' places."""
    found = conn.execute(
        _STORED, ([node.subtree.level for node in nodes], [node.subtree.number for node in nodes])
    ).fetchall()
    return {Subtree(level, index): bytes(hash_) for level, index, hash_ in found}


class Census(NamedTuple):
    """How many blocks' nodes should be kept, and how many nodes there are that belong to none of these."""

    blocks: int
    extra: int


_CENSUS = """
WITH whole AS MATERIALIZED (
    SELECT greatest(%(signed)s::bigint, least(
        (SELECT coalesce(max(index) + 1, 0) FROM audit_nodes WHERE level = %(level)s),
        coalesce((SELECT position FROM ledger_head), (SELECT max(notification_id) FROM events), 0)
            >> %(level)s
    )) AS blocks
)
SELECT blocks, count(*) FILTER (WHERE index >= blocks >> (level - %(level)s))
  FROM whole LEFT JOIN audit_nodes ON true GROUP BY blocks
"""
"""One statement, so that what is signed meanwhile is seen whole or not at all."""


def census(conn: Connection[Any], signed_blocks: int) -> Census:
    """Count the kept nodes; those over `signed_blocks` must be there."""
    row = conn.execute(_CENSUS, {"signed": signed_blocks, "level": BLOCK_LEVEL}).fetchone()
    assert row is not None, "a left join has a row"
    return Census(*row)

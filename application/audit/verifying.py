"""Verifies the log: the chain from event to event, its end, its kept tree, and what was signed of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from psycopg import Connection

from application.audit import tree
from application.audit.diagnosing import explain
from application.audit.errors import AuditError
from application.audit.findings import Finding, events
from application.audit.kept import Kept, vouches
from application.audit.tree import BLOCK_EVENTS, BLOCK_LEVEL, REPAIR, Growth, Node
from application.audit.walking import (
    PAGE_EVENTS,
    START,
    End,
    Place,
    follow,
    hash_at,
    read_end,
    read_rows,
    read_strays,
)

Progress = Callable[[int, int], object]
"""Told the events done and the events there are, after each page."""


class Verdict(NamedTuple):
    """What was verified, and what was found, the first thing first."""

    first: int
    last: int
    """The part of the log that was asked for."""
    events: int
    """How many of them were read: fewer when the chain breaks."""
    seconds: float
    checkpoints: int
    """How many checkpoints the log was held against."""
    findings: list[Finding]


def verify(
    conn: Connection[Any],
    *,
    first: int = 1,
    last: int | None = None,
    kept: Sequence[Kept] = (),
    progress: Progress = lambda done, total: None,
) -> Verdict:
    """Walk the log from one position to another, by default all of it.

    From a later start the hash before it is trusted, and the tree is not looked at. The walk ends at
    the first break. Each page is read in a transaction of its own, and memory stays flat. `conn` is
    in autocommit mode. Raises `AuditError` when that part of the log cannot be looked at.
    """
    started = time.monotonic()
    end = read_end(conn)
    findings: list[Finding] = []
    if end is None:
        findings.append(
            Finding(1, 1, "head", "The log has no head: its row in ledger_head is gone.")
        )
        end = _end_without_head(conn)
    upto = end.position if last is None else last
    if not (1 <= first <= max(upto, 1) and upto <= end.position):
        raise AuditError(f"give positions from 1 to {end.position}, where the log ends")
    walk = _Walk(conn, end, first, upto, kept)
    walk.findings += findings
    walk.go(progress)
    return Verdict(
        first,
        walk.last,
        walk.place.position - first + 1,
        time.monotonic() - started,
        walk.compared,
        sorted(walk.findings, key=lambda finding: finding.position),
    )


def _end_without_head(conn: Connection[Any]) -> End:
    row = conn.execute("SELECT coalesce(max(notification_id), 0) FROM events").fetchone()
    last = int(row[0]) if row is not None else 0
    return End(last, hash_at(conn, last) or b"", last)


class _Walk:
    """One pass over a part of the log."""

    def __init__(
        self, conn: Connection[Any], end: End, first: int, last: int, kept: Sequence[Kept]
    ) -> None:
        self.conn = conn
        self.end = end
        self.first = first
        self.last = last
        self.findings: list[Finding] = []
        self.compared = 0
        self.place = START
        self._growth = Growth() if first == 1 else None
        kept = sorted(kept, key=lambda one: one.checkpoint.position)
        self._ahead = [one for one in kept if first <= one.checkpoint.position <= last][::-1]
        self._beyond = [one for one in kept if one.checkpoint.position > end.position]
        self._good = 0
        """Up to here the log is as it was signed."""
        self._rewritten: Kept | None = None
        self._odd_block: int | None = None
        self._kept_events = 0
        """So many events have nodes, or should have."""

    def go(self, progress: Progress) -> None:
        """Walk, and find."""
        if self.first > 1:
            known = hash_at(self.conn, self.first - 1)
            if known is None:
                raise AuditError(f"there is no event {self.first - 1} whose hash could be trusted")
            self.place = Place(self.first - 1, known)
        if self._growth is not None:
            self._look_for_strays()
            self._count_nodes()
        while self.place.position < self.last:
            to = min(self.place.position + PAGE_EVENTS, self.last)
            rows = read_rows(self.conn, self.place.position, to)
            hashes, misfit = follow(rows, self.place, to)
            self._compare(hashes)
            if hashes:
                self.place = Place(self.place.position + len(hashes), hashes[-1])
            if misfit is not None:
                self.findings.append(explain(self.conn, misfit))
                break
            progress(self.place.position - self.first + 1, self.last - self.first + 1)
        else:
            self._look_at_end()
        self._conclude()

    def _look_for_strays(self) -> None:
        """Rows that are in no place of the log, but in the streams that commands are decided by."""
        strays = read_strays(self.conn)
        if strays.many:
            rows = "1 row has" if strays.many == 1 else f"{strays.many} rows have"
            at = "none" if strays.first is None else f"the first is {strays.first}"
            self.findings.append(
                Finding(
                    strays.first or 0, strays.last or 0, "inserted",
                    f"Inserted: {rows} no position in the log, which begins at 1 ({at}); whoever"
                    " reads their streams reads them as well.",
                )
            )  # fmt: skip

    def _count_nodes(self) -> None:
        signed = max((one.checkpoint.position for one in self._ahead), default=0)
        blocks, extra = tree.census(self.conn, signed // BLOCK_EVENTS)
        self._kept_events = blocks * BLOCK_EVENTS
        if extra:
            are = "1 node is" if extra == 1 else f"{extra} nodes are"
            self.findings.append(
                Finding(
                    self._kept_events + 1, self._kept_events + 1, "tree",
                    f"The kept tree has too much: {are} in audit_nodes for events that the log has"
                    f" not, or not in whole blocks; new checkpoints may be refused. {REPAIR}",
                )
            )  # fmt: skip

    def _compare(self, hashes: Sequence[bytes]) -> None:
        """Hold the next events against what was signed and kept of them."""
        done, position = 0, self.place.position
        while self._ahead and self._ahead[-1].checkpoint.position <= position + len(hashes):
            one = self._ahead.pop()
            upto = one.checkpoint.position - position
            self._grow(hashes[done:upto])
            done = upto
            self._hold_against(one, hashes[upto - 1])
        self._grow(hashes[done:])

    def _hold_against(self, one: Kept, chain: bytes) -> None:
        self.compared += 1
        checkpoint = one.checkpoint
        if checkpoint.chain != chain:
            self._rewritten = self._rewritten or one
        elif self._growth is not None and self._growth.root() != checkpoint.root:
            self.findings.append(
                Finding(
                    checkpoint.position, checkpoint.position, "checkpoint",
                    f"The checkpoint of position {checkpoint.position} in {one.where} has the chain"
                    " of this log, but not its root: it was made from a wrong tree. Proofs against it"
                    f" fail, and the log is not signed any further before it is put away. {REPAIR}",
                )
            )  # fmt: skip
        elif self._rewritten is None:
            self._good = checkpoint.position

    def _grow(self, hashes: Sequence[bytes]) -> None:
        if self._growth is None or not hashes:
            return
        made = self._growth.add(hashes)
        nodes = [node for node in made if node.subtree.leaves[1] <= self._kept_events]
        if nodes and self._odd_block is None:
            self._odd_block = self._first_odd(nodes)

    def _first_odd(self, nodes: Sequence[Node]) -> int | None:
        kept = tree.kept_nodes(self.conn, nodes)
        odd = [node.subtree for node in nodes if kept.get(node.subtree) != node.hash]
        blocks = [subtree.number for subtree in odd if subtree.level == BLOCK_LEVEL]
        if blocks:
            return blocks[0]
        return odd[0].leaves[0] // BLOCK_EVENTS if odd else None

    def _look_at_end(self) -> None:
        """What the head says, when all up to it was asked for."""
        end = self.end
        if self.last < end.position:
            return
        if end.hash != self.place.hash:
            self.findings.append(
                Finding(
                    end.position, end.position, "head",
                    f"The head's hash is not that of event {end.position}, the log's last: the head"
                    " was altered.",
                )
            )  # fmt: skip
        if end.odd_time is not None:
            self.findings.append(
                Finding(
                    end.position, end.position, "head",
                    f"The head's time, {end.odd_time:%F %T.%f}, is not that of event {end.position},"
                    " the log's last: the head was altered, and no event can be earlier than it says.",
                )
            )  # fmt: skip
        if end.last > end.position:
            behind = events(end.position + 1, end.last)
            self.findings.append(
                Finding(
                    end.position + 1, end.last, "head",
                    f"Behind the head, which says that the log ends at {end.position}: {behind}. The"
                    " head was moved back, or they were put in.",
                )
            )  # fmt: skip

    def _conclude(self) -> None:
        if self._rewritten is not None:
            self.findings.append(self._rewriting(self._rewritten))
        elif self._odd_block is not None:
            start = self._odd_block * BLOCK_EVENTS
            self.findings.append(
                Finding(
                    start + 1, start + BLOCK_EVENTS, "tree",
                    f"The kept tree does not fit to {events(start + 1, start + BLOCK_EVENTS)}: its"
                    " nodes in audit_nodes were altered or taken out, or the log was rewritten; proofs"
                    f" fail. {REPAIR}",
                )
            )  # fmt: skip
        if self._beyond:
            one = self._beyond[0]
            first, last = self.end.position + 1, self._beyond[-1].checkpoint.position
            self.findings.append(
                Finding(
                    first, last, "missing",
                    f"Missing at the end: {events(first, last)}; the checkpoint of position"
                    f" {one.checkpoint.position} in {one.where} was signed when the log had more than"
                    f" its {self.end.position} events of now.",
                )
            )  # fmt: skip

    def _rewriting(self, one: Kept) -> Finding:
        """Where the log differs from what was signed, as narrow as it can be told."""
        first, last = self._good + 1, one.checkpoint.position
        if self._growth is not None and vouches(self.conn, one.checkpoint):
            odd = last // BLOCK_EVENTS if self._odd_block is None else self._odd_block
            first = max(first, odd * BLOCK_EVENTS + 1)
            last = min(last, (odd + 1) * BLOCK_EVENTS)
        before = f"; up to {first - 1} the log is as it was signed" if first > 1 else ""
        return Finding(
            first, last, "rewritten",
            f"Rewritten: the log's chain fits, but it is not the one that was signed by the"
            f" checkpoint of position {one.checkpoint.position} in {one.where}. The first event that"
            f" differs is one of {first} to {last}{before}.",
        )  # fmt: skip

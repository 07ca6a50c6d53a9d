"""Makes checkpoints: verifies what is new since the last one, grows the kept tree, signs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.errors import UniqueViolation

from application.audit import tree
from application.audit.checkpoints import Checkpoint, sign
from application.audit.diagnosing import explain
from application.audit.errors import AuditError
from application.audit.files import place_new_file
from application.audit.kept import Kept, newest_file, newest_row, read_file, signed_up_to
from application.audit.notes import Signer, Verifier
from application.audit.tree import BLOCK_EVENTS, REPAIR, Growth
from application.audit.walking import Place, follow, hash_at, read_end, read_rows

_LOCK = 0x6461_7943  # "dayC": advisory lock of those who make checkpoints

STEP_BLOCKS = 16
"""Blocks in one transaction: a tenth of a second, after which another process may go on with it."""

Pause = Callable[[float], object]
"""Called between transactions with the seconds that the last one took."""


def make(
    conn: Connection[Any],
    signer: Signer,
    verifiers: Sequence[Verifier],
    folder: Path,
    *,
    at_least: int = 1,
    pause: Pause = lambda _: None,
) -> Checkpoint:
    """Sign the log as it is now, keep the checkpoint in the database and in `folder`.

    With fewer than `at_least` events since the last checkpoint, that one is the answer. Stopped at
    any moment, nothing is lost: the nodes that it kept are held against the events the next time.
    `conn` is in autocommit mode. Raises `AuditError` when the log is broken, empty, or does not extend
    what was signed last, by the database or by `folder`.
    """
    started = time.monotonic()
    growth = _begin(conn, verifiers)
    while _step(conn, growth):
        pause(time.monotonic() - started)
        started = time.monotonic()
    with _locked(conn):
        place = _finish(conn, growth)
        last = _last(conn, verifiers, folder)
        if last is not None and last.is_recorded and place.position - last.position < at_least:
            return last.checkpoint
        if place.position == 0:
            raise AuditError("the log is empty: there is nothing to sign yet")
        if last is not None and last.position == place.position:
            checkpoint = last.checkpoint  # of a database that has lost its row
        else:
            checkpoint = sign(signer, place.position, growth.root(), place.hash)
        # The file first: what it says is true whether or not the row gets in as well.
        _put_file(folder, checkpoint)
        _put_row(conn, checkpoint, growth.tail())
    return checkpoint


def is_due(conn: Connection[Any], every: int) -> bool:
    """Whether the log has grown by so many events since the last checkpoint."""
    end = read_end(conn)
    return end is not None and end.position - signed_up_to(conn) >= every


class _Last(NamedTuple):
    """What was signed last; `is_recorded`: the database knows of it, and not only the folder."""

    checkpoint: Checkpoint
    is_recorded: bool

    @property
    def position(self) -> int:
        return self.checkpoint.position


def _last(conn: Connection[Any], verifiers: Sequence[Verifier], folder: Path) -> _Last | None:
    """The last checkpoint of database and folder, both of which today's log extends.

    The folder's counts as well, since a backup that was restored, or somebody who owns the database,
    may have taken the rows away. Raises `AuditError`.
    """
    row, file = newest_row(conn, verifiers), newest_file(folder, verifiers)
    for kept in (row, file):
        if kept is not None:
            _check_extends(conn, kept)
    if file is not None and (row is None or file.checkpoint.position > row.checkpoint.position):
        return _Last(file.checkpoint, is_recorded=False)
    return None if row is None else _Last(row.checkpoint, is_recorded=True)


@contextmanager
def _locked(conn: Connection[Any]) -> Iterator[None]:
    """A transaction of the only one who makes a checkpoint meanwhile."""
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        yield


def _begin(conn: Connection[Any], verifiers: Sequence[Verifier]) -> Growth:
    """The tree over the whole blocks that were signed. Nothing else that is kept is believed."""
    with _locked(conn):
        last = newest_row(conn, verifiers)
        blocks = 0 if last is None else last.checkpoint.position // BLOCK_EVENTS
        if last is None or tree.kept_blocks(conn) < blocks:  # taken out: made anew
            return Growth()
        _check_extends(conn, last)
        return tree.load(conn, blocks)


def _step(conn: Connection[Any], growth: Growth) -> bool:
    """Keep the nodes of the next whole blocks, in one transaction. False: there are none."""
    with _locked(conn):
        end = read_end(conn)
        whole = 0 if end is None else (end.position - growth.size) // BLOCK_EVENTS
        if whole <= 0:
            return False
        _extend(conn, growth, growth.size + min(whole, STEP_BLOCKS) * BLOCK_EVENTS)
        return True


def _finish(conn: Connection[Any], growth: Growth) -> Place:
    """Add the rest of the log, up to its end. The caller's transaction holds the lock."""
    end = read_end(conn)
    if end is None:
        raise AuditError("the log has no head: run `daybook audit verify`")
    kept = max(growth.size, tree.kept_blocks(conn) * BLOCK_EVENTS)
    if kept > end.position:
        raise AuditError(
            f"nothing was signed: the log ends at {end.position}, and audit_nodes keeps nodes for"
            f" {kept} events. Run `daybook audit verify`. If there never were so many events: {REPAIR}"
        )
    place = _extend(conn, growth, end.position)
    if place.hash != end.hash:
        raise AuditError("the log does not end as its head says: run `daybook audit verify`")
    return place


def _extend(conn: Connection[Any], growth: Growth, to: int) -> Place:
    """Follow the chain from where the tree ends, and keep the nodes that are final."""
    known = hash_at(conn, growth.size)
    if known is None:
        raise AuditError(f"event {growth.size} is missing: run `daybook audit verify`")
    place = Place(growth.size, known)
    if place.position == to:
        return place
    hashes, misfit = follow(read_rows(conn, place.position, to), place, to)
    if misfit is not None:
        found = explain(conn, misfit)
        raise AuditError(f"nothing was signed, since the log is broken. {found.sentence}")
    tree.keep(conn, growth.add(hashes))
    return Place(to, hashes[-1])


def _check_extends(conn: Connection[Any], last: Kept) -> None:
    """A log must never sign two histories."""
    signed = last.checkpoint
    same = hash_at(conn, signed.position) == signed.chain
    if not same or tree.roots(conn, [(0, signed.position)]) != [signed.root]:
        raise AuditError(
            f"nothing was signed: today's log does not extend the checkpoint of position"
            f" {signed.position} in {last.where}. Run `daybook audit verify`; when an older backup was"
            " restored, events that were signed are missing in it"
        )


def _put_file(folder: Path, checkpoint: Checkpoint) -> None:
    """Keep a checkpoint as a file, and never put it in the place of another one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{checkpoint.position}.txt"
    try:
        place_new_file(path, checkpoint.note, mode=0o644)
    except FileExistsError:
        if read_file(path) != checkpoint.note:
            raise AuditError(
                f"nothing was signed: {path} is another checkpoint of position"
                f" {checkpoint.position}, or none. See what `daybook audit verify` says of it, and"
                " move it to where it is kept"
            ) from None


def _put_row(conn: Connection[Any], checkpoint: Checkpoint, tail: bytes | None) -> None:
    try:
        conn.execute(
            "INSERT INTO audit_checkpoints (position, note, tail) VALUES (%s, %s, %s)",
            (checkpoint.position, checkpoint.note, tail),
        )
    except UniqueViolation:
        raise AuditError(
            f"audit_checkpoints has a row of position {checkpoint.position} that is no checkpoint of"
            " this log: sign again when the log has grown, or let the owner of the database take"
            " that row out"
        ) from None

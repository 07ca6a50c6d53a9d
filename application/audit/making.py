"""Makes checkpoints: verifies what is new since the last one, grows the kept tree, signs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from psycopg import Connection

from application.audit import tree
from application.audit.checkpoints import Checkpoint, open_checkpoint, sign
from application.audit.diagnosing import explain
from application.audit.errors import AuditError
from application.audit.files import replace_file
from application.audit.notes import NoteError, Signer, Verifier
from application.audit.tree import BLOCK_EVENTS, Growth
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
    any moment it goes on next time where it was. `conn` is in autocommit mode. Raises `AuditError`
    when the log is broken, empty, or does not extend what was signed last.
    """
    started = time.monotonic()
    while _grow(conn):
        pause(time.monotonic() - started)
        started = time.monotonic()
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        last = latest(conn, verifiers)
        grown, place = _grown(conn)
        if last is not None:
            _check_extends(conn, last)
            if place.position - last.position < at_least:
                return last
        if place.position == 0:
            raise AuditError("the log is empty: there is nothing to sign yet")
        checkpoint = sign(signer, place.position, grown.root(), place.hash)
        folder.mkdir(parents=True, exist_ok=True)
        # The file first: what it says is true whether or not the row gets in as well.
        replace_file(folder / f"{place.position}.txt", checkpoint.note, mode=0o644)
        conn.execute(
            "INSERT INTO audit_checkpoints (position, note, tail) VALUES (%s, %s, %s)",
            (place.position, checkpoint.note, grown.tail()),
        )
    return checkpoint


def is_due(conn: Connection[Any], every: int) -> bool:
    """Whether the log has grown by so many events since the last checkpoint."""
    row = conn.execute(
        "SELECT position - coalesce((SELECT max(position) FROM audit_checkpoints), 0) >= %s"
        " FROM ledger_head",
        (every,),
    ).fetchone()
    return row is not None and bool(row[0])


def latest(conn: Connection[Any], verifiers: Sequence[Verifier]) -> Checkpoint | None:
    """The last checkpoint, None when there is none. Raises `AuditError` when it cannot be trusted."""
    row = conn.execute(
        "SELECT note FROM audit_checkpoints ORDER BY position DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    try:
        return open_checkpoint(row[0], verifiers)
    except NoteError as error:
        raise AuditError(
            f"the log's last checkpoint cannot be trusted, so none is made after it: {error}. All"
            " processes of a log sign with one key: give this one the same AUDIT_KEY_FILE"
        ) from error


def _grow(conn: Connection[Any]) -> bool:
    """Keep the nodes of the next whole blocks, in one transaction. False: there are none."""
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        growth = tree.load(conn)
        end = read_end(conn)
        whole = 0 if end is None else (end.position - growth.size) // BLOCK_EVENTS
        if whole <= 0:
            return False
        _extend(conn, growth, growth.size + min(whole, STEP_BLOCKS) * BLOCK_EVENTS)
        return True


def _grown(conn: Connection[Any]) -> tuple[Growth, Place]:
    """The tree over the whole log. The caller's transaction holds the lock."""
    end = read_end(conn)
    if end is None:
        raise AuditError("the log has no head: run `daybook audit verify`")
    growth = tree.load(conn)
    if growth.size > end.position:
        raise AuditError(
            f"the log ends at {end.position}, but had {growth.size} events before: run `daybook"
            " audit verify`"
        )
    place = _extend(conn, growth, end.position)
    if place.hash != end.hash:
        raise AuditError("the log does not end as its head says: run `daybook audit verify`")
    return growth, place


def _extend(conn: Connection[Any], growth: Growth, to: int) -> Place:
    """Follow the chain from where the kept tree ends, and keep the nodes that are final."""
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


def _check_extends(conn: Connection[Any], last: Checkpoint) -> None:
    """A log must never sign two histories."""
    same = hash_at(conn, last.position) == last.chain
    if not same or tree.roots(conn, [(0, last.position)]) != [last.root]:
        raise AuditError(
            f"nothing was signed: today's log does not extend the checkpoint of position"
            f" {last.position}. Run `daybook audit verify`"
        )

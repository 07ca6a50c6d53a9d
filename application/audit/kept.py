"""Checkpoints as they are kept: in the database, and as files in a folder or with an auditor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from psycopg import AsyncConnection, Connection

from application.audit import merkle, tree
from application.audit.checkpoints import Checkpoint, open_checkpoint, read
from application.audit.errors import AuditError
from application.audit.findings import Finding
from application.audit.notes import NoteError, Verifier
from application.audit.tree import BLOCK_EVENTS

_MAX_FILE_BYTES = 1 << 20


class Kept(NamedTuple):
    """A checkpoint whose signature is right, and where it is kept."""

    checkpoint: Checkpoint
    where: str


class Collected(NamedTuple):
    """Checkpoints to hold the log against, in order of position, and those that cannot be trusted."""

    kept: list[Kept]
    findings: list[Finding]


def read_file(path: Path) -> str:
    """A note or proof from a file. Raises `AuditError`."""
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise AuditError(f"{path} is too large for a checkpoint or a proof")
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        raise AuditError(f"{path} is no text in UTF-8") from None
    except OSError as error:
        raise AuditError(f"{path} cannot be read: {error.strerror}") from error


def open_file(path: Path, verifiers: Sequence[Verifier]) -> Kept:
    """The checkpoint in a file. Raises `AuditError`."""
    try:
        return Kept(open_checkpoint(read_file(path), verifiers), str(path))
    except NoteError as error:
        raise NoteError(f"{path}: {error}") from error


def collect(conn: Connection[Any], folder: Path, verifiers: Sequence[Verifier]) -> Collected:
    """The checkpoints of the database and of a folder; one that both keep counts once."""
    kept: list[Kept] = []
    findings: list[Finding] = []
    seen: set[tuple[int, str]] = set()
    for position, where, note_of in _notes(conn, folder):
        try:
            note = note_of()
            if (position, note) in seen:
                continue
            seen.add((position, note))
            kept.append(Kept(_opened(note, position, verifiers), where))
        except AuditError as error:
            findings.append(
                Finding(
                    position, position, "checkpoint",
                    f"The checkpoint of position {position} in {where} cannot be trusted: {error}.",
                )
            )  # fmt: skip
    return Collected(sorted(kept, key=lambda one: one.checkpoint.position), findings)


def _notes(conn: Connection[Any], folder: Path) -> Iterator[tuple[int, str, Callable[[], str]]]:
    rows = conn.execute("SELECT position, note FROM audit_checkpoints ORDER BY position").fetchall()
    for position, note in rows:
        yield position, "the database", partial(str, note)
    for position, path in sorted(_files(folder)):
        yield position, str(path), partial(read_file, path)


def _files(folder: Path) -> list[tuple[int, Path]]:
    return [(int(path.stem), path) for path in folder.glob("*.txt") if path.stem.isdecimal()]


def _opened(note: str, position: int, verifiers: Sequence[Verifier]) -> Checkpoint:
    """The checkpoint in a note that is kept as that of a position. Raises `NoteError`."""
    checkpoint = open_checkpoint(note, verifiers)
    if checkpoint.position != position:
        raise NoteError(f"it is of position {checkpoint.position}")
    return checkpoint


def is_any(conn: Connection[Any], folder: Path) -> bool:
    """Whether anything was ever signed, as far as can be seen without a key."""
    row = conn.execute("SELECT EXISTS (SELECT FROM audit_checkpoints)").fetchone()
    return bool(_files(folder)) or (row is not None and bool(row[0]))


def newest_file(folder: Path, verifiers: Sequence[Verifier]) -> Kept | None:
    """The checkpoint of the highest position in a folder, of those that can be trusted."""
    for position, path in sorted(_files(folder), reverse=True):
        with suppress(AuditError):
            return Kept(_opened(read_file(path), position, verifiers), str(path))
    return None


def newest_row(conn: Connection[Any], verifiers: Sequence[Verifier]) -> Kept | None:
    """The checkpoint of the highest position in the database.

    Rows that are no checkpoint are left out: the application's role can put them in, and nobody take
    them out again. So are those beyond the log's end, unless they can be trusted: then they tell what
    is missing. Raises `AuditError` for one that may be of this log, by another key.
    """
    head = _head(conn)
    for stored in _rows(conn):
        try:
            return Kept(_opened(stored.note, stored.position, verifiers), "the database")
        except NoteError as error:
            if stored.position <= head:
                raise AuditError(
                    f"the checkpoint of position {stored.position} in the database cannot be"
                    f" trusted, so none is made after it: {error}. All processes of a log sign with"
                    " one key: give this one the same AUDIT_KEY_FILE"
                ) from error
    return None


def signed_up_to(conn: Connection[Any]) -> int:
    """The highest position within the log of which the database has a checkpoint, 0 for none."""
    head = _head(conn)
    return next((stored.position for stored in _rows(conn) if stored.position <= head), 0)


def _head(conn: Connection[Any]) -> int:
    row = conn.execute("SELECT position FROM ledger_head").fetchone()
    return 0 if row is None else int(row[0])


def vouches(conn: Connection[Any], checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint signed the nodes that are kept below it, whatever the events are now."""
    row = conn.execute(
        "SELECT tail FROM audit_checkpoints WHERE position = %s", (checkpoint.position,)
    ).fetchone()
    whole = checkpoint.position // BLOCK_EVENTS * BLOCK_EVENTS
    if row is None or (row[0] is None) != (whole == checkpoint.position):
        return False
    try:
        hashes = tree.roots(conn, [part.leaves for part in merkle.perfect((0, whole))])
    except AuditError:  # a kept node is gone
        return False
    if row[0] is not None:
        hashes.append(bytes(row[0]))
    return merkle.fold(hashes) == checkpoint.root


class Stored(NamedTuple):
    """A row of the database, whether its signature is right or not."""

    position: int
    note: str
    made_at: datetime


_STORED = "SELECT position, note, made_at FROM audit_checkpoints"
_PAGE = f"{_STORED} WHERE position < %s ORDER BY position DESC LIMIT %s"
_PAGE_ROWS = 100
_ABOVE_ALL = 2**63 - 1


def _is_checkpoint(stored: Stored) -> bool:
    """Whether a row says what a checkpoint of its position says, whoever signed it."""
    try:
        return read(stored.note).position == stored.position
    except NoteError:
        return False


def _rows(conn: Connection[Any]) -> Iterator[Stored]:
    """The rows that are checkpoints, the newest first."""
    before = _ABOVE_ALL
    while rows := conn.execute(_PAGE.encode(), (before, _PAGE_ROWS)).fetchall():
        found = [Stored(*row) for row in rows]
        yield from filter(_is_checkpoint, found)
        before = found[-1].position


async def newest(conn: AsyncConnection[Any]) -> Stored | None:
    """The checkpoint of the highest position, be it beyond the log's end: then events are missing."""
    found = await _page(conn, _ABOVE_ALL, 1)
    return found[0] if found else None


async def newest_of_log(conn: AsyncConnection[Any]) -> Stored | None:
    """The checkpoint of the highest position that the log has."""
    found = await page(conn, None, 1)
    return found[0] if found else None


async def page(conn: AsyncConnection[Any], before: int | None, limit: int) -> list[Stored]:
    """Checkpoints of the log below a position, the newest first.

    Rows that are no checkpoint, or beyond the log's end, are left out: a verification names them.
    """
    row = await (await conn.execute("SELECT position FROM ledger_head")).fetchone()
    behind = 1 if row is None else int(row[0]) + 1
    return await _page(conn, behind if before is None else min(before, behind), limit)


async def _page(conn: AsyncConnection[Any], before: int, limit: int) -> list[Stored]:
    page: list[Stored] = []
    while len(page) < limit:
        cursor = await conn.execute(_PAGE.encode(), (before, limit))
        rows = [Stored(*row) for row in await cursor.fetchall()]
        page += filter(_is_checkpoint, rows)
        if len(rows) < limit:
            break
        before = rows[-1].position
    return page[:limit]


async def of_position(conn: AsyncConnection[Any], position: int) -> Stored | None:
    """The checkpoint of a position."""
    cursor = await conn.execute(f"{_STORED} WHERE position = %s".encode(), (position,))
    row = await cursor.fetchone()
    return None if row is None else Stored(*row)

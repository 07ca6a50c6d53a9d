"""Checkpoints as they are kept: in the database, and as files in a folder or with an auditor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from psycopg import AsyncConnection, Connection

from application.audit import merkle, tree
from application.audit.checkpoints import Checkpoint, open_checkpoint
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
    notes: set[str] = set()
    for position, note, where in _notes(conn, folder):
        if note in notes:
            continue
        notes.add(note)
        try:
            checkpoint = open_checkpoint(note, verifiers)
            if checkpoint.position != position:
                raise NoteError(f"it is of position {checkpoint.position}")
        except NoteError as error:
            findings.append(
                Finding(
                    position, position, "checkpoint",
                    f"The checkpoint of position {position} in {where} cannot be trusted: {error}.",
                )
            )  # fmt: skip
        else:
            kept.append(Kept(checkpoint, where))
    return Collected(sorted(kept, key=lambda one: one.checkpoint.position), findings)


def _notes(conn: Connection[Any], folder: Path) -> Iterator[tuple[int, str, str]]:
    rows = conn.execute("SELECT position, note FROM audit_checkpoints ORDER BY position").fetchall()
    for position, note in rows:
        yield position, note, "the database"
    for path in sorted(folder.glob("*.txt")):
        if path.stem.isdecimal():
            yield int(path.stem), read_file(path), str(path)


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


async def newest(conn: AsyncConnection[Any]) -> Stored | None:
    """The checkpoint of the highest position."""
    found = await page(conn, None, 1)
    return found[0] if found else None


async def page(conn: AsyncConnection[Any], before: int | None, limit: int) -> list[Stored]:
    """Checkpoints below a position, the newest first."""
    cursor = await conn.execute(
        f"{_STORED} WHERE %(before)s::bigint IS NULL OR position < %(before)s"
        " ORDER BY position DESC LIMIT %(limit)s".encode(),
        {"before": before, "limit": limit},
    )
    return [Stored(*row) for row in await cursor.fetchall()]


async def of_position(conn: AsyncConnection[Any], position: int) -> Stored | None:
    """The checkpoint of a position."""
    cursor = await conn.execute(f"{_STORED} WHERE position = %s".encode(), (position,))
    row = await cursor.fetchone()
    return None if row is None else Stored(*row)

"""The folder of an export: whether it may be gone on with, and clearing what a killed run left."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from psycopg import Connection

from projections.exporting import manifest as manifests
from projections.exporting.errors import ExportError
from projections.exporting.manifest import LAYOUT, NAME, NO_HASH, Manifest
from projections.exporting.writing import Format
from projections.log import head_position

# Only what an export names like this is ever removed: the folder is somebody's.
_OURS = re.compile(
    r"topic=[^/]+/month=\d{4,}-\d{2}/(\d{12,}-\d{12,}\.(parquet|ndjson)"
    r"|\.\d{12,}\.(parquet|ndjson)\.tmp)"
)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder if there is none, and keep other exports out while the block runs."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ExportError(f"{folder} is a file: export to a folder") from None
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExportError(
                f"another export writes to {folder}: wait for its end, and run this again"
            ) from None
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(handle)


def opened(conn: Connection[Any], folder: Path, format_: Format, since: int | None) -> Manifest:
    """The manifest to go on from, a new one in an empty folder. Raises `ExportError`, `OSError`."""
    found = manifests.load(folder)
    if found is None:
        _check_empty(folder)
        made = _made(conn, format_, since or 0)
        manifests.save(folder, made)
        return made
    if found.format != format_:
        raise ExportError(
            f"{folder} holds {found.format} files: go on with --format {found.format}, or export to"
            " another folder"
        )
    if since is not None and since != found.from_position - 1:
        raise ExportError(
            f"{folder} begins after position {found.from_position - 1} and goes on after"
            f" {found.to_position}: leave out --since, or export to another folder"
        )
    _check_origin(conn, folder, found)
    _check_columns(folder, found)
    _check_files(folder, found)
    return found


def clear(folder: Path, manifest: Manifest) -> None:
    """Remove what a run that was killed left: files that the manifest doesn't know."""
    known = {file.path for file in manifest.files}
    for path in list(folder.glob("topic=*/month=*/*")):
        name = path.relative_to(folder).as_posix()
        if name not in known and _OURS.fullmatch(name):
            path.unlink()
    with suppress(FileNotFoundError):
        (folder / manifests.TEMPORARY).unlink()


def hash_at(conn: Connection[Any], position: int) -> str | None:
    """The chain hash (hex) of the event at a position, None when there is no such event."""
    if position == 0:
        return NO_HASH
    row = conn.execute("SELECT hash FROM events WHERE notification_id = %s", (position,)).fetchone()
    return None if row is None else bytes(row[0]).hex()


def _made(conn: Connection[Any], format_: Format, since: int) -> Manifest:
    digest = hash_at(conn, since)
    if digest is None:
        raise ExportError(
            f"there is no event {since} to begin after: the log ends at {head_position(conn)}"
        )
    return Manifest(LAYOUT, format_, since + 1, since, digest, [], manifests.topics())


def _check_empty(folder: Path) -> None:
    # Hidden files are nobody's data: those of file managers, and ours of a run that was killed at once.
    if any(not path.name.startswith(".") for path in folder.iterdir()):
        raise ExportError(
            f"{folder} is not empty and has no {NAME}: export to an empty folder, or put back the"
            " manifest that was there"
        )


def _check_origin(conn: Connection[Any], folder: Path, found: Manifest) -> None:
    digest = hash_at(conn, found.to_position)
    if digest is None:
        raise ExportError(
            f"{folder} is of another log: it has events up to position {found.to_position}, and this"
            f" log ends at {head_position(conn)}. Export to another folder"
        )
    if digest != found.hash:
        raise ExportError(
            f"{folder} is of another log: the event at position {found.to_position} has another"
            " hash there. Export to another folder; if it was this log, it was altered since:"
            " run `daybook audit verify`"
        )


def _check_columns(folder: Path, found: Manifest) -> None:
    """A new version may add columns. Anything else would leave one topic with files that don't fit."""
    now = manifests.topics()
    for topic in sorted({file.topic for file in found.files}):
        if not set(found.topics.get(topic, ())) <= set(now.get(topic, ())):
            raise ExportError(
                f"{folder} holds {topic} with columns that this version does not write: export to"
                " another folder"
            )


def _check_files(folder: Path, found: Manifest) -> None:
    for file in found.files:
        path = folder / file.path
        if not path.is_file() or path.stat().st_size != file.bytes:
            raise ExportError(
                f"{path} is not as it was exported: put it back, or export to an empty folder"
            )

"""Writes the events that a folder does not have yet, batch by batch, in sets of files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from psycopg import Connection

from domain.events import Recorded
from projections.connecting import connect
from projections.exporting import manifest as manifests
from projections.exporting.columns import utc
from projections.exporting.errors import ExportError
from projections.exporting.folder import clear, hash_at, locked, opened
from projections.exporting.manifest import Manifest
from projections.exporting.writing import FileSet, Format
from projections.garbage import gc_paused
from projections.log import UnreadableEventError, head_position, read_batch
from projections.sealed import hide

BATCH_EVENTS = 20_000
SET_EVENTS = 1_000_000
"""Events after which a set of files is finished: what a kill may cost, and what a file holds at most."""

Progress = Callable[[int, int], None]
"""Called with the events that are done and those there are to do."""


class Exported(Struct, frozen=True):
    """What one run did. Without new events `to_position` is before `from_position`, and `hash` is
    still the chain hash (hex) of the event at `to_position`."""

    folder: str
    format: str
    from_position: int
    to_position: int
    hash: str
    events: int
    files: int
    seconds: float


def export(
    conninfo: str,
    folder: Path,
    progress: Progress,
    *,
    format: Format = "parquet",
    since: int | None = None,
) -> Exported:
    """Bring a folder up to the log's end as it is now. An empty one begins after position `since`.

    What is personal is not in the files: `[sealed]` stands for it, or `[erased]`.

    Whatever ends it, the folder then has what its manifest says, and the next run goes on from there.
    Raises `ExportError`, `UnreadableEventError` (after all events before that one) and
    `psycopg.Error`.
    """
    began = time.monotonic()
    try:
        with connect(conninfo, "daybook export") as conn, locked(folder):
            before = opened(conn, folder, format, since)
            clear(folder, before)
            after = _write(conn, folder, format, before, progress)
    except OSError as error:
        raise ExportError(
            f"{folder} can't be written: {error.strerror or error}. What its manifest lists is good;"
            " once there is room and permission, the same command goes on from there"
        ) from error
    return Exported(
        folder=str(folder),
        format=format,
        from_position=before.to_position + 1,
        to_position=after.to_position,
        hash=after.hash,
        events=after.to_position - before.to_position,
        files=len(after.files) - len(before.files),
        seconds=time.monotonic() - began,
    )


def _write(
    conn: Connection[Any], folder: Path, format_: Format, manifest: Manifest, progress: Progress
) -> Manifest:
    start, head = manifest.to_position, head_position(conn)
    files: FileSet | None = None
    last = start
    try:
        for month, events in _by_month(conn, start, head):
            if files is not None and (files.month != month or last - files.first + 1 >= SET_EVENTS):
                manifest = _finish(conn, folder, files, manifest, last)
                files = None
            if files is None:
                files = FileSet(folder, format_, month, events[0].position)
            files.add(events)
            last = events[-1].position
            progress(last - start, head - start)
        if files is not None:
            manifest = _finish(conn, folder, files, manifest, last)
    except UnreadableEventError:
        if files is not None:  # all before it is good, and needs no second reading
            _finish(conn, folder, files, manifest, last)
        raise
    except BaseException:
        if files is not None:
            files.abandon()
        raise
    return manifest


def _by_month(conn: Connection[Any], after: int, to: int) -> Iterator[tuple[str, list[Recorded]]]:
    """Successive events of one month (UTC) of their recording, at most `BATCH_EVENTS` at a time."""
    while after < to:
        with gc_paused():
            batch = read_batch(conn, after, min(BATCH_EVENTS, to - after))
        if not batch:
            raise ExportError(
                f"events are missing after position {after}: find out what happened to the log with"
                " `daybook audit verify`; files that are finished stay"
            )
        for month, events in groupby(hide(conn, batch), _month):
            yield month, list(events)
        after = batch[-1].position


def _month(event: Recorded) -> str:
    return utc(event.recorded_at).strftime("%Y-%m")


def _finish(
    conn: Connection[Any], folder: Path, files: FileSet, manifest: Manifest, last: int
) -> Manifest:
    """Put the files in place, then the manifest that knows them."""
    digest = hash_at(conn, last)
    assert digest is not None, "an event that was read is still there"
    finished = replace(
        manifest,
        to_position=last,
        hash=digest,
        files=[*manifest.files, *files.finish()],
        topics=manifests.topics(),
    )
    manifests.save(folder, finished)
    return finished

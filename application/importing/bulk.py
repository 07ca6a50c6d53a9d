"""Posts a file of transfers in batches, several in flight, and goes on where a crash stopped it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from io import BufferedReader
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import psycopg
from msgspec import Struct
from msgspec.structs import replace
from psycopg import Connection

from application.importing.rows import SUFFIXES, FileError, Row, read_rows
from application.importing.sidecar import Progress, RefusedLine, Sidecar
from application.ledger import reading
from application.ledger.ledger import Ledger
from application.ledger.outcomes import Done, Refused, Submission
from application.ledger.queueing import QueueFullError
from domain.provenance import Provenance
from domain.refusals import Refusal
from domain.transfers import PostTransfer, Transfer, is_same_request

BATCH = 1_000
"""Transfers in one submission."""

_IN_FLIGHT = 3
"""Submissions that wait for their answer while the next one is read: more only takes memory."""

_NAMES = UUID("3c1e2f0a-7d54-5b8e-8a4f-1b6f0f4f9d27")
"""Root of the ids of lines without one. Changing it would post old files again."""

ReportBytes = Callable[[int, int], None]
"""Called with the bytes that are done and those there are."""


class BulkResult(Struct, frozen=True):
    """What became of a file's lines, over all attempts since it was begun; `seconds` and `lines`
    (those that this attempt went through) are this attempt's."""

    posted: int
    already_there: int
    refused: int
    lines: int
    seconds: float
    refused_path: Path | None

    @property
    def lines_per_second(self) -> float:
        return self.lines / self.seconds if self.seconds else 0.0


def import_transfers(
    ledger: Ledger,
    conninfo: str,
    path: Path,
    *,
    restart: bool = False,
    progress: ReportBytes | None = None,
    notice: Callable[[str], None] | None = None,
) -> BulkResult:
    """Post the transfers of a CSV or NDJSON file.

    Run again after a crash it goes on after the last batch that is known to be answered for, unless
    `restart`; run again after its end it goes through the file again and posts what isn't there.
    `notice` gets a sentence when the import doesn't begin at the file's start, or does in spite of
    an earlier attempt. Raises `FileError` before anything is posted, and `WriteFailedError` when the
    database stays away.
    """
    if path.suffix not in SUFFIXES:
        raise FileError(f"its name must end in {' or '.join(SUFFIXES)}")
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(_open(path))
        digest, size = _digest(file)
        sidecar = Sidecar(path)
        stack.callback(sidecar.close)
        begun = _begin(sidecar, digest, size, restart, notice)
        ids = uuid5(_NAMES, digest)
        rows = read_rows(file, path.suffix, size, ids, begun.place)
        sidecar.begin(begun)
        conn = stack.enter_context(psycopg.connect(conninfo, autocommit=True))
        return _Import(ledger, conn, sidecar, begun, progress).run(rows)


def _open(path: Path) -> BufferedReader:
    """The file, locked for this import until it is closed. Raises `FileError`."""
    if path.exists() and not path.is_file():
        raise FileError("it is no regular file")
    try:
        file = path.open("rb")
    except OSError as error:
        raise FileError(f"it can't be read: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise FileError("another import of it is running: wait for its end") from None
    except OSError:
        pass  # a file system without locks: the ids alone keep two imports from posting twice
    return file


def _digest(file: BufferedReader) -> tuple[str, int]:
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = file.tell()
    if size == 0:
        raise FileError("it is empty")
    file.seek(0)
    return digest, size


def _begin(
    sidecar: Sidecar, digest: str, size: int, restart: bool, notice: Callable[[str], None] | None
) -> Progress:
    earlier = None if restart else sidecar.load()
    said = ""
    if earlier is None:
        begun = Progress(digest, size)
    elif (earlier.digest, earlier.size) == (digest, size):
        begun = earlier
        if begun.place is not None:
            said = f"an earlier import of it stopped after line {begun.line}: going on from there"
    else:
        begun = Progress(digest, size)
        said = (
            "it has changed since an earlier import of it stopped: starting anew;"
            " lines without an id count as new transfers"
        )
    if notice is not None and said:
        notice(said)
    return begun


class _Sent(NamedTuple):
    """A batch on its way: its rows, those that the ledger was asked for, and what is known already."""

    rows: list[Row]
    asked: list[Row]
    answer: Future[Done] | None
    already_there: int
    refusals: dict[int, Refusal]
    """By line."""


class _Import:
    """One attempt. Batches are answered for in the file's order, so that progress is one place."""

    def __init__(
        self,
        ledger: Ledger,
        conn: Connection[Any],
        sidecar: Sidecar,
        begun: Progress,
        report: ReportBytes | None,
    ) -> None:
        self._ledger = ledger
        self._conn = conn
        self._sidecar = sidecar
        self._progress = begun
        self._report = report
        self._provenance = Provenance(actor="import", correlation_id=begun.digest)
        self._sent: deque[_Sent] = deque()
        self._look_first = True
        """Whether the next batch may be in the log already: looking is cheaper than being told."""

    def run(self, rows: Iterator[Row]) -> BulkResult:
        started = time.monotonic()
        lines = 0
        while batch := list(islice(rows, BATCH)):
            lines += len(batch)
            self._send(batch)
            if len(self._sent) > _IN_FLIGHT:
                self._settle(self._sent.popleft())
        while self._sent:
            self._settle(self._sent.popleft())
        self._sidecar.finish()
        end = self._progress
        return BulkResult(
            posted=end.posted,
            already_there=end.already_there,
            refused=end.refused,
            lines=lines,
            seconds=time.monotonic() - started,
            refused_path=self._sidecar.refused_path if end.refused else None,
        )

    def _send(self, rows: list[Row]) -> None:
        refusals = {row.line: row.transfer for row in rows if isinstance(row.transfer, Refusal)}
        asked = [row for row in rows if isinstance(row.transfer, PostTransfer)]
        already_there = 0
        if self._look_first:
            unknown = []
            states = reading.load(self._conn, [_command(row).transfer_id for row in asked])
            for row in asked:
                command = _command(row)
                there = states[command.transfer_id]
                if there is None:
                    unknown.append(row)
                elif isinstance(there, Transfer) and is_same_request(there, command):
                    already_there += 1
                else:
                    refusals[row.line] = Refusal("id_reused", id=command.transfer_id)
            asked, self._look_first = unknown, len(unknown) < len(asked)
        answer = self._submit([_command(row) for row in asked]) if asked else None
        self._sent.append(_Sent(rows, asked, answer, already_there, refusals))

    def _submit(self, commands: Sequence[PostTransfer]) -> Future[Done]:
        while True:
            try:
                return self._ledger.submit(Submission(commands, self._provenance))
            except QueueFullError as error:
                if self._sent:
                    self._settle(self._sent.popleft())
                else:
                    time.sleep(error.retry_after_s)

    def _settle(self, sent: _Sent) -> None:
        """Wait for a batch's answer, and note what became of it before the next one's."""
        refusals, already_there = sent.refusals, sent.already_there
        outcomes = sent.answer.result().outcomes if sent.answer is not None else ()
        for row, outcome in zip(sent.asked, outcomes, strict=True):
            if isinstance(outcome, Refused):
                refusals[row.line] = Refusal(outcome.reason, **outcome.details)
            elif outcome.replayed:
                already_there += 1
                self._look_first = True
        before, (offset, line) = self._progress, sent.rows[-1].end
        refused_bytes = before.refused_bytes
        if refusals:
            refused_bytes = self._sidecar.add_refused(
                RefusedLine.of(row.line, row.raw, refusals[row.line])
                for row in sent.rows
                if row.line in refusals
            )
        self._progress = replace(
            before,
            offset=offset,
            line=line,
            posted=before.posted + len(sent.rows) - already_there - len(refusals),
            already_there=before.already_there + already_there,
            refused=before.refused + len(refusals),
            refused_bytes=refused_bytes,
        )
        self._sidecar.save(self._progress)
        if self._report is not None:
            self._report(offset, before.size)


def _command(row: Row) -> PostTransfer:
    assert isinstance(row.transfer, PostTransfer)
    return row.transfer

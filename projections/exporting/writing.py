"""Data files while they are written: under a temporary name, until all of their set are whole."""

from __future__ import annotations

import io
import os
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from domain import catalogue
from domain.events import Recorded
from projections.exporting.columns import Column, Value, columns_of, values_of
from projections.exporting.durable import sync
from projections.exporting.errors import ExportError
from projections.exporting.manifest import DataFile

Format = Literal["parquet", "ndjson"]
"""Also the ending of the files' names."""


class Encoder(Protocol):
    """Turns values into the bytes of a file."""

    def add(self, values: Sequence[list[Value]]) -> None:
        """Add rows: a list for each column. Raises `OverflowError` for a number that is too large."""

    def finish(self) -> None:
        """Write what is held back, and the end of the file."""


class Sink(io.RawIOBase):
    """A new file that knows the digest of what went into it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("wb")
        self._digest = sha256()
        self._is_wanted = True

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if not self._is_wanted:
            return len(data)
        self._digest.update(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()

    def discard(self) -> None:
        """Close the file. What its encoder still wants to write to it goes nowhere."""
        self._is_wanted = False
        with suppress(OSError):  # a full disk has no room for the last bytes either
            self._file.close()

    def finish(self) -> tuple[int, str]:
        """Bytes and SHA-256 (hex) of the file, once it is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        size = self.tell()
        self.close()
        return size, self._digest.hexdigest()


class _Ndjson:
    """One JSON object a line, with all columns."""

    def __init__(self, sink: Sink, columns: Sequence[Column]) -> None:
        self._sink = sink
        self._names = [column.name for column in columns]
        self._encode = msgspec.json.Encoder().encode_lines

    def add(self, values: Sequence[list[Value]]) -> None:
        rows = zip(*values, strict=True)
        self._sink.write(self._encode([dict(zip(self._names, row, strict=True)) for row in rows]))

    def finish(self) -> None:
        """Nothing is held back."""


def _encoder(format_: Format, sink: Sink, columns: Sequence[Column]) -> Encoder:
    if format_ == "ndjson":
        return _Ndjson(sink, columns)
    # Loading Arrow takes longer than any other command of Daybook's needs to start.
    from projections.exporting.parquet import Parquet

    return Parquet(sink, columns)


class _Growing:
    """A data file that is not whole yet."""

    def __init__(self, folder: Path, format_: Format, topic: str, month: str, first: int) -> None:
        self._folder = folder
        self._format = format_
        self._topic = topic
        self._month = month
        self._first = self._last = first
        self._rows = 0
        self._type = catalogue.EVENT_TYPES[topic]
        self.place = folder / f"topic={topic}" / f"month={month}"
        self.place.mkdir(parents=True, exist_ok=True)
        self._temporary = self.place / f".{first:012d}.{format_}.tmp"
        self._sink = Sink(self._temporary)
        self._encoder = _encoder(format_, self._sink, columns_of(self._type))

    def add(self, events: Sequence[Recorded]) -> None:
        try:
            self._encoder.add(values_of(self._type, events))
        except OverflowError as error:
            raise ExportError(
                f"an event of {self._topic} between positions {events[0].position} and"
                f" {events[-1].position} has a value that fits into no column ({error}): verify"
                " the log, since no ledger writes such an event"
            ) from error
        self._last = events[-1].position
        self._rows += len(events)

    def finish(self) -> None:
        self._encoder.finish()
        self._written = self._sink.finish()

    def appear(self) -> DataFile:
        """Take the name that readers look for."""
        path = self.place / f"{self._first:012d}-{self._last:012d}.{self._format}"
        os.replace(self._temporary, path)
        size, digest = self._written
        return DataFile(
            path.relative_to(self._folder).as_posix(), self._topic, self._month, self._first,
            self._last, self._rows, size, digest,
        )  # fmt: skip

    def abandon(self) -> None:
        self._sink.discard()
        with suppress(OSError):  # the next run removes it
            self._temporary.unlink(missing_ok=True)


class FileSet:
    """The files of successive events of one month, one a topic. They appear together."""

    def __init__(self, folder: Path, format_: Format, month: str, first: int) -> None:
        self.month = month
        self.first = first
        self._folder = folder
        self._format = format_
        self._files: dict[str, _Growing] = {}

    def add(self, events: Sequence[Recorded]) -> None:
        """Add events, which follow those before. Raises `ExportError` and `OSError`."""
        by_topic: defaultdict[str, list[Recorded]] = defaultdict(list)
        for event in events:
            by_topic[event.data.topic].append(event)
        for topic, its_events in by_topic.items():
            file = self._files.get(topic)
            if file is None:
                file = self._files[topic] = _Growing(
                    self._folder, self._format, topic, self.month, its_events[0].position
                )
            file.add(its_events)

    def finish(self) -> list[DataFile]:
        """Put all files in place, on the disk when this returns. Raises `OSError`."""
        files = list(self._files.values())
        for file in files:
            file.finish()
        appeared = [file.appear() for file in files]
        folders = {folder for file in files for folder in (file.place, file.place.parent)}
        for folder in (*folders, self._folder):
            sync(folder)
        return appeared

    def abandon(self) -> None:
        """Take away what did not get finished."""
        for file in self._files.values():
            file.abandon()

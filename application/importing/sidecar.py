"""What an import keeps beside its file: how far it got, to go on after a crash, and refused lines."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from application.importing.rows import FileError, Place
from application.importing.texts import sentence
from domain.refusals import Refusal

_MAX_RAW = 10_000
"""Characters of a refused line that are kept."""


class Progress(Struct, frozen=True, forbid_unknown_fields=True):
    """How far the import of one content got: all up to `offset` and `line` is answered for.

    `refused_bytes` is the size that the file of refused lines then had.
    """

    digest: str
    size: int
    offset: int = 0
    line: int = 0
    posted: int = 0
    already_there: int = 0
    refused: int = 0
    refused_bytes: int = 0

    @property
    def place(self) -> Place | None:
        """Where to go on, None at the start."""
        return Place(self.offset, self.line) if self.offset else None


class RefusedLine(Struct, frozen=True):
    line: int
    reason: str
    detail: str
    raw: str

    @classmethod
    def of(cls, line: int, raw: bytes, refusal: Refusal) -> RefusedLine:
        text = raw.decode("utf-8", "replace").rstrip("\r\n")
        detail = sentence(refusal.reason, refusal.details)
        return cls(line, refusal.reason, detail, text[:_MAX_RAW])


class Sidecar:
    """`FILE.progress` and `FILE.refused.ndjson`, which appear when there is something to tell."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f"{path.name}.progress")
        self.refused_path = path.with_name(f"{path.name}.refused.ndjson")
        self._refused: BinaryIO | None = None

    def load(self) -> Progress | None:
        """What an unfinished import left; None when there was none, or nothing of it can be read."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Progress)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def begin(self, progress: Progress) -> None:
        """Make the files agree with where the import goes on. Raises `FileError` when they can't be
        written."""
        try:
            if progress.refused_bytes:
                self._refused = self.refused_path.open("ab")
                if self._refused.tell() > progress.refused_bytes:
                    # What a crash left behind that place is going to be written again.
                    self._refused.truncate(progress.refused_bytes)
                    self._refused.seek(0, os.SEEK_END)
            else:
                self.refused_path.unlink(missing_ok=True)
            self.save(progress)
        except OSError as error:
            raise FileError(
                f"{self.path.parent} must be writable, for {self.path.name} and"
                f" {self.refused_path.name}: {error.strerror}"
            ) from None

    def add_refused(self, lines: Iterable[RefusedLine]) -> int:
        """Append, and answer the file's size; on disk before `save` counts them."""
        if self._refused is None:
            self._refused = self.refused_path.open("wb")
        self._refused.write(msgspec.json.Encoder().encode_lines(lines))
        self._refused.flush()
        os.fsync(self._refused.fileno())
        return self._refused.tell()

    def save(self, progress: Progress) -> None:
        """Replace the record at once: a reader finds the old one or the new one, never a part."""
        fresh = self.path.with_name(f"{self.path.name}.new")
        fresh.write_bytes(msgspec.json.encode(progress))
        fresh.replace(self.path)

    def finish(self) -> None:
        """The import is complete: nothing is left to go on from."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._refused is not None:
            self._refused.close()

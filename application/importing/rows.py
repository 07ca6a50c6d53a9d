"""Reads transfers from CSV and NDJSON, line by line and in constant memory, by the API's own rules."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import BinaryIO, NamedTuple
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct

from application.importing.texts import YEARS, clean
from domain.money import parse_amount
from domain.refusals import Refusal
from domain.texts import (
    MAX_DESCRIPTION,
    MAX_METADATA_KEY,
    MAX_METADATA_KEYS,
    MAX_REFERENCE,
    is_fit,
    unfit_metadata_key,
)
from domain.transfers import Metadata, PostTransfer

SUFFIXES = (".csv", ".ndjson")

_REQUIRED = ("source_account_id", "destination_account_id", "amount", "currency")
_OPTIONAL = ("id", "description", "reference", "effective_at")
_PLAIN = (*_REQUIRED, *_OPTIONAL)
_METADATA = "metadata"
_METADATA_PREFIX = "metadata."
_BOM = b"\xef\xbb\xbf"

_MAX_LINE_BYTES = 256 * 1024
"""More than any good line has. A longer one is cut here and refused, so that memory stays constant."""


class FileError(Exception):
    """The file can't be imported at all; the message says what to change. Nothing was posted."""


class Place(NamedTuple):
    """The end of a line: bytes and lines up to there."""

    offset: int
    line: int


class Row(NamedTuple):
    """A transfer of the file, or why there is none, with where it starts and ends."""

    line: int
    raw: bytes
    transfer: PostTransfer | Refusal
    end: Place


def read_rows(
    file: BinaryIO, suffix: str, size: int, ids: UUID, start: Place | None = None
) -> Iterator[Row]:
    """The transfers in the first `size` bytes of a file, from `start` on.

    A row without an id gets one that is made of `ids` and its line number. Raises `FileError` at
    once when the columns, or the first line's keys, aren't the known ones.
    """
    lines = _Lines(file, size)
    if suffix == ".csv":
        rows = _csv_rows(lines, _read_columns(lines), ids)
    else:
        _check_first_object(lines)
        lines.go_to(Place(0, 0))
        rows = _ndjson_rows(lines, ids)
    if start is not None:
        lines.go_to(start)
    return rows


class _Lines:
    """The lines of a file, counted."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._offset = 0
        self._line = 0
        self.taken: list[bytes] = []
        """The lines since it was last cleared: the raw text of one record."""

    @property
    def place(self) -> Place:
        return Place(self._offset, self._line)

    def go_to(self, place: Place) -> None:
        self._file.seek(place.offset)
        self._offset, self._line = place

    def __iter__(self) -> Iterator[bytes]:
        """What was added to the file since its size was taken is not read."""
        while self._offset < self._size:
            line = self._file.readline(_MAX_LINE_BYTES)
            if not line:
                return
            rest = line
            while rest and not rest.endswith(b"\n"):
                self._offset += len(rest)
                rest = self._file.readline(_MAX_LINE_BYTES)
            self._offset += len(rest)
            self._line += 1
            self.taken.append(line)
            yield line


class _Fields(Struct, forbid_unknown_fields=True):
    source_account_id: str
    destination_account_id: str
    amount: str
    currency: str
    id: str | None = None
    description: str = ""
    reference: str = ""
    effective_at: str | None = None
    metadata: Metadata = {}


_decode = msgspec.json.Decoder(_Fields).decode


def _csv_rows(lines: _Lines, columns: Sequence[str], ids: UUID) -> Iterator[Row]:
    # A byte that isn't UTF-8 becomes a surrogate, which no text may contain.
    texts = (line.decode("utf-8", "surrogateescape") for line in lines)
    reader = csv.reader(texts, strict=True)
    metadata = [column for column in columns if column.startswith(_METADATA_PREFIX)]
    transfer: PostTransfer | Refusal
    while True:
        lines.taken.clear()
        line = lines.place.line + 1
        try:
            cells = next(reader)
            if not cells:
                continue
            transfer = _transfer(_fields_of_cells(columns, metadata, cells), line, ids)
        except StopIteration:
            return
        except csv.Error as error:
            transfer = Refusal("invalid_csv", problem=str(error))
        except Refusal as refusal:
            transfer = refusal
        yield Row(line, b"".join(lines.taken), transfer, lines.place)


def _fields_of_cells(
    columns: Sequence[str], metadata_columns: Sequence[str], cells: Sequence[str]
) -> _Fields:
    """An empty cell says nothing, as if its column weren't there."""
    if len(cells) != len(columns):
        raise Refusal("invalid_csv", columns=len(columns), cells=len(cells))
    given = {column: cell for column, cell in zip(columns, cells, strict=True) if cell}
    metadata: Metadata = {
        column.removeprefix(_METADATA_PREFIX): given.pop(column)
        for column in metadata_columns
        if column in given
    }
    if missing := [name for name in _REQUIRED if name not in given]:
        raise Refusal("missing_fields", fields=missing)
    return _Fields(**given, metadata=metadata)


def _read_columns(lines: _Lines) -> list[str]:
    texts = (line.removeprefix(_BOM).decode("utf-8", "surrogateescape") for line in lines)
    try:
        columns = next(csv.reader(texts, strict=True), [])
    except csv.Error as error:
        raise FileError(f"its first line can't be read as CSV: {error}") from None
    unknown = [c for c in columns if c not in _PLAIN and not c.startswith(_METADATA_PREFIX)]
    _check_names(columns, unknown, f"{_METADATA_PREFIX}KEY")
    if twice := sorted({column for column in columns if columns.count(column) > 1}):
        raise FileError(f"it has columns twice: {clean(', '.join(twice))}")
    return columns


def _check_names(names: Collection[str], unknown: Collection[str], metadata: str) -> None:
    if unknown:
        shown = clean(", ".join(map(repr, unknown)))
        known = ", ".join((*_PLAIN, metadata))
        raise FileError(f"it has columns or keys that aren't known: {shown}; known are {known}")
    if missing := [name for name in _REQUIRED if name not in names]:
        raise FileError(f"it has no {', '.join(missing)}")


def _ndjson_rows(lines: _Lines, ids: UUID) -> Iterator[Row]:
    transfer: PostTransfer | Refusal
    for raw in lines:
        lines.taken.clear()
        place = lines.place
        if raw.isspace():
            continue
        try:
            transfer = _transfer(_decode(_object(raw, place.line)), place.line, ids)
        except Refusal as refusal:
            transfer = refusal
        except (ValueError, RecursionError) as error:
            transfer = _why_not_decoded(_object(raw, place.line), error)
        yield Row(place.line, raw, transfer, place)


def _object(line: bytes, number: int) -> bytes:
    return line.removeprefix(_BOM) if number == 1 else line


def _why_not_decoded(line: bytes, error: Exception) -> Refusal:
    try:
        value = msgspec.json.decode(line)
    except (ValueError, RecursionError) as not_json:
        return Refusal("invalid_json", problem=str(not_json))
    if not isinstance(value, dict):
        return Refusal("invalid_json", problem="the line is no JSON object")
    if unknown := [key for key in value if key not in _PLAIN and key != _METADATA]:
        return Refusal("unknown_fields", fields=unknown)
    if missing := [name for name in _REQUIRED if name not in value]:
        return Refusal("missing_fields", fields=missing)
    reason = "invalid_metadata" if f"$.{_METADATA}" in str(error) else "invalid_request"
    return Refusal(reason, problem=str(error))


def _check_first_object(lines: _Lines) -> None:
    for raw in lines:
        if raw.isspace():
            continue
        try:
            value = msgspec.json.decode(_object(raw, lines.place.line))
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise FileError(
                f"its line {lines.place.line} is no JSON object: NDJSON has one on each line"
            )
        _check_names(value, [k for k in value if k not in _PLAIN and k != _METADATA], _METADATA)
        return


def _transfer(fields: _Fields, line: int, ids: UUID) -> PostTransfer:
    """Raises `Refusal` with the reason that the API would give."""
    return PostTransfer(
        uuid5(ids, str(line)) if fields.id is None else _uuid("id", fields.id),
        _uuid("source_account_id", fields.source_account_id),
        _uuid("destination_account_id", fields.destination_account_id),
        parse_amount(fields.amount, fields.currency),
        fields.currency,
        _text("description", fields.description, MAX_DESCRIPTION),
        _text("reference", fields.reference, MAX_REFERENCE),
        None if fields.effective_at is None else _moment(fields.effective_at),
        _checked(fields.metadata) if fields.metadata else {},
    )


def _uuid(field: str, text: str) -> UUID:
    if len(text) == 36:
        try:
            return UUID(text)
        except ValueError:
            pass
    raise Refusal("invalid_uuid_format", field=field, value=text[:60])


def _text(field: str, text: str, limit: int) -> str:
    if len(text) > limit or not is_fit(text):
        raise Refusal("invalid_text", field=field, max_length=limit)
    return text


def _moment(text: str) -> datetime:
    """An instant from RFC 3339 or a date; without an offset it is UTC."""
    try:
        parsed = datetime.fromisoformat(text)
        at = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refusal("invalid_datetime_format", value=text[:60]) from None
    if at.year not in YEARS:
        raise Refusal("invalid_datetime_format", years=f"{YEARS[0]} to {YEARS[-1]}")
    return at


def _checked(metadata: Metadata) -> Metadata:
    if len(metadata) > MAX_METADATA_KEYS:
        raise Refusal("invalid_metadata", keys=len(metadata), keys_allowed=MAX_METADATA_KEYS)
    unfit = unfit_metadata_key(metadata)
    if unfit is not None:
        raise Refusal("invalid_metadata", key=unfit[:MAX_METADATA_KEY])
    return metadata

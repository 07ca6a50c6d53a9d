"""The manifest of an export: which files are whole, what is in them, and where to go on."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from msgspec import Struct

from domain import catalogue
from projections.exporting.columns import Column, columns_of
from projections.exporting.durable import sync
from projections.exporting.errors import ExportError

NAME = "_manifest.json"
TEMPORARY = f".{NAME}.tmp"

LAYOUT = 1
"""Version of the layout: rises when a reader of the files would have to change."""

NO_HASH = bytes(32).hex()
"""The chain hash before the first event."""


class DataFile(Struct, frozen=True):
    """One file. `path` is within the folder; positions are those of its first and last row."""

    path: str
    topic: str
    month: str
    first_position: int
    last_position: int
    rows: int
    bytes: int
    sha256: str


class Manifest(Struct, frozen=True):
    """The events from one position to another are in `files`; `hash` is the chain hash (hex) of the
    event at `to_position`. Nothing is exported yet when `to_position` is before `from_position`."""

    layout: int
    format: str
    from_position: int
    to_position: int
    hash: str
    files: list[DataFile]
    topics: dict[str, list[Column]]


class _Layout(Struct):
    layout: int


def topics() -> dict[str, list[Column]]:
    """The columns of all topics as this version exports them."""
    return {topic: list(columns_of(type_)) for topic, type_ in catalogue.EVENT_TYPES.items()}


def load(folder: Path) -> Manifest | None:
    """The folder's manifest, None when it has none. Raises `ExportError`."""
    path = folder / NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        layout = msgspec.json.decode(content, type=_Layout).layout
        if layout != LAYOUT:
            raise ExportError(
                f"{path} is of layout {layout}, and this version writes {LAYOUT}: export to an"
                " empty folder"
            )
        found = msgspec.json.decode(content, type=Manifest)
    except msgspec.MsgspecError as error:
        raise ExportError(
            f"{path} is no manifest of an export ({error}): put back the one that was there, or"
            " export to an empty folder"
        ) from error
    events = found.to_position - found.from_position + 1
    if found.from_position < 1 or sum(file.rows for file in found.files) != events:
        raise ExportError(
            f"{path} does not add up: its files' rows are not its {events} events. Put back the one"
            " that was there, or export to an empty folder"
        )
    return found


def save(folder: Path, manifest: Manifest) -> None:
    """Replace the folder's manifest, whole or not at all, also when the machine stops."""
    temporary = folder / TEMPORARY
    with temporary.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, folder / NAME)
    sync(folder)

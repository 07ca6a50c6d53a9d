"""Reads an export as its users do, from all files that are there, and says what should be in it."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pyarrow.parquet
from msgspec import Struct
from msgspec.structs import fields

from domain import approvals, catalogue
from domain.events import Event, Recorded
from projections.exporting import exporter
from projections.exporting.columns import columns_of
from projections.exporting.exporter import Exported
from projections.exporting.writing import Format

Rows = dict[str, list[dict[str, Any]]]
"""Rows by position, by topic."""

_JSON = {
    topic: {column.name for column in columns_of(event) if column.type == "json"}
    for topic, event in catalogue.EVENT_TYPES.items()
}

_ORIGIN = ("actor", "correlation_id", "causation_id", "command_id")


def export(
    url: str, folder: Path, format: Format = "parquet", since: int | None = None
) -> Exported:
    return exporter.export(url, folder, lambda done, total: None, format=format, since=since)


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "_manifest.json").read_text())
    return found


def exported_rows(folder: Path) -> Rows:
    """What a reader of all data files finds, whatever the manifest says; JSON in text is decoded."""
    rows: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in folder.glob("topic=*/month=*/[!.]*"):
        topic, month = path.relative_to(folder).parts[:2]
        for row in _read(path):
            assert row["recorded_at"].strftime("month=%Y-%m") == month
            for name in _JSON.get(topic.removeprefix("topic="), set()) & row.keys():
                row[name] = row[name] and json.loads(row[name])
            rows[topic.removeprefix("topic=")].append(row)
    return {topic: sorted(found, key=lambda row: row["position"]) for topic, found in rows.items()}


def expected_rows(events: list[Recorded]) -> Rows:
    """What an export of these events must hold, when nobody's key is there."""
    rows: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    of_staff = _asked_by_staff(events)
    for event in events:
        origin = msgspec.json.decode(event.metadata)
        rows[event.data.topic].append(
            {
                "position": event.position,
                "stream_id": str(event.stream_id),
                "version": event.version,
                "recorded_at": event.recorded_at,
                **{name: origin.get(name, "") for name in _ORIGIN},
                **{
                    _column(name): value
                    for name, value in _shown(event.data, event.stream_id in of_staff).items()
                },
            }
        )
    return dict(rows)


_HINTS = ("document_hint", "bank_account_hint")
_OWN_WORDS = (
    "credit_application.withdrawn",
    "credit_application.declined",
    "approval.withdrawn",
)


def _asked_by_staff(events: list[Recorded]) -> set[UUID]:
    """The approvals that are nobody's own: what staff say of them stays."""
    asked = {e.stream_id: e.data for e in events if isinstance(e.data, approvals.Requested)}
    whats = {id_: data.transfer or data.asked for id_, data in asked.items()}
    return {id_ for id_, what in whats.items() if getattr(what, "owner_id", None) is None}


def _shown(data: Event, of_staff: bool) -> dict[str, object]:
    """The fields of an event whose person is forgotten."""
    values = _forgotten({f.name: getattr(data, f.name) for f in fields(data)})
    if data.topic in _OWN_WORDS and values["reason"] and not of_staff:
        values["reason"] = "[erased]"
    return values


def _forgotten(told: dict[str, object]) -> dict[str, object]:
    values = {name: _plain(value) for name, value in told.items()}
    for name in _HINTS:
        if "[erased]" in values.values() and values.get(name):
            values[name] = "[erased]"
    return values


def _column(field: str) -> str:
    return f"data_{field}" if field in _ORIGIN else field


def _plain(value: object) -> object:
    if isinstance(value, str) and value.startswith("sealed:1:"):
        return "[erased]"
    if isinstance(value, Struct):
        return _forgotten(json.loads(msgspec.json.encode(value)))
    if isinstance(value, UUID | tuple):
        return json.loads(msgspec.json.encode(value))
    return value


def _read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        with pyarrow.parquet.ParquetFile(path) as file:
            found: list[dict[str, Any]] = file.read().to_pylist()
            return found
    topic = path.parts[-3].removeprefix("topic=")
    types = {f.name: str(f.type) for f in fields(catalogue.EVENT_TYPES[topic])}
    types["recorded_at"] = "datetime"
    return [_typed(json.loads(line), types) for line in path.read_text().splitlines()]


def _typed(row: dict[str, Any], types: dict[str, str]) -> dict[str, Any]:
    for name, value in row.items():
        if value is not None and "datetime.date'" in types.get(name, ""):
            row[name] = date.fromisoformat(value)
        elif value is not None and "datetime" in types.get(name, ""):
            row[name] = datetime.fromisoformat(value)
    return row

"""The columns of each topic, which the types of its event's fields give, and the values in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import MINYEAR, UTC, date, datetime
from functools import cache
from operator import attrgetter
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct, inspect

from domain.events import Event, Recorded
from projections.audit.projection import Origin

Type = Literal["int64", "float64", "bool", "string", "timestamp", "date", "json"]
"""`timestamp` is microseconds in UTC; `json` is text that holds JSON; a UUID is a `string`."""

Value = int | float | bool | str | datetime | date | None


class Column(Struct, frozen=True):
    """One column. What is not `nullable` has a value in every row."""

    name: str
    type: Type
    nullable: bool = False


OWN = (
    Column("position", "int64"),
    Column("stream_id", "string"),
    Column("version", "int64"),
    Column("recorded_at", "timestamp"),
    Column("actor", "string"),
    Column("correlation_id", "string"),
    Column("causation_id", "string"),
    Column("command_id", "string"),
)
"""What every topic begins with; the fields of its event follow."""
_TAKEN = frozenset(column.name for column in OWN)

_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

_decode_origin = msgspec.json.Decoder(Origin).decode
_encode = msgspec.json.Encoder().encode


def utc(at: datetime) -> datetime:
    """The same moment in UTC; a time that names no zone is in UTC. One that is beyond the calendar there,
    by the hours of its zone, is the first or last that there is: the log keeps what it was told, and one
    such event must not keep all others from being exported."""
    if at.tzinfo is None:
        return at.replace(tzinfo=UTC)
    try:
        return at.astimezone(UTC)
    except OverflowError:
        return _FIRST if at.year == MINYEAR else _LAST


def _json(value: Any) -> str:
    return _encode(value).decode()


_Convert = Callable[[Any], Value]

_TYPES: dict[type[inspect.Type], tuple[Type, _Convert | None]] = {
    inspect.IntType: ("int64", None),
    inspect.FloatType: ("float64", None),
    inspect.BoolType: ("bool", None),
    inspect.StrType: ("string", None),
    inspect.LiteralType: ("string", None),  # one of some words
    inspect.UUIDType: ("string", str),
    inspect.DateTimeType: ("timestamp", utc),
    inspect.DateType: ("date", None),
    inspect.DictType: ("json", _json),
    inspect.ListType: ("json", _json),
    inspect.VarTupleType: ("json", _json),
    inspect.TupleType: ("json", _json),
    inspect.SetType: ("json", _json),
    inspect.FrozenSetType: ("json", _json),
    inspect.StructType: ("json", _json),
}


class _Field(NamedTuple):
    """A field of an event, and how a value becomes the column's."""

    name: str
    column: Column
    convert: _Convert | None


def columns_of(event: type[Event]) -> tuple[Column, ...]:
    """The columns of a topic; a field that is called as one of `OWN` has `data_` before its name.

    Raises `TypeError` when one of its fields can't be a column.
    """
    return (*OWN, *(field.column for field in _fields(event)))


def values_of(event: type[Event], events: Sequence[Recorded]) -> list[list[Value]]:
    """A list of values for each of `columns_of`, of events that are all of this type."""
    origins = _origins(events)
    found: list[list[Value]] = [
        [e.position for e in events],
        [str(e.stream_id) for e in events],
        [e.version for e in events],
        [utc(e.recorded_at) for e in events],
        [origin.actor for origin in origins],
        [origin.correlation_id for origin in origins],
        [origin.causation_id for origin in origins],
        [origin.command_id for origin in origins],
    ]
    for name, _, convert in _fields(event):
        field = attrgetter(name)
        values = [field(e.data) for e in events]
        if convert is not None:
            values = [None if value is None else convert(value) for value in values]
        found.append(values)
    return found


def _origins(events: Sequence[Recorded]) -> list[Origin]:
    origins: list[Origin] = []
    # What is written together often has one origin.
    metadata, origin = b"{}", Origin()
    for event in events:
        if event.metadata != metadata:
            metadata = event.metadata
            origin = _decode_origin(metadata)
        origins.append(origin)
    return origins


@cache
def _fields(event: type[Event]) -> tuple[_Field, ...]:
    info = inspect.type_info(event)
    assert isinstance(info, inspect.StructType), "an event is a struct"
    return tuple(_field(event, field) for field in info.fields)


def _field(event: type[Event], field: inspect.Field) -> _Field:
    type_, nullable = field.type, False
    if isinstance(type_, inspect.UnionType) and type_.includes_none:
        rest = [t for t in type_.types if not isinstance(t, inspect.NoneType)]
        # Of several structs each says which it is.
        if len(rest) == 1 or all(isinstance(t, inspect.StructType) for t in rest):
            type_, nullable = rest[0], True
    try:
        name, convert = _TYPES[type(type_)]
    except KeyError:
        raise TypeError(f"{event.topic}.{field.name} is of no type that has a column") from None
    column = f"data_{field.encode_name}" if field.encode_name in _TAKEN else field.encode_name
    return _Field(field.name, Column(column, name, nullable), convert)

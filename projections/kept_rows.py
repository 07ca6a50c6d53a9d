"""Rows of read models that are brought on in Python: read, changed, and written back whole."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime
from types import NoneType
from typing import Any, Generic, LiteralString, TypeVar, get_args, get_type_hints
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import astuple
from psycopg import Cursor

Row = TypeVar("Row", bound=Struct)

_TYPES: dict[Any, str] = {
    UUID: "uuid", str: "text", int: "int8", bool: "bool", datetime: "timestamptz", date: "date",
    list[str]: "text[]",
}  # fmt: skip

_encode = msgspec.json.Encoder().encode


class Kept(Generic[Row]):
    """The rows of a table, whose columns are called as the fields of `row`; the first `keys` of them are
    its key."""

    def __init__(self, table: LiteralString, row: type[Row], keys: int = 1) -> None:
        hints = get_type_hints(row)
        names = list(hints)
        columns, new = ", ".join(names), ", ".join(f"new.{name}" for name in names)
        same = " AND ".join(f"{table}.{name} = new.{name}" for name in names[:keys])
        self._row = row
        self._types = [_type_of(hint) for hint in hints.values()]
        self._copy = f"COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)".encode()
        self._select = f"SELECT {columns} FROM {table} WHERE {names[0]} = ANY(%b)".encode()
        self._update = (
            f"UPDATE {table} SET ({columns}) = ROW({new})"
            f" FROM jsonb_populate_recordset(NULL::{table}, %s::jsonb) AS new WHERE {same}"
        ).encode()

    def read(self, db: Cursor[Any], ids: Collection[UUID]) -> list[Row]:
        """All rows whose first column is one of these."""
        if not ids:
            return []
        db.execute(self._select, (list(ids),), prepare=True, binary=True)
        return [self._row(*values) for values in db.fetchall()]

    def add(self, db: Cursor[Any], rows: Collection[Row]) -> None:
        """Write rows that are not there yet."""
        if not rows:
            return
        with db.copy(self._copy) as copy:
            copy.set_types(self._types)
            for row in rows:
                copy.write_row(astuple(row))

    def put(self, db: Cursor[Any], rows: Iterable[Row]) -> None:
        """Write rows in place of those that are there."""
        if found := list(rows):
            db.execute(self._update, (_encode(found).decode(),), prepare=True)


def _type_of(hint: Any) -> str:
    """The type of a column, whether it may be empty or not."""
    if hint not in _TYPES:
        (hint,) = (one for one in get_args(hint) if one is not NoneType)
    return _TYPES[hint]

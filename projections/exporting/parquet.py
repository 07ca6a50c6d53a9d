"""Parquet files, by Arrow."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from projections.exporting.columns import Column, Type, Value
from projections.exporting.writing import Sink

ROW_GROUP = 50_000
"""Rows that are held back until they are written as one group: readers skip and share out whole groups,
and many small ones take them long to look through."""

_TYPES: dict[Type, pa.DataType] = {
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "string": pa.string(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
    "json": pa.string(),
}


class Parquet:
    """One Parquet file."""

    def __init__(self, sink: Sink, columns: Sequence[Column]) -> None:
        self._schema = pa.schema(
            [pa.field(c.name, _TYPES[c.type], nullable=c.nullable) for c in columns]
        )
        self._writer = ParquetWriter(sink, self._schema, compression="zstd")
        self._held: list[pa.RecordBatch] = []
        self._rows = 0

    def add(self, values: Sequence[list[Value]]) -> None:
        arrays = [pa.array(v, f.type) for v, f in zip(values, self._schema, strict=True)]
        self._held.append(pa.record_batch(arrays, schema=self._schema))
        self._rows += len(values[0])
        if self._rows >= ROW_GROUP:
            self._write()

    def finish(self) -> None:
        self._write()
        self._writer.close()

    def _write(self) -> None:
        if self._held:
            table = pa.Table.from_batches(self._held)
            self._writer.write_table(table, row_group_size=max(self._rows, 1))
            self._held, self._rows = [], 0

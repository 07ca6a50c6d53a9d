"""Compares the rows of two copies of a read model: counts, and a checksum for each key."""

from __future__ import annotations

from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier, Literal

MAX_DIFFERENCES = 10
"""Keys that a report names, for each table."""


class Difference(NamedTuple):
    """A key whose rows differ: the first row that the other side doesn't have, None if it has all."""

    table: str
    key: str
    live: dict[str, Any] | None
    rebuilt: dict[str, Any] | None


class TableParity(NamedTuple):
    """One table. `columns` are those of one side only, which were left out; None rows: no such table."""

    table: str
    live_rows: int | None
    rebuilt_rows: int | None
    differing_keys: int
    columns: list[str]

    @property
    def is_equal(self) -> bool:
        return self.live_rows == self.rebuilt_rows and not self.differing_keys and not self.columns


class Parity(NamedTuple):
    """How a rebuilt read model compares with the live one, both right after the event at `position`.

    `expected`: other code filled the live one, or none, so that they may well differ.
    """

    position: int
    expected: bool
    tables: list[TableParity]
    differences: list[Difference]

    @property
    def is_equal(self) -> bool:
        return all(table.is_equal for table in self.tables)

    @property
    def emptied(self) -> list[str]:
        """Tables of both sides that have rows in the live one only."""
        return [t.table for t in self.tables if t.live_rows and t.rebuilt_rows == 0]

    @property
    def may_replace(self) -> bool:
        """Whether the rebuilt one may serve without being asked for: it differs as other code does."""
        return self.is_equal or (self.expected and not self.emptied)

    def to_json(self) -> dict[str, Any]:
        return {
            "position": self.position,
            "is_equal": self.is_equal,
            "expected": self.expected,
            "tables": [table._asdict() for table in self.tables],
            "differences": [difference._asdict() for difference in self.differences],
        }


class _Column(NamedTuple):
    name: str
    type: str
    is_hashable: bool

    def compared(self) -> Composed:
        """The column as something that has an equality of its own."""
        column = SQL("{}").format(Identifier(self.name))
        if self.is_hashable:
            return column
        return SQL("{}::text AS {}").format(column, column)

    def hashed(self) -> Composed:
        return SQL("{}" if self.is_hashable else "{}::text").format(Identifier(self.name))


# Arrays, enums and ranges hash by what they are made of.
_COLUMNS = """
SELECT class.relname, attname, format_type(atttypid, atttypmod),
       held.typtype = 'e' OR EXISTS (
           SELECT FROM pg_opclass JOIN pg_am ON pg_am.oid = opcmethod
            WHERE amname = 'hash' AND opcintype = held.oid)
  FROM pg_class AS class
  JOIN pg_namespace AS schema ON schema.oid = relnamespace
  JOIN pg_attribute ON attrelid = class.oid
  JOIN pg_type AS type ON type.oid = atttypid
  LEFT JOIN pg_range ON type.oid IN (rngtypid, rngmultitypid)
  -- Arrays and ranges can be hashed if what they hold can.
  JOIN pg_type AS held ON held.oid = coalesce(
           rngsubtype, CASE WHEN type.typcategory = 'A' THEN nullif(type.typelem, 0) END, type.oid)
 WHERE nspname = %s AND relkind IN ('r', 'p') AND NOT relispartition
   AND attnum > 0 AND NOT attisdropped
 ORDER BY class.relname, attnum
"""

# Sums, since an exclusive or does not see two equal rows that come and go together. The rows without
# a key are two groups that no join brings together.
_COMPARE = """
WITH live AS (
    SELECT {key} AS key, count(*) AS rows, sum(hash_record_extended(ROW({columns}), 0)) AS sum
      FROM {live} GROUP BY {key}
), rebuilt AS (
    SELECT {key} AS key, count(*) AS rows, sum(hash_record_extended(ROW({columns}), 0)) AS sum
      FROM {rebuilt} GROUP BY {key}
), paired AS MATERIALIZED (
    SELECT key, live.rows AS live_rows, rebuilt.rows AS rebuilt_rows,
           CASE WHEN key IS NULL THEN coalesce(live.sum, rebuilt.sum) END AS sum,
           (live.rows, live.sum) IS DISTINCT FROM (rebuilt.rows, rebuilt.sum) AS differs
      FROM live FULL JOIN rebuilt USING (key)
), suspect AS MATERIALIZED (
    SELECT * FROM paired WHERE differs
), differing AS MATERIALIZED (
    SELECT key FROM suspect WHERE key IS NOT NULL
     UNION ALL
    SELECT NULL FROM suspect WHERE key IS NULL
    HAVING sum(live_rows) IS DISTINCT FROM sum(rebuilt_rows)
        OR min(sum) IS DISTINCT FROM max(sum)
)
SELECT coalesce(sum(live_rows), 0)::bigint, coalesce(sum(rebuilt_rows), 0)::bigint,
       (SELECT count(*) FROM differing),
       ARRAY(SELECT key::text FROM differing ORDER BY differing.key LIMIT {limit})
  FROM paired
"""

_FIRST_ROW = """
SELECT to_jsonb(one) FROM (
    SELECT {columns} FROM {here} WHERE {key} {is_it}
    EXCEPT ALL SELECT {columns} FROM {there} WHERE {key} {is_it}
    ORDER BY {order} LIMIT 1
) AS one
"""


def compare(
    conn: Connection[Any], live: str, rebuilt: str, position: int, *, expected: bool
) -> Parity:
    """Compare two schemas, inside a transaction with one snapshot for all of its statements.

    The first column of each table is its key. Columns of both sides are compared, whatever their order.
    """
    conn.execute("SET LOCAL work_mem TO '64MB'")
    ours, theirs = _columns(conn, live), _columns(conn, rebuilt)
    tables: list[TableParity] = []
    differences: list[Difference] = []
    for table in sorted({*ours, *theirs}):
        if table not in ours or table not in theirs:
            is_live = table in ours
            rows = _count(conn, live if is_live else rebuilt, table)
            tables.append(
                TableParity(table, rows if is_live else None, None if is_live else rows, 0, [])
            )
            continue
        common = [column for column in theirs[table] if column in ours[table]]
        odd = sorted({c.name for c in {*ours[table]} ^ {*theirs[table]}})
        key = theirs[table][0]
        if key not in common:
            counts = _count(conn, live, table), _count(conn, rebuilt, table)
            tables.append(TableParity(table, *counts, 0, odd))
            continue
        found, keys = _compare_table(conn, live, rebuilt, table, common, odd)
        tables.append(found)
        differences += [_difference(conn, live, rebuilt, table, common, k) for k in keys]
    return Parity(position, expected, tables, differences)


def _columns(conn: Connection[Any], schema: str) -> dict[str, list[_Column]]:
    columns: dict[str, list[_Column]] = {}
    for table, *column in conn.execute(_COLUMNS, (schema,)).fetchall():
        columns.setdefault(table, []).append(_Column(*column))
    return columns


def _count(conn: Connection[Any], schema: str, table: str) -> int:
    row = conn.execute(SQL("SELECT count(*) FROM {}").format(Identifier(schema, table))).fetchone()
    assert row is not None
    return int(row[0])


def _compare_table(
    conn: Connection[Any],
    live: str,
    rebuilt: str,
    table: str,
    columns: list[_Column],
    odd: list[str],
) -> tuple[TableParity, list[str | None]]:
    """The figures of one table, and its first differing keys as text."""
    row = conn.execute(
        SQL(_COMPARE).format(
            key=Identifier(columns[0].name),
            columns=SQL(", ").join(column.hashed() for column in columns),
            live=Identifier(live, table),
            rebuilt=Identifier(rebuilt, table),
            limit=Literal(MAX_DIFFERENCES),
        )
    ).fetchone()
    assert row is not None
    live_rows, rebuilt_rows, differing, keys = row
    return TableParity(table, live_rows, rebuilt_rows, differing, odd), keys


def _difference(
    conn: Connection[Any],
    live: str,
    rebuilt: str,
    table: str,
    columns: list[_Column],
    key: str | None,
) -> Difference:
    is_it = (
        SQL("IS NULL")
        if key is None
        else SQL("= {}::{}").format(Literal(key), SQL(columns[0].type))
    )

    def first_row(here: str, there: str) -> dict[str, Any] | None:
        query = SQL(_FIRST_ROW).format(
            columns=SQL(", ").join(column.compared() for column in columns),
            here=Identifier(here, table),
            there=Identifier(there, table),
            key=Identifier(columns[0].name),
            is_it=is_it,
            order=SQL(", ").join(SQL("{}").format(Literal(n + 1)) for n in range(len(columns))),
        )
        row = conn.execute(query).fetchone()
        return None if row is None else row[0]

    shown = "NULL" if key is None else key
    return Difference(table, shown, first_row(live, rebuilt), first_row(rebuilt, live))

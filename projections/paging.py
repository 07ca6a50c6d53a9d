"""Pages of rows, newest first, by a position that never changes: no row is seen twice or missed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import args_row

Row = TypeVar("Row")


class Page(NamedTuple, Generic[Row]):
    """Up to `limit` rows. `next_before` asks for the page after this one; None: this was the last."""

    rows: list[Row]
    next_before: int | None


class Place(NamedTuple):
    """The row after which a list goes on, by the time it was inserted and its id."""

    inserted_at: datetime
    id: UUID


class Sort(NamedTuple):
    """A column to sort by, and which way."""

    column: str
    is_descending: bool = False


async def fetch_page(
    conn: AsyncConnection[Any],
    row_type: type[Row],
    select: str,
    conditions: Mapping[str, object],
    *,
    key: str,
    key_of: Callable[[Row], int],
    before: int | None,
    limit: int,
) -> Page[Row]:
    """A page of `select` by falling `key`, below `before`.

    `conditions` are SQL conditions with one `%s` each and their values; a None is left out.
    """
    asked = {condition: value for condition, value in conditions.items() if value is not None}
    if before is not None:
        asked[f"{key} < %s"] = before
    where = f" WHERE {' AND '.join(asked)}" if asked else ""
    # One row more than asked for tells whether there is a next page.
    query = f"{select}{where} ORDER BY {key} DESC LIMIT {int(limit) + 1}"
    return await run_page(conn, row_type, query, list(asked.values()), key_of=key_of, limit=limit)


async def run_page(
    conn: AsyncConnection[Any],
    row_type: type[Row],
    query: str,
    params: Sequence[object] | Mapping[str, object],
    *,
    key_of: Callable[[Row], int],
    limit: int,
) -> Page[Row]:
    """The page that a query for `limit` + 1 ordered rows answers."""
    async with conn.cursor(row_factory=args_row(row_type), binary=True) as cursor:
        await cursor.execute(query.encode(), params)
        rows = await cursor.fetchall()
    if len(rows) <= limit:
        return Page(rows, None)
    return Page(rows[:limit], key_of(rows[limit - 1]))

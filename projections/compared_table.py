"""How one table of a read model is held against the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, LiteralString, NamedTuple

from domain.events import Recorded

Tally = Callable[[Sequence[Recorded]], Iterable[tuple[Any, ...]]]


class Compared(NamedTuple):
    """How one table is compared. Both selects give the same columns, first `id`, and `position`.

    `logged` reads the tally; a table without one of its own reads another's.
    """

    model: str
    name: str
    table: str
    key: str
    shown: LiteralString
    logged: LiteralString
    tally_columns: LiteralString = ""
    tally: Tally | None = None


LAST_STATUS: LiteralString = (
    "(array_agg(status ORDER BY position DESC) FILTER (WHERE status <> ''))[1] AS status"
)


def last(column: LiteralString) -> LiteralString:
    """The value of a column in the last row that has one."""
    return (
        f"(array_agg({column} ORDER BY position DESC) FILTER (WHERE {column} IS NOT NULL))[1]"
        f" AS {column}"
    )

"""The order of a list as clients ask for it: `field:asc|desc`, several with commas between."""

from __future__ import annotations

from collections.abc import Mapping

from api.problems import ProblemError
from projections.paging import Sort


def parse_sort(text: str, columns: Mapping[str, str]) -> list[Sort]:
    """The columns that a text asks for, the first one first; ascending unless it says `:desc`.

    `columns` are those of the fields that the list can be sorted by. Raises `invalid_sort`, also when
    one column is asked for twice.
    """
    sorts: dict[str, Sort] = {}
    for part in text.split(","):
        field, colon, direction = part.strip().partition(":")
        column = columns.get(field)
        if column is None or column in sorts or (colon and direction not in ("asc", "desc")):
            raise ProblemError("invalid_sort", allowed=list(columns))
        sorts[column] = Sort(column, direction == "desc")
    return list(sorts.values())

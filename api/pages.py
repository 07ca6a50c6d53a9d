"""Lists by number of page, and lists that go on after a row: what clients ask for, and what they get."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from pydantic import AfterValidator, Field

from api.models import In
from api.paging import decode_keys, encode_keys
from api.problems import ProblemError
from projections.paging import Page, Place

Row = TypeVar("Row")

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
_MAX_PAGE = 10**9
"""So that the number of rows before a page fits into a bigint."""

PageNumber = Annotated[int, Field(ge=1, le=_MAX_PAGE, description="counted from 1")]
PageSize = Annotated[
    int,
    Field(ge=1, description=f"more than {MAX_PAGE_SIZE} counts as {MAX_PAGE_SIZE}"),
    AfterValidator(lambda size: min(size, MAX_PAGE_SIZE)),
]


class Paged(In):
    """The query of a list by number of page."""

    page: PageNumber = 1
    page_size: PageSize = DEFAULT_PAGE_SIZE


def metadata(page: int, page_size: int, total_count: int) -> dict[str, Any]:
    """Where a page is among all of them. One behind the last has no rows, and one before it."""
    total_pages = -(-total_count // page_size)
    return {
        "page": page,
        "page_size": page_size,
        "total_count": total_count,
        "total_pages": total_pages,
        "has_next": page < total_pages,
        "has_prev": page > 1,
    }


class _JsonPlace(msgspec.Struct, forbid_unknown_fields=True):
    inserted_at: datetime
    id: UUID


def encode_place(place: Place) -> str:
    """The cursor of a page whose last row is this."""
    return encode_keys(place)


def decode_place(cursor: str | None) -> Place | None:
    """The row that a cursor names, None without one. Raises `invalid_cursor`.

    A cursor is what `encode_place` gave, or the same as JSON: `{"inserted_at": ..., "id": ...}`.
    """
    if cursor is None:
        return None
    try:
        if cursor.lstrip().startswith("{"):
            json = msgspec.json.decode(cursor, type=_JsonPlace)
            inserted_at, id_ = json.inserted_at, json.id
        else:
            inserted_at, id_ = msgspec.convert(decode_keys(cursor), tuple[datetime, UUID])
    except msgspec.MsgspecError:
        raise ProblemError("invalid_cursor") from None
    if inserted_at.tzinfo is None:
        inserted_at = inserted_at.replace(tzinfo=UTC)
    return Place(inserted_at, id_)


def page(
    found: Page[Row], view: Callable[[Row], dict[str, Any]], place_of: Callable[[Row], Place]
) -> dict[str, Any]:
    """A list that goes on after the place of its last row, as every list of this API looks."""
    more = found.next_before is not None
    return {
        "data": [view(row) for row in found.rows],
        "next_cursor": encode_place(place_of(found.rows[-1])) if more else None,
        "has_more": more,
    }

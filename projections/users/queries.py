"""Questions about users: one by its id, lists page by page or one after the other, and counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import args_row

from domain.users import ROLES, STATUSES
from projections.paging import Page, Place, Sort, fetch_page

_COLUMNS = (
    "id, email, full_name, role, status, verified, registered_by, registered_at, updated_at,"
    " version, first_position, position"
)
_SELECT = f"SELECT {_COLUMNS} FROM users.person"

SORT_COLUMNS = {
    "created_at": "registered_at",
    "inserted_at": "registered_at",
    "updated_at": "updated_at",
    "role": "role",
    "status": "status",
    "verified": "verified",
}
"""What lists can be sorted by -> the column."""


class UserRow(Struct, frozen=True):
    """A user. `email` and `full_name` are sealed as in the log; `position` is its last event's."""

    id: UUID
    email: str
    full_name: str
    role: str
    status: str
    verified: bool
    registered_by: UUID | None
    registered_at: datetime
    updated_at: datetime
    version: int
    first_position: int
    position: int

    @property
    def place(self) -> Place:
        """Where a list that ends with this user goes on."""
        return Place(self.registered_at, self.id)


class Filters(Struct, frozen=True):
    """What users to list; None is any. `registered_from` is inclusive, `registered_to` exclusive.

    Deleted users are only there when asked for: by `include_deleted`, or by the status "deleted".
    """

    role: str | None = None
    status: str | None = None
    verified: bool | None = None
    registered_from: datetime | None = None
    registered_to: datetime | None = None
    include_deleted: bool = False

    def conditions(self) -> dict[str, object]:
        """SQL conditions with one `%s` each, and their values."""
        found: dict[str, object] = {
            "role = %s": self.role,
            "status = %s": self.status,
            "verified = %s": self.verified,
            "registered_at >= %s": self.registered_from,
            "registered_at < %s": self.registered_to,
        }
        if self.status is None and not self.include_deleted:
            found["status <> %s"] = "deleted"
        return {condition: value for condition, value in found.items() if value is not None}


ANY = Filters()

NEWEST_FIRST = (Sort("registered_at", is_descending=True),)


class UserPage(NamedTuple):
    """The users of one page, and how many there are on all pages."""

    rows: list[UserRow]
    total_count: int


class Statistics(Struct, frozen=True):
    """How many users there are. All but `deleted_users` are without those."""

    total_users: int
    active_users: int
    admin_users: int
    suspended_users: int
    deleted_users: int
    verified_users: int
    by_role: dict[str, int]
    """Every role, also those that nobody has."""


async def user(
    conn: AsyncConnection[Any], user_id: UUID, *, include_deleted: bool = False
) -> UserRow | None:
    """One user, None when there is none, or only a deleted one."""
    async with conn.cursor(row_factory=args_row(UserRow), binary=True) as cursor:
        await cursor.execute(f"{_SELECT} WHERE id = %s".encode(), (user_id,))
        found = await cursor.fetchone()
    return found if found is None or include_deleted or found.status != "deleted" else None


async def users_by_page(
    conn: AsyncConnection[Any],
    *,
    page: int,
    page_size: int,
    sort: Sequence[Sort] = NEWEST_FIRST,
    filters: Filters = ANY,
) -> UserPage:
    """The users on a page, counted from 1. Equal ones are in order of their ids.

    Users who register between two pages move others to a later one: `users_after` has no such gaps.
    """
    asked = filters.conditions()
    where = f" WHERE {' AND '.join(asked)}" if asked else ""
    order = ", ".join([*map(_in_order, sort), "id"])
    values = list(asked.values())
    # One statement, so that the page and the count are of one snapshot. The count comes on every row,
    # and on one without a user when the page is empty.
    query = (
        f"SELECT total, {_COLUMNS} FROM (SELECT count(*) AS total FROM users.person{where}) AS counted"
        f" LEFT JOIN ({_SELECT}{where} ORDER BY {order} LIMIT %s OFFSET %s) AS listed ON true"
        f" ORDER BY {order}"
    )
    cursor = await conn.execute(
        query.encode(), [*values, *values, page_size, (page - 1) * page_size], binary=True
    )
    rows = await cursor.fetchall()
    return UserPage([UserRow(*row) for _, *row in rows if row[0] is not None], rows[0][0])


def _in_order(sort: Sort) -> str:
    assert sort.column in SORT_COLUMNS.values(), sort
    return f"{sort.column} DESC" if sort.is_descending else sort.column


async def users_after(
    conn: AsyncConnection[Any],
    *,
    limit: int,
    after: Place | None = None,
    filters: Filters = ANY,
) -> Page[UserRow] | None:
    """Users, last registered first. None when `after` is the place of nobody.

    Those who register meanwhile come before the first page: no user is seen twice or missed.
    """
    before = None
    if after is not None:
        before = await _position_of(conn, after)
        if before is None:
            return None
    return await fetch_page(
        conn,
        UserRow,
        _SELECT,
        filters.conditions(),
        key="first_position",
        key_of=lambda row: row.first_position,
        before=before,
        limit=limit,
    )


async def _position_of(conn: AsyncConnection[Any], place: Place) -> int | None:
    cursor = await conn.execute(
        "SELECT first_position FROM users.person WHERE id = %s AND registered_at = %s",
        (place.id, place.inserted_at),
    )
    row = await cursor.fetchone()
    return None if row is None else int(row[0])


async def statistics(conn: AsyncConnection[Any]) -> Statistics:
    """How many users there are, of each kind."""
    cursor = await conn.execute(
        "SELECT role, status, verified, count(*) FROM users.person GROUP BY role, status, verified"
    )
    counted = await cursor.fetchall()
    by_status = dict.fromkeys(STATUSES, 0)
    by_role = dict.fromkeys(ROLES, 0)
    total_verified = 0
    for role, status, verified, count in counted:
        by_status[status] += count
        if status != "deleted":
            by_role[role] += count
            total_verified += count if verified else 0
    return Statistics(
        total_users=sum(by_role.values()),
        active_users=by_status["active"],
        admin_users=by_role["admin"],
        suspended_users=by_status["suspended"],
        deleted_users=by_status["deleted"],
        verified_users=total_verified,
        by_role=by_role,
    )

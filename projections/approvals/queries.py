"""Questions about approvals: one by its id, and lists by status and by who asked."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import args_row

from domain.approvals import RoleAsked, TransferAsked
from projections.paging import Page, fetch_page

Kind = Literal["transfer", "role_change"]

_COLUMNS = (
    "id, status, kind, maker_id, checker_id, asked, expires_at, reason, requested_at, decided_at,"
    " version, first_position, position"
)
_SELECT = f"SELECT {_COLUMNS} FROM approvals.approval"


class ApprovalRow(Struct, frozen=True):
    """An approval. It is still `pending` after `expires_at`, and then nobody can approve it.

    `stored` is what was asked for, as JSON; `position` is that of its last event.
    """

    id: UUID
    status: str
    kind: Kind
    maker_id: UUID
    checker_id: UUID | None
    stored: dict[str, Any]
    expires_at: datetime
    reason: str
    requested_at: datetime
    decided_at: datetime | None
    version: int
    first_position: int
    position: int

    @property
    def asked(self) -> TransferAsked | RoleAsked:
        """What was asked for; amounts are minor units."""
        if self.kind == "transfer":
            return msgspec.convert(self.stored, TransferAsked)
        return msgspec.convert(self.stored, RoleAsked)


async def approval(conn: AsyncConnection[Any], approval_id: UUID) -> ApprovalRow | None:
    """One approval, None when there is none."""
    async with conn.cursor(row_factory=args_row(ApprovalRow), binary=True) as cursor:
        await cursor.execute(f"{_SELECT} WHERE id = %s".encode(), (approval_id,))
        return await cursor.fetchone()


async def list_approvals(
    conn: AsyncConnection[Any],
    *,
    limit: int,
    before: int | None = None,
    status: str | None = None,
    maker_id: UUID | None = None,
) -> Page[ApprovalRow]:
    """Approvals, last asked for first. `before` is the `next_before` of the page before this one."""
    return await fetch_page(
        conn,
        ApprovalRow,
        _SELECT,
        {"status = %s": status, "maker_id = %s": maker_id},
        key="first_position",
        key_of=lambda row: row.first_position,
        before=before,
        limit=limit,
    )

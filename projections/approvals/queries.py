"""Questions about approvals: one by its id, and lists by status and by who asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import args_row

from domain.approvals import KINDS, RoleAsked, TransferAsked
from domain.asked import Asked
from domain.sealed import ERASED
from projections.paging import Page, fetch_page

_IS_ERASED = (
    "NOT EXISTS (SELECT FROM person_keys"
    " WHERE person_keys.person_id = coalesce(asked->>'person_id', asked->>'owner_id')::uuid)"
)
_STORED = (
    f"CASE WHEN asked ? 'person_id' AND {_IS_ERASED}"
    f' THEN asked || \'{{"bank_account_hint": "{ERASED}"}}\' ELSE asked END'
)
_REASON = (
    "CASE WHEN status = 'withdrawn' AND reason <> '' AND asked ?| '{person_id,owner_id}'"
    f" AND {_IS_ERASED} THEN '{ERASED}' ELSE reason END"
)
"""Of a person who is erased nothing is shown: also not what is not sealed, and what was said in own words."""

_COLUMNS = (
    f"id, status, kind, maker_id, checker_id, {_STORED} AS stored, expires_at, {_REASON} AS reason,"
    " requested_at, decided_at, version, first_position, position"
)
_SELECT = f"SELECT {_COLUMNS} FROM approvals.approval"


class ApprovalRow(Struct, frozen=True):
    """An approval. It is still `pending` after `expires_at`, and then nobody can approve it.

    `stored` is what was asked for, as JSON; `position` is that of its last event.
    """

    id: UUID
    status: str
    kind: str
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
    def asked(self) -> TransferAsked | RoleAsked | Asked:
        """What was asked for, without what is sealed; amounts are minor units."""
        return cast(Asked, msgspec.convert(self.stored, KINDS[self.kind].stored))


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
    application_id: UUID | None = None,
    kinds: Sequence[str] | None = None,
) -> Page[ApprovalRow]:
    """Approvals, last asked for first, by default of all kinds; with `application_id` those of its approval
    alone. `before` is the `next_before` of the page before this one."""
    return await fetch_page(
        conn,
        ApprovalRow,
        _SELECT,
        {
            "status = %s": status,
            "maker_id = %s": maker_id,
            "kind = ANY(%s)": kinds,
            "asked->>'application_id' = %s": application_id and str(application_id),
        },
        key="first_position",
        key_of=lambda row: row.first_position,
        before=before,
        limit=limit,
    )

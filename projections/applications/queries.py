"""Questions about applications: one with its steps, lists, the officers' queue, and what was decided."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import args_row

from domain.credit_applications import Submitted
from projections.applications.shown import (
    FACTS,
    SELECT,
    STEPS,
    WHOLE,
    Application,
    ApplicationRow,
    FactsRow,
    StepRow,
)
from projections.paging import Page, fetch_page, run_page

Row = TypeVar("Row")

_POSITION_BEFORE = "(SELECT position_at(%s::timestamptz - interval '1 microsecond'))"


async def application(
    conn: AsyncConnection[Any], application_id: UUID, *, owner_id: UUID | None = None
) -> Application | None:
    """One application, None when there is none; with `owner_id` only this person's."""
    cursor = await conn.execute(WHOLE.encode(), {"id": application_id, "owner_id": owner_id})
    found = await cursor.fetchone()
    if found is None:
        return None
    row, steps = found
    return msgspec.convert({"row": row, "steps": steps}, Application)


async def applications(
    conn: AsyncConnection[Any],
    *,
    limit: int,
    before: int | None = None,
    country: str | None = None,
    status: str | None = None,
    owner_id: UUID | None = None,
    submitted_from: datetime | None = None,
    submitted_before: datetime | None = None,
    min_amount: int | None = None,
    max_amount: int | None = None,
) -> Page[ApplicationRow]:
    """Applications, last submitted first. `before` is the `next_before` of the page before.

    `submitted_from` is inclusive and `submitted_before` exclusive; the amounts asked for, in minor units,
    are both inclusive.
    """
    return await fetch_page(
        conn,
        ApplicationRow,
        SELECT,
        {
            "country = %s": country,
            "status = %s": status,
            "owner_id = %s": owner_id,
            # Times rise with positions, so that a search by time is one by position.
            f"first_position > {_POSITION_BEFORE}": submitted_from,
            f"first_position <= {_POSITION_BEFORE}": submitted_before,
            "amount_requested >= %s": min_amount,
            "amount_requested <= %s": max_amount,
        },
        key="first_position",
        key_of=lambda row: row.first_position,
        before=before,
        limit=limit,
    )


async def queue(
    conn: AsyncConnection[Any],
    *,
    now: datetime,
    limit: int,
    after: int | None = None,
    country: str | None = None,
    officer_id: UUID | None = None,
) -> Page[ApplicationRow]:
    """What waits for an officer, the longest waiting first, without what another one has claimed now.

    `after` is the `next_before` of the page before.
    """
    conditions = [
        "review_position > %(after)s",
        "(claimed_until IS NULL OR claimed_until <= %(now)s OR officer_id = %(officer)s::uuid)",
    ]
    if country is not None:
        conditions.append("country = %(country)s")
    query = (
        f"{SELECT} WHERE {' AND '.join(conditions)} ORDER BY review_position LIMIT {int(limit) + 1}"
    )
    params = {"after": after or 0, "now": now, "officer": officer_id, "country": country}
    return await run_page(
        conn, ApplicationRow, query, params, key_of=lambda row: row.review_position or 0,
        limit=limit,
    )  # fmt: skip


async def steps_after(
    conn: AsyncConnection[Any], application_id: UUID, position: int = 0
) -> list[StepRow]:
    """An application's steps after a position of the log, in order."""
    return await _all(
        conn,
        StepRow,
        f"{STEPS} WHERE application_id = %(id)s AND position > %(position)s ORDER BY number",
        {"id": application_id, "position": position},
    )


async def changed(
    conn: AsyncConnection[Any], application_ids: Collection[UUID]
) -> list[ApplicationRow]:
    """These applications, the one that changed first first."""
    return await _all(
        conn,
        ApplicationRow,
        f"{SELECT} WHERE id = ANY(%(ids)s) ORDER BY position",
        {"ids": list(application_ids)},
    )


async def changed_of_owner(
    conn: AsyncConnection[Any], owner_id: UUID, *, after: int
) -> list[ApplicationRow]:
    """A person's applications about which something came after a position, the first first."""
    return await _all(
        conn,
        ApplicationRow,
        f"{SELECT} WHERE owner_id = %(owner)s AND position > %(after)s ORDER BY position",
        {"owner": owner_id, "after": after},
    )


# One statement, so that what the read model has and what it has not are of one moment.
_OF_OWNER = """
SELECT id FROM applications.application WHERE owner_id = %(owner)s
UNION
SELECT originator_id FROM events
 WHERE topic = %(topic)s AND convert_from(state, 'UTF8')::jsonb ->> 'owner_id' = %(owner)s::text
   AND notification_id > coalesce(
       (SELECT position FROM checkpoints WHERE name = 'applications'), 0)
UNION
SELECT originator_id FROM events JOIN parked_keys ON model = 'applications' AND key = originator_id
 WHERE originator_version = 1 AND topic = %(topic)s
   AND convert_from(state, 'UTF8')::jsonb ->> 'owner_id' = %(owner)s::text
"""


async def ids_of_owner(conn: AsyncConnection[Any], owner_id: UUID) -> list[UUID]:
    """All that a person has applied for: also what the read model has not got yet, or leaves out."""
    cursor = await conn.execute(_OF_OWNER, {"owner": owner_id, "topic": Submitted.topic})
    return [id_ for (id_,) in await cursor.fetchall()]


async def facts(
    conn: AsyncConnection[Any],
    *,
    limit: int,
    after: int = 0,
    country: str | None = None,
    decided_from: datetime | None = None,
    decided_before: datetime | None = None,
) -> list[FactsRow]:
    """What tables have decided of each application last, first submitted first; `after` is the
    `first_position` of the last one before. `decided_from` is inclusive, `decided_before` exclusive."""
    conditions = {
        "country = %(country)s": country,
        "decided_at >= %(decided_from)s": decided_from,
        "decided_at < %(decided_before)s": decided_before,
    }
    asked = [FACTS, *(text for text, value in conditions.items() if value is not None)]
    return await _all(
        conn,
        FactsRow,
        f"{' AND '.join(asked)} ORDER BY first_position LIMIT {int(limit)}",
        {
            "after": after,
            "country": country,
            "decided_from": decided_from,
            "decided_before": decided_before,
        },
    )


async def _all(
    conn: AsyncConnection[Any], row_type: type[Row], query: str, values: dict[str, object]
) -> list[Row]:
    async with conn.cursor(row_factory=args_row(row_type), binary=True) as cursor:
        await cursor.execute(query.encode(), values)
        return await cursor.fetchall()

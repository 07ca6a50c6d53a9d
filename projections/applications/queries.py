"""Questions about applications: one with its steps, lists, the officers' queue, and what was decided."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import fields
from psycopg import AsyncConnection
from psycopg.rows import args_row

from domain.credit_applications import Submitted
from domain.sealed import ERASED
from projections.paging import Page, fetch_page, run_page

Row = TypeVar("Row")

_PERSONAL = frozenset({"full_name", "document_hint"})

_POSITION_BEFORE = "(SELECT position_at(%s::timestamptz - interval '1 microsecond'))"


class ApplicationRow(Struct, frozen=True):
    """A credit application. Amounts are minor units of `currency`, the rate is of a year in basis points.

    `full_name` is sealed for `person_id`, and `[erased]` like the document's hint once nobody can open it.
    The score, the debt and the bank are those of the report that was asked for last. `reasons` are those
    of its status, whoever gave them. `review_since` says since when it waits for an officer, and
    `review_position` where in the queue. An `officer_id` without `claimed_until` has reviewed it.
    """

    id: UUID
    country: str
    status: str
    owner_id: UUID | None
    submitted_by: str
    person_id: UUID | None
    applicant_id: UUID
    full_name: str
    document_type: str
    document_hint: str
    currency: str
    monthly_income: int
    amount_requested: int
    months: int
    loan_type: str
    account_id: UUID | None
    report_id: UUID | None
    round: int
    is_waiting: bool
    is_referred: bool
    unavailable: str
    credit_score: int | None
    total_debt: int | None
    bank_name: str
    account_status: str
    is_verified: bool
    decision: str
    reasons: list[str]
    table_name: str
    table_version: str
    digest: str
    row_id: str
    max_approved_amount: int | None
    decided_at: datetime | None
    review_since: datetime | None
    review_position: int | None
    officer_id: UUID | None
    claimed_until: datetime | None
    approved_amount: int | None
    offer_amount: int | None
    offer_rate_bps: int | None
    offer_months: int | None
    offer_expires_at: datetime | None
    offer_status: str
    attempts: int
    loan_id: UUID | None
    disbursed_at: datetime | None
    submitted_at: datetime
    updated_at: datetime
    version: int
    first_position: int
    position: int


class StepRow(Struct, frozen=True):
    """One event of an application, its `number`th; `status` is the application's after it."""

    number: int
    name: str
    status: str
    at: datetime
    position: int
    actor: str
    note: str


class Application(Struct, frozen=True):
    """An application with its steps, the oldest first."""

    row: ApplicationRow
    steps: list[StepRow]


class FactsRow(Struct, frozen=True):
    """What a decision table looked at last of an application, and what it said. Amounts are minor units."""

    id: UUID
    country: str
    document_type: str
    currency: str
    monthly_income: int
    amount_requested: int
    months: int
    loan_type: str
    credit_score: int | None
    total_debt: int | None
    round: int
    decision: str
    reasons: list[str]
    table_name: str
    table_version: str
    digest: str
    row_id: str
    max_approved_amount: int | None
    decided_at: datetime
    first_position: int


_IS_ERASED = (
    "application.person_id IS NOT NULL AND NOT EXISTS"
    " (SELECT FROM person_keys WHERE person_keys.person_id = application.person_id)"
)

# Whoever withdraws or declines says why in his own words.
_STEP_IS_ERASED = (
    "note <> '' AND name IN ('withdrawn', 'declined') AND EXISTS (SELECT FROM applications.application"
    f" WHERE application.id = application_step.application_id AND {_IS_ERASED})"
)


def _shown(column: str) -> str:
    """Of a person who is erased, nothing is shown: also not what is not sealed."""
    if column in _PERSONAL:
        return f"CASE WHEN {_IS_ERASED} THEN '{ERASED}' ELSE {column} END AS {column}"
    if column == "reasons":
        return (
            f"CASE WHEN status = 'withdrawn' AND reasons <> '{{}}' AND {_IS_ERASED}"
            f" THEN ARRAY['{ERASED}'] ELSE reasons END AS reasons"
        )
    return column


def _step_shown(column: str) -> str:
    """As `_shown`."""
    if column != "note":
        return column
    return f"CASE WHEN {_STEP_IS_ERASED} THEN '{ERASED}' ELSE note END AS note"


def _columns(row: type[Struct]) -> list[str]:
    return [field.name for field in fields(row)]


_SELECT = f"SELECT {', '.join(map(_shown, _columns(ApplicationRow)))} FROM applications.application"

_STEPS = (
    f"SELECT {', '.join(map(_step_shown, _columns(StepRow)))} FROM applications.application_step"
)

_FACTS = (
    f"SELECT application_id, {', '.join(_columns(FactsRow)[1:])} FROM applications.assessment"
    " WHERE decision <> '' AND first_position > %(after)s"
)

# One statement, so that all of it is of one moment.
_WHOLE = f"""
SELECT (SELECT to_jsonb(shown) FROM ({_SELECT} WHERE application.id = asked.id) AS shown),
       (SELECT coalesce(jsonb_agg(shown ORDER BY number), '[]')
          FROM ({_STEPS} WHERE application_id = asked.id) AS shown)
  FROM applications.application AS asked
 WHERE id = %(id)s AND (%(owner_id)s::uuid IS NULL OR owner_id = %(owner_id)s::uuid)
"""


async def application(
    conn: AsyncConnection[Any], application_id: UUID, *, owner_id: UUID | None = None
) -> Application | None:
    """One application, None when there is none; with `owner_id` only this person's."""
    cursor = await conn.execute(_WHOLE.encode(), {"id": application_id, "owner_id": owner_id})
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
        _SELECT,
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
        f"{_SELECT} WHERE {' AND '.join(conditions)}"
        f" ORDER BY review_position LIMIT {int(limit) + 1}"
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
        f"{_STEPS} WHERE application_id = %(id)s AND position > %(position)s ORDER BY number",
        {"id": application_id, "position": position},
    )


async def changed(
    conn: AsyncConnection[Any], application_ids: Collection[UUID]
) -> list[ApplicationRow]:
    """These applications, the one that changed first first."""
    return await _all(
        conn,
        ApplicationRow,
        f"{_SELECT} WHERE id = ANY(%(ids)s) ORDER BY position",
        {"ids": list(application_ids)},
    )


async def changed_of_owner(
    conn: AsyncConnection[Any], owner_id: UUID, *, after: int
) -> list[ApplicationRow]:
    """A person's applications about which something came after a position, the first first."""
    return await _all(
        conn,
        ApplicationRow,
        f"{_SELECT} WHERE owner_id = %(owner)s AND position > %(after)s ORDER BY position",
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
    asked = [_FACTS, *(text for text, value in conditions.items() if value is not None)]
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

"""What is shown of applications: rows as they are read, without what was of a person who is erased."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import fields

from domain.sealed import ERASED

_PERSONAL = frozenset({"full_name", "document_hint"})


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


SELECT = f"SELECT {', '.join(map(_shown, _columns(ApplicationRow)))} FROM applications.application"

STEPS = (
    f"SELECT {', '.join(map(_step_shown, _columns(StepRow)))} FROM applications.application_step"
)

FACTS = (
    f"SELECT application_id, {', '.join(_columns(FactsRow)[1:])} FROM applications.assessment"
    " WHERE decision <> '' AND first_position > %(after)s"
)

# One statement, so that all of it is of one moment.
WHOLE = f"""
SELECT (SELECT to_jsonb(shown) FROM ({SELECT} WHERE application.id = asked.id) AS shown),
       (SELECT coalesce(jsonb_agg(shown ORDER BY number), '[]')
          FROM ({STEPS} WHERE application_id = asked.id) AS shown)
  FROM applications.application AS asked
 WHERE id = %(id)s AND (%(owner_id)s::uuid IS NULL OR owner_id = %(owner_id)s::uuid)
"""

"""What a decision table is asked and what it answers: nothing here names a person."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Decision = Literal["approve", "pre_approve", "reject", "manual_review"]

APPROVE: Decision = "approve"
PRE_APPROVE: Decision = "pre_approve"
REJECT: Decision = "reject"
MANUAL_REVIEW: Decision = "manual_review"
DECISIONS: tuple[Decision, ...] = (APPROVE, PRE_APPROVE, REJECT, MANUAL_REVIEW)

BANKING_DATA_MISSING = "Banking data missing"
"""The reason of a review because the bureau gave no score, or no debt where the table looks at it."""


class Facts(Struct, frozen=True, kw_only=True):
    """What is known of one application; amounts are minor units of `currency`, None is not known."""

    country: str
    document_type: str
    credit_score: int | None
    monthly_income: int
    amount_requested: int
    total_debt: int | None
    currency: str
    loan_type: str = ""
    months: int = 0


class Verdict(Struct, frozen=True, kw_only=True):
    """What was decided and everything that it can be explained with later.

    `reasons`: of all rows that matched and say the same decision as the first one that did.
    `version`: the date from which the table is in force; `digest`: SHA-256 of its file, in hex; `row`:
    the first row that matched; the four are "" when no table was asked or none of its rows matched.
    `inputs`: what the table looked at, as decimal strings. `max_approved_amount`: minor units.
    """

    decision: Decision
    reasons: tuple[str, ...]
    table: str = ""
    version: str = ""
    digest: str = ""
    row: str = ""
    inputs: dict[str, str] = {}
    max_approved_amount: int | None = None

"""The rows of applications and assessments, and what an event makes of them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.credit_applications import (
    OPEN,
    Accepted,
    Assessed,
    Changed,
    Claimed,
    Decided,
    Declined,
    Disbursed,
    DisbursementFailed,
    Moved,
    Offered,
    OfferExpired,
    Referred,
    Released,
    ReportReceived,
    ReportRequested,
    ReportUnavailable,
    Reviewed,
    Submitted,
    Withdrawn,
)
from domain.events import Recorded

REVIEWED = frozenset({"manual_review", "pre_approved"})
"""Statuses in which an officer is waited for, unless it is for a report."""
DECIDED = frozenset({"approved", "pre_approved", "rejected"})


class Application(Struct):
    """A row of the table `application`, column by column."""

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
    submitted_at: datetime
    updated_at: datetime
    version: int
    first_position: int
    position: int
    report_id: UUID | None = None
    round: int = 0
    is_waiting: bool = False
    is_referred: bool = False
    unavailable: str = ""
    credit_score: int | None = None
    total_debt: int | None = None
    bank_name: str = ""
    account_status: str = ""
    is_verified: bool = False
    decision: str = ""
    reasons: list[str] = []
    table_name: str = ""
    table_version: str = ""
    digest: str = ""
    row_id: str = ""
    max_approved_amount: int | None = None
    decided_at: datetime | None = None
    review_since: datetime | None = None
    review_position: int | None = None
    officer_id: UUID | None = None
    claimed_until: datetime | None = None
    approved_amount: int | None = None
    offer_amount: int | None = None
    offer_rate_bps: int | None = None
    offer_months: int | None = None
    offer_expires_at: datetime | None = None
    offer_status: str = ""
    attempts: int = 0
    loan_id: UUID | None = None
    disbursed_at: datetime | None = None


class Assessment(Struct):
    """A row of the table `assessment`, column by column."""

    application_id: UUID
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
    first_position: int
    position: int
    decision: str = ""
    reasons: list[str] = []
    table_name: str = ""
    table_version: str = ""
    digest: str = ""
    row_id: str = ""
    max_approved_amount: int | None = None
    decided_at: datetime | None = None


def submitted(event: Recorded, asked: Submitted) -> Application:
    """The row that an application begins with."""
    at, position = event.recorded_at, event.position
    return Application(
        event.stream_id, asked.country, "pending", asked.owner_id, asked.submitted_by,
        asked.person_id, asked.applicant_id, asked.full_name, asked.document_type,
        asked.document_hint, asked.currency, asked.monthly_income, asked.amount_requested,
        asked.months, asked.loan_type, asked.account_id, at, at, event.version, position, position,
    )  # fmt: skip


def apply(row: Application, event: Recorded) -> None:
    """Bring a row to where it is after one more event."""
    row.updated_at, row.version, row.position = event.recorded_at, event.version, event.position
    data = event.data
    match data:
        case Changed():
            _change(row, data)
        case ReportRequested(report_id=report_id, round=round_):
            row.report_id, row.round, row.unavailable = report_id, round_, ""
            row.is_waiting, row.is_referred = True, False
            _report(row, ReportReceived(report_id))
        case ReportReceived():
            row.is_waiting, row.unavailable = False, ""
            _report(row, data)
        case ReportUnavailable(reason=reason):
            row.is_waiting, row.unavailable = False, reason
        case Assessed(status=status):
            row.status = status
        case Referred():
            row.is_referred = True
        case Claimed(officer_id=officer_id, until=until):
            row.officer_id, row.claimed_until = officer_id, until
        case Released():
            row.officer_id = row.claimed_until = None
        case Decided() | Reviewed() | Moved() | Withdrawn():
            _turn(row, event, data)
        case _:
            _offer(row, event)
    _queue(row, event)


def _turn(row: Application, event: Recorded, said: Decided | Reviewed | Moved | Withdrawn) -> None:
    """Somebody has decided: nobody looks at it any more, and once it is final nothing is waited for."""
    row.status = said.status
    row.officer_id = row.claimed_until = None
    row.is_waiting = row.is_waiting and said.status in OPEN
    row.is_referred = False
    if said.status in DECIDED and row.decided_at is None:
        row.decided_at = event.recorded_at
    if isinstance(said, Decided):
        _decide(row, said)
        return
    row.reasons = [said.reason] if said.reason else []
    if isinstance(said, Reviewed):
        row.officer_id, row.approved_amount = said.officer_id, said.approved_amount


def _queue(row: Application, event: Recorded) -> None:
    """Whether an officer is waited for, and since when."""
    if row.is_waiting or not (row.is_referred or row.status in REVIEWED):
        row.review_since = row.review_position = None
    elif row.review_since is None:
        row.review_since, row.review_position = event.recorded_at, event.position


def _change(row: Application, changed: Changed) -> None:
    row.full_name, row.applicant_id = changed.full_name, changed.applicant_id
    row.document_type, row.document_hint = changed.document_type, changed.document_hint
    row.monthly_income, row.amount_requested = changed.monthly_income, changed.amount_requested
    row.months, row.loan_type = changed.months, changed.loan_type


def _report(row: Application, report: ReportReceived) -> None:
    row.credit_score, row.total_debt = report.credit_score, report.total_debt
    row.bank_name, row.account_status = report.bank_name, report.account_status
    row.is_verified = report.is_verified


def _decide(row: Application, said: Decided) -> None:
    row.decision, row.reasons = said.decision, list(said.reasons)
    row.table_name, row.table_version = said.table, said.table_version
    row.digest, row.row_id = said.digest, said.row
    row.max_approved_amount = row.approved_amount = said.max_approved_amount


def _offer(row: Application, event: Recorded) -> None:
    match event.data:
        case Offered() as offer:
            row.offer_amount, row.offer_rate_bps = offer.amount, offer.annual_rate_bps
            row.offer_months, row.offer_expires_at = offer.months, offer.expires_at
            row.offer_status = "made"
        case Accepted(account_id=account_id):
            row.account_id, row.offer_status, row.attempts = account_id, "accepted", 0
        case Declined():
            row.offer_status = "declined"
        case OfferExpired():
            row.offer_status = "expired"
        case DisbursementFailed(attempt=attempt):
            row.attempts = attempt
        case Disbursed(loan_id=loan_id):
            row.loan_id, row.disbursed_at, row.offer_status = (
                loan_id, event.recorded_at, "disbursed",
            )  # fmt: skip


def assessed(event: Recorded, facts: Assessed, first_position: int) -> Assessment:
    """The row of what is put before a decision table."""
    return Assessment(
        event.stream_id, facts.country, facts.document_type, facts.currency, facts.monthly_income,
        facts.amount_requested, facts.months, facts.loan_type, facts.credit_score, facts.total_debt,
        facts.round, first_position, event.position,
    )  # fmt: skip


def decide(row: Assessment, event: Recorded, said: Decided) -> None:
    """Note what the table said."""
    row.decision, row.reasons = said.decision, list(said.reasons)
    row.table_name, row.table_version = said.table, said.table_version
    row.digest, row.row_id = said.digest, said.row
    row.max_approved_amount = said.max_approved_amount
    row.decided_at, row.position = event.recorded_at, event.position

"""Applications for credit as they go out: amounts as decimal strings, documents and names masked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from application.people.vault import is_erased
from application.privacy.masking import mask_name
from domain.credit_applications import CreditApplication
from domain.money import format_amount
from domain.sealed import ERASED
from projections.applications.shown import ApplicationRow, StepRow
from projections.applications.stats import CountryStats

Json = dict[str, Any]

PATH = "/api/applications"

_NOTHING_APPROVED = frozenset({"rejected", "withdrawn"})

_MESSAGES = {
    "pending": "It was taken in, and is looked at: see its status, or follow its stream.",
    "risk_check": "Its report was received, and is looked at.",
    "manual_review": "An officer looks at it.",
    "pre_approved": "It is approved for now: an officer confirms it.",
    "approved": "It is approved: see its offer.",
    "rejected": "It is rejected: see the reasons.",
    "withdrawn": "It was withdrawn.",
}


def application(state: CreditApplication) -> Json:
    """An application as the ledger knows it, with what to do next."""
    return {
        **application_state(state),
        "message": message_of(state.status),
        "links": links(state.id),
    }


def application_state(state: CreditApplication) -> Json:
    """An application as the ledger knows it."""
    asked, offer = state.asked, state.offer
    report = state.report
    known = report if report is not None and report.report_id == state.report_id else None
    return {
        "id": state.id,
        "status": state.status,
        "country": asked.country,
        "document_type": asked.document_type,
        "document_number": ERASED if state.is_erased else asked.document_hint,
        **_asked(asked),
        "owner_id": state.owner_id,
        "credit_score": known.credit_score if known else None,
        "decision_reasons": list(state.reasons),
        "max_approved_amount": _approved(state.status, state.approved_amount, asked.currency),
        "offer": offer
        and _offer(
            asked.currency,
            offer.amount,
            offer.annual_rate_bps,
            offer.months,
            offer.expires_at,
            state.offer_status,
        ),
        "account_id": state.account_id,
        "loan_id": state.loan_id,
        "version": state.version,
    }


def message_of(status: str) -> str:
    """What a status means to whoever applied."""
    return _MESSAGES[status]


def links(application_id: UUID) -> Json:
    """Where more of it is."""
    here = f"{PATH}/{application_id}"
    return {"self": here, "status": f"{here}/status", "stream": f"{here}/stream"}


def application_row(row: ApplicationRow, full_name: str, *, for_staff: bool) -> Json:
    """An application as the read model has it; the name is opened, and shown as initials."""
    return {
        "id": row.id,
        "status": row.status,
        "country": row.country,
        "full_name": full_name if is_erased(full_name) else mask_name(full_name),
        "document_type": row.document_type,
        "document_number": row.document_hint,
        **_asked(row),
        "owner_id": row.owner_id,
        "credit_score": row.credit_score,
        "decision_reasons": row.reasons,
        "max_approved_amount": _approved(row.status, row.approved_amount, row.currency),
        "offer": _offer_of(row),
        "account_id": row.account_id,
        "loan_id": row.loan_id,
        "created_at": row.submitted_at,
        "updated_at": row.updated_at,
        "decided_at": row.decided_at,
        "version": row.version,
        "position": row.position,
        **(_review(row) if for_staff else {}),
    }


def application_with_steps(
    row: ApplicationRow, steps: Sequence[StepRow], full_name: str, *, for_staff: bool
) -> Json:
    """All of it, and what has happened. What the bureau knows is for staff: nothing proves that the document
    is the applicant's own."""
    return {
        **application_row(row, full_name, for_staff=for_staff),
        **({"report": _report(row)} if for_staff else {}),
        "report_unavailable": row.unavailable or None,
        "decision": _decision(row),
        "disbursed_at": row.disbursed_at,
        "links": links(row.id),
        "steps": [step(each, for_staff=for_staff) for each in steps],
    }


def status_row(row: ApplicationRow) -> Json:
    """What has become of an application, in short."""
    return {
        "id": row.id,
        "status": row.status,
        "country": row.country,
        "document_number": row.document_hint,
        "currency": row.currency,
        "credit_score": row.credit_score,
        "decision_reasons": row.reasons,
        "max_approved_amount": _approved(row.status, row.approved_amount, row.currency),
        "offer": _offer_of(row),
        "loan_id": row.loan_id,
        "message": message_of(row.status),
        "created_at": row.submitted_at,
        "updated_at": row.updated_at,
        "version": row.version,
        "position": row.position,
    }


def step(row: StepRow, *, for_staff: bool) -> Json:
    """Something that happened; who did it and what was said is for staff."""
    body: Json = {"name": row.name, "at": row.at, "status": row.status, "position": row.position}
    return {**body, "actor": row.actor, "note": row.note} if for_staff else body


def _asked(of: Any) -> Json:
    return {
        "currency": of.currency,
        "monthly_income": format_amount(of.monthly_income, of.currency),
        "amount_requested": format_amount(of.amount_requested, of.currency),
        "months": of.months,
        "loan_type": of.loan_type or None,
    }


def _approved(status: str, amount: int | None, currency: str) -> str | None:
    if amount is None or status in _NOTHING_APPROVED:
        return None
    return format_amount(amount, currency)


def _offer_of(row: ApplicationRow) -> Json | None:
    if not row.offer_status:
        return None
    assert row.offer_amount is not None, "an offer has an amount"
    return _offer(
        row.currency,
        row.offer_amount,
        row.offer_rate_bps,
        row.offer_months,
        row.offer_expires_at,
        row.offer_status,
    )


def _offer(
    currency: str,
    amount: int,
    rate_bps: int | None,
    months: int | None,
    expires_at: datetime | None,
    status: str,
) -> Json:
    return {
        "status": status,
        "amount": format_amount(amount, currency),
        "annual_rate_bps": rate_bps,
        "months": months,
        "expires_at": expires_at,
    }


def _review(row: ApplicationRow) -> Json:
    return {
        "submitted_by": row.submitted_by,
        "review_since": row.review_since,
        "officer_id": row.officer_id,
        "claimed_until": row.claimed_until,
    }


def _report(row: ApplicationRow) -> Json | None:
    """None while there is none for what is asked now."""
    if row.credit_score is None and not row.account_status:
        return None
    debt = row.total_debt
    return {
        "credit_score": row.credit_score,
        "total_debt": None if debt is None else format_amount(debt, row.currency),
        "bank_name": row.bank_name,
        "account_status": row.account_status,
        "is_verified": row.is_verified,
    }


def _decision(row: ApplicationRow) -> Json | None:
    """Which table said what; what it was asked is in the event."""
    if not row.decision:
        return None
    return {
        "decision": row.decision,
        "table": row.table_name,
        "table_version": row.table_version,
        "digest": row.digest,
        "row": row.row_id,
    }


def country_stats(of: CountryStats) -> Json:
    """Figures of a country."""
    return {
        "country": of.country,
        "currency": of.currency,
        "applications": of.applications,
        "amount_requested": format_amount(of.amount_requested, of.currency),
        "by_status": {
            each.status: {
                "applications": each.applications,
                "amount_requested": format_amount(each.amount_requested, of.currency),
            }
            for each in of.statuses
        },
        "approval_rate": of.approval_rate,
        "decided": of.decided,
        "time_to_decision_p50_s": of.p50_s,
        "time_to_decision_p95_s": of.p95_s,
        "scores": [
            {"from_score": each.from_score, "applications": each.applications} for each in of.scores
        ],
        "without_score": of.without_score,
    }

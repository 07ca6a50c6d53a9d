"""What a batch of events says of credit applications, counted without the read model's code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from domain import credit_applications as applications
from domain.events import Event, Recorded

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode

NOBODY = ""
"""Of officers: none any more, other than None, which is that nothing is said."""

_FINAL = frozenset({"approved", "pre_approved", "rejected", "withdrawn"})


class _Application(Struct):
    """What an event says of an application; None and "" where it says nothing. Amounts in minor units.

    `reports` and `grants` say whether the columns after them are told, which may be empty.
    """

    id: UUID
    country: str | None = None
    owner: str | None = None
    submitted_by: str | None = None
    person: str | None = None
    applicant: str | None = None
    full_name: str | None = None
    document_type: str | None = None
    document_hint: str | None = None
    currency: str | None = None
    monthly_income: int | None = None
    amount_requested: int | None = None
    months: int | None = None
    loan_type: str | None = None
    account: str | None = None
    report: str | None = None
    round: int | None = None
    waits: bool | None = None
    referred: bool | None = None
    unavailable: str | None = None
    reports: bool = False
    credit_score: int | None = None
    total_debt: int | None = None
    bank_name: str | None = None
    account_status: str | None = None
    is_verified: bool | None = None
    status: str = ""
    reasons: str | None = None
    decision: str | None = None
    table: str | None = None
    table_version: str | None = None
    digest: str | None = None
    row: str | None = None
    maximum: int | None = None
    officer: str | None = None
    until: datetime | None = None
    grants: bool = False
    granted: int | None = None
    offer_status: str | None = None
    offer_amount: int | None = None
    offer_rate: int | None = None
    offer_months: int | None = None
    offer_until: datetime | None = None
    attempts: int | None = None
    loan: str | None = None
    name: str = ""
    at: datetime | None = None
    position: int = 0


def of_applications(batch: Sequence[Recorded]) -> Iterator[tuple[Any, ...]]:
    """A row an event of an application: what was asked for, or what became of it."""
    for event in batch:
        aggregate, _, name = event.topic.partition(".")
        if aggregate == "credit_application":
            row = _Application(event.stream_id, name=name)
            row.at, row.position = event.recorded_at, event.position
            _tell(row, event.data)
            yield astuple(row)


def _tell(row: _Application, data: Event) -> None:
    row.status = getattr(data, "status", "")
    match data:
        case applications.Submitted():
            row.status, row.country, row.currency = "pending", data.country, data.currency
            row.owner, row.person = _text(data.owner_id), _text(data.person_id)
            row.submitted_by, row.account = data.submitted_by, _text(data.account_id)
            _tell_asked(row, data)
        case applications.Changed():
            _tell_asked(row, data)
        case applications.ReportRequested(report_id=report_id, round=round_):
            row.report, row.round = str(report_id), round_
            row.waits, row.referred, row.unavailable, row.reports = True, False, "", True
            row.bank_name, row.account_status, row.is_verified = "", "", False
        case applications.ReportReceived():
            row.waits, row.unavailable, row.reports = False, "", True
            row.credit_score, row.total_debt = data.credit_score, data.total_debt
            row.bank_name, row.account_status = data.bank_name, data.account_status
            row.is_verified = data.is_verified
        case applications.ReportUnavailable(reason=reason):
            row.waits, row.unavailable = False, reason
        case applications.Referred():
            row.referred = True
        case applications.Claimed(officer_id=officer_id, until=until):
            row.officer, row.until = str(officer_id), until
        case applications.Released():
            row.officer = NOBODY
        case (
            applications.Decided()
            | applications.Reviewed()
            | applications.Moved()
            | applications.Withdrawn()
        ):
            _tell_turn(row, data)
        case _:
            _tell_offer(row, data)


def _tell_asked(row: _Application, asked: applications.Submitted | applications.Changed) -> None:
    row.applicant, row.full_name = str(asked.applicant_id), asked.full_name
    row.document_type, row.document_hint = asked.document_type, asked.document_hint
    row.monthly_income, row.amount_requested = asked.monthly_income, asked.amount_requested
    row.months, row.loan_type = asked.months, asked.loan_type


def _tell_turn(
    row: _Application,
    data: applications.Decided
    | applications.Reviewed
    | applications.Moved
    | applications.Withdrawn,
) -> None:
    row.officer, row.referred = NOBODY, False
    if row.status in _FINAL:
        row.waits = False
    if isinstance(data, applications.Decided):
        row.reasons = _encode(data.reasons).decode()
        row.decision, row.row = data.decision, data.row
        row.table, row.table_version, row.digest = data.table, data.table_version, data.digest
        row.maximum = row.granted = data.max_approved_amount
        row.grants = True
        return
    row.reasons = _encode([data.reason] if data.reason else []).decode()
    if isinstance(data, applications.Reviewed):
        row.officer = str(data.officer_id)
        row.grants, row.granted = True, data.approved_amount


def _tell_offer(row: _Application, data: Event) -> None:
    match data:
        case applications.Offered():
            row.offer_status, row.offer_amount = "made", data.amount
            row.offer_rate, row.offer_months = data.annual_rate_bps, data.months
            row.offer_until = data.expires_at
        case applications.Accepted(account_id=account_id):
            row.offer_status, row.account, row.attempts = "accepted", str(account_id), 0
        case applications.Declined():
            row.offer_status = "declined"
        case applications.OfferExpired():
            row.offer_status = "expired"
        case applications.DisbursementFailed(attempt=attempt):
            row.attempts = attempt
        case applications.Disbursed(loan_id=loan_id):
            row.offer_status, row.loan = "disbursed", str(loan_id)


def of_application_steps(batch: Sequence[Recorded]) -> Iterator[tuple[Any, ...]]:
    """A row an event: its application, number, name, the status it leads to, time, actor and note."""
    for event in batch:
        aggregate, _, name = event.topic.partition(".")
        if aggregate == "credit_application":
            data: Any = event.data
            status = "pending" if name == "submitted" else getattr(data, "status", "")
            note = getattr(data, "reason", None)
            if note is None:
                note = "; ".join(getattr(data, "reasons", ()))
            yield (
                str(event.stream_id), event.version, name, status, event.recorded_at,
                event.position, _decode(event.metadata).get("actor", ""), note,
            )  # fmt: skip


class _Assessment(Struct):
    """What was put before a table, or what that said; None where an event says nothing of it."""

    id: UUID
    country: str | None = None
    document_type: str | None = None
    currency: str | None = None
    monthly_income: int | None = None
    amount_requested: int | None = None
    months: int | None = None
    loan_type: str | None = None
    credit_score: int | None = None
    total_debt: int | None = None
    round: int | None = None
    decision: str | None = None
    reasons: str | None = None
    table: str | None = None
    table_version: str | None = None
    digest: str | None = None
    row: str | None = None
    maximum: int | None = None
    name: str = ""
    at: datetime | None = None
    position: int = 0


def of_assessments(batch: Sequence[Recorded]) -> Iterator[tuple[Any, ...]]:
    """A row an event that is about one, and one for each application that begins."""
    for event in batch:
        row = _Assessment(event.stream_id, at=event.recorded_at, position=event.position)
        match event.data:
            case applications.Submitted():
                row.name = "submitted"
            case applications.Assessed() as facts:
                row.name, row.country, row.currency = "assessed", facts.country, facts.currency
                row.document_type, row.loan_type = facts.document_type, facts.loan_type
                row.monthly_income, row.months = facts.monthly_income, facts.months
                row.amount_requested, row.round = facts.amount_requested, facts.round
                row.credit_score, row.total_debt = facts.credit_score, facts.total_debt
                row.decision = row.table = row.table_version = row.digest = row.row = ""
                row.reasons = "[]"
            case applications.Decided() as said:
                row.name, row.decision = "decided", said.decision
                row.reasons = _encode(said.reasons).decode()
                row.table, row.table_version = said.table, said.table_version
                row.digest, row.row, row.maximum = said.digest, said.row, said.max_approved_amount
            case _:
                continue
        yield astuple(row)


def _text(id_: UUID | None) -> str | None:
    return None if id_ is None else str(id_)

"""A credit application: the state that its events lead to."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.credit_applications.events import (
    Accepted,
    Assessed,
    Changed,
    Claimed,
    Decided,
    Declined,
    Disbursed,
    DisbursementFailed,
    Disclosed,
    DocumentsChecked,
    ErasedEvent,
    Moved,
    Offered,
    OfferExpired,
    OpenedForBureau,
    Referred,
    Released,
    ReportReceived,
    ReportRequested,
    ReportUnavailable,
    Reviewed,
    Submitted,
    Withdrawn,
)
from domain.events import Event

ApplicationStatus = Literal[
    "pending", "risk_check", "manual_review", "pre_approved", "approved", "rejected", "withdrawn",
]  # fmt: skip
OfferStatus = Literal["made", "accepted", "declined", "expired", "disbursed"]

STATUSES: tuple[str, ...] = get_args(ApplicationStatus)
OFFER_STATUSES: tuple[str, ...] = get_args(OfferStatus)

OPEN = frozenset({"pending", "risk_check", "manual_review"})
"""Not decided yet: a person has one such application in a country at most."""
FINAL = frozenset({"approved", "rejected", "withdrawn"})


# State. Runs again at every replay: no rule, no clock, no exception.
class CreditApplication(Struct, frozen=True):
    """A credit application. `version` counts its events.

    `asked` is what is asked for now, and `changed_by` who has changed it. `report` is the last that came,
    `report_id` the last that was asked for, by its `round`; `is_waiting`: it may come. `assessed` is the
    version of the assessment that is to be decided on, 0 when there is none. `is_referred`: an officer is
    to look at it, whatever its status, and `partner` is who wanted it, if that is not us. `offer_status`
    is empty until there is an offer, and `attempts` counts how often it could not be paid out to that
    account.
    """

    id: UUID
    version: int
    status: str
    submitted: Submitted
    asked: Submitted
    report_id: UUID | None = None
    round: int = 0
    is_waiting: bool = False
    report: ReportReceived | None = None
    unavailable: str = ""
    changed_by: tuple[str, ...] = ()
    assessed: int = 0
    is_referred: bool = False
    decided: Decided | None = None
    reasons: tuple[str, ...] = ()
    officer_id: UUID | None = None
    second_id: UUID | None = None
    claimed_until: datetime | None = None
    approved_amount: int | None = None
    offer: Offered | None = None
    offer_status: str = ""
    account_id: UUID | None = None
    attempts: int = 0
    loan_id: UUID | None = None
    partner: str = ""
    is_erased: bool = False

    @property
    def country(self) -> str:
        return self.submitted.country

    @property
    def owner_id(self) -> UUID | None:
        return self.submitted.owner_id


def evolve(
    application: CreditApplication | None, event: Event, stream_id: UUID
) -> CreditApplication:
    """The application after one more event."""
    if isinstance(event, Submitted):
        return CreditApplication(
            stream_id, 1, "pending", event, event, account_id=event.account_id
        )  # fmt: skip
    assert application is not None, "an application's first event is credit_application.submitted"
    a = replace(application, version=application.version + 1)
    match event:
        case DocumentsChecked() | Disclosed() | OpenedForBureau():
            return a
        case ErasedEvent():
            return replace(a, is_erased=True)
        case Referred():
            return replace(a, is_referred=True)
        case Changed(by=by):
            authors = a.changed_by if by in a.changed_by else (*a.changed_by, by)
            return replace(a, asked=_changed(a.asked, event), changed_by=authors)
        case ReportRequested(report_id=report_id, round=round_):
            return replace(
                a,
                report_id=report_id,
                round=round_,
                is_waiting=True,
                unavailable="",
                assessed=0,
                is_referred=False,
            )
        case ReportReceived():
            return replace(a, report=event, is_waiting=False, unavailable="")
        case ReportUnavailable(reason=reason):
            return replace(a, is_waiting=False, unavailable=reason)
        case Assessed(status=status):
            return replace(a, status=status, assessed=a.version)
        case Decided(status=status, reasons=reasons):
            return replace(
                _turned(a, status, reasons),
                assessed=0,
                decided=event,
                approved_amount=event.max_approved_amount,
            )
        case _:
            return _reviewed(a, event)


def _turned(a: CreditApplication, status: str, reasons: tuple[str, ...]) -> CreditApplication:
    """Somebody has decided: nobody looks at it any more, and once it is final nothing is waited for."""
    return replace(
        a,
        status=status,
        reasons=reasons,
        is_referred=False,
        officer_id=None,
        claimed_until=None,
        is_waiting=a.is_waiting and status in OPEN,
        assessed=a.assessed if status in OPEN else 0,
    )


def _changed(asked: Submitted, event: Changed) -> Submitted:
    return replace(
        asked,
        full_name=event.full_name,
        document_type=event.document_type,
        document_number=event.document_number,
        document_hint=event.document_hint,
        applicant_id=event.applicant_id,
        monthly_income=event.monthly_income,
        amount_requested=event.amount_requested,
        months=event.months,
        loan_type=event.loan_type,
    )


def _reviewed(a: CreditApplication, event: Event) -> CreditApplication:
    match event:
        case Claimed(officer_id=officer_id, until=until):
            return replace(a, officer_id=officer_id, claimed_until=until)
        case Released():
            return replace(a, officer_id=None, claimed_until=None)
        case Reviewed(status=status, reason=reason, approved_amount=amount):
            return replace(
                _turned(a, status, (reason,) if reason else ()),
                officer_id=event.officer_id,
                second_id=event.second_id,
                approved_amount=amount,
            )
        case Moved(status=status, reason=reason, partner=partner):
            moved = _turned(a, status, (reason,) if reason else ())
            return replace(moved, partner=partner) if status == "manual_review" else moved
        case Withdrawn(status=status, reason=reason):
            return _turned(a, status, (reason,) if reason else ())
        case _:
            return _offered(a, event)


def _offered(a: CreditApplication, event: Event) -> CreditApplication:
    match event:
        case Offered():
            return replace(a, offer=event, offer_status="made")
        case Accepted(account_id=account_id):
            return replace(a, offer_status="accepted", account_id=account_id, attempts=0)
        case Declined():
            return replace(a, offer_status="declined")
        case OfferExpired():
            return replace(a, offer_status="expired")
        case DisbursementFailed(attempt=attempt):
            return replace(a, attempts=attempt)
    assert isinstance(event, Disbursed), event
    return replace(a, offer_status="disbursed", loan_id=event.loan_id)

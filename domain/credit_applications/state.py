"""A credit application's events, and the state that they lead to."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal, get_args
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

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


# Events. Stored for ever: add a field with a default, or a new event; never edit one.
class Submitted(Event, frozen=True):
    """Somebody asks for credit. Amounts are minor units of `currency`, the rate is of a year in basis
    points. `full_name`, `document_number`, `date_of_birth`, `email` and `phone` are sealed for
    `person_id`; `applicant_id` stands for the document, without telling it. The terms are those of the
    country on that day. `owner_id` is whose application it is, and `submitted_by` who brought it."""

    topic: ClassVar[str] = "credit_application.submitted"
    country: str
    full_name: str
    document_type: str
    document_number: str
    applicant_id: UUID
    currency: str
    monthly_income: int
    amount_requested: int
    months: int
    annual_rate_bps: int
    method: str
    day_count: str
    offer_days: int
    owner_id: UUID | None = None
    person_id: UUID | None = None
    submitted_by: str = ""
    document_hint: str = ""
    loan_type: str = ""
    account_id: UUID | None = None
    date_of_birth: str = ""
    email: str = ""
    phone: str = ""


class DocumentsChecked(Event, frozen=True):
    """The document's number is one that there can be, by the checks of its kind."""

    topic: ClassVar[str] = "credit_application.documents_checked"
    document_type: str


class Changed(Event, frozen=True):
    """What is asked for from now on, and who asks, all of it; sealed as in `credit_application.submitted`."""

    topic: ClassVar[str] = "credit_application.changed"
    full_name: str
    document_type: str
    document_number: str
    applicant_id: UUID
    monthly_income: int
    amount_requested: int
    months: int
    document_hint: str = ""
    loan_type: str = ""
    by: str = ""


class ReportRequested(Event, frozen=True):
    """The country's credit bureau is to be asked; `round` counts how often."""

    topic: ClassVar[str] = "credit_application.report_requested"
    report_id: UUID
    bureau: str
    round: int = 1


class ReportReceived(Event, frozen=True):
    """What the bureau knows; `raw` is its answer word for word, sealed for the application's person.
    `total_debt` is minor units."""

    topic: ClassVar[str] = "credit_application.report_received"
    report_id: UUID
    credit_score: int | None = None
    total_debt: int | None = None
    bank_name: str = ""
    account_status: str = ""
    is_verified: bool = False
    raw: str = ""


class ReportUnavailable(Event, frozen=True):
    """There is no report, for now."""

    topic: ClassVar[str] = "credit_application.report_unavailable"
    report_id: UUID
    reason: str


class Assessed(Event, frozen=True):
    """All that a decision looks at, as it is now; `round` is the report's."""

    topic: ClassVar[str] = "credit_application.assessed"
    status: str
    report_id: UUID
    round: int
    country: str
    document_type: str
    currency: str
    monthly_income: int
    amount_requested: int
    months: int
    loan_type: str = ""
    credit_score: int | None = None
    total_debt: int | None = None


class Decided(Event, frozen=True):
    """What the country's decision table says: its name, version (the day it is in force from) and digest,
    the first row that matched, what was looked at, and all reasons for it. A maximum of None: none."""

    topic: ClassVar[str] = "credit_application.decided"
    status: str
    decision: str
    reasons: tuple[str, ...]
    round: int
    table: str = ""
    table_version: str = ""
    digest: str = ""
    row: str = ""
    inputs: dict[str, str] = {}
    max_approved_amount: int | None = None


class Referred(Event, frozen=True):
    """An officer is to look at it."""

    topic: ClassVar[str] = "credit_application.referred"
    reasons: tuple[str, ...] = ()


class Claimed(Event, frozen=True):
    """One officer looks at it, and nobody else until then."""

    topic: ClassVar[str] = "credit_application.claimed"
    officer_id: UUID
    until: datetime


class Released(Event, frozen=True):
    topic: ClassVar[str] = "credit_application.released"
    officer_id: UUID


class Reviewed(Event, frozen=True):
    """An officer has decided. `approved_amount` is minor units, None when it is rejected."""

    topic: ClassVar[str] = "credit_application.reviewed"
    status: str
    officer_id: UUID
    reason: str = ""
    approved_amount: int | None = None


class Moved(Event, frozen=True):
    """A partner who decides for us has said so."""

    topic: ClassVar[str] = "credit_application.moved"
    status: str
    partner: str
    reason: str = ""


class Offered(Event, frozen=True):
    """An offer that can be accepted until then; the amount is minor units."""

    topic: ClassVar[str] = "credit_application.offered"
    amount: int
    annual_rate_bps: int
    months: int
    expires_at: datetime


class Accepted(Event, frozen=True):
    """The money is to go to this account."""

    topic: ClassVar[str] = "credit_application.accepted"
    account_id: UUID


class Declined(Event, frozen=True):
    topic: ClassVar[str] = "credit_application.declined"
    reason: str = ""


class OfferExpired(Event, frozen=True):
    topic: ClassVar[str] = "credit_application.offer_expired"


class DisbursementFailed(Event, frozen=True):
    """The money could not be paid out, for now; `attempt` counts."""

    topic: ClassVar[str] = "credit_application.disbursement_failed"
    reason: str
    attempt: int


class Disbursed(Event, frozen=True):
    """The money is in the account, and owed."""

    topic: ClassVar[str] = "credit_application.disbursed"
    loan_id: UUID


class Withdrawn(Event, frozen=True):
    """It is called off."""

    topic: ClassVar[str] = "credit_application.withdrawn"
    status: str
    reason: str = ""


class Disclosed(Event, frozen=True):
    """Somebody was shown what is sealed: which fields, to whom, and what for."""

    topic: ClassVar[str] = "credit_application.disclosed"
    to: UUID
    fields: tuple[str, ...]
    reason: str = ""


class ErasedEvent(Event, frozen=True):
    """The key of what is sealed was destroyed, in the transaction of this event. Of an application that is
    no user's; those of users are erased with the user."""

    topic: ClassVar[str] = "credit_application.erased"


EVENTS: tuple[type[Event], ...] = (
    Submitted, DocumentsChecked, Changed, ReportRequested, ReportReceived, ReportUnavailable, Assessed,
    Decided, Referred, Claimed, Released, Reviewed, Moved, Offered, Accepted, Declined, OfferExpired,
    DisbursementFailed, Disbursed, Withdrawn, Disclosed, ErasedEvent,
)  # fmt: skip


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
        case DocumentsChecked() | Disclosed():
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

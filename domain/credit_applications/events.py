"""A credit application's events."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from domain.events import Event


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
    """An officer has decided, and where it takes two `second_id` has agreed. `approved_amount` is minor
    units, None when it is rejected."""

    topic: ClassVar[str] = "credit_application.reviewed"
    status: str
    officer_id: UUID
    reason: str = ""
    approved_amount: int | None = None
    second_id: UUID | None = None


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


class OpenedForBureau(Event, frozen=True):
    """What is sealed was opened to ask a bureau for a report: which fields. Each try is another one."""

    topic: ClassVar[str] = "credit_application.opened_for_bureau"
    report_id: UUID
    bureau: str
    fields: tuple[str, ...]


class ErasedEvent(Event, frozen=True):
    """The key of what is sealed was destroyed, in the transaction of this event. Of an application that is
    no user's; those of users are erased with the user."""

    topic: ClassVar[str] = "credit_application.erased"


EVENTS: tuple[type[Event], ...] = (
    Submitted, DocumentsChecked, Changed, ReportRequested, ReportReceived, ReportUnavailable, Assessed,
    Decided, Referred, Claimed, Released, Reviewed, Moved, Offered, Accepted, Declined, OfferExpired,
    DisbursementFailed, Disbursed, Withdrawn, Disclosed, OpenedForBureau, ErasedEvent,
)  # fmt: skip

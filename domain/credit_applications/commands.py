"""What can be asked of credit applications: by applicants, officers, partners and the process."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.credit_applications.events import Changed, ReportReceived, Submitted
from domain.ownership import Owner
from domain.versions import Expected


class SubmitApplication(Struct, frozen=True):
    """Ask for credit. Its document has been checked. `same_document_hours`: so long after the last
    application with the document there is no other, unless that was rejected."""

    application_id: UUID
    submitted: Submitted
    report_id: UUID
    bureau: str
    same_document_hours: int = 0


class ChangeApplication(Struct, frozen=True):
    """Ask for something else, or correct who asks; it is assessed anew, with a new report."""

    application_id: UUID
    changed: Changed
    report_id: UUID
    bureau: str
    same_document_hours: int = 0
    owner_id: Owner = None
    expected: Expected = None


class WithdrawApplication(Struct, frozen=True):
    """Call it off."""

    application_id: UUID
    reason: str = ""
    owner_id: Owner = None
    expected: Expected = None


class RecordReport(Struct, frozen=True):
    """The bureau has answered."""

    application_id: UUID
    received: ReportReceived


class GiveReportUp(Struct, frozen=True):
    """The bureau will not answer, or not in time."""

    application_id: UUID
    report_id: UUID
    reason: str


class DecideApplication(Struct, frozen=True):
    """What the decision table says of an assessment: the version that the application had with it. There is
    nothing new in what it says of another than the last."""

    application_id: UUID
    assessment: int
    decision: str
    reasons: tuple[str, ...]
    table: str = ""
    table_version: str = ""
    digest: str = ""
    row: str = ""
    inputs: dict[str, str] = {}
    max_approved_amount: int | None = None


class ClaimApplication(Struct, frozen=True):
    """An officer takes it from the queue, until then."""

    application_id: UUID
    officer_id: UUID
    until: datetime
    expected: Expected = None


class ReleaseApplication(Struct, frozen=True):
    """The officer puts it back."""

    application_id: UUID
    officer_id: UUID
    expected: Expected = None


class ReviewApplication(Struct, frozen=True):
    """An officer decides: `decision` is approve or reject. `amount`: less than what is asked for, in
    minor units. `round` and `report_id` are what it was decided on: how often a report had been asked for,
    and the last that had come. Where it takes two, `second_id` agrees to that."""

    application_id: UUID
    officer_id: UUID
    decision: str
    reason: str = ""
    amount: int | None = None
    expected: Expected = None
    round: int | None = None
    report_id: UUID | None = None
    second_id: UUID | None = None


class MoveApplication(Struct, frozen=True):
    """A partner who decides for us says what it is."""

    application_id: UUID
    status: str
    partner: str
    reason: str = ""


class MakeOffer(Struct, frozen=True):
    """Offer what was approved."""

    application_id: UUID


class AcceptOffer(Struct, frozen=True):
    """The applicant takes the offer; the money is to go to `account_id`, by default to the account that
    the application names. When it could not be paid out there, it may go to another one."""

    application_id: UUID
    account_id: UUID | None = None
    owner_id: Owner = None
    expected: Expected = None
    by: UUID | None = None


class DeclineOffer(Struct, frozen=True):
    application_id: UUID
    reason: str = ""
    owner_id: Owner = None
    expected: Expected = None


class ExpireOffer(Struct, frozen=True):
    """Nobody has answered to the offer in time."""

    application_id: UUID


class DisburseLoan(Struct, frozen=True):
    """Pay the money out, and open the loan."""

    application_id: UUID


class NoteApplicationDisclosure(Struct, frozen=True):
    """Somebody is about to be shown what is sealed."""

    application_id: UUID
    to: UUID
    fields: tuple[str, ...]
    reason: str = ""


class NoteOpening(Struct, frozen=True):
    """What is sealed is about to be opened, to ask the bureau for a report."""

    application_id: UUID
    report_id: UUID
    bureau: str
    fields: tuple[str, ...]


class EraseApplicant(Struct, frozen=True):
    """The key of what is sealed is about to be destroyed, of an application that is no user's."""

    application_id: UUID


Command = (
    SubmitApplication
    | ChangeApplication
    | WithdrawApplication
    | RecordReport
    | GiveReportUp
    | DecideApplication
    | ClaimApplication
    | ReleaseApplication
    | ReviewApplication
    | MoveApplication
    | MakeOffer
    | AcceptOffer
    | DeclineOffer
    | ExpireOffer
    | DisburseLoan
    | NoteApplicationDisclosure
    | NoteOpening
    | EraseApplicant
)

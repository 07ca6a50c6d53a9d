"""Decides what becomes of a credit application, by the transition table of its country.

Whatever is not in the table is refused with `invalid_transition`. A command whose time is over is refused
with `nothing_new`. Whether an applicant has another open application is decided with the applicant's
state, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from domain import credit_applicants, loans
from domain.credit_applicants import CreditApplicant
from domain.credit_applications import assessing, offers, officers
from domain.credit_applications.commands import (
    AcceptOffer,
    ChangeApplication,
    ClaimApplication,
    Command,
    DecideApplication,
    DeclineOffer,
    DisburseLoan,
    EraseApplicant,
    ExpireOffer,
    GiveReportUp,
    MakeOffer,
    MoveApplication,
    NoteApplicationDisclosure,
    NoteOpening,
    RecordReport,
    ReleaseApplication,
    ReviewApplication,
    SubmitApplication,
    WithdrawApplication,
)
from domain.credit_applications.events import (
    Changed,
    Disclosed,
    DocumentsChecked,
    ErasedEvent,
    Moved,
    Referred,
    Released,
    ReportRequested,
    Submitted,
    Withdrawn,
)
from domain.credit_applications.state import FINAL, OPEN, CreditApplication
from domain.credit_applications.work import Transitions, Work, nothing_new
from domain.loans.schedule import check_terms
from domain.refusals import Refusal
from domain.sheets import Lookup
from domain.transfers import Decided as Events
from domain.versions import check_version

MAX_ROUNDS = 10
"""So often a bureau is asked about one application: each time costs money."""

_UNPAID = ("", "made", "accepted")


def application_at(lookup: Lookup, application_id: UUID) -> CreditApplication | None:
    state = lookup(application_id)
    return state if isinstance(state, CreditApplication) else None


def is_same_submission(there: CreditApplication, command: SubmitApplication) -> bool:
    """Whether the application is what the command asks for; what is sealed is never the same twice."""
    before, asked = there.submitted, command.submitted
    return (
        before.country, before.applicant_id, before.owner_id, before.monthly_income,
        before.amount_requested, before.months, before.loan_type, before.account_id,
    ) == (
        asked.country, asked.applicant_id, asked.owner_id, asked.monthly_income,
        asked.amount_requested, asked.months, asked.loan_type, asked.account_id,
    )  # fmt: skip


def decide(command: Command, lookup: Lookup, now: datetime, transitions: Transitions) -> Events:
    """The events of a command. Raises `Refusal`."""
    if isinstance(command, SubmitApplication):
        return _submit(command, lookup, now)
    there = application_at(lookup, command.application_id)
    if there is None or not _may_touch(there, command):
        raise Refusal("application_not_found", application_id=command.application_id)
    expected = getattr(command, "expected", None)
    check_version(there.id, there.version, expected)
    work = Work(there, lookup, now, transitions)
    match command:
        case ChangeApplication():
            _change(work, command)
        case WithdrawApplication():
            _withdraw(work, command)
        case RecordReport():
            assessing.record(work, command)
        case GiveReportUp():
            assessing.give_up(work, command)
        case DecideApplication():
            assessing.decide(work, command)
        case MoveApplication():
            _move(work, command)
        case ClaimApplication():
            officers.claim(work, command)
        case ReleaseApplication():
            officers.release(work, command)
        case ReviewApplication():
            officers.review(work, command)
        case MakeOffer():
            offers.make(work)
        case AcceptOffer():
            offers.accept(work, command)
        case DeclineOffer():
            offers.decline(work, command)
        case ExpireOffer():
            offers.expire(work)
        case DisburseLoan():
            offers.disburse(work)
        case NoteApplicationDisclosure():
            work.add(Disclosed(command.to, command.fields, command.reason))
        case NoteOpening():
            assessing.note_opening(work, command)
        case EraseApplicant():
            _erase(work)
    return work.decided


def needs(command: Command, lookup: Lookup) -> Iterator[UUID]:
    """The streams that must be known to decide."""
    if isinstance(command, SubmitApplication):
        yield command.submitted.applicant_id
        if command.submitted.account_id is not None:
            yield command.submitted.account_id
        return
    yield command.application_id
    there = application_at(lookup, command.application_id)
    if there is None:
        return
    yield there.asked.applicant_id
    if isinstance(command, ReviewApplication | ClaimApplication) and there.account_id is not None:
        yield there.account_id
    if isinstance(command, ChangeApplication):
        yield command.changed.applicant_id
    elif isinstance(command, AcceptOffer):
        account_id = command.account_id or there.account_id
        if account_id is not None:
            yield account_id
    elif isinstance(command, DisburseLoan):
        yield from offers.needs(there)


def _may_touch(there: CreditApplication, command: Command) -> bool:
    owner_id = getattr(command, "owner_id", None)
    return owner_id in (None, there.owner_id)


def _submit(command: SubmitApplication, lookup: Lookup, now: datetime) -> Events:
    id_, asked = command.application_id, command.submitted
    _check_asked(asked, now.date())
    if asked.account_id is not None:
        offers.check_account(lookup, asked.account_id, asked.currency, asked.owner_id)
    opened = _opened(
        lookup, asked.applicant_id, id_, asked.country, now, command.same_document_hours
    )
    return (
        (id_, asked),
        (id_, DocumentsChecked(asked.document_type)),
        (asked.applicant_id, opened),
        (id_, ReportRequested(command.report_id, command.bureau)),
    )


def _opened(
    lookup: Lookup, applicant_id: UUID, id_: UUID, country: str, now: datetime, hours: int
) -> credit_applicants.Opened:
    applicant = lookup(applicant_id)
    return credit_applicants.open_application(
        applicant if isinstance(applicant, CreditApplicant) else None,
        id_,
        country,
        now,
        again_after=timedelta(hours=hours),
    )


def _change(work: Work, command: ChangeApplication) -> None:
    there = work.application
    if there.status not in OPEN:
        raise Refusal("application_closed", application_id=there.id, status=there.status)
    changed = _complete(there.asked, command.changed)
    if _is_same(there.asked, changed):
        nothing_new()
    if there.round >= MAX_ROUNDS:
        raise Refusal("too_many_changes", application_id=there.id, most=MAX_ROUNDS)
    before = there.asked.applicant_id
    work.add(changed)
    _check_asked(work.application.asked, work.now.date())
    if work.is_claimed and there.officer_id is not None:
        work.add(Released(there.officer_id))  # what he was looking at is no longer asked for
    if changed.applicant_id != before:
        opened = _opened(
            work.lookup, changed.applicant_id, there.id, there.country, work.now,
            command.same_document_hours,
        )  # fmt: skip
        work.add_to(before, credit_applicants.Closed(there.id, "changed"))
        work.add_to(changed.applicant_id, opened)
    work.add(
        DocumentsChecked(changed.document_type),
        ReportRequested(command.report_id, command.bureau, there.round + 1),
    )


def _complete(asked: Submitted, changed: Changed) -> Changed:
    """With what is sealed and not given as it is now."""
    return replace(
        changed,
        full_name=changed.full_name or asked.full_name,
        document_number=changed.document_number or asked.document_number,
    )


def _check_asked(asked: Submitted, today: date) -> None:
    """That there can be such a loan. Refuses `negative_amount` and `invalid_terms`."""
    if asked.monthly_income <= 0:
        raise Refusal("negative_amount")
    check_terms(
        loans.Terms(
            asked.amount_requested, asked.annual_rate_bps, asked.months, asked.method,
            asked.day_count, today,
        )
    )  # fmt: skip


def _is_same(asked: Submitted, changed: Changed) -> bool:
    """By all that is not sealed, and by the name as it is sealed: one that stays is not sealed anew."""
    return (
        asked.full_name, asked.applicant_id, asked.monthly_income, asked.amount_requested,
        asked.months, asked.loan_type,
    ) == (
        changed.full_name, changed.applicant_id, changed.monthly_income, changed.amount_requested,
        changed.months, changed.loan_type,
    )  # fmt: skip


def _withdraw(work: Work, command: WithdrawApplication) -> None:
    there = work.application
    if there.status not in OPEN and there.status != "pre_approved" and not _is_to_be_paid(there):
        raise Refusal("application_closed", application_id=there.id, status=there.status)
    work.add(Withdrawn("withdrawn", command.reason))
    work.close()


def _is_to_be_paid(there: CreditApplication) -> bool:
    return there.status == "approved" and there.offer_status in _UNPAID


def _erase(work: Work) -> None:
    """Refuses `application_open`, and `belongs_to_user` of one that is erased with its user."""
    there = work.application
    if there.is_erased:
        nothing_new()
    if there.owner_id is not None or there.submitted.person_id != there.id:
        raise Refusal("belongs_to_user", application_id=there.id)
    if there.status not in FINAL or _is_to_be_paid(there):
        raise Refusal("application_open", application_id=there.id, status=there.status)
    work.add(ErasedEvent())


def _move(work: Work, command: MoveApplication) -> None:
    there = work.application
    if command.status == there.status:
        nothing_new()
    work.check_may_move(command.status)
    work.check_is_free()
    if command.status in assessing.GRANTED and not assessing.has_score(there):
        raise Refusal("score_missing", application_id=there.id)
    work.add(Moved(command.status, command.partner, command.reason))
    if command.status not in OPEN:
        work.close()
    elif command.status == "manual_review" or not there.is_waiting:
        work.add(Referred((command.reason,) if command.reason else ()))

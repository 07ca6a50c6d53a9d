"""From a bureau's report to a decision: nothing is granted without a score, and nothing waits for ever.

A decision that the country's table has no way for goes to an officer instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from domain.credit_applications.commands import (
    DecideApplication,
    GiveReportUp,
    NoteOpening,
    RecordReport,
)
from domain.credit_applications.events import (
    Assessed,
    Decided,
    OpenedForBureau,
    Referred,
    ReportUnavailable,
)
from domain.credit_applications.state import OPEN, CreditApplication
from domain.credit_applications.work import Work, nothing_new

STATUS_OF: Mapping[str, str] = {
    "approve": "approved",
    "pre_approve": "pre_approved",
    "reject": "rejected",
    "manual_review": "manual_review",
}
"""What a decision comes to."""

GRANTED = frozenset({"approved", "pre_approved"})

NO_SCORE = "Banking data missing"
NO_AMOUNT = "No amount may be offered"
NOT_VERIFIED = "The bureau does not confirm who it is"
BY_PARTNER = "A partner has asked for a review"
"""Why an officer decides, whatever a table says."""


def is_wanted(there: CreditApplication, report_id: UUID) -> bool:
    """Whether a report is the one that was asked for last, and not there yet. Also when it was given up: an
    officer decides better with a report that comes late."""
    is_there = there.report is not None and there.report.report_id == report_id
    return there.status in OPEN and there.report_id == report_id and not is_there


def note_opening(work: Work, command: NoteOpening) -> None:
    """Refuses `nothing_new` when the report is not wanted any more: then nothing may be opened for it."""
    if not is_wanted(work.application, command.report_id):
        nothing_new()
    work.add(OpenedForBureau(command.report_id, command.bureau, command.fields))


def record(work: Work, command: RecordReport) -> None:
    """Refuses `nothing_new` of a report that is there, or that was not asked for last."""
    received = command.received
    if not is_wanted(work.application, received.report_id):
        nothing_new()
    work.add(received)
    if not work.is_claimed:  # one that comes late is for the officer who looks at it
        _assess(work, received.report_id)


def give_up(work: Work, command: GiveReportUp) -> None:
    """Refuses `nothing_new` when it is not waited for."""
    there = work.application
    if command.report_id != there.report_id or not there.is_waiting:
        nothing_new()
    work.add(ReportUnavailable(command.report_id, command.reason))
    _assess(work, command.report_id)


def _assess(work: Work, report_id: UUID) -> None:
    """All that is known is put before the decision table. A report counts for its own round only."""
    there = work.application
    asked, report = there.asked, there.report
    known = report if report is not None and report.report_id == there.report_id else None
    status = "risk_check" if work.may_move("risk_check") else there.status
    work.add(
        Assessed(
            status=status,
            report_id=report_id,
            round=there.round,
            country=asked.country,
            document_type=asked.document_type,
            currency=asked.currency,
            monthly_income=asked.monthly_income,
            amount_requested=asked.amount_requested,
            months=asked.months,
            loan_type=asked.loan_type,
            credit_score=known.credit_score if known else None,
            total_debt=known.total_debt if known else None,
        )
    )


def decide(work: Work, command: DecideApplication) -> None:
    """Refuses `nothing_new` when something else is to be decided on by now, or by somebody else."""
    there = work.application
    if there.status not in OPEN or not there.assessed or command.assessment != there.assessed:
        nothing_new()
    if work.is_claimed:  # an officer looks at it: the table has no say any more
        nothing_new()
    status, doubts = _placed(work, command)
    reasons = tuple(dict.fromkeys((*command.reasons, *doubts)))
    work.add(
        Decided(
            status=status,
            decision=command.decision,
            reasons=reasons,
            round=there.round,
            table=command.table,
            table_version=command.table_version,
            digest=command.digest,
            row=command.row,
            inputs=command.inputs,
            max_approved_amount=command.max_approved_amount,
        )
    )
    if status in OPEN:
        work.add(Referred(reasons))
    else:
        work.close()


def _placed(work: Work, command: DecideApplication) -> tuple[str, tuple[str, ...]]:
    """Where a decision leads, and why it leads elsewhere than it says: to an officer, and where the
    country's table has no way there, nowhere; then an officer is to look at it where it is."""
    there, most = work.application, command.max_approved_amount
    wanted, doubts = STATUS_OF.get(command.decision, "manual_review"), []
    if wanted in GRANTED and not has_score(there):
        wanted, doubts = "manual_review", [NO_SCORE]
    elif wanted in GRANTED and most is not None and most <= 0:
        wanted, doubts = "manual_review", [NO_AMOUNT]
    elif wanted in GRANTED and there.report is not None and not there.report.is_verified:
        wanted, doubts = "manual_review", [NOT_VERIFIED]
    elif wanted in GRANTED and there.partner:
        wanted, doubts = "manual_review", [BY_PARTNER]
    if wanted == there.status or work.may_move(wanted):
        return wanted, tuple(doubts)
    doubts.append(f"{wanted} cannot follow {there.status}")
    status = "manual_review" if work.may_move("manual_review") else there.status
    return status, tuple(doubts)


def has_score(there: CreditApplication) -> bool:
    """Whether the bureau has answered what it was asked last, with a score."""
    report = there.report
    return (
        report is not None
        and report.report_id == there.report_id
        and report.credit_score is not None
    )

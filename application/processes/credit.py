"""From an application to money: ask the bureau, decide, offer, pay out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import cache
from uuid import UUID

from application.decisions import Decisions, Facts, Verdict
from application.jobs.jobs import NewJob
from application.ledger.steps import ALL_DEADLINES
from application.processes.definitions import Process, Reaction, job_id
from application.processes.reading import correlation_of
from domain.credit_applications import (
    Accepted,
    Assessed,
    DecideApplication,
    Decided,
    Declined,
    Disbursed,
    DisburseLoan,
    DisbursementFailed,
    ExpireOffer,
    GiveReportUp,
    MakeOffer,
    Moved,
    Offered,
    OfferExpired,
    ReportRequested,
    Reviewed,
    WithdrawApplication,
    Withdrawn,
)
from domain.events import Recorded

NAME = "credit"

REQUEST, LOOK = "bureau.request", "bureau.look"
"""Kinds of jobs; payload {application_id, report_id}."""

QUEUE = "bureaus"

PATIENCE = timedelta(minutes=10)
"""A bureau may take this long; then an officer looks at the application without its report."""

_TRY_AGAIN = timedelta(hours=1)
_TRIES = 24
_TRY_LATER = timedelta(hours=6)
"""Money that cannot be paid out is tried again every hour for a day, and then less often."""

Judge = Callable[[Facts, date], Verdict]


def by_the_tables(facts: Facts, on: date) -> Verdict:
    """What the countries' own decision tables say."""
    return tables().judge(facts, on)


@cache
def tables() -> Decisions:
    from application.countries.catalogue import COUNTRIES  # with all checks of documents

    return Decisions.load(COUNTRIES)


_EVENTS = (
    ReportRequested, Assessed, Decided, Reviewed, Moved, Offered,
    Accepted, Declined, OfferExpired, DisbursementFailed, Disbursed, Withdrawn,
)  # fmt: skip


def key_of(event: Recorded) -> UUID:
    """The application that an event is about."""
    return event.stream_id


def react(event: Recorded, judge: Judge, patience: timedelta) -> Reaction | None:
    """What follows from an event; bureaus have `patience`."""
    id_ = event.stream_id
    match event.data:
        case ReportRequested(report_id=report_id):
            return Reaction(
                jobs=(_job(event, report_id),),
                deadlines={_report(report_id): event.recorded_at + patience},
                status="started",
            )
        case Assessed() as assessed:
            # Whatever came of the report, it is waited for no longer.
            decide = _decide(event, assessed, judge)
            return Reaction(decide, deadlines={_report(assessed.report_id): None})
        case Offered(expires_at=expires_at):
            return Reaction(deadlines={"offer": expires_at})
        case Accepted():
            return Reaction(DisburseLoan(id_), deadlines={"offer": None, "disburse": None})
        case DisbursementFailed(reason=reason, attempt=attempt):
            return _not_paid(event.recorded_at, reason, attempt)
        case Disbursed() | Declined() | OfferExpired() | Withdrawn():
            return _over()
        case Decided(status=status) | Reviewed(status=status) | Moved(status=status):
            return _turned(id_, status)
    return None


def _turned(id_: UUID, status: str) -> Reaction:
    if status == "approved":
        return Reaction(MakeOffer(id_))
    return _over() if status == "rejected" else Reaction()


def _over() -> Reaction:
    return Reaction(status="completed", deadlines={ALL_DEADLINES: None})


def _not_paid(at: datetime, reason: str, attempt: int) -> Reaction:
    wait = _TRY_AGAIN if attempt < _TRIES else _TRY_LATER
    return Reaction(deadlines={"disburse": at + wait}, error=f"not paid out: {reason}")


def _decide(event: Recorded, assessed: Assessed, judge: Judge) -> DecideApplication:
    verdict = judge(
        Facts(
            country=assessed.country,
            document_type=assessed.document_type,
            credit_score=assessed.credit_score,
            monthly_income=assessed.monthly_income,
            amount_requested=assessed.amount_requested,
            total_debt=assessed.total_debt,
            currency=assessed.currency,
            loan_type=assessed.loan_type,
            months=assessed.months,
        ),
        event.recorded_at.date(),
    )
    return DecideApplication(
        event.stream_id,
        event.version,
        verdict.decision,
        verdict.reasons,
        table=verdict.table,
        table_version=verdict.version,
        digest=verdict.digest,
        row=verdict.row,
        inputs=dict(verdict.inputs),
        max_approved_amount=verdict.max_approved_amount,
    )


def on_deadline(key: UUID, name: str) -> Reaction:
    """The bureau has taken too long, the offer has ended, or money is to be tried again."""
    if name == "offer":
        return Reaction(ExpireOffer(key))
    if name == "disburse":
        return Reaction(DisburseLoan(key))
    return Reaction(GiveReportUp(key, UUID(name.partition(":")[2]), "timeout"))


def _report(report_id: UUID) -> str:
    return f"report:{report_id}"


def _job(event: Recorded, report_id: UUID) -> NewJob:
    return NewJob(
        id=job_id(NAME, event.position),
        kind=REQUEST,
        payload={"application_id": str(event.stream_id), "report_id": str(report_id)},
        queue=QUEUE,
        priority=5,
        correlation_id=correlation_of(event),
        causation_id=str(event.position),
    )


def process(judge: Judge = by_the_tables, patience: timedelta = PATIENCE) -> Process:
    """The process, with the decision tables and as much patience as bureaus get."""
    return Process(
        NAME,
        frozenset(event.topic for event in _EVENTS),
        key_of,
        lambda event: react(event, judge, patience),
        on_deadline,
        DisburseLoan,
        WithdrawApplication,
    )

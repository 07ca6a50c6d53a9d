"""What happened to credit applications, applicants and loans, in words that hold nothing personal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain import credit_applicants, loans
from domain import credit_applications as applications
from domain.events import Event
from projections.audit.phrases import amount, because, figure


def _rate(bps: int) -> str:
    """`12.5% a year`."""
    whole, rest = divmod(bps, 100)
    return f"{whole}.{rest:02}".rstrip("0").rstrip(".") + "% a year"


def _times(many: int, one: str) -> str:
    return f"{many} {one}{'s' * (many != 1)}"


def _submitted(event: applications.Submitted, currency: str) -> str:
    text = (
        f"asked for credit of {amount(event.amount_requested, event.currency)} in {event.country}"
    )
    text += f" for {_times(event.months, 'month')} at {_rate(event.annual_rate_bps)}"
    if event.loan_type:
        text += f" ({event.loan_type})"
    return f"{text}, for owner {event.owner_id}" if event.owner_id else text


def _changed(event: applications.Changed, currency: str) -> str:
    return (
        f"now asks for {amount(event.amount_requested, currency)} for"
        f" {_times(event.months, 'month')}, with a {event.document_type}"
    )


def _received(event: applications.ReportReceived, currency: str) -> str:
    score = "no score" if event.credit_score is None else f"score {event.credit_score}"
    text = f"report {event.report_id} has come: {score}"
    return (
        text if event.total_debt is None else f"{text}, debt {amount(event.total_debt, currency)}"
    )


def _assessed(event: applications.Assessed, currency: str) -> str:
    score = "no score" if event.credit_score is None else f"score {event.credit_score}"
    return f"assessed with {score}, in round {event.round}; {event.status}"


def _decided(event: applications.Decided, currency: str) -> str:
    text = f"{event.status} by decision {event.decision}"
    if event.table:
        text += f" of table {event.table} {event.table_version}"
    if event.row:
        text += f", row {event.row}"
    if event.max_approved_amount is not None:
        text += f", up to {amount(event.max_approved_amount, currency)}"
    return text + because("; ".join(event.reasons))


def _reviewed(event: applications.Reviewed, currency: str) -> str:
    text = f"{event.status} by officer {event.officer_id}"
    if event.second_id is not None:
        text += f", with whom {event.second_id} agreed"
    if event.approved_amount is not None:
        text += f", up to {amount(event.approved_amount, currency)}"
    return text + because(event.reason)


def _offered(event: applications.Offered, currency: str) -> str:
    return (
        f"offered {amount(event.amount, currency)} for {_times(event.months, 'month')} at"
        f" {_rate(event.annual_rate_bps)}, until {event.expires_at.isoformat()}"
    )


def _disclosed(event: applications.Disclosed, currency: str) -> str:
    return f"{' and '.join(event.fields)} shown to {event.to} in clear{because(event.reason)}"


def _opened(event: applications.OpenedForBureau, currency: str) -> str:
    asked = f"to ask {event.bureau or 'the bureau'} for report {event.report_id}"
    return f"{' and '.join(event.fields)} opened {asked}"


def _lent(event: loans.Opened, currency: str) -> str:
    return (
        f"opened on application {event.application_id}:"
        f" {amount(event.principal, event.currency)} for {_times(event.months, 'month')} at"
        f" {_rate(event.annual_rate_bps)} ({event.method}, {event.day_count}), to"
        f" {event.customer_account_id}"
    )


def _disbursed(event: loans.Disbursed, currency: str) -> str:
    ids = " and ".join(map(str, event.transfer_ids))
    return f"paid out by transfers {ids}, in {_times(len(event.instalments), 'instalment')}"


def _repaid(event: loans.Repaid, currency: str) -> str:
    text = f"repaid {amount(event.amount, currency)} from {event.account_id}: interest"
    text += f" {figure(event.interest, currency)}, principal {figure(event.principal, currency)}"
    if event.is_early:
        text += ", ahead of time"
    return f"{text}; {figure(event.outstanding, currency)} outstanding"


def _rescheduled(event: loans.Rescheduled, currency: str) -> str:
    count = _times(len(event.instalments), "instalment")
    return f"laid out anew: {count} from number {event.number} on"


WORDS: dict[type[Event], Callable[[Any, str], str]] = {
    applications.Submitted: _submitted,
    applications.DocumentsChecked: lambda event, currency: (
        f"its {event.document_type} passes the checks"
    ),
    applications.Changed: _changed,
    applications.ReportRequested: lambda event, currency: (
        f"{event.bureau} is to be asked for report {event.report_id}, in round {event.round}"
    ),
    applications.ReportReceived: _received,
    applications.ReportUnavailable: lambda event, currency: (
        f"report {event.report_id} is not to be had{because(event.reason)}"
    ),
    applications.Assessed: _assessed,
    applications.Decided: _decided,
    applications.Referred: lambda event, currency: (
        f"referred to an officer{because('; '.join(event.reasons))}"
    ),
    applications.Claimed: lambda event, currency: (
        f"claimed by officer {event.officer_id} until {event.until.isoformat()}"
    ),
    applications.Released: lambda event, currency: f"given back by officer {event.officer_id}",
    applications.Reviewed: _reviewed,
    applications.Moved: lambda event, currency: (
        f"{event.status} by partner {event.partner}{because(event.reason)}"
    ),
    applications.Offered: _offered,
    applications.Accepted: lambda event, currency: (
        f"offer accepted, to be paid to {event.account_id}"
    ),
    # Without the reason, which the person gives.
    applications.Declined: lambda event, currency: "offer declined",
    applications.OfferExpired: lambda event, currency: "offer expired",
    applications.DisbursementFailed: lambda event, currency: (
        f"could not be paid out, attempt {event.attempt}{because(event.reason)}"
    ),
    applications.Disbursed: lambda event, currency: f"paid out as loan {event.loan_id}",
    applications.Withdrawn: lambda event, currency: "withdrawn",
    applications.Disclosed: _disclosed,
    applications.OpenedForBureau: _opened,
    applications.ErasedEvent: lambda event, currency: (
        "erased: the key of what is personal was destroyed"
    ),
    credit_applicants.Opened: lambda event, currency: (
        f"application {event.application_id} begun in {event.country}"
    ),
    credit_applicants.Closed: lambda event, currency: (
        f"application {event.application_id} closed as {event.status}"
    ),
    loans.Opened: _lent,
    loans.Disbursed: _disbursed,
    loans.Repaid: _repaid,
    loans.InstalmentOverdue: lambda event, currency: (
        f"instalment {event.number} of {event.due} is overdue with {amount(event.amount, currency)}"
    ),
    loans.Rescheduled: _rescheduled,
    loans.Settled: lambda event, currency: f"settled on {event.on}",
}

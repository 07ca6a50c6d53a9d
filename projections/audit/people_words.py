"""What happened to users, to approvals and at the edge, in words that hold nothing personal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain import approvals, asked, security, users
from domain.events import Event
from projections.audit.phrases import amount, because


def _registered(event: users.Registered, currency: str) -> str:
    text = f"registered as {event.role}"
    return f"{text} by {event.registered_by}" if event.registered_by else text


def _password_changed(event: users.PasswordChanged, currency: str) -> str:
    return "password reset" if event.reset else "password changed"


def _role_changed(event: users.RoleChanged, currency: str) -> str:
    return f"role from {event.previous} to {event.role}"


def _disclosed(event: users.Disclosed, currency: str) -> str:
    return f"{' and '.join(event.fields)} shown in clear{because(event.purpose)}"


def _key_issued(event: users.ApiKeyIssued, currency: str) -> str:
    scopes = ", ".join(event.scopes) or "no scope"
    return f'API key {event.key_id} "{event.name}" issued for {scopes}'


def _requested(event: approvals.Requested, currency: str) -> str:
    return f"{event.maker_id} asked for {_what(event)}"


def _what(event: approvals.Requested) -> str:
    what = event.what
    if isinstance(what, approvals.RoleAsked):
        return f"the role {what.role} for user {what.user_id}"
    of = f"of {amount(what.amount, what.currency)}"
    match what:
        case approvals.TransferAsked():
            return f"a transfer {of} from {what.source_id} to {what.destination_id}"
        case asked.InvestmentAsked():
            return f"an investment {of} from {what.investor_account_id} in fund {what.fund_id}"
        case asked.BankTransferAsked(kind="deposit"):
            return f"a deposit {of} to {what.account_id}"
        case asked.BankTransferAsked():
            return f"a withdrawal {of} from {what.account_id}"
        case asked.RepaymentAsked():
            return f"a repayment {of} of loan {what.loan_id} from {what.account_id}"
        case asked.FundingAsked():
            return f"money to lend {of} from {what.source_id}"
        case asked.ReviewAsked():
            text = f"the approval {of} for application {what.application_id}"
            return f"{text}{because(what.reason)}"


def _approved(event: approvals.Approved, currency: str) -> str:
    return f"approved by {event.checker_id}"


def _rejected(event: approvals.Rejected, currency: str) -> str:
    return f"rejected by {event.checker_id}{because(event.reason)}"


def _noticed(what: str) -> Callable[[security.Noticed, str], str]:
    def say(event: security.Noticed, currency: str) -> str:
        text = f"{what}: {event.reason} at {event.action}"
        if event.actor:
            text += f", {event.actor}"
        return f"{text}, {event.count} times" if event.count > 1 else text

    return say


def _plain(text: str) -> Callable[[Event, str], str]:
    return lambda event, currency: text


WORDS: dict[type[Event], Callable[[Any, str], str]] = {
    users.Registered: _registered,
    users.ProfileChanged: _plain("full name changed"),
    users.EmailChanged: _plain("e-mail address changed"),
    users.EmailVerified: _plain("e-mail address verified"),
    users.PasswordChanged: _password_changed,
    users.RoleChanged: _role_changed,
    users.Suspended: lambda event, currency: f"suspended{because(event.reason)}",
    users.Activated: _plain("activated"),
    users.Deleted: lambda event, currency: f"deleted{because(event.reason)}",
    users.Erased: _plain("erased: the key of what is personal was destroyed"),
    users.Disclosed: _disclosed,
    users.ApiKeyIssued: _key_issued,
    users.ApiKeyRevoked: lambda event, currency: f"API key {event.key_id} revoked",
    approvals.Requested: _requested,
    approvals.Approved: _approved,
    approvals.Rejected: _rejected,
    approvals.Withdrawn: lambda event, currency: "withdrawn",
    security.AuthenticationFailed: _noticed("authentication failed"),
    security.AuthorizationFailed: _noticed("authorization failed"),
    security.RateLimited: _noticed("asked too often"),
    security.SuspiciousRequest: _noticed("suspicious request"),
}

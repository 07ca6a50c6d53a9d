"""Approvals as they go out: what was asked for, by whom, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import asdict

from domain.approvals import KINDS, Approval, RoleAsked, TransferAsked, kind_of
from domain.asked import (
    BankTransferAsked,
    FundingAsked,
    InvestmentAsked,
    RepaymentAsked,
    ReviewAsked,
)
from domain.money import format_amount
from domain.transfers import Condition
from projections.approvals.queries import ApprovalRow

Json = dict[str, Any]

_BOUNDS = ("balance_at_least", "balance_at_most", "available_at_least", "available_at_most")


def approval(state: Approval) -> Json:
    """An approval as the ledger knows it."""
    requested = state.requested
    return {
        "id": state.id,
        "status": state.status,
        "maker_id": requested.maker_id,
        "checker_id": state.checker_id,
        "expires_at": requested.expires_at,
        **_what(kind_of(requested).name, requested.what),
        "reason": state.reason,
        "version": state.version,
    }


def approval_row(row: ApprovalRow) -> Json:
    """An approval as the read model has it."""
    return {
        "id": row.id,
        "status": row.status,
        "maker_id": row.maker_id,
        "checker_id": row.checker_id,
        "expires_at": row.expires_at,
        **_what(row.kind, row.asked),
        "reason": row.reason,
        "requested_at": row.requested_at,
        "decided_at": row.decided_at,
        "version": row.version,
        "position": row.position,
    }


def _what(kind: str, asked: object) -> Json:
    """What is asked for, under its kind's name."""
    return {"kind": kind, **dict.fromkeys(KINDS), kind: _VIEWS[kind](asked)}


def _amount(asked: Any) -> Json:
    return {
        "amount": format_amount(asked.amount, asked.currency),
        "currency": asked.currency,
    }


def _transfer(asked: TransferAsked) -> Json:
    return {
        "id": asked.transfer_id,
        "source_account_id": asked.source_id,
        "destination_account_id": asked.destination_id,
        **_amount(asked),
        "description": asked.description,
        "reference": asked.reference,
        "effective_at": asked.effective_at,
        "metadata": asked.metadata,
        "pending": asked.pending,
        "expires_in_s": asked.expires_in_s or None,
        "up_to": asked.up_to,
        "conditions": [_condition(condition, asked.currency) for condition in asked.conditions],
    }


def _condition(condition: Condition, currency: str) -> Json:
    """Only what it says: the parts that must hold."""
    body: Json = {"account_id": condition.account_id}
    if condition.version is not None:
        body["version"] = condition.version
    for name in _BOUNDS:
        bound = getattr(condition, name)
        if bound is not None:
            body[name] = format_amount(bound, currency)
    return body


def _role_change(asked: RoleAsked) -> Json:
    return asdict(asked)


def _investment(asked: InvestmentAsked) -> Json:
    return {
        "id": asked.investment_id,
        "investor_account_id": asked.investor_account_id,
        "fund_id": asked.fund_id,
        **_amount(asked),
    }


def _bank_transfer(asked: BankTransferAsked) -> Json:
    return {
        "id": asked.bank_transfer_id,
        "kind": asked.kind,
        "account_id": asked.account_id,
        "bank_account": asked.bank_account_hint,
        "reference": asked.reference,
        **_amount(asked),
    }


def _repayment(asked: RepaymentAsked) -> Json:
    return {
        "id": asked.repayment_id,
        "loan_id": asked.loan_id,
        "account_id": asked.account_id,
        **_amount(asked),
    }


def _funding(asked: FundingAsked) -> Json:
    return {
        "id": asked.transfer_id,
        "source_account_id": asked.source_id,
        **_amount(asked),
    }


def _review(asked: ReviewAsked) -> Json:
    return {
        "application_id": asked.application_id,
        "reason": asked.reason,
        **_amount(asked),
    }


_VIEWS: dict[str, Callable[[Any], Json]] = {
    "transfer": _transfer,
    "role_change": _role_change,
    "investment": _investment,
    "bank_transfer": _bank_transfer,
    "repayment": _repayment,
    "funding": _funding,
    "review": _review,
}

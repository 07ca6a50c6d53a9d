"""Approvals as they go out: what was asked for, by whom, and what became of it."""

from __future__ import annotations

from typing import Any

from domain.approvals import Approval, RoleAsked, TransferAsked
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
        "transfer": None if requested.transfer is None else _asked(requested.transfer),
        "role_change": requested.role_change,
        "reason": state.reason,
        "version": state.version,
    }


def approval_row(row: ApprovalRow) -> Json:
    """An approval as the read model has it."""
    asked = row.asked
    return {
        "id": row.id,
        "status": row.status,
        "maker_id": row.maker_id,
        "checker_id": row.checker_id,
        "expires_at": row.expires_at,
        "transfer": _asked(asked) if isinstance(asked, TransferAsked) else None,
        "role_change": asked if isinstance(asked, RoleAsked) else None,
        "reason": row.reason,
        "requested_at": row.requested_at,
        "decided_at": row.decided_at,
        "version": row.version,
        "position": row.position,
    }


def _asked(asked: TransferAsked) -> Json:
    return {
        "id": asked.transfer_id,
        "source_account_id": asked.source_id,
        "destination_account_id": asked.destination_id,
        "amount": format_amount(asked.amount, asked.currency),
        "currency": asked.currency,
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

"""Funds, investments, deposits and withdrawals as they go out: amounts as decimal strings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from domain.bank_transfers import BankTransfer
from domain.funds import Fund
from domain.investments import Investment
from domain.money import format_amount
from projections.flows.queries import Flow, FlowRow, LegRow, StepRow, state_of
from projections.funds.queries import AllocationRow, FundRow

Json = dict[str, Any]


def fund(state: Fund, now: datetime) -> Json:
    """A fund as the ledger knows it."""
    opened = state.opened
    return {
        "id": state.id,
        "name": opened.name,
        "account_id": opened.account_id,
        "manager_id": opened.manager_id,
        **_terms(state, opened.currency, now),
    }


def fund_row(row: FundRow, now: datetime) -> Json:
    """A fund as the read model has it."""
    return {
        "id": row.id,
        "name": row.name,
        "account_id": row.account_id,
        "manager_id": row.manager_id,
        **_terms(row, row.currency, now),
        "opened_at": row.opened_at,
        "updated_at": row.updated_at,
        "position": row.position,
    }


def _terms(of: Fund | FundRow, currency: str, now: datetime) -> Json:
    most = of.maximum_investment
    has_begun = of.opens_at is None or of.opens_at <= now
    has_ended = of.closes_at is not None and of.closes_at <= now
    return {
        "currency": currency,
        "status": of.status,
        "is_open": of.status == "open" and has_begun and not has_ended,
        "minimum_investment": format_amount(of.minimum_investment, currency),
        "maximum_investment": format_amount(most, currency) if most else None,
        "seats": of.seats,
        "seats_left": of.seats_left,
        "seats_reserved": of.reserved,
        "seats_taken": of.taken,
        "amount_reserved": format_amount(of.reserved_amount, currency),
        "amount_taken": format_amount(of.taken_amount, currency),
        "opens_at": of.opens_at,
        "closes_at": of.closes_at,
        "version": of.version,
    }


def allocation_row(row: AllocationRow) -> Json:
    """What an investment has of a fund."""
    return {
        "investment_id": row.investment_id,
        "fund_id": row.fund_id,
        "investor_account_id": row.account_id,
        "amount": format_amount(row.amount, row.currency),
        "currency": row.currency,
        "status": row.status,
        "reserved_at": row.reserved_at,
        "taken_at": row.taken_at,
        "released_at": row.released_at,
        "position": row.position,
    }


def requested(state: Investment | BankTransfer) -> Json:
    """A flow as the ledger knows it, without its steps."""
    asked = state.requested
    kind = "investment" if isinstance(state, Investment) else state.requested.kind
    body: Json = {
        "id": state.id,
        "status": state.status,
        "state": state_of(kind, state.status),
        "amount": format_amount(asked.amount, asked.currency),
        "currency": asked.currency,
        "failed_step": state.step or None,
        "reason": state.reason,
        "version": state.version,
    }
    if isinstance(state, Investment):
        body["investor_account_id"] = state.requested.investor_account_id
        body["fund_id"] = state.requested.fund_id
    else:
        body["account_id"] = state.requested.account_id
        body["bank_account"] = state.requested.bank_account_hint
        body["reference"] = state.requested.reference
    return body


def flow_row(row: FlowRow) -> Json:
    """A flow as the read model has it, without its steps."""
    body: Json = {
        "id": row.id,
        "status": row.status,
        "state": row.state,
        "amount": format_amount(row.amount, row.currency),
        "currency": row.currency,
        "failed_step": row.step or None,
        "reason": row.reason,
        "requested_at": row.requested_at,
        "updated_at": row.updated_at,
        "finished_at": row.finished_at,
        "version": row.version,
        "position": row.position,
    }
    if row.kind == "investment":
        body["investor_account_id"] = row.account_id
        body["fund_id"] = row.fund_id
    else:
        body["account_id"] = row.account_id
        body["bank_account"] = row.bank_account_hint
        body["reference"] = row.reference
    return body


def flow(found: Flow) -> Json:
    """A flow with its steps and legs, the oldest first."""
    return {
        **flow_row(found.row),
        "steps": [step(row) for row in found.steps],
        "legs": [_leg(row) for row in found.legs],
    }


def step(row: StepRow) -> Json:
    """A step, with what it is about."""
    return {"name": row.name, "at": row.at, "position": row.position, **row.details}


def _leg(row: LegRow) -> Json:
    return {
        "movement_id": row.id,
        "kind": row.kind,
        "direction": row.direction,
        "status": row.state,
        "amount": format_amount(row.amount, row.currency),
        "currency": row.currency,
        "bank_reference": row.bank_reference,
        "reason": row.reason,
        "instructed_at": row.instructed_at,
        "ended_at": row.ended_at,
        "history": row.history,
    }

"""The shapes that go out: ledger states and read model rows as JSON, amounts as decimal strings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from api import approval_views, credit_views, flow_views
from api.problems import explain, shown
from application.ledger import Accepted, Outcome, Refused
from domain.accounts import Account
from domain.approvals import Approval
from domain.bank_transfers import BankTransfer
from domain.credit_applications import CreditApplication
from domain.funds import Fund
from domain.investments import Investment
from domain.money import format_amount
from domain.transfers import Posted, Reserved, Transfer
from domain.users import User
from projections.balances.queries import AccountRow, TrialBalance
from projections.entries.queries import EntryRow
from projections.log import LoggedEvent
from projections.transfers.queries import TransferRow

Json = dict[str, Any]

encode = msgspec.json.Encoder().encode


def account_amounts(
    currency: str, balance: int, held: int, available: int | None
) -> dict[str, str | None]:
    """Balance, held and available; available is null where nothing limits the account."""
    return {
        "balance": format_amount(balance, currency),
        "held": format_amount(held, currency),
        "available": None if available is None else format_amount(available, currency),
    }


def account(state: Account) -> Json:
    """An account as the ledger knows it."""
    return {
        "id": state.id,
        "name": state.name,
        "type": state.type,
        "currency": state.currency,
        "owner_id": state.owner_id,
        "status": state.status,
        "credit_limit": format_amount(state.credit_limit, state.currency),
        **account_amounts(state.currency, state.balance, state.held, state.available),
        "version": state.version,
    }


def account_after(state: Account, sees: Sees) -> Json | None:
    """What a transfer left on one of its accounts; None for who may not see it."""
    if not sees(state.owner_id):
        return None
    return {
        "account_id": state.id,
        **account_amounts(state.currency, state.balance, state.held, state.available),
        "version": state.version,
    }


def user(state: User) -> Json:
    """A user as the ledger knows it, what is personal still sealed."""
    return {
        "id": state.id,
        "email": state.email,
        "full_name": state.full_name,
        "role": state.role,
        **status_flags(state.status, verified=state.verified),
        "version": state.version,
    }


def status_flags(status: str, *, verified: bool) -> Json:
    """What became of a user: as one word, and as flags, which older clients read."""
    return {
        "status": status.upper(),
        "active": status == "active",
        "verified": verified,
        "suspended": status == "suspended",
        "deleted": status == "deleted",
    }


def transfer(state: Transfer) -> Json:
    """A transfer as the ledger knows it."""
    request = state.request
    currency = request.currency
    return {
        "id": state.id,
        "status": state.status,
        "source_account_id": request.source_id,
        "destination_account_id": request.destination_id,
        "amount": format_amount(state.amount, currency),
        "requested_amount": format_amount(request.requested or request.amount, currency),
        "reversed_amount": format_amount(state.reversed, currency),
        "currency": currency,
        "description": request.description,
        "reference": request.reference,
        "effective_at": request.effective_at,
        "metadata": request.metadata,
        "expires_at": request.expires_at if isinstance(request, Reserved) else None,
        "reverses": request.reverses if isinstance(request, Posted) else None,
    }


Sees = Callable[[UUID | None], bool]
"""Whether what belongs to a person (None: to nobody) may be shown."""


def accepted(outcome: Accepted, sees: Sees) -> Json:
    """The answer to an accepted command: the resource, and where and when it is in the log. What it
    left on accounts is shown of those only that the caller sees."""
    state = outcome.state
    place = {"position": outcome.position, "recorded_at": outcome.recorded_at}
    if isinstance(state, Account):
        return {**account(state), **place}
    if isinstance(state, User):
        return {**user(state), **place}
    if isinstance(state, Approval):
        return {**approval_views.approval(state), **place}
    if isinstance(state, Fund):
        return {**flow_views.fund(state, outcome.recorded_at), **place}
    if isinstance(state, Investment | BankTransfer):
        return {**flow_views.requested(state), **place}
    if isinstance(state, CreditApplication):
        return {**credit_views.application(state), **place}
    assert isinstance(state, Transfer), "no request books statements"
    body = {**transfer(state), "version": state.version, **place}
    if body["effective_at"] is None:
        body["effective_at"] = outcome.recorded_at
    source, destination = outcome.accounts
    body["source"] = account_after(source, sees)
    body["destination"] = account_after(destination, sees)
    return body


def account_row(row: AccountRow) -> Json:
    """An account as the read model has it."""
    return {
        "id": row.id,
        "name": row.name,
        "type": row.type,
        "currency": row.currency,
        "owner_id": row.owner_id,
        "status": row.status,
        "credit_limit": format_amount(row.credit_limit, row.currency),
        **account_amounts(row.currency, row.balance, row.held, row.available),
        "version": row.version,
        "opened_at": row.opened_at,
        "position": row.position,
    }


def entry_row(row: EntryRow, currency: str) -> Json:
    """A statement line."""
    return {
        "account_id": row.account_id,
        "position": row.position,
        "transfer_id": row.transfer_id,
        "counterparty_account_id": row.counterparty_id,
        "direction": row.direction,
        "amount": format_amount(row.amount, currency),
        "balance": format_amount(row.balance, currency),
        "currency": currency,
        "effective_at": row.effective_at,
        "recorded_at": row.recorded_at,
        "description": row.description,
        "reference": row.reference,
    }


def transfer_row(row: TransferRow, *, is_payer: bool = True) -> Json:
    """A transfer as the read model has it. Who is paid is not told what was asked for (where less moved,
    that was all that the payer had), nor the payer's own notes."""
    return {
        "id": row.id,
        "status": row.status,
        "source_account_id": row.source_id,
        "destination_account_id": row.destination_id,
        "amount": format_amount(row.amount, row.currency),
        "requested_amount": format_amount(row.requested if is_payer else row.amount, row.currency),
        "reversed_amount": format_amount(row.reversed, row.currency),
        "currency": row.currency,
        "description": row.description,
        "reference": row.reference,
        "effective_at": row.effective_at or row.recorded_at,
        "metadata": row.metadata if is_payer else {},
        "expires_at": row.expires_at,
        "reverses": row.reverses,
        "reason": row.reason,
        "position": row.position,
        "recorded_at": row.recorded_at,
        "updated_at": row.updated_at,
    }


def trial_balance(report: TrialBalance) -> list[Json]:
    """One row a currency, all true at the same position."""
    return [
        {
            "currency": c.currency,
            "accounts": c.accounts,
            "debits": format_amount(c.debits, c.currency),
            "credits": format_amount(c.credits, c.currency),
            "difference": format_amount(c.difference, c.currency),
            "position": report.position,
        }
        for c in report.currencies
    ]


def event(recorded: LoggedEvent) -> Json:
    """An event of the log, with what it says and where it came from."""
    return {
        "position": recorded.position,
        "stream_id": recorded.stream_id,
        "version": recorded.version,
        "topic": recorded.topic,
        "recorded_at": recorded.recorded_at,
        "metadata": recorded.metadata,
        "data": recorded.data,
    }


def batch_item(outcome: Outcome, sees: Sees) -> Json:
    """One line of a batch's answer."""
    if isinstance(outcome, Refused):
        return {
            "status": "refused",
            "reason": outcome.reason,
            "detail": explain(outcome.reason, outcome.details),
            "details": shown(outcome.details),
        }
    assert isinstance(outcome.state, Transfer)
    source, destination = outcome.accounts
    return {
        "id": outcome.id,
        "status": outcome.state.status,
        "position": outcome.position,
        "recorded_at": outcome.recorded_at,
        "source": account_after(source, sees),
        "destination": account_after(destination, sees),
    }


def last_position(outcomes: Sequence[Outcome]) -> int:
    """The newest position of what was accepted, 0 when nothing was."""
    return max((o.position for o in outcomes if isinstance(o, Accepted)), default=0)

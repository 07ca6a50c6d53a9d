"""Loans as they go out: amounts as decimal strings of the loan's currency."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any
from uuid import UUID

from application.ledger import Accepted
from domain.house import house_account
from domain.loans import Loan, Owed
from domain.money import format_amount
from projections.balances.queries import AccountRow
from projections.loans.queries import (
    Bucket,
    CurrencyTotals,
    InstalmentRow,
    LoanRow,
    RepaymentRow,
)

Json = dict[str, Any]

PATH = "/api/loans"


def loan(row: LoanRow) -> Json:
    """A loan as the read model has it."""
    shown = partial(format_amount, currency=row.currency)
    since, due = row.arrears_since, row.next_due
    return {
        "id": row.id,
        "application_id": row.application_id,
        "owner_id": row.owner_id,
        "status": row.status,
        "currency": row.currency,
        "principal": shown(row.principal),
        "outstanding": shown(row.outstanding),
        "interest_paid": shown(row.interest_paid),
        "principal_paid": shown(row.principal_paid),
        "annual_rate_bps": row.annual_rate_bps,
        "months": row.months,
        "method": row.method,
        "day_count": row.day_count,
        "started_on": row.started_on,
        "next_instalment": due and {"due": due, "amount": shown(row.next_amount)},
        "arrears": since and {"amount": shown(row.arrears_amount), "since": since},
        "account_id": row.customer_account_id,
        "loan_account_id": row.loan_account_id,
        "opened_at": row.opened_at,
        "updated_at": row.updated_at,
        "settled_on": row.settled_on,
        "version": row.version,
        "position": row.position,
    }


def payoff(owed: Owed, currency: str) -> Json:
    """What would settle a loan."""
    shown = partial(format_amount, currency=currency)
    return {
        "on": owed.on,
        "amount": shown(owed.payoff),
        "due": shown(owed.due_now),
        "interest": shown(owed.accrued),
        "principal": shown(owed.not_due),
    }


def instalment(row: InstalmentRow, currency: str) -> Json:
    """What is due on a day, and what became of it."""
    shown = partial(format_amount, currency=currency)
    return {
        "number": row.number,
        "due": row.due,
        "amount": shown(row.amount),
        "principal": shown(row.principal),
        "interest": shown(row.interest),
        "balance_after": shown(row.balance_after),
        "paid": shown(row.paid_principal + row.paid_interest),
        "missing": shown(row.missing),
        "status": row.state,
    }


def repaid(outcome: Accepted, repayment_id: UUID) -> Json:
    """The answer to a repayment; to one that comes again as the first time, where the loan is now."""
    state = outcome.state
    assert isinstance(state, Loan), "what is repaid is a loan"
    there, currency = state.repayments[repayment_id], state.opened.currency
    shown = partial(format_amount, currency=currency)
    return {
        "id": repayment_id,
        "loan_id": state.id,
        "account_id": there.account_id,
        "currency": currency,
        "amount": shown(there.amount),
        "interest": shown(there.interest),
        "principal": shown(there.principal),
        "outstanding": shown(there.outstanding),
        "early": there.is_early,
        "position": outcome.position,
        "recorded_at": outcome.recorded_at,
    }


def repayment(row: RepaymentRow, currency: str) -> Json:
    """A repayment as the read model has it."""
    shown = partial(format_amount, currency=currency)
    return {
        "id": row.id,
        "loan_id": row.loan_id,
        "account_id": row.account_id,
        "currency": currency,
        "amount": shown(row.amount),
        "interest": shown(row.interest),
        "principal": shown(row.principal),
        "outstanding": shown(row.outstanding),
        "early": row.is_early,
        "on": row.on,
        "transfer_ids": row.transfer_ids,
        "parts": [
            {
                "number": part.number or None,
                "interest": shown(part.interest),
                "principal": shown(part.principal),
            }
            for part in row.parts
        ],
        "position": row.position,
        "recorded_at": row.at,
    }


def lent(accounts: Iterable[AccountRow], totals: Iterable[CurrencyTotals]) -> list[Json]:
    """By currency: what there is to lend, what is lent, and what came of it."""
    by_id = {account.id: account.balance for account in accounts}
    by_currency = {each.currency: each for each in totals}
    currencies = {account.currency for account in accounts} | by_currency.keys()
    return [
        _lent(currency, by_id.get(house_account("lending", currency), 0), by_currency.get(currency))
        for currency in sorted(currencies)
    ]


def _lent(currency: str, available: int, of: CurrencyTotals | None) -> Json:
    shown = partial(format_amount, currency=currency)
    return {
        "currency": currency,
        "available": shown(available),
        "lent": shown(of.outstanding if of else 0),
        "interest_earned": shown(of.interest_paid if of else 0),
        "loans": of.active if of else 0,
        "in_arrears": of.in_arrears if of else 0,
        "arrears": [_bucket(each, currency) for each in of.buckets] if of else [],
    }


def _bucket(bucket: Bucket, currency: str) -> Json:
    return {
        "days": bucket.name,
        "loans": bucket.loans,
        "amount": format_amount(bucket.arrears, currency),
        "outstanding": format_amount(bucket.outstanding, currency),
    }

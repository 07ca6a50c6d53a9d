"""States of the past as they go out, with what the last event changed."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from psycopg import AsyncConnection

from api import approval_views, credit_views, reconciliation_views, views
from api.as_of import at_most_one, before_start, position_then
from domain.accounts import Account
from domain.approvals import Approval
from domain.bank_transfers import BankTransfer
from domain.catalogue import AggregateState
from domain.credit_applicants import CreditApplicant
from domain.credit_applications import CreditApplication
from domain.fraud_alarms import FraudAlarm
from domain.funds import Fund
from domain.investments import Investment
from domain.loans import Loan
from domain.money import format_amount
from domain.movements import Movement
from domain.reconciliations import Reconciliation
from domain.refusals import Refusal
from domain.security import SecurityLog
from domain.statements import Statement
from domain.transfers import Transfer
from domain.users import User
from projections import histories
from projections.audit.words import describe
from projections.histories import StateAt

Json = dict[str, Any]


async def version_then(
    conn: AsyncConnection[Any],
    stream_id: UUID,
    version: int | None,
    position: int | None,
    at: datetime | None,
) -> int:
    """The stream's version at a moment, the last one when none is asked for.

    Refuses `conflicting_parameters`, `as_of_in_the_future`, `stream_not_found`,
    `version_not_reached` and `as_of_before_start`.
    """
    at_most_one(version=version, position=position, at=at)
    then = await position_then(conn, position, at)
    last = await histories.last_version(conn, stream_id)
    if last == 0:
        raise Refusal("stream_not_found", stream_id=stream_id)
    if version is None:
        version = await histories.version_at(conn, stream_id, then)
    if version > last:
        raise Refusal("version_not_reached", stream_id=stream_id, version=last)
    if version == 0:
        raise await before_start(conn, stream_id)
    return version


def state_at(then: StateAt) -> Json:
    """A state, the event that led to it, and what that event changed: fields with both values."""
    after = state(then.state)
    before = state(then.before) if then.before is not None else {}
    return {
        "stream_id": then.event.stream_id,
        "aggregate": type(then.state).__name__.lower(),
        "version": then.event.version,
        "position": then.event.position,
        "recorded_at": then.event.recorded_at,
        "state": after,
        "diff": {
            name: {"before": before.get(name), "after": value}
            for name, value in after.items()
            if name != "version" and before.get(name) != value
        },
        "summary": describe(then.event.data, currency_of(then.state)),
        "event": views.event(then.event),
    }


def state(of: AggregateState) -> Json:
    """An aggregate's state, amounts as decimal strings."""
    match of:
        case Account():
            return views.account(of)
        case Transfer():
            return {**views.transfer(of), "version": of.version}
        case Statement():
            return _statement(of)
        case Reconciliation():
            return _reconciliation(of)
        case User():
            return views.user(of)
        case Approval():
            return approval_views.approval(of)
        case Fund() | Investment() | BankTransfer() | Movement():
            return _flowing(of)
        case CreditApplication():
            return credit_views.application_state(of)
        case Loan():
            return _loan(of)
        case FraudAlarm():
            return {"id": of.id, **msgspec.to_builtins(of.raised), "version": of.version}
        case CreditApplicant():
            told: Json = msgspec.to_builtins(of)
            return told
        case SecurityLog():
            return {"id": of.id, "version": of.version}


def currency_of(of: AggregateState) -> str:
    """The currency of an aggregate's amounts."""
    match of:
        case Account(currency=currency):
            return currency
        case Transfer(request=request):
            return request.currency
        case Statement(imported=imported):
            return imported.currency
        case Reconciliation(made=made):
            return made.currency
        case Fund(opened=opened):
            return opened.currency
        case Investment(requested=asked) | BankTransfer(requested=asked):
            return asked.currency
        case Movement(instructed=instructed):
            return instructed.currency
        case CreditApplication(asked=wanted):
            return wanted.currency
        case Loan(opened=begun):
            return begun.currency
    return ""


_AMOUNTS = frozenset(
    {"amount", "minimum_investment", "maximum_investment", "reserved_amount", "taken_amount"}
)


def _flowing(of: Fund | Investment | BankTransfer | Movement) -> Json:
    """A state as it is, with what its first event asked for in one level, and amounts as decimals."""
    told: Json = msgspec.to_builtins(of)
    for name in ("opened", "requested", "instructed"):
        told = {**told.pop(name, {}), **told}
    currency = currency_of(of)
    return {
        name: format_amount(value, currency) if name in _AMOUNTS else value
        for name, value in told.items()
    }


def _loan(of: Loan) -> Json:
    opened = of.opened
    shown = partial(format_amount, currency=opened.currency)
    return {
        "id": of.id,
        "application_id": opened.application_id,
        "owner_id": opened.owner_id,
        "status": of.status,
        "currency": opened.currency,
        "principal": shown(opened.principal),
        "outstanding": shown(of.outstanding),
        "arrears": shown(of.arrears),
        "overdue": sorted(of.overdue),
        "instalments": [
            {
                "number": each.number,
                "due": each.due,
                "principal": shown(each.principal),
                "interest": shown(each.interest),
            }
            for each in of.instalments
        ],
        "version": of.version,
    }


def _reconciliation(of: Reconciliation) -> Json:
    made = of.made
    lists = reconciliation_views.found(made, made.currency)
    return reconciliation_views.reconciliation(of.id, made) | lists | {"version": of.version}


def _statement(of: Statement) -> Json:
    imported = of.imported
    return {
        "id": of.id,
        "account_id": imported.account_id,
        "bank_account": imported.bank_account,
        "reference": imported.reference,
        "number": imported.number,
        "currency": imported.currency,
        "opening": format_amount(imported.opening, imported.currency),
        "closing": format_amount(imported.closing, imported.currency),
        "lines": imported.lines,
        "opened_on": imported.opened_on,
        "closed_on": imported.closed_on,
        "source": imported.source,
        "version": of.version,
    }

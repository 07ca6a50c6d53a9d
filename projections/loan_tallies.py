"""What a batch of events says of loans, counted without the read model's code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from domain import loans
from domain.events import Recorded

_encode = msgspec.json.Encoder().encode


class _Loan(Struct):
    """What an event says of a loan; None and "" where it says nothing. Paid amounts are added."""

    id: UUID
    application: str | None = None
    owner: str | None = None
    currency: str | None = None
    principal: int | None = None
    annual_rate_bps: int | None = None
    months: int | None = None
    method: str | None = None
    day_count: str | None = None
    started_on: date | None = None
    customer: str | None = None
    account: str | None = None
    funding: str | None = None
    status: str = ""
    outstanding: int | None = None
    interest_paid: int = 0
    principal_paid: int = 0
    settled_on: date | None = None
    at: datetime | None = None
    position: int = 0


def of_loans(batch: Sequence[Recorded]) -> Iterator[tuple[Any, ...]]:
    """A row an event of a loan: its terms, or what became of it."""
    for event in batch:
        if not event.topic.startswith("loan."):
            continue
        row = _Loan(event.stream_id, at=event.recorded_at, position=event.position)
        match event.data:
            case loans.Opened() as terms:
                row.application, row.owner = str(terms.application_id), _text(terms.owner_id)
                row.currency, row.principal = terms.currency, terms.principal
                row.annual_rate_bps, row.months = terms.annual_rate_bps, terms.months
                row.method, row.day_count = terms.method, terms.day_count
                row.started_on, row.customer = terms.started_on, str(terms.customer_account_id)
                row.account, row.funding = str(terms.loan_account_id), str(terms.funding_account_id)
                row.status, row.outstanding = "opened", 0
            case loans.Disbursed(instalments=instalments):
                row.status = "active"
                row.outstanding = sum(each.principal for each in instalments)
            case loans.Repaid() as repaid:
                row.outstanding = repaid.outstanding
                row.interest_paid, row.principal_paid = repaid.interest, repaid.principal
            case loans.Settled(on=on):
                row.status, row.settled_on = "settled", on
        yield astuple(row)


class _Instalment(Struct):
    """What an event says of an instalment. `laid`: it is so from now on. `gone`: that one and those that
    follow are no more, unless they are laid out anew."""

    loan: str
    number: int
    gone: bool = False
    laid: bool = False
    due: date | None = None
    principal: int | None = None
    interest: int | None = None
    balance_after: int | None = None
    paid_principal: int = 0
    paid_interest: int = 0
    overdue_at: datetime | None = None
    position: int = 0


def of_instalments(batch: Sequence[Recorded]) -> Iterator[tuple[Any, ...]]:
    """A row for whatever an event says of an instalment."""
    for event in batch:
        if event.topic.startswith("loan."):
            for row in _instalments(str(event.stream_id), event):
                row.position = event.position
                yield astuple(row)


def _instalments(loan: str, event: Recorded) -> Iterable[_Instalment]:
    match event.data:
        case loans.Disbursed(instalments=instalments):
            return [_laid(loan, each) for each in instalments]
        case loans.Rescheduled(number=number, instalments=instalments):
            gone = _Instalment(loan, number, gone=True)
            return [gone, *(_laid(loan, each) for each in instalments)]
        case loans.Repaid(parts=parts):
            return [
                _Instalment(
                    loan, part.number, paid_interest=part.interest, paid_principal=part.principal
                )
                for part in parts
                if part.number
            ]
        case loans.InstalmentOverdue(number=number):
            return [_Instalment(loan, number, overdue_at=event.recorded_at)]
    return []


def _laid(loan: str, i: loans.Instalment) -> _Instalment:
    return _Instalment(
        loan, i.number, False, True, i.due, i.principal, i.interest, i.balance_after
    )  # fmt: skip


def of_repayments(batch: Sequence[Recorded]) -> Iterator[tuple[Any, ...]]:
    """A row a repayment, with its lists as JSON."""
    for event in batch:
        match event.data:
            case loans.Repaid() as repaid:
                yield (
                    repaid.repayment_id, str(event.stream_id), repaid.amount, repaid.interest,
                    repaid.principal, repaid.on, str(repaid.account_id),
                    _encode(repaid.transfer_ids).decode(), _encode(repaid.parts).decode(),
                    repaid.outstanding, repaid.is_early, event.recorded_at, event.position,
                )  # fmt: skip


def _text(id_: UUID | None) -> str | None:
    return None if id_ is None else str(id_)

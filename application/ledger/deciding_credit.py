"""Decides commands on credit: applications by the rules of their country, and loans."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from application.countries.catalogue import COUNTRIES, country_of
from application.ledger.book import Book
from application.ledger.outcomes import AlreadyDone
from domain import credit_applications, loans, transfers
from domain.credit_applications import CreditApplication, SubmitApplication, application_at
from domain.loans import FundLending, Loan, RepayLoan, funding
from domain.ownership import is_within_reach
from domain.refusals import Refusal
from domain.transfers import Decided, Transfer


def _submit(command: SubmitApplication, book: Book, now: datetime) -> Decided:
    there = book.get(command.application_id)
    if there is not None:
        if isinstance(there, CreditApplication) and credit_applications.is_same_submission(
            there, command
        ):
            raise AlreadyDone(command.application_id)
        raise Refusal("id_reused", id=command.application_id)
    served = country_of(command.submitted.country)
    return credit_applications.decide(command, book.get, now, served.transitions)


def _on_application(command: Any, book: Book, now: datetime) -> Decided:
    there = application_at(book.get, command.application_id)
    transitions = _transitions(there.country) if there is not None else {}
    return credit_applications.decide(command, book.get, now, transitions)


def _transitions(country: str) -> Mapping[str, tuple[str, ...]]:
    """None for a country that is no longer served: its applications stay as they are."""
    served = COUNTRIES.get(country)
    return {} if served is None else served.transitions


def _on_loan(command: loans.Command, book: Book, now: datetime) -> Decided:
    there = book.get(command.loan_id)
    if (
        isinstance(command, RepayLoan)
        and isinstance(there, Loan)
        and command.owner_id in (None, there.owner_id)
        and command.repayment_id in there.repayments
    ):
        if loans.is_same_repayment(there, command):
            raise AlreadyDone(command.loan_id)
        raise Refusal("id_reused", id=command.repayment_id)
    return loans.decide(command, book.get, now)


def _fund_lending(command: FundLending, book: Book, now: datetime) -> Decided:
    there, source = book.get(command.transfer_id), book.account(command.source_id)
    # Before anything is told of another's transfer: not even that there is one.
    if there is not None and (
        command.owner_id is None or is_within_reach(source, command.owner_id)
    ):
        if isinstance(there, Transfer) and transfers.is_same_request(
            there, funding.transfer_of(command)
        ):
            raise AlreadyDone(command.transfer_id)
        raise Refusal("id_reused", id=command.transfer_id)
    return funding.fund_lending(command, book.get, now)


DECISIONS: dict[type, Callable[[Any, Book, datetime], Decided]] = {
    **dict.fromkeys(get_args(credit_applications.Command), _on_application),
    **dict.fromkeys(get_args(loans.Command), _on_loan),
    SubmitApplication: _submit,
    FundLending: _fund_lending,
}
"""By the type of the command; each may raise `Refusal`, or `AlreadyDone` for a repeat."""


def _needs_of_application(command: credit_applications.Command, book: Book) -> Iterator[UUID]:
    return credit_applications.needs(command, book.get)


def _needs_of_loan(command: loans.Command, book: Book) -> Iterator[UUID]:
    return loans.needs(command, book.get)


def _needs_of_funding(command: FundLending, book: Book) -> Iterator[UUID]:
    return funding.needs(command)


NEEDS: dict[type, Callable[[Any, Book], Iterator[UUID]]] = {
    **dict.fromkeys(get_args(credit_applications.Command), _needs_of_application),
    **dict.fromkeys(get_args(loans.Command), _needs_of_loan),
    FundLending: _needs_of_funding,
}
"""What must be known to decide a command, by its type."""

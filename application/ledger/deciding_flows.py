"""Decides commands on what takes days: funds, investments, bank transfers and movements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from application.ledger.book import Book
from application.ledger.outcomes import AlreadyDone
from domain import bank_transfers, funds, investments, movements
from domain.bank_transfers import BankTransfer, RequestBankTransfer
from domain.funds import ChangeFundStatus, ChangeTerms, Fund, OpenFund
from domain.investments import Investment, RequestInvestment
from domain.movements import Movement
from domain.ownership import is_within_reach
from domain.refusals import Refusal
from domain.transfers import Decided


def _open_fund(command: OpenFund, book: Book, now: datetime) -> Decided:
    there, account = book.get(command.fund_id), book.account(command.account_id)
    if there is not None:
        if isinstance(there, Fund) and funds.is_same_opening(there, command, account):
            raise AlreadyDone(command.fund_id)
        raise Refusal("id_reused", id=command.fund_id)
    return ((command.fund_id, funds.open_fund(command, account)),)


def _on_fund(command: ChangeTerms | ChangeFundStatus, book: Book, now: datetime) -> Decided:
    there = book.get(command.fund_id)
    event = funds.decide(there if isinstance(there, Fund) else None, command)
    return ((command.fund_id, event),)


def _request_investment(command: RequestInvestment, book: Book, now: datetime) -> Decided:
    there, source = book.get(command.investment_id), book.account(command.investor_account_id)
    if there is not None and is_within_reach(source, command.owner_id):
        if isinstance(there, Investment) and investments.is_same_request(there, command):
            raise AlreadyDone(command.investment_id)
        raise Refusal("id_reused", id=command.investment_id)
    return investments.decide(command, book.get, now)


def _request_bank_transfer(command: RequestBankTransfer, book: Book, now: datetime) -> Decided:
    there, account = book.get(command.bank_transfer_id), book.account(command.account_id)
    if there is not None and is_within_reach(account, command.owner_id):
        if isinstance(there, BankTransfer) and bank_transfers.is_same_request(there, command):
            raise AlreadyDone(command.bank_transfer_id)
        raise Refusal("id_reused", id=command.bank_transfer_id)
    return bank_transfers.decide(command, book.get, now)


def _on_investment(command: investments.Command, book: Book, now: datetime) -> Decided:
    return investments.decide(command, book.get, now)


def _on_bank_transfer(command: bank_transfers.Command, book: Book, now: datetime) -> Decided:
    return bank_transfers.decide(command, book.get, now)


def _on_movement(command: movements.Command, book: Book, now: datetime) -> Decided:
    there = book.get(command.movement_id)
    event = movements.decide(there if isinstance(there, Movement) else None, command)
    return ((command.movement_id, event),)


DECISIONS: dict[type, Callable[[Any, Book, datetime], Decided]] = {
    OpenFund: _open_fund,
    ChangeTerms: _on_fund,
    ChangeFundStatus: _on_fund,
    **dict.fromkeys(get_args(investments.Command), _on_investment),
    **dict.fromkeys(get_args(bank_transfers.Command), _on_bank_transfer),
    **dict.fromkeys(get_args(movements.Command), _on_movement),
    RequestInvestment: _request_investment,
    RequestBankTransfer: _request_bank_transfer,
}
"""By the type of the command; each may raise `Refusal`, or `AlreadyDone` for a repeat."""


def _needs_of_fund(command: funds.Command, book: Book) -> Iterator[UUID]:
    yield command.account_id if isinstance(command, OpenFund) else command.fund_id


def _needs_of_movement(command: movements.Command, book: Book) -> Iterator[UUID]:
    yield command.movement_id


NEEDS: dict[type, Callable[[Any, Book], Iterator[UUID]]] = {
    **dict.fromkeys(get_args(funds.Command), _needs_of_fund),
    **dict.fromkeys(get_args(movements.Command), _needs_of_movement),
    **dict.fromkeys(
        get_args(investments.Command), lambda command, book: investments.needs(command, book.get)
    ),
    **dict.fromkeys(
        get_args(bank_transfers.Command),
        lambda command, book: bank_transfers.needs(command, book.get),
    ),
}
"""What must be known to decide a command, by its type."""

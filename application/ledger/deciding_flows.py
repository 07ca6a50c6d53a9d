"""Decides commands on what takes days: funds, investments, bank transfers and movements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from application.ledger.book import Book
from application.ledger.outcomes import AlreadyDone
from domain import bank_transfers, fraud_alarms, funds, investments, movements
from domain.bank_transfers import BankTransfer, RequestBankTransfer
from domain.fraud_alarms import FraudAlarm, RaiseFraudAlarm
from domain.funds import ChangeFundStatus, ChangeTerms, Fund, OpenFund
from domain.investments import Investment, RequestInvestment
from domain.movements import Movement, SendMovement
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
    return ((command.movement_id, movements.decide(_movement(command, book), command)),)


def _send_movement(command: SendMovement, book: Book, now: datetime) -> Decided:
    """Whoever changes the account's status does so before this decision or after it: never between it and
    the status that it looks at."""
    movement = _movement(command, book)
    customer_id = None if movement is None else _customer_of(movement, book)
    customer = None if customer_id is None else book.account(customer_id)
    return ((command.movement_id, movements.decide(movement, command, customer)),)


def _movement(command: movements.Command, book: Book) -> Movement | None:
    there = book.get(command.movement_id)
    return there if isinstance(there, Movement) else None


def _customer_of(movement: Movement, book: Book) -> UUID | None:
    """The customer's account, None while the flow is not known yet."""
    match book.get(movement.instructed.flow_id):
        case BankTransfer(requested=asked):
            return asked.account_id
        case Investment(requested=invested):
            return invested.investor_account_id
    return None


def _raise_alarm(command: RaiseFraudAlarm, book: Book, now: datetime) -> Decided:
    there = book.get(command.alarm_id)
    return fraud_alarms.raise_alarm(
        there if isinstance(there, FraudAlarm) else None, command, book.get, now
    )


DECISIONS: dict[type, Callable[[Any, Book, datetime], Decided]] = {
    OpenFund: _open_fund,
    ChangeTerms: _on_fund,
    ChangeFundStatus: _on_fund,
    **dict.fromkeys(get_args(investments.Command), _on_investment),
    **dict.fromkeys(get_args(bank_transfers.Command), _on_bank_transfer),
    **dict.fromkeys(get_args(movements.Command), _on_movement),
    SendMovement: _send_movement,
    RequestInvestment: _request_investment,
    RequestBankTransfer: _request_bank_transfer,
    RaiseFraudAlarm: _raise_alarm,
}
"""By the type of the command; each may raise `Refusal`, or `AlreadyDone` for a repeat."""


def _needs_of_fund(command: funds.Command, book: Book) -> Iterator[UUID]:
    yield command.account_id if isinstance(command, OpenFund) else command.fund_id


def _needs_of_movement(command: movements.Command, book: Book) -> Iterator[UUID]:
    yield command.movement_id


def _needs_to_send(command: SendMovement, book: Book) -> Iterator[UUID]:
    yield command.movement_id
    if (movement := _movement(command, book)) is not None:
        yield movement.instructed.flow_id
        if (customer_id := _customer_of(movement, book)) is not None:
            yield customer_id


NEEDS: dict[type, Callable[[Any, Book], Iterator[UUID]]] = {
    **dict.fromkeys(get_args(funds.Command), _needs_of_fund),
    **dict.fromkeys(get_args(movements.Command), _needs_of_movement),
    SendMovement: _needs_to_send,
    **dict.fromkeys(
        get_args(investments.Command), lambda command, book: investments.needs(command, book.get)
    ),
    **dict.fromkeys(
        get_args(bank_transfers.Command),
        lambda command, book: bank_transfers.needs(command, book.get),
    ),
    RaiseFraudAlarm: lambda command, book: fraud_alarms.needs(command, book.get),
}
"""What must be known to decide a command, by its type."""

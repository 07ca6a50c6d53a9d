"""Bank statement: the record that one statement of an outside bank was booked, whole and once.

Its stream's id is derived from the statement's content, so the same statement can't be booked twice.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar
from uuid import UUID

from msgspec import Struct

from domain.accounts import Account
from domain.events import Event
from domain.refusals import Refusal


# Events. Stored for ever: add a field with a default, or a new event; never edit one.
class Imported(Event, frozen=True):
    """`opening` and `closing` are the bank's figures, in minor units of `currency`."""

    topic: ClassVar[str] = "statement.imported"
    account_id: UUID
    bank_account: str
    reference: str
    number: str
    currency: str
    opening: int
    closing: int
    lines: int
    opened_on: date
    closed_on: date
    source: str = ""


EVENTS: tuple[type[Event], ...] = (Imported,)


# State.
class Statement(Struct, frozen=True):
    id: UUID
    version: int
    imported: Imported


def evolve(statement: Statement | None, event: Event, stream_id: UUID) -> Statement:
    """The statement after its one event."""
    assert isinstance(event, Imported), event
    return Statement(stream_id, 1, event)


# Commands.
class RecordStatement(Struct, frozen=True):
    """Record that a statement is booked. Comes last in the linked batch that books its lines, so
    that the account's balance is the closing balance, or the whole batch is refused."""

    statement_id: UUID
    imported: Imported


# Decisions.
def record_statement(command: RecordStatement, account: Account | None) -> Imported:
    """Refuses: `account_not_found`, `statement_does_not_close`."""
    imported = command.imported
    if account is None:
        raise Refusal("account_not_found", account_id=imported.account_id)
    if account.balance != imported.closing:
        raise Refusal(
            "statement_does_not_close",
            account_id=account.id,
            currency=account.currency,
            closing_minor=imported.closing,
            balance_minor=account.balance,
        )
    return imported

"""A bank's statement as plain data, whatever file format it came in."""

from __future__ import annotations

from datetime import date

from msgspec import Struct

from application.importing.texts import amount_text


# The ids of booked statements are made of all that these say: a field that is added has a default, which
# is then left out.
class Line(Struct, frozen=True, omit_defaults=True):
    """One movement. `amount` is in minor units, above zero when money came in.

    `more_references` are those of others on the way: the payment's, the instruction's.
    """

    value_date: date
    entry_date: date | None
    amount: int
    type_code: str
    bank_reference: str
    customer_reference: str
    details: str
    more_references: tuple[str, ...] = ()


class BankStatement(Struct, frozen=True, omit_defaults=True):
    """A statement as the bank sent it: balances in minor units of `currency`, below zero in debit.

    `number` is the statement's number and, after a slash, its page.
    """

    bank_account: str
    reference: str
    number: str
    currency: str
    opening: int
    opened_on: date
    closing: int
    closed_on: date
    lines: tuple[Line, ...]


class Unreadable(Struct, frozen=True):
    """A statement, or a whole file, that is refused before any figure of it is looked at."""

    bank_account: str
    number: str
    reason: str


class UnreadableError(Exception):
    """Its message completes the sentence "statement X: …"."""


def difference_of(statement: BankStatement) -> str | None:
    """Why opening balance and lines do not make the closing balance, None when they do."""
    currency = statement.currency
    total = statement.opening + sum(line.amount for line in statement.lines)
    if total == statement.closing:
        return None
    lines = f"{len(statement.lines)} line{'' if len(statement.lines) == 1 else 's'}"
    return (
        f"opening balance {amount_text(statement.opening, currency)} and {lines} make"
        f" {amount_text(total, currency)}, but the closing balance is"
        f" {amount_text(statement.closing, currency)}:"
        f" difference {amount_text(total - statement.closing, currency)}"
    )


def told(file: str, statement: BankStatement | Unreadable, reason: str) -> str:
    """A reason with what it is about: `july.sta, account 517852257, statement 19321/1: …`."""
    about = [file] if file else []
    if statement.bank_account:
        about.append(f"account {statement.bank_account}")
    if statement.number:
        about.append(f"statement {statement.number}")
    return f"{', '.join(about)}: {reason}" if about else reason

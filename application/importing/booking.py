"""What a bank statement is in the ledger's terms: ids, accounts, and the commands that book it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct

from application.importing.bank_statements import BankStatement, Line
from application.ledger.outcomes import Command
from domain.accounts import OpenAccount
from domain.statements import Imported, RecordStatement
from domain.transfers import Condition, Metadata, PostTransfer

_NAMES = UUID("5f0f4b52-5a0b-5d5c-9c55-6e3a94f3f5e1")
"""Root of all ids given here. Changing it, or a name below, would book old statements again."""


class Ids(Struct, frozen=True):
    statement: UUID
    account: UUID
    clearing: UUID
    opening_balances: UUID


def statement_id(statement: BankStatement) -> UUID:
    """Named after all that the statement says, since banks use references and numbers again."""
    return uuid5(_NAMES, hashlib.sha256(msgspec.json.encode(statement)).hexdigest())


def bank_account_id(bank_account: str, currency: str) -> UUID:
    """The ledger's account for an account at a bank."""
    return uuid5(_NAMES, f"account:{bank_account}:{currency}")


def ids_of(statement: BankStatement) -> Ids:
    currency = statement.currency
    return Ids(
        statement=statement_id(statement),
        account=bank_account_id(statement.bank_account, currency),
        clearing=uuid5(_NAMES, f"clearing:{statement.bank_account}:{currency}"),
        opening_balances=uuid5(_NAMES, f"opening balances:{currency}"),
    )


def commands_of(
    statement: BankStatement, ids: Ids, file: str, *, is_first: bool
) -> Iterator[Command]:
    """To be submitted linked: each line against the clearing account, and last that the whole is
    booked, which is refused unless the account then has the closing balance."""
    if is_first:
        yield from _first_commands(statement, ids)
    for index, line in enumerate(statement.lines, start=1):
        if line.amount:  # a line of zero tells something, but moves nothing
            yield _transfer(statement, ids, index, line)
    yield RecordStatement(
        ids.statement,
        Imported(
            account_id=ids.account,
            bank_account=statement.bank_account,
            reference=statement.reference,
            number=statement.number,
            currency=statement.currency,
            opening=statement.opening,
            closing=statement.closing,
            lines=len(statement.lines),
            opened_on=statement.opened_on,
            closed_on=statement.closed_on,
            source=file,
        ),
    )


def _first_commands(statement: BankStatement, ids: Ids) -> Iterator[Command]:
    """What the first statement of a bank account needs: accounts, and the balance to start from."""
    name, currency = statement.bank_account, statement.currency
    yield OpenAccount(ids.account, name, "cash", currency)
    yield OpenAccount(ids.clearing, f"{name} clearing", "clearing", currency)
    if statement.opening:
        yield OpenAccount(ids.opening_balances, "Opening balances", "suspense", currency)
        source, destination = _direction(ids.opening_balances, ids.account, statement.opening)
        yield PostTransfer(
            uuid5(ids.statement, "opening"),
            source,
            destination,
            abs(statement.opening),
            currency,
            f"Opening balance of {name}",
            statement.reference,
            _midnight(statement.opened_on),
            _metadata(statement),
            # Not a second time, should another process have booked a first statement meanwhile.
            conditions=(Condition(ids.account, version=1),),
        )


def _transfer(statement: BankStatement, ids: Ids, index: int, line: Line) -> PostTransfer:
    metadata = _metadata(statement) | {"line": index}
    if line.type_code:
        metadata["type"] = line.type_code
    if line.customer_reference:
        metadata["customer_reference"] = line.customer_reference
    if line.entry_date is not None:
        metadata["entry_date"] = line.entry_date.isoformat()
    source, destination = _direction(ids.clearing, ids.account, line.amount)
    return PostTransfer(
        uuid5(ids.statement, f"line:{index}"),
        source,
        destination,
        abs(line.amount),
        statement.currency,
        line.details,
        line.bank_reference or line.customer_reference,
        _midnight(line.value_date),
        metadata,
    )


def _direction(other: UUID, account: UUID, amount: int) -> tuple[UUID, UUID]:
    """Source and destination of what the bank shows as `amount` on the account."""
    return (other, account) if amount > 0 else (account, other)


def _metadata(statement: BankStatement) -> Metadata:
    metadata: Metadata = {"bank_account": statement.bank_account}
    if statement.number:
        metadata["statement_number"] = statement.number
    if statement.reference:
        metadata["statement_reference"] = statement.reference
    return metadata


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)

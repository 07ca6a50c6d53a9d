"""Books bank statements: each one whole and once, or not at all, with what doesn't add up in words."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid5

import msgspec
import psycopg
from msgspec import Struct
from psycopg import Connection

from application.importing.mt940 import BankStatement, Line, Unreadable, read_statements
from application.importing.texts import amount_text, clean, sentence
from application.ledger import reading
from application.ledger.ledger import Ledger
from application.ledger.outcomes import Accepted, Command, Outcome, Refused, Submission
from application.ledger.writer import LINKED_REFUSED
from domain.accounts import Account, OpenAccount
from domain.catalogue import AggregateState
from domain.provenance import Provenance
from domain.statements import Imported, RecordStatement, Statement
from domain.transfers import Metadata, PostTransfer

_NAMES = UUID("5f0f4b52-5a0b-5d5c-9c55-6e3a94f3f5e1")
"""Root of all ids given here. Changing it, or a name below, would book old statements again."""

_ATTEMPTS = 5
"""Another process may book statements of the same account between our look and our submission."""

Status = Literal["imported", "already imported", "refused"]
Progress = Callable[[int, int], None]
"""Called with the statements that are done and those there are."""


class StatementResult(Struct, frozen=True):
    """What became of one statement. Amounts are in minor units of `currency`.

    `balance` is the bank account's in the ledger: right after the statement, or now if it was
    refused; None when the account isn't open. A file that can't be read has no figures at all.
    """

    file: str
    status: Status
    bank_account: str = ""
    number: str = ""
    reference: str = ""
    currency: str = ""
    lines: int = 0
    opening: int | None = None
    closing: int | None = None
    balance: int | None = None
    account_id: UUID | None = None
    statement_id: UUID | None = None
    position: int | None = None
    reason: str = ""


class _Ids(Struct, frozen=True):
    statement: UUID
    account: UUID
    clearing: UUID
    opening_balances: UUID


class _NotBookableError(Exception):
    """The statement doesn't fit; the message says how, in both figures and their difference."""


def import_statements(
    ledger: Ledger, conninfo: str, paths: Sequence[Path], progress: Progress | None = None
) -> list[StatementResult]:
    """Book the statements of MT940 files in the order given; a refused one doesn't stop the others.

    Each is one linked submission, so that a crash at any moment leaves it booked or untouched.
    Raises `OSError` when a file can't be read, before anything is booked, and `WriteFailedError`
    when the database stays away.
    """
    found = [
        (clean(path.name), statement)
        for path in paths
        for statement in read_statements(path.read_bytes())
    ]
    results: list[StatementResult] = []
    with psycopg.connect(conninfo, autocommit=True) as conn:
        for file, statement in found:
            if isinstance(statement, Unreadable):
                results.append(_unreadable(file, statement))
            else:
                results.append(_import_statement(ledger, conn, file, statement))
            if progress is not None:
                progress(len(results), len(found))
    return results


def statement_id(statement: BankStatement) -> UUID:
    """Named after all that the statement says, since banks use references and numbers again."""
    return uuid5(_NAMES, hashlib.sha256(msgspec.json.encode(statement)).hexdigest())


def bank_account_id(bank_account: str, currency: str) -> UUID:
    """The ledger's account for an account at a bank."""
    return uuid5(_NAMES, f"account:{bank_account}:{currency}")


def _ids(statement: BankStatement) -> _Ids:
    currency = statement.currency
    return _Ids(
        statement=statement_id(statement),
        account=bank_account_id(statement.bank_account, currency),
        clearing=uuid5(_NAMES, f"clearing:{statement.bank_account}:{currency}"),
        opening_balances=uuid5(_NAMES, f"opening balances:{currency}"),
    )


def _import_statement(
    ledger: Ledger, conn: Connection[Any], file: str, statement: BankStatement
) -> StatementResult:
    ids = _ids(statement)
    account: Account | None = None
    reason = ""
    for _ in range(_ATTEMPTS):
        states = reading.load(conn, (ids.statement, ids.account))
        if isinstance(states[ids.statement], Statement):
            return _result(file, statement, ids, "already imported", statement.closing)
        account = _account(states[ids.account])
        try:
            _check(statement, account)
        except _NotBookableError as error:
            reason = str(error)
            break
        commands = list(_commands(statement, ids, file, is_first=account is None))
        provenance = Provenance(actor="import", correlation_id=str(ids.statement))
        done = ledger.submit_and_wait(Submission(commands, provenance, linked=True))
        refusal = _first_refusal(done.outcomes)
        if refusal is None:
            recorded = done.outcomes[-1]
            assert isinstance(recorded, Accepted)
            status: Status = "already imported" if recorded.replayed else "imported"
            return _result(
                file, statement, ids, status, statement.closing, position=recorded.position
            )
        # Looking again tells a race, which ends as booked or with better words, from a firm "no".
        reason = f"the ledger refused it: {sentence(refusal.reason, refusal.details)}"
    balance = None if account is None else account.balance
    return _result(file, statement, ids, "refused", balance, reason=reason)


def _account(state: AggregateState | None) -> Account | None:
    return state if isinstance(state, Account) else None


def _check(statement: BankStatement, account: Account | None) -> None:
    currency = statement.currency
    total = statement.opening + sum(line.amount for line in statement.lines)
    if total != statement.closing:
        raise _NotBookableError(
            f"opening balance {amount_text(statement.opening, currency)} and"
            f" {len(statement.lines)} lines make {amount_text(total, currency)}, but the closing"
            f" balance is {amount_text(statement.closing, currency)}:"
            f" difference {amount_text(total - statement.closing, currency)}"
        )
    if account is not None and account.balance != statement.opening:
        raise _NotBookableError(
            f"it opens with {amount_text(statement.opening, currency)}, but the ledger has"
            f" {amount_text(account.balance, currency)} on this account: difference"
            f" {amount_text(statement.opening - account.balance, currency)}; import the statements"
            " in between first"
        )


def _commands(
    statement: BankStatement, ids: _Ids, file: str, *, is_first: bool
) -> Iterator[Command]:
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


def _first_commands(statement: BankStatement, ids: _Ids) -> Iterator[Command]:
    """What the first statement of a bank account needs: accounts, and the balance to start from."""
    name, currency = statement.bank_account, statement.currency
    yield OpenAccount(ids.account, name, "cash", currency)
    yield OpenAccount(ids.clearing, f"{name} clearing", "clearing", currency)
    if statement.opening:
        yield OpenAccount(ids.opening_balances, "Opening balances", "suspense", currency)
        yield _moved(
            uuid5(ids.statement, "opening"),
            (ids.opening_balances, ids.account),
            statement.opening,
            currency,
            description=f"Opening balance of {name}",
            reference=statement.reference,
            effective_at=_midnight(statement.opened_on),
            metadata=_metadata(statement),
        )


def _transfer(statement: BankStatement, ids: _Ids, index: int, line: Line) -> PostTransfer:
    metadata = _metadata(statement) | {"line": index}
    if line.type_code:
        metadata["type"] = line.type_code
    if line.customer_reference:
        metadata["customer_reference"] = line.customer_reference
    if line.entry_date is not None:
        metadata["entry_date"] = line.entry_date.isoformat()
    return _moved(
        uuid5(ids.statement, f"line:{index}"),
        (ids.clearing, ids.account),
        line.amount,
        statement.currency,
        description=line.details,
        reference=line.bank_reference or line.customer_reference,
        effective_at=_midnight(line.value_date),
        metadata=metadata,
    )


def _moved(
    transfer_id: UUID, source_and_destination: tuple[UUID, UUID], amount: int, currency: str,
    *, description: str, reference: str, effective_at: datetime, metadata: Metadata,
) -> PostTransfer:  # fmt: skip
    """A transfer of `amount` minor units, the other way round when it is below zero."""
    source, destination = source_and_destination
    if amount < 0:
        source, destination = destination, source
    return PostTransfer(
        transfer_id, source, destination, abs(amount), currency, description, reference,
        effective_at, metadata,
    )  # fmt: skip


def _metadata(statement: BankStatement) -> Metadata:
    metadata: Metadata = {"bank_account": statement.bank_account}
    if statement.number:
        metadata["statement_number"] = statement.number
    if statement.reference:
        metadata["statement_reference"] = statement.reference
    return metadata


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _first_refusal(outcomes: Sequence[Outcome]) -> Refused | None:
    refused = [o for o in outcomes if isinstance(o, Refused)]
    return next((r for r in refused if r.reason != LINKED_REFUSED), None)


def _result(
    file: str, statement: BankStatement, ids: _Ids, status: Status, balance: int | None,
    *, reason: str = "", position: int | None = None,
) -> StatementResult:  # fmt: skip
    return StatementResult(
        file=file,
        status=status,
        bank_account=statement.bank_account,
        number=statement.number,
        reference=statement.reference,
        currency=statement.currency,
        lines=len(statement.lines),
        opening=statement.opening,
        closing=statement.closing,
        balance=balance,
        account_id=ids.account,
        statement_id=ids.statement,
        position=position,
        reason=_in_full(file, statement, reason) if reason else "",
    )


def _unreadable(file: str, unreadable: Unreadable) -> StatementResult:
    return StatementResult(
        file=file,
        status="refused",
        bank_account=unreadable.bank_account,
        number=unreadable.number,
        reason=_in_full(file, unreadable, unreadable.reason),
    )


def _in_full(file: str, statement: BankStatement | Unreadable, reason: str) -> str:
    """The reason with what it is about: `july.sta, account 517852257, statement 19321/1: …`."""
    about = [file]
    if statement.bank_account:
        about.append(f"account {statement.bank_account}")
    if statement.number:
        about.append(f"statement {statement.number}")
    return f"{', '.join(about)}: {reason}"

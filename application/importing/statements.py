"""Books bank statements: each one whole and once, or not at all, with what doesn't add up in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import psycopg
from msgspec import Struct
from psycopg import Connection

from application.importing.bank_files import read_bank_file
from application.importing.bank_statements import (
    BankStatement,
    Unreadable,
    difference_of,
    told,
)
from application.importing.booking import Ids, commands_of, ids_of
from application.importing.texts import amount_text, clean, sentence
from application.ledger import reading
from application.ledger.ledger import Ledger
from application.ledger.outcomes import Accepted, Outcome, Refused, Submission
from application.ledger.writer import LINKED_REFUSED
from domain.accounts import Account
from domain.provenance import Provenance
from domain.statements import Statement

_ATTEMPTS = 5
_SIGNS_OF_RACE = frozenset({"statement_does_not_close", "condition_failed"})
"""Another process may book statements of the same account between our look and our submission. To
look again then ends as booked or in better words."""

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


class _NotBookableError(Exception):
    """The statement doesn't fit; the message says how, in both figures and their difference."""


def import_statements(
    ledger: Ledger, conninfo: str, paths: Sequence[Path], progress: Progress | None = None
) -> list[StatementResult]:
    """Book the statements of files in the order given; a refused one doesn't stop the others.

    Each is one linked submission, so that a crash at any moment leaves it booked or untouched.
    Raises `OSError` when a file can't be read, before anything is booked, and `WriteFailedError`
    when the database stays away.
    """
    found = [
        (clean(path.name), statement)
        for path in paths
        for statement in read_bank_file(path.read_bytes())
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


def _import_statement(
    ledger: Ledger, conn: Connection[Any], file: str, statement: BankStatement
) -> StatementResult:
    ids = ids_of(statement)
    account: Account | None = None
    reason = ""
    for _ in range(_ATTEMPTS):
        states = reading.load(conn, (ids.statement, ids.account))
        if isinstance(states[ids.statement], Statement):
            return _result(file, statement, ids, "already imported", statement.closing)
        state = states[ids.account]
        account = state if isinstance(state, Account) else None
        try:
            _check(statement, account)
        except _NotBookableError as error:
            reason = str(error)
            break
        commands = list(commands_of(statement, ids, file, is_first=account is None))
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
        reason = f"the ledger refused it: {sentence(refusal.reason, refusal.details)}"
        if refusal.reason not in _SIGNS_OF_RACE:
            break
    balance = None if account is None else account.balance
    return _result(file, statement, ids, "refused", balance, reason=reason)


def _check(statement: BankStatement, account: Account | None) -> None:
    currency = statement.currency
    if difference := difference_of(statement):
        raise _NotBookableError(difference)
    if account is not None and account.balance != statement.opening:
        raise _NotBookableError(
            f"it opens with {amount_text(statement.opening, currency)}, but the ledger has"
            f" {amount_text(account.balance, currency)} on this account: difference"
            f" {amount_text(statement.opening - account.balance, currency)};"
            " a statement in between is missing, or something else was booked on the account"
        )


def _first_refusal(outcomes: Sequence[Outcome]) -> Refused | None:
    refused = [o for o in outcomes if isinstance(o, Refused)]
    return next((r for r in refused if r.reason != LINKED_REFUSED), None)


def _result(
    file: str, statement: BankStatement, ids: Ids, status: Status, balance: int | None,
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
        reason=told(file, statement, reason) if reason else "",
    )


def _unreadable(file: str, unreadable: Unreadable) -> StatementResult:
    return StatementResult(
        file=file,
        status="refused",
        bank_account=unreadable.bank_account,
        number=unreadable.number,
        reason=told(file, unreadable, unreadable.reason),
    )

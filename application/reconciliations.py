"""From a bank's statement to what is recorded of its reconciliation."""

from __future__ import annotations

from datetime import date

from application.importing.bank_statements import BankStatement
from application.reconciling import Matching, Mismatched, StatementLine
from domain.reconciliations import (
    MAX_GROUPED,
    MAX_LISTED,
    Made,
    MatchedLine,
    Mismatch,
    MissingMovement,
    UnexpectedLine,
)


def lines_of(statement: BankStatement) -> list[StatementLine]:
    """The lines of a statement that move anything."""
    return [
        StatementLine(
            number=number,
            on=line.entry_date or line.value_date,
            amount=line.amount,
            currency=statement.currency,
            references=tuple(
                one
                for one in (line.customer_reference, line.bank_reference, *line.more_references)
                if one
            ),
            words=line.details,
        )
        for number, line in enumerate(statement.lines, start=1)
        if line.amount
    ]


def days_of(statement: BankStatement) -> tuple[date, date]:
    """The first and the last day of what a statement tells, its lines and its balances."""
    days = [line.entry_date or line.value_date for line in statement.lines]
    return min([statement.opened_on, *days]), max([statement.closed_on, *days])


def made_of(statement: BankStatement, matching: Matching, digest: str, source: str = "") -> Made:
    """What is recorded of a reconciliation. `digest` is the SHA-256 of the statement's file, in hex."""
    # What has settled and is not there comes first: it is what somebody has to look for.
    missing = sorted(matching.missing, key=lambda one: one.settled_at is None)
    lines = len(matching.matched) + len(matching.unexpected)
    movements = len(matching.matched) + len(missing)
    return Made(
        account=statement.bank_account,
        currency=statement.currency,
        opened_on=statement.opened_on,
        closed_on=statement.closed_on,
        statement_reference=statement.reference,
        number=statement.number,
        digest=digest,
        opening=statement.opening,
        closing=statement.closing,
        lines=lines + sum(len(one.lines) for one in matching.mismatched),
        movements=movements + sum(len(one.movements) for one in matching.mismatched),
        matched_total=len(matching.matched),
        missing_total=len(missing),
        unexpected_total=len(matching.unexpected),
        mismatched_total=len(matching.mismatched),
        matched=tuple(
            MatchedLine(one.line.number, one.movement.id, one.line.amount, one.by)
            for one in matching.matched[:MAX_LISTED]
        ),
        missing=tuple(
            MissingMovement(one.id, one.signed, one.settled_at is not None)
            for one in missing[:MAX_LISTED]
        ),
        unexpected=tuple(
            UnexpectedLine(
                one.line.number,
                one.line.on,
                one.line.amount,
                next(iter(one.line.references), ""),
                one.names,
            )
            for one in matching.unexpected[:MAX_LISTED]
        ),
        mismatched=tuple(_mismatch(one) for one in matching.mismatched[:MAX_LISTED]),
        source=source,
    )


def _mismatch(group: Mismatched) -> Mismatch:
    return Mismatch(
        lines=tuple(line.number for line in group.lines[:MAX_GROUPED]),
        movement_ids=tuple(movement.id for movement in group.movements[:MAX_GROUPED]),
        lines_amount=sum(line.amount for line in group.lines),
        movements_amount=sum(movement.signed for movement in group.movements),
    )

"""Bank statements: recorded only when the account closes where the bank says it does."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from domain.statements import Imported, RecordStatement, evolve, record_statement
from tests.support.given import ALICE, account, refused

STATEMENT = UUID(int=201)
IMPORTED = Imported(
    ALICE, "DE02", "REF", "1/1", "EUR", 0, 70_00, 2, date(2026, 1, 1), date(2026, 1, 31)
)


def test_a_statement_is_recorded_when_the_account_has_its_closing_balance() -> None:
    event = record_statement(RecordStatement(STATEMENT, IMPORTED), account(ALICE, balance=70_00))
    assert event == IMPORTED
    assert evolve(None, event, STATEMENT).imported == IMPORTED


def test_a_statement_that_does_not_close_is_refused_with_both_balances() -> None:
    with refused("statement_does_not_close", closing_minor=70_00, balance_minor=69_99):
        record_statement(RecordStatement(STATEMENT, IMPORTED), account(ALICE, balance=69_99))


def test_a_statement_of_an_unknown_account_is_refused() -> None:
    with refused("account_not_found", account_id=ALICE):
        record_statement(RecordStatement(STATEMENT, IMPORTED), None)

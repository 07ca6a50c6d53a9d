"""What is recorded of a reconciliation: totals of all, and the first of each list."""

from __future__ import annotations

from msgspec.structs import replace

from application.importing.bank_files import read_bank_file
from application.importing.bank_statements import BankStatement
from application.ledger import Accepted, Ledger, Submission
from application.reconciliations import days_of, lines_of, made_of
from application.reconciling import InstructedMovement, reconcile
from domain.provenance import Provenance
from domain.reconciliations import MAX_GROUPED, MAX_LISTED, MakeReconciliation
from tests.application.importing.samples import camt, entry, mt940, part
from tests.application.test_reconciling import DAY, NOON, movement
from tests.conftest import Database
from tests.support.ledgers import ask, refusal


def statement_of(text: str) -> BankStatement:
    (statement,) = read_bank_file(text)
    assert isinstance(statement, BankStatement)
    return statement


def on_the_day(statement: BankStatement) -> BankStatement:
    lines = tuple(replace(line, entry_date=DAY) for line in statement.lines)
    return replace(statement, lines=lines)


def test_the_totals_count_what_is_not_listed() -> None:
    many = MAX_LISTED + 3
    entries = [entry("0.01") for _ in range(many)]
    parts = [entry("0.02", part(movement(1, 99).id.hex)) for _ in range(MAX_GROUPED + 2)]
    statement = on_the_day(statement_of(camt(*entries, *parts, closing="999.99")))
    missing = [movement(number, 77) for number in range(2, many + 2)]
    settled = replace(missing[-1], settled_at=NOON)
    matching = reconcile(lines_of(statement), [movement(1, 99), *missing[:-1], settled])
    made = made_of(statement, matching, "ab" * 32, "file.xml")
    assert (made.unexpected_total, len(made.unexpected)) == (many, MAX_LISTED)
    assert (made.missing_total, len(made.missing)) == (many, MAX_LISTED)
    assert [one.settled for one in made.missing[:2]] == [True, False]
    (group,) = made.mismatched
    assert (len(group.lines), group.lines_amount) == (MAX_GROUPED, 2 * (MAX_GROUPED + 2))
    assert (made.lines, made.movements) == (many + MAX_GROUPED + 2, many + 1)
    assert not made.is_even


def test_what_is_even() -> None:
    statement = on_the_day(statement_of(camt(entry("0.99"))))
    going_on, one = movement(2, 50), movement(1, 99)

    def made(*movements: InstructedMovement) -> bool:
        return made_of(statement, reconcile(lines_of(statement), movements), "").is_even

    assert made(one)
    assert made(one, going_on)
    assert not made(one, replace(going_on, settled_at=NOON))
    assert not made()
    assert not made(replace(one, amount=98))


def test_the_days_of_a_statement_are_those_of_its_lines_too() -> None:
    statement = statement_of(mt940(":61:2402090209C25,50NTRFX"))
    first, last = days_of(statement)
    assert (first.isoformat(), last.isoformat()) == ("2024-01-31", "2024-02-09")


def test_it_is_recorded_once(database: Database) -> None:
    statement = statement_of(camt(entry("25.50")))
    made = made_of(statement, reconcile(lines_of(statement), []), "ab" * 32)
    command = MakeReconciliation(movement(1, 1).id, made)
    with Ledger(database.url) as ledger:
        first, again = ask(ledger, command), ask(ledger, command)
        assert isinstance(first, Accepted)
        assert isinstance(again, Accepted)
        assert (again.position, again.replayed) == (first.position, True)
        other = replace(command, made=replace(made, digest="cd" * 32))
        assert refusal(ledger, other).reason == "id_reused"
        # The same statement under another id: more may be known by then.
        later = Submission(
            [replace(command, reconciliation_id=movement(2, 1).id)], Provenance("somebody")
        )
        assert isinstance(ledger.submit_and_wait(later).outcomes[0], Accepted)

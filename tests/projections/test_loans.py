"""The loans read model against folds of the log: schedules, repayments, and what is in arrears."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from application.ledger import Ledger
from domain.events import Recorded
from domain.loans import Loan, MarkInstalmentOverdue, Part, Repaid, RepayLoan
from projections.agreement import hold_against_log
from projections.catalogue import read_model
from projections.loans import queries
from projections.loans.queries import BUCKETS, InstalmentRow, LoanRow, RepaymentRow
from projections.rebuild import Options, rebuild
from tests.conftest import Database
from tests.projections.histories import append, busy_history, fold, recorded
from tests.projections.running import (
    ask,
    ask_pages,
    caught_up,
    no_progress,
    project_all,
    projected,
    rows,
    running,
)
from tests.support.loan_world import CUSTOMER, OWNER, START, LoanWorld, opening_of

MODEL = read_model("loans")
TABLES = ("loan", "instalment", "repayment")
JUNE = date(2026, 6, 30)

Conn = psycopg.Connection[Any]


class Lent(LoanWorld):
    """Loans of 900.00 EUR for three months, equal parts and no interest, that go their ways."""

    def __init__(self) -> None:
        super().__init__(lending=90_000_00, has=90_000_00)

    def lent(self, **changes: object) -> UUID:
        id_ = self.new_id()
        terms = {"principal": 900_00, "annual_rate_bps": 0, "application_id": self.new_id()}
        self.lend(opening_of(id_, **(terms | changes)), id_)
        return id_

    def repay(self, loan_id: UUID, amount: int, day: date = START) -> UUID:
        id_ = self.new_id()
        self.submit(RepayLoan(loan_id, id_, CUSTOMER, amount, day))
        return id_

    def overdue(self, loan_id: UUID, *numbers: int) -> None:
        """The instalments are marked on the days after they were due."""
        for number in numbers:
            due = self.loan(loan_id).instalments[number - 1].due
            self.on(due + timedelta(days=1))
            self.submit(MarkInstalmentOverdue(loan_id, number))

    def write(self, database: Database, *names: str) -> None:
        """Bring all of it into a database, and its read models there."""
        append(database, *((e.stream_id, e.data) for e in self.events))
        project_all(database.url, *names)


def ways(world: Lent) -> dict[str, UUID]:
    """One loan for each thing that can become of it."""
    late = world.lent(annual_rate_bps=12_00)
    world.overdue(late, 1, 2)
    part_paid = world.lent(annual_rate_bps=24_00, day_count="actual/360")
    world.overdue(part_paid, 1)
    world.repay(part_paid, 100_00, date(2026, 3, 2))
    caught = world.lent()
    world.overdue(caught, 1)
    world.repay(caught, 300_00, date(2026, 3, 2))
    early = world.lent(annual_rate_bps=12_00, method="equal_principal")
    world.repay(early, 123_45, date(2026, 2, 10))
    world.repay(early, 200_00, date(2026, 3, 15))
    at_once = world.lent(annual_rate_bps=12_00)
    world.repay(at_once, 500_00)
    world.repay(at_once, 400_00)
    settled = world.lent()
    world.repay(settled, 900_00, JUNE)
    return {
        "new": world.lent(owner_id=None), "late": late, "part paid": part_paid,
        "caught up": caught, "early": early, "at once": at_once, "settled": settled,
    }  # fmt: skip


def listed(url: str, size: int = 1_000, **filters: Any) -> list[LoanRow]:
    """Page after page, all of them full but the last."""
    pages = ask_pages(url, queries.loans, limit=size, **filters)
    assert all(len(page) == size for page in pages[:-1])
    return [row for page in pages for row in page]


def by_fold(log: list[Recorded]) -> dict[UUID, tuple[LoanRow, list[InstalmentRow]]]:
    """What the read model must hold, by the domain's own rules."""
    history: dict[UUID, list[tuple[Recorded, Loan]]] = {}
    for event, state in fold(log):
        if isinstance(state, Loan):
            history.setdefault(state.id, []).append((event, state))
    return {id_: (_loan(steps), _schedule(steps)) for id_, steps in history.items()}


def _schedule(steps: list[tuple[Recorded, Loan]]) -> list[InstalmentRow]:
    state = steps[-1][1]
    found = []
    for each in state.instalments:
        missing = state.missing(each)
        marked = (e.recorded_at for e, s in steps if each.number in s.overdue)
        found.append(
            InstalmentRow(
                each.number, each.due, each.principal, each.interest, each.balance_after,
                each.principal - missing.principal, each.interest - missing.interest,
                next(marked, None),
            )
        )  # fmt: skip
    return found


def _loan(steps: list[tuple[Recorded, Loan]]) -> LoanRow:
    first, (last, state) = steps[0][0], steps[-1]
    o = state.opened
    repaid = [e.data for e, _ in steps if isinstance(e.data, Repaid)]
    due = [one for one in _schedule(steps) if one.missing]
    late = [one for one in due if one.overdue_at is not None]
    assert sum(one.missing for one in late) == state.arrears
    return LoanRow(
        state.id, o.application_id, o.owner_id, o.currency, o.principal, state.outstanding,
        o.annual_rate_bps, o.months, o.method, o.day_count, o.started_on, state.status,
        due[0].due if due else None, due[0].missing if due else 0, state.arrears,
        late[0].due if late else None, sum(r.interest for r in repaid),
        sum(r.principal for r in repaid), o.customer_account_id, o.loan_account_id,
        o.funding_account_id, first.recorded_at, last.recorded_at,
        state.last_on if state.status == "settled" else None, state.version, first.position,
        last.position,
    )  # fmt: skip


def test_whatever_becomes_of_loans_they_are_as_the_domain_has_them(
    database: Database, conn: Conn
) -> None:
    world = Lent()
    ways(world)
    world.write(database)
    log = recorded(conn)
    assert {event.topic for event in log} >= MODEL.topics
    expected = by_fold(log)
    assert {row.id: row for row in listed(database.url)} == {
        id_: row for id_, (row, _) in expected.items()
    }
    for id_, (_, schedule) in expected.items():
        assert ask(database.url, queries.schedule, id_) == schedule
    assert {v.name: v.differences for v in hold_against_log(conn) if v.differences} == {}


@pytest.mark.parametrize("size", [1, 2, 7])
def test_batches_may_be_cut_anywhere(size: int, database: Database, conn: Conn) -> None:
    world = Lent()
    ways(world)
    world.write(database, "loans")
    log = recorded(conn)
    for table in TABLES:
        assert projected(conn, MODEL, log, size, table) == projected(conn, MODEL, log, 9_999, table)


def test_a_rebuild_in_parts_comes_to_what_was_there_live(
    database: Database, ledger: Ledger, conn: Conn
) -> None:
    with running(database.url):
        busy_history(ledger)
        caught_up(conn, "loans")
    assert {row.status for row in listed(database.url)} == {"active", "settled"}
    live = {table: rows(conn, "loans", table) for table in TABLES}
    for parallel in (1, 2):
        options = Options(parallel=parallel)
        parity = rebuild(database.url, "loans", no_progress, options=options).parity
        assert parity is not None
        assert parity.is_equal
        assert {table: rows(conn, "loans", table) for table in TABLES} == live


def test_a_loan_says_what_is_due_next_and_what_is_in_arrears(database: Database) -> None:
    world = Lent()
    found = ways(world)
    world.write(database, "loans")
    rows_ = {name: ask(database.url, queries.loan, id_) for name, id_ in found.items()}

    def told(name: str) -> tuple[Any, ...]:
        row = rows_[name]
        assert row is not None
        return row.status, row.next_due, row.next_amount, row.arrears_amount, row.arrears_since

    first, second = date(2026, 2, 28), date(2026, 3, 31)
    assert told("new") == ("active", first, 300_00, 0, None)
    late = rows_["late"]
    assert late is not None
    assert told("late") == ("active", first, late.next_amount, 2 * late.next_amount, first)
    assert told("caught up") == ("active", second, 300_00, 0, None)
    assert told("settled") == told("at once") == ("settled", None, 0, 0, None)
    settled = rows_["settled"]
    assert settled is not None
    assert (settled.outstanding, settled.principal_paid, settled.settled_on) == (0, 900_00, JUNE)


def test_what_is_not_due_any_more_is_not_in_the_schedule(database: Database) -> None:
    world = Lent()
    found = ways(world)
    world.write(database, "loans")

    def states(name: str) -> list[str]:
        return [each.state for each in ask(database.url, queries.schedule, found[name])]

    assert states("at once") == []
    assert states("settled") == ["paid", "paid", "paid"]
    assert states("late") == ["overdue", "overdue", "due"]
    assert states("caught up") == ["paid", "due", "due"]
    assert states("new") == ["due", "due", "due"]
    assert ask(database.url, queries.schedule, uuid4()) == []


@pytest.mark.parametrize("size", [1, 2, 3])
def test_repayments_are_newest_first_with_what_they_paid(size: int, database: Database) -> None:
    world = Lent()
    id_ = world.lent()
    ids = [
        world.repay(id_, 350_00, date(2026, 2, 28)), world.repay(id_, 250_00, date(2026, 3, 31)),
    ]  # fmt: skip
    world.repay(world.lent(), 1_00)
    world.write(database, "loans")
    found: list[RepaymentRow] = []
    before: int | None = None
    while True:
        page = ask(database.url, queries.repayments, id_, limit=size, before=before)
        found += page.rows
        before = page.next_before
        if before is None:
            break
    last, first = found
    assert [first.id, last.id] == ids
    assert first.parts == [Part(1, 0, 300_00), Part(0, 0, 50_00)]
    assert (first.amount, first.interest, first.principal, first.is_early) == (
        350_00, 0, 350_00, True,
    )  # fmt: skip
    assert (first.outstanding, last.outstanding, last.is_early) == (550_00, 300_00, False)
    assert last.parts == [Part(2, 0, 250_00)]
    assert (last.on, last.account_id, len(last.transfer_ids)) == (date(2026, 3, 31), CUSTOMER, 2)


@pytest.mark.parametrize("size", [1, 2, 4, 7])
def test_lists_are_newest_first_and_exact_on_multiples(size: int, database: Database) -> None:
    world = Lent()
    ids = ways(world)
    order = sorted(ids.values(), key=lambda id_: -id_.int)
    world.write(database, "loans")

    def found(**filters: Any) -> list[UUID]:
        return [row.id for row in listed(database.url, size, **filters)]

    of = {id_: name for name, id_ in ids.items()}
    assert found() == order
    settled = [id_ for id_ in order if of[id_] in ("settled", "at once")]
    late = [id_ for id_ in order if of[id_] in ("late", "part paid")]
    assert found(status="settled") == settled
    assert found(in_arrears=True) == late
    assert found(in_arrears=False, status="active") == [
        id_ for id_ in order if id_ not in settled + late
    ]
    assert found(owner_id=OWNER) == [id_ for id_ in order if of[id_] != "new"]
    (one,) = [row for row in listed(database.url) if row.id == ids["late"]]
    assert found(application_id=one.application_id) == [ids["late"]]
    assert found(owner_id=uuid4()) == found(application_id=uuid4()) == []


def test_a_loan_is_found_for_its_owner_only(database: Database) -> None:
    world = Lent()
    id_, nobodys = world.lent(), world.lent(owner_id=None)
    world.write(database, "loans")
    assert ask(database.url, queries.loan, id_, owner_id=OWNER) is not None
    assert ask(database.url, queries.loan, id_, owner_id=uuid4()) is None
    assert ask(database.url, queries.loan, nobodys, owner_id=OWNER) is None
    assert ask(database.url, queries.loan, nobodys) is not None
    assert ask(database.url, queries.loan, uuid4()) is None


def test_totals_are_by_days_in_arrears(database: Database) -> None:
    world = Lent()
    late = world.lent()
    world.overdue(late, 1, 2)
    world.overdue(world.lent(), 1)
    world.repay(world.lent(annual_rate_bps=12_00), 100_00, date(2026, 2, 28))
    world.repay(world.lent(), 900_00)
    world.write(database, "loans")
    since = date(2026, 2, 28)
    both = (2, 900_00, 1_800_00)
    for days, name in (
        (1, "1-30"), (30, "1-30"), (31, "31-60"), (60, "31-60"), (61, "61-90"), (90, "61-90"),
        (91, "90+"), (4_000, "90+"),
    ):  # fmt: skip
        (found,) = ask(database.url, queries.totals, since + timedelta(days=days))
        assert [bucket.name for bucket in found.buckets] == [*BUCKETS]
        for bucket in found.buckets:
            expected = both if bucket.name == name else (0, 0, 0)
            assert (bucket.loans, bucket.arrears, bucket.outstanding) == expected
        assert (found.in_arrears, found.arrears) == (2, 900_00)
    assert (found.currency, found.loans, found.active, found.settled) == ("EUR", 4, 3, 1)
    assert (found.principal, found.principal_paid + found.outstanding) == (3_600_00, 3_600_00)
    assert (found.principal_paid, found.interest_paid) == (991_00, 9_00)
    (before,) = ask(database.url, queries.totals, since)
    assert (before.in_arrears, before.arrears) == (0, 0)


def test_loans_may_be_more_together_than_one_can_be(database: Database, conn: Conn) -> None:
    world = Lent()
    world.overdue(world.lent(), 1)
    world.overdue(world.lent(), 1)
    world.write(database, "loans")
    amounts = ("principal", "outstanding", "arrears_amount", "interest_paid", "principal_paid")
    conn.execute(f"UPDATE loans.loan SET {', '.join(f'{a} = 5e18' for a in amounts)}".encode())
    (found,) = ask(database.url, queries.totals, JUNE)
    (late,) = [bucket for bucket in found.buckets if bucket.loans]
    sums = [
        found.principal, found.outstanding, found.arrears, found.interest_paid,
        found.principal_paid, late.arrears, late.outstanding,
    ]  # fmt: skip
    assert sums == [10**19] * 7
    assert {type(amount) for amount in sums} == {int}


def test_where_nothing_is_lent_there_are_no_totals(database: Database) -> None:
    project_all(database.url, "loans")
    assert ask(database.url, queries.totals, JUNE) == []

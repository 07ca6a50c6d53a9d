"""Loans: paid out in one go with the claim, paid back oldest first, and never more than is owed."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from application.ledger.outcomes import Command
from domain import accounts, loans
from domain.accounts import ChangeAccountStatus, OpenAccount
from domain.bank_transfers import RequestBankTransfer
from domain.events import Event
from domain.house import house_account
from domain.investments import RequestInvestment
from domain.loans import (
    Disbursed,
    InstalmentOverdue,
    MarkInstalmentOverdue,
    Opened,
    Part,
    Repaid,
    RepayLoan,
    Rescheduled,
    Settled,
    is_same_repayment,
    loan_account,
    owed,
    payoff,
    schedule,
)
from domain.sheets import Sheet
from domain.transfers import PostTransfer, ReverseTransfer
from tests.support.given import NOW, refused
from tests.support.loan_world import (
    CASH,
    CLAIMS,
    CUSTOMER,
    DOLLARS,
    INTEREST,
    LENDING,
    LOAN,
    OTHER,
    OWNER,
    START,
    STRANGER,
    LoanWorld,
    opening_of,
)

FIRST, SECOND = UUID(int=701), UUID(int=702)
FEBRUARY, MARCH, APRIL = date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)
MIDDLE = date(2026, 2, 15)


@pytest.fixture
def world() -> LoanWorld:
    """A loan of 1,000.00: 340.02 at the end of February and March, 340.03 at that of April."""
    there = LoanWorld()
    there.lend()
    return there


def repay(amount: int, today: date = FEBRUARY, **changes: Any) -> RepayLoan:
    return replace(RepayLoan(LOAN, FIRST, CUSTOMER, amount, today, OWNER), **changes)


def of_loan(decided: tuple[tuple[UUID, Event], ...]) -> list[Event]:
    return [event for stream_id, event in decided if stream_id == LOAN]


def lend_nothing(world: LoanWorld, asked: Opened, reason: str) -> None:
    """It is refused, and nothing is on the sheet either: whoever decides may go on with it."""
    sheet = Sheet(world.states.get, NOW)
    with refused(reason):
        loans.open_loan(sheet, asked, LOAN)
    assert sheet.decided == ()


# Paying out.
def test_the_money_and_the_claim_move_at_once(world: LoanWorld) -> None:
    assert world.transfers_of() == [
        (LENDING, CUSTOMER, 1_000_00),
        (loan_account(LOAN), CLAIMS, 1_000_00),
    ]
    assert [world.balance(each) for each in (LENDING, CUSTOMER, CLAIMS, loan_account(LOAN))] == [
        4_000_00, 6_000_00, 1_000_00, -1_000_00,
    ]  # fmt: skip
    loan = world.loan()
    assert (loan.status, loan.outstanding, loan.version) == ("active", 1_000_00, 2)
    assert loan.instalments == schedule(opening_of().terms)
    assert loan.opened == opening_of()
    world.check()


def test_what_is_owed_is_an_account_of_the_customers_own(world: LoanWorld) -> None:
    account = world.states[loan_account(LOAN)]
    assert isinstance(account, accounts.Account)
    assert (account.type, account.owner_id, account.reserved_for) == ("loan", OWNER, LOAN)


def test_all_that_there_is_to_lend_is_lent_and_no_more() -> None:
    world = LoanWorld(lending=1_000_00)
    other = replace(opening_of(FIRST), principal=1)
    world.lend()
    with refused("insufficient_funds", account_id=LENDING, available_minor=0, requested_minor=1):
        world.lend(other, FIRST)
    world.check()


def test_nothing_is_lent_of_a_currency_that_nobody_gave() -> None:
    world = LoanWorld()
    dollars = house_account("lending", "USD")
    asked = opening_of(
        currency="USD", customer_account_id=DOLLARS, funding_account_id=dollars
    )  # fmt: skip
    with refused("insufficient_funds", account_id=dollars, currency="USD", available_minor=0):
        world.lend(asked)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"principal": 0}, "negative_amount"),
        ({"months": 0}, "invalid_terms"),
        ({"principal": 5_000_01}, "insufficient_funds"),
        ({"customer_account_id": UUID(int=999)}, "account_not_found"),
        ({"customer_account_id": OTHER}, "account_not_found"),
        ({"customer_account_id": DOLLARS}, "currency_mismatch"),
        ({"customer_account_id": CASH, "owner_id": None}, "invalid_account_type"),
        ({"customer_account_id": loan_account(FIRST)}, "reserved_account"),
        ({"loan_account_id": OTHER}, "id_reused"),
        ({"loan_account_id": loan_account(FIRST)}, "id_reused"),
    ],
)
def test_a_loan_that_is_refused_leaves_nothing_behind(changes: dict[str, Any], reason: str) -> None:
    world = LoanWorld()
    world.lend(opening_of(FIRST, principal=1), FIRST)
    lend_nothing(world, opening_of(**changes), reason)


@pytest.mark.parametrize("status", ["inactive", "suspended", "closed"])
def test_an_account_that_takes_no_money_is_lent_none(status: str) -> None:
    world = LoanWorld(has=0)
    world.submit(ChangeAccountStatus(CUSTOMER, status))
    lend_nothing(world, opening_of(), f"account_{status}")


@pytest.mark.parametrize("house", [LENDING, CLAIMS])
def test_somebody_elses_account_is_not_taken_for_the_houses(house: UUID) -> None:
    world = LoanWorld()
    if house == CLAIMS:  # the house's are opened when they are needed
        world.lend(opening_of(FIRST), FIRST)
    world.states[house] = replace(world.states[house], owner_id=STRANGER)
    lend_nothing(world, opening_of(), "id_reused")


# Paying back.
def test_an_instalment_is_paid_when_it_is_due(world: LoanWorld) -> None:
    decided = world.submit(repay(340_02))
    (repaid,) = of_loan(decided)
    assert isinstance(repaid, Repaid)
    assert (repaid.amount, repaid.interest, repaid.principal) == (340_02, 10_00, 330_02)
    assert (repaid.on, repaid.is_early, repaid.outstanding) == (FEBRUARY, False, 669_98)
    assert repaid.parts == (Part(1, 10_00, 330_02),)
    assert world.transfers_of()[2:] == [
        (CUSTOMER, INTEREST, 10_00),
        (CUSTOMER, LENDING, 330_02),
        (CLAIMS, loan_account(LOAN), 330_02),
    ]
    assert len(repaid.transfer_ids) == 3
    assert set(repaid.transfer_ids) <= world.states.keys()
    world.check()


DUE_TWICE = date(2026, 4, 15)


@pytest.mark.parametrize(
    ("amount", "parts"),
    [
        (1, [Part(1, 1, 0)]),
        (10_00, [Part(1, 10_00, 0)]),
        (10_01, [Part(1, 10_00, 1)]),
        (340_02, [Part(1, 10_00, 330_02)]),
        (340_03, [Part(1, 10_00, 330_02), Part(2, 1, 0)]),
        (346_73, [Part(1, 10_00, 330_02), Part(2, 6_70, 1)]),
        (680_04, [Part(1, 10_00, 330_02), Part(2, 6_70, 333_32)]),
    ],
)
def test_the_oldest_is_paid_first_and_its_interest_before_its_principal(
    world: LoanWorld, amount: int, parts: list[Part]
) -> None:
    decided = world.submit(repay(amount, DUE_TWICE))
    (repaid,) = of_loan(decided)
    assert isinstance(repaid, Repaid)
    assert list(repaid.parts) == parts
    assert not repaid.is_early
    assert owed(world.loan(), DUE_TWICE).due_now == 680_04 - amount
    world.check()


def test_an_instalment_is_paid_in_parts(world: LoanWorld) -> None:
    for number, amount in enumerate((4_00, 100_00, 236_02)):
        world.submit(repay(amount, repayment_id=UUID(int=800 + number)))
    assert owed(world.loan(), FEBRUARY).due_now == 0
    assert world.loan().outstanding == 669_98
    world.check()


def test_all_instalments_settle_it(world: LoanWorld) -> None:
    for number, (day, amount) in enumerate([(FEBRUARY, 340_02), (MARCH, 340_02)]):
        world.submit(repay(amount, day, repayment_id=UUID(int=800 + number)))
    *_, last = of_loan(world.submit(repay(340_03, APRIL)))
    assert last == Settled(APRIL)
    assert world.balance(loan_account(LOAN)) == world.balance(CLAIMS) == 0
    assert world.balance(INTEREST) == 20_07
    assert world.balance(LENDING) == 5_000_00
    world.check()


@pytest.mark.parametrize("day", [date(2026, 5, 1), date(2031, 5, 1)])
def test_who_pays_late_pays_what_he_owed_in_time(world: LoanWorld, day: date) -> None:
    assert payoff(world.loan(), day) == 340_02 + 340_02 + 340_03
    assert isinstance(of_loan(world.submit(repay(1_020_07, day)))[-1], Settled)
    world.check()


# Paying more than is due.
def test_what_is_paid_early_lowers_the_instalments_that_follow(world: LoanWorld) -> None:
    """Of 1,000.00 half a month's interest is 5.00; of 900.00 that is left, the other half's is 4.50."""
    repaid, rescheduled = of_loan(world.submit(repay(105_00, MIDDLE)))
    assert isinstance(repaid, Repaid)
    assert isinstance(rescheduled, Rescheduled)
    assert (repaid.is_early, repaid.parts) == (True, (Part(0, 5_00, 100_00),))
    assert (rescheduled.number, rescheduled.accrues_from) == (1, MIDDLE)
    now = rescheduled.instalments
    assert [each.due for each in now] == [FEBRUARY, MARCH, APRIL]
    assert now[0].interest == 4_50
    assert {each.amount for each in now[:2]} == {304_50}
    assert abs(now[2].amount - 304_50) <= 2
    assert world.loan().instalments == now
    world.check()


def test_what_is_due_comes_before_what_is_not(world: LoanWorld) -> None:
    repaid, rescheduled = of_loan(world.submit(repay(440_02)))
    assert isinstance(repaid, Repaid)
    assert isinstance(rescheduled, Rescheduled)
    assert repaid.parts == (Part(1, 10_00, 330_02), Part(0, 0, 100_00))
    assert [each.number for each in rescheduled.instalments] == [2, 3]
    assert rescheduled.instalments[0].interest == 5_70
    assert world.loan().instalments[0] == schedule(opening_of().terms)[0]
    world.check()


def test_accrued_interest_that_is_left_is_due_with_the_next_instalment(world: LoanWorld) -> None:
    *_, rescheduled = of_loan(world.submit(repay(2_00, MIDDLE)))
    assert isinstance(rescheduled, Rescheduled)
    assert rescheduled.carried == 3_00
    assert rescheduled.instalments[0].interest == 8_00
    assert payoff(world.loan(), MIDDLE) == 1_003_00
    assert payoff(world.loan(), date(2026, 2, 21)) == 1_005_00
    assert payoff(world.loan(), FEBRUARY) == 1_008_00
    world.submit(repay(1_00, MIDDLE, repayment_id=SECOND))
    assert payoff(world.loan(), MIDDLE) == 1_002_00
    world.check()


@pytest.mark.parametrize(
    ("day", "amount"),
    [
        (START, 1_000_00),
        (MIDDLE, 1_005_00),
        (date(2026, 2, 27), 1_009_00),
        (FEBRUARY, 1_010_00),
        (date(2026, 3, 15), 1_013_35),
        (MARCH, 1_016_70),
        (APRIL, 1_020_07),
        (date(2026, 1, 1), 1_000_00),
    ],
)
def test_the_payoff_settles_it_on_any_day(world: LoanWorld, day: date, amount: int) -> None:
    with refused("exceeds_outstanding", payoff_minor=amount, requested_minor=amount + 1):
        world.submit(repay(amount + 1, day))
    assert payoff(world.loan(), day) == amount
    *_, last = of_loan(world.submit(repay(amount, day)))
    assert last == Settled(max(day, START))
    assert world.balance(loan_account(LOAN)) == 0
    assert world.balance(INTEREST) == amount - 1_000_00
    world.check()


def test_a_repayment_is_of_no_earlier_day_than_the_one_before(world: LoanWorld) -> None:
    world.submit(repay(105_00, MIDDLE))
    repaid, _ = of_loan(world.submit(repay(1_00, date(2026, 2, 1), repayment_id=SECOND)))
    assert isinstance(repaid, Repaid)
    assert (repaid.on, repaid.interest) == (MIDDLE, 0)
    world.check()


# Refused.
def _settle(world: LoanWorld) -> None:
    world.submit(repay(1_010_00, repayment_id=SECOND))


def _freeze(world: LoanWorld) -> None:
    world.submit(ChangeAccountStatus(CUSTOMER, "frozen"))


def _spend(world: LoanWorld) -> None:
    world.submit(PostTransfer(world.new_id(), CUSTOMER, CASH, 5_999_00, "EUR"))


@pytest.mark.parametrize(
    ("before", "changes", "reason"),
    [
        (None, {"loan_id": UUID(int=999)}, "loan_not_found"),
        (None, {"owner_id": STRANGER, "account_id": OTHER}, "loan_not_found"),
        (None, {"account_id": OTHER}, "account_not_found"),
        (None, {"account_id": UUID(int=999)}, "account_not_found"),
        (None, {"account_id": LOAN}, "account_not_found"),
        (None, {"account_id": loan_account(LOAN)}, "reserved_account"),
        (None, {"account_id": CLAIMS, "owner_id": None}, "reserved_account"),
        (None, {"account_id": LENDING, "owner_id": None}, "same_account"),
        (None, {"account_id": DOLLARS}, "currency_mismatch"),
        (None, {"amount": 0}, "negative_amount"),
        (None, {"amount": -1}, "negative_amount"),
        (None, {"amount": 1_010_01}, "exceeds_outstanding"),
        (_settle, {}, "loan_settled"),
        (_settle, {"repayment_id": SECOND}, "id_reused"),
        (_freeze, {}, "account_frozen"),
        (_spend, {}, "insufficient_funds"),
    ],
)
def test_a_repayment_is_refused(
    world: LoanWorld, before: Any, changes: dict[str, Any], reason: str
) -> None:
    if before is not None:
        before(world)
    there = len(world.events)
    with refused(reason):
        world.submit(replace(repay(20_00), **changes))
    assert len(world.events) == there


def test_the_house_takes_a_repayment_in_cash(world: LoanWorld) -> None:
    world.submit(repay(340_02, account_id=CASH, owner_id=None))
    assert world.loan().outstanding == 669_98
    world.check()


def test_what_the_account_has_is_told_as_a_whole(world: LoanWorld) -> None:
    _spend(world)
    with refused("insufficient_funds", available_minor=1_00, requested_minor=20_00):
        world.submit(repay(20_00))


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"today": APRIL}, True),
        ({"owner_id": None}, True),
        ({"amount": 2}, False),
        ({"account_id": OTHER}, False),
        ({"repayment_id": SECOND}, False),
        ({"owner_id": STRANGER}, False),
    ],
)
def test_a_repeat_is_known_by_what_it_pays(
    world: LoanWorld, changes: dict[str, Any], same: bool
) -> None:
    world.submit(repay(1))
    assert is_same_repayment(world.loan(), replace(repay(1), **changes)) is same


# Overdue.
def test_an_instalment_is_overdue_from_the_day_after(world: LoanWorld) -> None:
    world.on(FEBRUARY)
    with refused("nothing_new"):
        world.submit(MarkInstalmentOverdue(LOAN, 1))
    world.on(date(2026, 3, 1))
    assert of_loan(world.submit(MarkInstalmentOverdue(LOAN, 1))) == [
        InstalmentOverdue(1, FEBRUARY, 340_02)
    ]
    assert world.loan().arrears == 340_02
    with refused("nothing_new"):
        world.submit(MarkInstalmentOverdue(LOAN, 1))


def test_only_what_is_missing_is_overdue(world: LoanWorld) -> None:
    world.submit(repay(340_00))
    world.on(date(2026, 3, 1))
    world.submit(MarkInstalmentOverdue(LOAN, 1))
    assert world.loan().arrears == 2
    world.submit(repay(1, date(2026, 3, 2), repayment_id=SECOND))
    assert world.loan().arrears == 1
    world.submit(repay(1, date(2026, 3, 2), repayment_id=UUID(int=703)))
    assert world.loan().arrears == 0
    world.check()


@pytest.mark.parametrize("number", [0, 1, 4])
def test_what_is_paid_or_is_not_there_is_not_overdue(world: LoanWorld, number: int) -> None:
    world.submit(repay(340_02))
    world.on(date(2027, 1, 1))
    with refused("nothing_new"):
        world.submit(MarkInstalmentOverdue(LOAN, number))


def test_nothing_of_a_settled_loan_is_overdue(world: LoanWorld) -> None:
    world.submit(repay(1_000_00, START))
    world.on(date(2027, 1, 1))
    with refused("nothing_new", status="settled"):
        world.submit(MarkInstalmentOverdue(LOAN, 3))


def test_no_loan_no_arrears() -> None:
    with refused("loan_not_found"):
        LoanWorld().submit(MarkInstalmentOverdue(LOAN, 1))


# Nobody else moves a loan's money.
BY_OTHERS: dict[str, Command] = {
    "paid into it": PostTransfer(FIRST, CUSTOMER, loan_account(LOAN), 1, "EUR", owner_id=OWNER),
    "paid into it by staff": PostTransfer(FIRST, CUSTOMER, loan_account(LOAN), 1, "EUR"),
    "paid out of it": PostTransfer(FIRST, loan_account(LOAN), CUSTOMER, 1, "EUR", owner_id=OWNER),
    "held there": PostTransfer(FIRST, loan_account(LOAN), CUSTOMER, 1, "EUR", pending=True),
    "claims moved": PostTransfer(FIRST, CLAIMS, CUSTOMER, 1, "EUR"),
    "lent by hand": PostTransfer(FIRST, CUSTOMER, LENDING, 1, "EUR", owner_id=OWNER),
    "earned by hand": PostTransfer(FIRST, CUSTOMER, INTEREST, 1, "EUR", owner_id=OWNER),
    "frozen": ChangeAccountStatus(loan_account(LOAN), "frozen", owner_id=OWNER),
    "suspended by staff": ChangeAccountStatus(loan_account(LOAN), "suspended"),
    "lending stopped": ChangeAccountStatus(LENDING, "frozen"),
    "invested": RequestInvestment(FIRST, loan_account(LOAN), SECOND, 1, "EUR", OWNER),
    "withdrawn": RequestBankTransfer(
        FIRST, "withdrawal", loan_account(LOAN), "EUR", 1, "DE1", owner_id=OWNER
    ),
    "deposited": RequestBankTransfer(
        FIRST, "deposit", loan_account(LOAN), "EUR", 1, "DE1", owner_id=OWNER
    ),
}


@pytest.mark.parametrize("what", BY_OTHERS)
def test_nobody_else_moves_what_a_loan_has_booked(world: LoanWorld, what: str) -> None:
    world.submit(repay(340_02, repayment_id=SECOND))
    with refused("reserved_account"):
        world.submit(BY_OTHERS[what])
    world.check()


def test_what_a_loan_has_moved_is_not_reversed(world: LoanWorld) -> None:
    decided = world.lend(opening_of(FIRST), FIRST)
    ((paid_out, claimed),) = [e.transfer_ids for _, e in decided if isinstance(e, Disbursed)]
    *_, repaid = of_loan(world.submit(repay(340_02, repayment_id=SECOND)))
    assert isinstance(repaid, Repaid)
    with refused("reserved_account"):
        world.submit(ReverseTransfer(paid_out, world.new_id(), owner_id=OWNER))
    for transfer_id in (paid_out, claimed, *repaid.transfer_ids):
        with refused("reserved_account"):
            world.submit(ReverseTransfer(transfer_id, world.new_id()))
    world.check()


def test_staff_moves_money_to_lend_and_what_was_earned(world: LoanWorld) -> None:
    world.submit(repay(340_02))
    world.submit(PostTransfer(world.new_id(), INTEREST, LENDING, 10_00, "EUR"))
    world.submit(PostTransfer(world.new_id(), LENDING, CASH, 100_00, "EUR"))
    world.check()


def test_an_account_that_is_called_a_loan_is_like_any_other(world: LoanWorld) -> None:
    world.submit(OpenAccount(FIRST, "old", "loan", "EUR", OWNER, 50_00))
    world.submit(PostTransfer(world.new_id(), FIRST, CUSTOMER, 50_00, "EUR", owner_id=OWNER))
    assert world.balance(FIRST) == -50_00

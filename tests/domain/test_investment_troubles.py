"""An investment that accounts or banks get in the way of goes on, back, or to somebody who can see to it."""

from __future__ import annotations

from uuid import UUID

import pytest

from domain import accounts, funds, movements, transfers
from domain.accounts import Credited, Debited, StatusChanged
from domain.investments import BookLeg, CompensateInvestment, DoubtLeg, HoldSource, RetryInvestment
from domain.transfers import Posted, Reversed
from tests.support.flow_facts import Fact, given
from tests.support.flow_world import Log
from tests.support.investing import (
    BACK,
    CLEARING,
    COMPLETED,
    DEPOSIT,
    DEPOSITING,
    FAILED,
    FUND,
    FUND_ACCOUNT,
    HOLD,
    INITIATED,
    INVESTMENT,
    INVESTOR,
    PAID,
    REFUND,
    REFUND_FAILED,
    REFUNDABLE,
    REFUNDED,
    REFUNDING,
    SITUATIONS,
    WITHDRAWAL,
    WITHDRAWING,
    WITHDRAWN,
    check,
    hear,
    outcome,
    said,
    there,
)


# What accounts refuse.
def turned(account_id: UUID, status: str) -> Fact:
    return account_id, StatusChanged(status, "active")


def spent(account_id: UUID, amount: int) -> list[Fact]:
    """Money left the account; where it went does not matter here."""
    return [(account_id, Debited(UUID(int=3), UUID(int=4), amount, 0))]


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (spent(INVESTOR, 41), "insufficient_funds"),
        ([turned(INVESTOR, "frozen")], "account_frozen"),
        ([turned(INVESTOR, "closed")], "account_closed"),
        ([turned(FUND_ACCOUNT, "closed")], "account_closed"),
    ],
)
def test_what_cannot_be_held_has_failed_before_a_bank_was_asked(
    before: list[Fact], reason: str
) -> None:
    log = given(*INITIATED, *before)
    assert outcome(log, HoldSource(INVESTMENT)) == f"failed hold:{reason}"
    assert WITHDRAWAL not in log.states
    assert there(log).seat == "released"


def test_a_bank_is_not_asked_to_pay_into_an_account_that_takes_nothing() -> None:
    log = given(*WITHDRAWING, turned(FUND_ACCOUNT, "closed"))
    assert hear(log, "withdrawal settled") == (
        "withdrawn, undoing deposit:account_closed, instructed refund"
    )
    check(log)


UNBOOKED: dict[str, tuple[list[Fact], list[Fact], str, str]] = {
    "withdrawn from a frozen account": (
        WITHDRAWING, [turned(INVESTOR, "frozen")], "withdrawal settled",
        "needs_operator withdrawal:account_frozen in held",
    ),
    "paid to a suspended fund account": (
        DEPOSITING, [turned(FUND_ACCOUNT, "suspended")], "deposit settled",
        "set_aside, needs_operator deposit:account_suspended in suspense",
    ),
    "refunded to a suspended account": (
        REFUNDING, [turned(INVESTOR, "suspended")], "refund settled",
        "set_aside, needs_operator refund:account_suspended in suspense",
    ),
    "withdrawal back for a suspended account": (
        DEPOSITING, [turned(INVESTOR, "suspended")], "withdrawal returned",
        "set_aside, needs_operator withdrawal:account_suspended in suspense",
    ),
    "withdrawal back for a suspended account after all": (
        COMPLETED, [turned(INVESTOR, "suspended")], "withdrawal returned",
        "needs_operator withdrawal:account_suspended in fund",
    ),
    "deposit back from a frozen fund account": (
        COMPLETED, [turned(FUND_ACCOUNT, "frozen")], "deposit returned",
        "needs_operator deposit:account_frozen in fund",
    ),
    "refund back from a frozen account": (
        REFUNDED, [turned(INVESTOR, "frozen")], "refund returned",
        "needs_operator refund:account_frozen in returned",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNBOOKED)
def test_what_cannot_be_booked_waits_until_it_can(case: str) -> None:
    """And then it goes on as if it had been booked at once. It is not undone: the bank has done it."""
    before, trouble, news, expected = UNBOOKED[case]
    log = given(*before, *trouble)
    assert hear(log, news) == expected
    check(log)
    assert outcome(log, RetryInvestment(INVESTMENT)) == "nothing_to_retry"
    ((account_id, _),) = trouble
    log.append([(account_id, StatusChanged("active", "any"))])
    at_once = given(*before)
    hear(at_once, news)
    outcome(log, RetryInvestment(INVESTMENT))
    check(log)
    now, then = there(log), there(at_once)
    assert (now.status, now.place, now.seat, now.moved) == (
        then.status, then.place, then.seat, then.moved,
    )  # fmt: skip


def test_a_withdrawal_that_could_not_be_booked_and_came_back_has_failed() -> None:
    log = given(*WITHDRAWING, turned(INVESTOR, "frozen"))
    hear(log, "withdrawal settled")
    assert hear(log, "withdrawal returned") == "failed withdrawal:bank_returned"
    check(log)


def test_a_deposit_that_could_not_be_booked_and_came_back_is_refunded() -> None:
    log = given(*DEPOSITING, turned(FUND_ACCOUNT, "suspended"))
    hear(log, "deposit settled")
    assert hear(log, "deposit returned") == (
        "undoing deposit:bank_returned, taken_up, instructed refund"
    )
    check(log)


def reversed_of(log: Log, transfer_id: UUID | None) -> int:
    """What of a transfer went back."""
    assert transfer_id is not None
    transfer = log.states[transfer_id]
    assert isinstance(transfer, transfers.Transfer)
    return transfer.reversed


@pytest.mark.parametrize(
    ("before", "news", "transfer_id"),
    [
        (REFUNDING, "refund settled", HOLD),
        (WITHDRAWN, "withdrawal returned", HOLD),
        (COMPLETED, "deposit returned", PAID),
    ],
)
def test_what_goes_back_is_a_reversal(before: list[Fact], news: str, transfer_id: UUID) -> None:
    log = given(*before)
    hear(log, news)
    assert reversed_of(log, transfer_id) == 10


@pytest.mark.parametrize("situation", ["withdrawal doubted", "deposit doubted"])
def test_what_the_bank_has_done_is_not_undone_before_it_is_heard_of(situation: str) -> None:
    log = given(*SITUATIONS[situation], *said(situation.partition(" ")[0], "settled"))
    assert outcome(log, CompensateInvestment(INVESTMENT)) == "nothing_to_undo"


def test_what_was_withdrawn_late_is_taken_if_it_is_there_and_refunded_by_an_operator() -> None:
    log = given(*FAILED)
    hear(log, "withdrawal settled")
    assert outcome(log, RetryInvestment(INVESTMENT)) == "nothing_to_retry"
    assert outcome(log, CompensateInvestment(INVESTMENT)) == (
        "undoing withdrawal:settled_after_the_end, taken_up, instructed refund"
    )
    refund = there(log).legs["refund"]
    assert hear(log, "refund settled", movement_id=refund).startswith("refunded, failed")
    check(log)
    assert reversed_of(log, there(log).withdrawal_id) == 10


def test_what_was_withdrawn_late_and_is_spent_waits_for_somebody() -> None:
    log = given(*FAILED, *spent(INVESTOR, 41))
    assert hear(log, "withdrawal settled") == (
        "needs_operator withdrawal:insufficient_funds in source"
    )


# What was moved once too often is sorted out by people, or by the bank.
TWICE: dict[str, tuple[list[Fact], list[str], tuple[int, int, int]]] = {
    "deposit after the refund": (REFUNDED, ["deposit settled"], (1, 1, 1)),
    "deposit and then the refund": (
        REFUNDING, ["deposit settled", "refund settled"], (1, 1, 1),
    ),
    "deposit without a withdrawal": (
        DEPOSITING, ["withdrawal returned", "deposit settled"], (0, 1, 0),
    ),
    "withdrawal back after all": (COMPLETED, ["withdrawal returned"], (0, 1, 0)),
    "withdrawal back after the refund": (REFUNDED, ["withdrawal returned"], (0, 0, 1)),
}  # fmt: skip


@pytest.mark.parametrize("case", TWICE)
def test_what_was_moved_once_too_often_is_booked_once_and_no_attempt_moves_more(case: str) -> None:
    before, news, facts = TWICE[case]
    log = given(*before)
    for one in news:
        hear(log, one)
    i = there(log)
    assert (i.status, (i.paid_in, i.paid_fund, i.paid_back)) == ("needs_operator", facts)
    assert (i.suspense, i.clearing) == (-1, 0)
    assert outcome(log, RetryInvestment(INVESTMENT)) == "nothing_to_retry"
    check(log)
    closes(log)


@pytest.mark.parametrize(
    "case", sorted(set(UNBOOKED) - {"withdrawal back for a suspended account"})
)
def test_what_will_never_be_booked_is_closed_by_an_operator_and_left_in_suspense(case: str) -> None:
    before, trouble, news, _ = UNBOOKED[case]
    log = given(*before, *trouble)
    hear(log, news)
    closes(log)


def closes(log: Log) -> None:
    """An operator says that it is over: no money moves, and he sees to what is left."""
    before = there(log)
    assert outcome(log, CompensateInvestment(INVESTMENT, "by hand")).startswith("failed")
    after = there(log)
    assert (after.status, after.is_closed) == ("failed", True)
    assert (after.suspense, after.clearing) == (before.suspense, 0)
    check(log)
    for command in (RetryInvestment(INVESTMENT), CompensateInvestment(INVESTMENT)):
        assert outcome(log, command).startswith("nothing_to_")
    assert outcome(log, BookLeg(INVESTMENT, "refund")).startswith("needs_operator refund:settled")


@pytest.mark.parametrize(
    ("before", "news", "end"),
    [
        (REFUNDED, ["deposit settled", "deposit returned"], "failed"),
        (REFUNDING, ["deposit settled", "refund failed"], "completed"),
        (REFUNDING, ["deposit settled", "deposit returned", "refund settled"], "failed"),
        (DEPOSITING, ["withdrawal returned", "deposit failed"], "failed"),
        (REFUNDING, ["withdrawal returned", "refund failed"], "failed"),
        (COMPLETED, ["withdrawal returned", "deposit returned"], "failed"),
        (REFUNDED, ["withdrawal returned", "refund returned"], "failed"),
    ],
)
def test_when_the_bank_puts_it_right_it_is_over(
    before: list[Fact], news: list[str], end: str
) -> None:
    log = given(*before)
    for one in news:
        hear(log, one)
    assert there(log).status == end
    assert (there(log).suspense, there(log).clearing) == (0, 0)
    check(log)


def test_a_deposit_that_came_back_leaves_the_refund_to_be_waited_for() -> None:
    log = given(*REFUNDING)
    hear(log, "deposit settled")
    assert hear(log, "deposit returned") == "taken_back deposit, resumed refund"
    check(log)
    assert hear(log, "refund settled") == "refunded, failed deposit:bank_failed"


def test_a_seat_is_taken_once_though_a_refund_was_paid_late_and_came_back() -> None:
    log = given(*REFUNDING)
    log.append(said("refund", "failed"))
    assert hear(log, "deposit settled") == "deposited, completed"
    assert hear(log, "refund settled") == (
        "refunded, taken_up, needs_operator deposit:settled_after_the_end in fund"
    )
    assert hear(log, "refund returned") == "taken_back refund, set_aside, completed"
    check(log)


def test_a_refund_is_tried_again_as_a_movement_of_its_own_and_the_first_failure_is_told() -> None:
    log = given(*REFUND_FAILED)
    outcome(log, RetryInvestment(INVESTMENT))
    again = there(log).legs["refund"]
    assert again != REFUND
    log.append(said("refund", "sent", movement_id=again))
    assert hear(log, "refund settled", movement_id=again) == "refunded, failed deposit:bank_failed"
    check(log)


def test_of_two_refunds_that_both_moved_the_second_is_the_house_s_loss() -> None:
    log = given(*REFUND_FAILED)
    outcome(log, RetryInvestment(INVESTMENT))
    again = there(log).legs["refund"]
    log.append(said("refund", "sent", movement_id=again))
    assert hear(log, "refund settled") == (
        "refunded, needs_operator refund:settled_after_the_end in returned"
    )
    assert hear(log, "refund settled", movement_id=again) == (
        "refunded, taken_up, needs_operator refund:refunded_twice in returned"
    )
    check(log)


def test_a_refund_that_came_back_is_paid_again() -> None:
    log = given(*REFUNDED)
    hear(log, "refund returned")
    assert outcome(log, RetryInvestment(INVESTMENT)) == "taken_up, instructed refund"
    again = there(log).legs["refund"]
    assert hear(log, "refund settled", movement_id=again) == "refunded, failed deposit:bank_failed"
    check(log)


def test_a_refund_the_bank_was_not_asked_for_is_called_off_when_the_fund_has_the_money() -> None:
    log = given(*REFUNDABLE)
    hear(log, "deposit settled")
    refund = log.states[REFUND]
    assert isinstance(refund, movements.Movement)
    assert refund.status == "cancelled"


def test_an_operator_undoes_a_deposit_that_was_not_sent_by_calling_it_off() -> None:
    log = given(*WITHDRAWN)
    outcome(log, DoubtLeg(INVESTMENT, "deposit", "bank_silent"))
    outcome(log, CompensateInvestment(INVESTMENT))
    deposit = log.states[DEPOSIT]
    assert isinstance(deposit, movements.Movement)
    assert deposit.status == "cancelled"
    check(log)


def test_a_fund_that_has_closed_meanwhile_takes_what_it_has_a_seat_for() -> None:
    log = given(*DEPOSITING, (FUND, funds.StatusChanged("closed", "open")))
    assert hear(log, "deposit settled") == "deposited, completed"


# By hand.
def test_a_hold_that_somebody_has_let_go_of_is_no_obstacle() -> None:
    let_go: list[Fact] = [
        (HOLD, transfers.Voided("by hand")), (INVESTOR, accounts.Released(HOLD, 10, 50)),
    ]  # fmt: skip
    log = given(*WITHDRAWING, *let_go)
    assert hear(log, "withdrawal settled") == "withdrawn, instructed deposit"
    check(log)
    log = given(*WITHDRAWING, *let_go)
    assert hear(log, "withdrawal failed") == "failed withdrawal:bank_failed"


def test_what_somebody_has_reversed_is_moved_back_all_the_same_when_the_bank_has() -> None:
    by_hand: list[Fact] = [
        (PAID, Reversed(BACK, 4)),
        (BACK, Posted(FUND_ACCOUNT, CLEARING, "EUR", 4, reverses=PAID)),
        (FUND_ACCOUNT, Debited(BACK, CLEARING, 4, 6)),
        (CLEARING, Credited(BACK, FUND_ACCOUNT, 4, 4)),
        (FUND_ACCOUNT, Credited(UUID(int=5), UUID(int=6), 4, 10)),
        (CLEARING, Debited(UUID(int=5), UUID(int=6), 4, 0)),
    ]
    log = given(*COMPLETED, *by_hand)
    assert hear(log, "deposit returned").startswith("taken_back deposit, undoing")
    check(log)

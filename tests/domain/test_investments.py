"""An investment is asked for, and goes on or back, whatever its banks say and when."""

from __future__ import annotations

from uuid import UUID

import pytest
from msgspec.structs import replace

from application.ledger.outcomes import Command
from domain import movements
from domain.funds import SeatReserved
from domain.investments import (
    OVER,
    STATUSES,
    BookLeg,
    CancelInvestment,
    CompensateInvestment,
    DoubtLeg,
    FailLeg,
    HoldSource,
    RequestInvestment,
    RetryInvestment,
    ReturnLeg,
    is_same_request,
)
from tests.support.flow_facts import given
from tests.support.given import refused
from tests.support.investing import (
    BEFORE,
    FUND,
    FUND_ACCOUNT,
    INVESTMENT,
    INVESTOR,
    LEGS,
    OWNER,
    REQUEST,
    REQUESTED,
    SITUATIONS,
    STRANGER,
    WITHDRAWN,
    WORD,
    check,
    hear,
    outcome,
    there,
)

# What each command does in each situation. Where nothing is said of it, it has no news.
COMMANDS: dict[str, Command] = {
    "cancel": CancelInvestment(INVESTMENT, "", OWNER),
    "hold": HoldSource(INVESTMENT),
    "book": BookLeg(INVESTMENT, "deposit"),
    "fail": FailLeg(INVESTMENT, "withdrawal", "bank_failed"),
    "return": ReturnLeg(INVESTMENT, "refund", "bank_returned"),
    "doubt withdrawal": DoubtLeg(INVESTMENT, "withdrawal", "bank_silent"),
    "doubt deposit": DoubtLeg(INVESTMENT, "deposit", "bank_silent"),
    "doubt refund": DoubtLeg(INVESTMENT, "refund", "bank_silent"),
    "retry": RetryInvestment(INVESTMENT),
    "compensate": CompensateInvestment(INVESTMENT, "enough"),
}
"""None of them has news of the bank: that comes with a movement."""

REFUSED = {
    "cancel": "invalid_transition",
    "retry": "nothing_to_retry",
    "compensate": "nothing_to_undo",
}

DONE: dict[str, dict[str, str]] = {
    "initiated": {
        "cancel": "failed request:cancelled",
        "hold": "source_held, instructed withdrawal",
    },
    "held": {
        "cancel": "failed withdrawal:cancelled",
        "doubt withdrawal": "needs_operator withdrawal:bank_silent in held",
    },
    "withdrawing": {
        "cancel": "already_sent",
        "doubt withdrawal": "needs_operator withdrawal:bank_silent in held",
    },
    "withdrawn": {
        "doubt deposit": "set_aside, needs_operator deposit:bank_silent in suspense",
    },
    "depositing": {
        "doubt deposit": "set_aside, needs_operator deposit:bank_silent in suspense",
    },
    "completed": {},
    "refundable": {
        "doubt refund": "set_aside, needs_operator refund:bank_silent in suspense",
    },
    "refunding": {
        "doubt refund": "set_aside, needs_operator refund:bank_silent in suspense",
    },
    "refunded": {},
    "failed": {},
    "withdrawal doubted": {
        "retry": "resumed withdrawal",
        "compensate": "failed withdrawal:enough",
    },
    "deposit doubted": {
        "retry": "taken_up, resumed deposit",
        "compensate": "undoing deposit:enough, taken_up, instructed refund",
    },
    "refund failed": {
        "retry": "taken_up, instructed refund",
        "compensate": "undoing refund:enough, taken_up, instructed refund",
    },
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("situation", SITUATIONS)
def test_each_command_does_in_each_situation_what_the_table_says(
    situation: str, command: str
) -> None:
    expected = DONE[situation].get(command, REFUSED.get(command, "nothing_new"))
    log = given(*SITUATIONS[situation])
    assert outcome(log, COMMANDS[command]) == expected
    check(log)


@pytest.mark.parametrize("command", [c for n, c in COMMANDS.items() if n != "book"])
def test_what_was_never_asked_for_is_not_there(command: Command) -> None:
    assert outcome(given(*BEFORE), command) == "investment_not_found"


# What follows from each thing that a bank can say in each situation.
HEARD: dict[str, dict[str, str]] = {
    "held": {
        "withdrawal settled": "withdrawn, instructed deposit",
        "withdrawal failed": "failed withdrawal:bank_failed",
    },
    "withdrawing": {
        "withdrawal settled": "withdrawn, instructed deposit",
        "withdrawal failed": "failed withdrawal:bank_failed",
    },
    "withdrawn": {
        "withdrawal returned": "taken_back withdrawal, failed withdrawal:bank_returned",
        "deposit settled": "deposited, completed",
        "deposit failed": "undoing deposit:bank_failed, instructed refund",
    },
    "depositing": {
        "withdrawal returned": "taken_back withdrawal,"
        " needs_operator deposit:bank_returned in returned",
        "deposit settled": "deposited, completed",
        "deposit failed": "undoing deposit:bank_failed, instructed refund",
    },
    "completed": {
        "withdrawal returned": "taken_back withdrawal, taken_up,"
        " needs_operator withdrawal:bank_returned in fund",
        "deposit returned": "taken_back deposit, undoing deposit:bank_returned, instructed refund",
    },
    "refundable": {
        "withdrawal returned": "taken_back withdrawal, failed deposit:bank_failed",
        "deposit settled": "deposited, completed",
        "refund settled": "refunded, failed deposit:bank_failed",
        "refund failed": "set_aside, needs_operator refund:bank_failed in suspense",
    },
    "refunding": {
        "withdrawal returned": "taken_back withdrawal,"
        " needs_operator refund:bank_returned in returned",
        "deposit settled": "deposited, needs_operator refund:settled_after_the_end in fund",
        "refund settled": "refunded, failed deposit:bank_failed",
        "refund failed": "set_aside, needs_operator refund:bank_failed in suspense",
    },
    "refunded": {
        "withdrawal returned": "taken_back withdrawal, taken_up,"
        " needs_operator withdrawal:bank_returned in returned",
        "deposit settled": "deposited, taken_up,"
        " needs_operator deposit:settled_after_the_end in fund",
        "refund returned": "taken_back refund, set_aside,"
        " needs_operator refund:bank_returned in suspense",
    },
    "failed": {
        "withdrawal settled": "withdrawn, set_aside,"
        " needs_operator withdrawal:settled_after_the_end in suspense",
    },
    "withdrawal doubted": {
        "withdrawal settled": "withdrawn, instructed deposit",
        "withdrawal failed": "failed withdrawal:bank_failed",
    },
    "deposit doubted": {
        "withdrawal returned": "taken_back withdrawal, taken_up,"
        " needs_operator deposit:bank_returned in returned",
        "deposit settled": "deposited, taken_up, completed",
        "deposit failed": "undoing deposit:bank_failed, taken_up, instructed refund",
    },
    "refund failed": {
        "withdrawal returned": "taken_back withdrawal, taken_up, failed deposit:bank_failed",
        "deposit settled": "deposited, taken_up, completed",
        "refund settled": "refunded, taken_up, failed deposit:bank_failed",
    },
}


@pytest.mark.parametrize(
    ("situation", "news"), [(situation, news) for situation in HEARD for news in HEARD[situation]]
)
def test_each_thing_that_a_bank_says_leads_to_what_the_table_says(
    situation: str, news: str
) -> None:
    log = given(*SITUATIONS[situation])
    assert hear(log, news) == HEARD[situation][news]
    check(log)


def test_the_table_leaves_out_nothing_that_a_bank_can_say() -> None:
    for situation, facts in SITUATIONS.items():
        log = given(*facts)
        possible = {
            f"{leg} {word}"
            for leg, movement_id in LEGS.items()
            if isinstance(movement := log.states.get(movement_id), movements.Movement)
            for word in movements.MOVES[movement.status] & set(WORD)
        }
        assert set(HEARD.get(situation, {})) == possible


def test_every_status_is_that_of_a_situation_or_passes_within_one_decision() -> None:
    shown = {there(given(*facts)).status for facts in SITUATIONS.values()}
    assert shown == set(STATUSES) - {"withdrawal_completed", "deposit_completed"}
    assert {there(given(*SITUATIONS[s])).status for s in ("completed", "failed")} < OVER


# Asking.
def test_a_request_reserves_the_seat_with_itself() -> None:
    log = given(*BEFORE)
    assert log.submit(REQUEST) == ((INVESTMENT, REQUESTED), (FUND, SeatReserved(INVESTMENT, 10, 0)))
    assert there(log).status == "initiated"
    check(log)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (replace(REQUEST, amount=0), "negative_amount"),
        (replace(REQUEST, investor_account_id=UUID(int=9)), "account_not_found"),
        (replace(REQUEST, owner_id=STRANGER), "account_not_found"),
        (replace(REQUEST, fund_id=UUID(int=9)), "fund_not_found"),
        (replace(REQUEST, fund_id=INVESTOR), "fund_not_found"),
        (replace(REQUEST, currency="USD"), "currency_mismatch"),
        (replace(REQUEST, investor_account_id=FUND_ACCOUNT, owner_id=None), "same_account"),
        (replace(REQUEST, amount=4), "below_minimum_investment"),
        (replace(REQUEST, amount=21), "above_maximum_investment"),
    ],
)
def test_what_cannot_be_invested_is_refused_and_leaves_nothing(
    command: RequestInvestment, reason: str
) -> None:
    log = given(*BEFORE)
    with refused(reason):
        log.submit(command)
    assert INVESTMENT not in log.states


def test_the_last_seat_is_given_once() -> None:
    log = given(*BEFORE)
    log.submit(REQUEST)
    with refused("no_seats_available", seats=1, seats_left=0):
        log.submit(replace(REQUEST, investment_id=UUID(int=9)))
    assert outcome(log, CancelInvestment(INVESTMENT)) == "failed request:cancelled"
    assert log.submit(replace(REQUEST, investment_id=UUID(int=9)))


def test_a_repeat_is_told_from_another_request() -> None:
    log = given(*WITHDRAWN)
    assert log.submit(REQUEST) == ()
    assert is_same_request(there(log), REQUEST)
    for other in (
        replace(REQUEST, amount=11),
        replace(REQUEST, fund_id=UUID(int=9)),
        replace(REQUEST, currency="USD"),
    ):
        assert not is_same_request(there(log), other)
        with refused("id_reused", id=INVESTMENT):
            log.submit(other)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_another_s_investment_is_as_if_it_were_not_there(situation: str) -> None:
    log = given(*SITUATIONS[situation])
    with refused("investment_not_found", investment_id=INVESTMENT):
        log.submit(CancelInvestment(INVESTMENT, owner_id=STRANGER))

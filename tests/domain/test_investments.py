"""An investment goes on, back, or to somebody who can see to it, whatever its banks say and when."""

from __future__ import annotations

from uuid import UUID

import pytest
from msgspec.structs import replace

from application.ledger.outcomes import Command
from domain import accounts, funds, movements, transfers
from domain.accounts import Credited, Debited, Held, StatusChanged
from domain.events import Event
from domain.funds import AllocationTaken, SeatReleased, SeatReserved
from domain.house import house_account, opening
from domain.investments import (
    OVER,
    STATUSES,
    BookLeg,
    CancelInvestment,
    CompensateInvestment,
    Completed,
    Deposited,
    DoubtLeg,
    FailedEvent,
    FailLeg,
    HoldSource,
    Instructed,
    Investment,
    NeedsOperator,
    Refunded,
    Requested,
    RequestInvestment,
    Resumed,
    RetryInvestment,
    ReturnLeg,
    SetAside,
    SourceHeld,
    TakenBack,
    Undoing,
    Withdrawn,
    is_same_request,
)
from domain.movements import Failed, Returned, Sent, Settled, derived_id
from domain.refusals import Refusal
from domain.transfers import Captured, Posted, Reserved, Reversed
from tests.support.flow_world import Log
from tests.support.given import refused

Fact = tuple[UUID, Event]

OWNER, STRANGER = UUID(int=401), UUID(int=402)
INVESTOR, FUND_ACCOUNT, FUND, INVESTMENT = (UUID(int=n) for n in (411, 412, 413, 414))
CLEARING, SUSPENSE = house_account("clearing", "EUR"), house_account("suspense", "EUR")
HOLD = derived_id(INVESTMENT, "hold")
WITHDRAWAL = derived_id(INVESTMENT, "withdrawal", 0)
DEPOSIT = derived_id(INVESTMENT, "deposit", 1)
REFUND = derived_id(INVESTMENT, "refund", 2)
PAID, BACK, ASIDE, UP = (UUID(int=n) for n in (421, 422, 423, 424))
LEGS = {"withdrawal": WITHDRAWAL, "deposit": DEPOSIT, "refund": REFUND}

REQUEST = RequestInvestment(INVESTMENT, INVESTOR, FUND, 10, "EUR", OWNER)
REQUESTED = Requested(INVESTOR, FUND, FUND_ACCOUNT, "EUR", 10, OWNER)


# What was there before.
def moved(transfer_id: UUID, source: UUID, destination: UUID) -> list[Fact]:
    """The amount was moved at once."""
    return [
        (transfer_id, Posted(source, destination, "EUR", 10)),
        (source, Debited(transfer_id, destination, 10, 0)),
        (destination, Credited(transfer_id, source, 10, 0)),
    ]


def asked(leg: str, movement_id: UUID | None = None) -> list[Fact]:
    """A bank is to move a leg."""
    movement_id = movement_id or LEGS[leg]
    direction = "in" if leg == "withdrawal" else "out"
    instructed = movements.Instructed("investment", INVESTMENT, leg, direction, "DE1", "EUR", 10)
    return [(movement_id, instructed), (INVESTMENT, Instructed(leg, movement_id))]


def said(leg: str, *what: str, movement_id: UUID | None = None) -> list[Fact]:
    """What a bank has said of a leg that it was asked for."""
    of = ("investment", INVESTMENT, leg)
    events: dict[str, Event] = {
        "sent": Sent(*of),
        "settled": Settled(*of),
        "failed": Failed(*of, reason="bank_failed"),
        "returned": Returned(*of, reason="bank_returned"),
    }
    return [(movement_id or LEGS[leg], events[word]) for word in what]


BEFORE: list[Fact] = [
    (INVESTOR, accounts.Opened("any", "investment", "EUR", OWNER)),
    (INVESTOR, Credited(UUID(int=1), UUID(int=2), 50, 50)),
    (FUND_ACCOUNT, accounts.Opened("any", "fund", "EUR")),
    (FUND, funds.Opened("Wind I", "EUR", FUND_ACCOUNT, 5, 20, 1)),
]
INITIATED = [*BEFORE, (INVESTMENT, REQUESTED), (FUND, SeatReserved(INVESTMENT, 10, 0))]
HELD: list[Fact] = [
    *INITIATED,
    (CLEARING, opening("clearing", "EUR")),
    (HOLD, Reserved(INVESTOR, CLEARING, "EUR", 10)),
    (INVESTOR, Held(HOLD, 10, 50, 10)),
    (INVESTMENT, SourceHeld(HOLD)),
    *asked("withdrawal"),
]
WITHDRAWING = [*HELD, *said("withdrawal", "sent")]
WITHDRAWN: list[Fact] = [
    *WITHDRAWING,
    *said("withdrawal", "settled"),
    (HOLD, Captured(10)),
    (INVESTOR, Debited(HOLD, CLEARING, 10, 40, 0, 10)),
    (CLEARING, Credited(HOLD, INVESTOR, 10, 10)),
    (INVESTMENT, Withdrawn(HOLD)),
    *asked("deposit"),
]
DEPOSITING = [*WITHDRAWN, *said("deposit", "sent")]
COMPLETED: list[Fact] = [
    *DEPOSITING,
    *said("deposit", "settled"),
    *moved(PAID, CLEARING, FUND_ACCOUNT),
    (INVESTMENT, Deposited(PAID)),
    (FUND, AllocationTaken(INVESTMENT, 10)),
    (INVESTMENT, Completed()),
]
REFUNDABLE: list[Fact] = [
    *DEPOSITING,
    *said("deposit", "failed"),
    (INVESTMENT, Undoing("deposit", "bank_failed")),
    *asked("refund"),
]
REFUNDING = [*REFUNDABLE, *said("refund", "sent")]
REFUNDED: list[Fact] = [
    *REFUNDING,
    *said("refund", "settled"),
    (BACK, Posted(CLEARING, INVESTOR, "EUR", 10, reverses=HOLD)),
    (HOLD, Reversed(BACK, 10)),
    (CLEARING, Debited(BACK, INVESTOR, 10, 0)),
    (INVESTOR, Credited(BACK, CLEARING, 10, 50)),
    (INVESTMENT, Refunded(BACK, REFUND)),
    (FUND, SeatReleased(INVESTMENT, 10, 1)),
    (INVESTMENT, FailedEvent("deposit", "bank_failed", "returned")),
]
FAILED: list[Fact] = [
    *WITHDRAWING,
    *said("withdrawal", "failed"),
    (HOLD, transfers.Voided("bank_failed")),
    (INVESTOR, accounts.Released(HOLD, 10, 50)),
    (FUND, SeatReleased(INVESTMENT, 10, 1)),
    (INVESTMENT, FailedEvent("withdrawal", "bank_failed", "source")),
]
SET_ASIDE: list[Fact] = [
    (SUSPENSE, opening("suspense", "EUR")),
    *moved(ASIDE, CLEARING, SUSPENSE),
    (INVESTMENT, SetAside(ASIDE)),
]
WITHDRAWAL_DOUBTED: list[Fact] = [
    *WITHDRAWING,
    (INVESTMENT, NeedsOperator("withdrawal", "bank_silent", "held")),
]
DEPOSIT_DOUBTED: list[Fact] = [
    *DEPOSITING,
    *SET_ASIDE,
    (INVESTMENT, NeedsOperator("deposit", "bank_silent", "suspense")),
]
REFUND_FAILED: list[Fact] = [
    *REFUNDING,
    *said("refund", "failed"),
    *SET_ASIDE,
    (INVESTMENT, NeedsOperator("refund", "bank_failed", "suspense")),
]

SITUATIONS: dict[str, list[Fact]] = {
    "initiated": INITIATED,
    "held": HELD,
    "withdrawing": WITHDRAWING,
    "withdrawn": WITHDRAWN,
    "depositing": DEPOSITING,
    "completed": COMPLETED,
    "refundable": REFUNDABLE,
    "refunding": REFUNDING,
    "refunded": REFUNDED,
    "failed": FAILED,
    "withdrawal doubted": WITHDRAWAL_DOUBTED,
    "deposit doubted": DEPOSIT_DOUBTED,
    "refund failed": REFUND_FAILED,
}


def given(*facts: Fact) -> Log:
    log = Log()
    log.append(facts)
    return log


def there(log: Log) -> Investment:
    state = log.states[INVESTMENT]
    assert isinstance(state, Investment)
    return state


def outcome(log: Log, command: Command) -> str:
    """The investment's own events in short, or why the command is refused."""
    try:
        decided = log.submit(command)
    except Refusal as refusal:
        return refusal.reason
    return ", ".join(_in_short(event) for stream_id, event in decided if stream_id == INVESTMENT)


def _in_short(event: Event) -> str:
    match event:
        case Instructed(leg=leg) | Resumed(leg=leg) | TakenBack(leg=leg):
            return f"{_name(event)} {leg}"
        case Undoing(step=step, reason=reason) | FailedEvent(step=step, reason=reason):
            return f"{_name(event)} {step}:{reason}"
        case NeedsOperator(step=step, reason=reason, place=place):
            return f"{_name(event)} {step}:{reason} in {place}"
    return _name(event)


def _name(event: Event) -> str:
    return event.topic.partition(".")[2]


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

WORD: dict[str, type] = {"settled": BookLeg, "failed": FailLeg, "returned": ReturnLeg}


def hear(log: Log, news: str, *, movement_id: UUID | None = None) -> str:
    """The bank says something, and the process passes it on. Said again, it is no news."""
    leg, _, word = news.partition(" ")
    log.append(said(leg, word, movement_id=movement_id))
    command = WORD[word](INVESTMENT, leg, *(() if word == "settled" else (f"bank_{word}",)))
    came_of_it = outcome(log, command)
    assert outcome(log, command) == "nothing_new"
    return came_of_it


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


def check(log: Log) -> None:
    """Money is where the investment says, the seat too, and the log tells the same story again."""
    i = there(log)
    accounts_ = {id_: s for id_, s in log.states.items() if isinstance(s, accounts.Account)}
    assert sum(a.balance for a in accounts_.values()) == 50  # from outside
    balances = {
        INVESTOR: 50 + 10 * (i.paid_back - i.paid_in),
        FUND_ACCOUNT: 10 * i.paid_fund,
        CLEARING: 10 * i.clearing,
        SUSPENSE: 10 * i.suspense,
    }
    for account_id, balance in balances.items():
        account = accounts_.get(account_id)
        assert (account.balance if account else 0) == balance
    assert accounts_[INVESTOR].held == 10 * i.is_held
    fund = log.states[FUND]
    assert isinstance(fund, funds.Fund)
    assert (fund.reserved, fund.taken) == (i.seat == "reserved", i.seat == "taken")
    assert log.replayed() == log.states


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

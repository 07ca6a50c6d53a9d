"""Deposits and withdrawals: the ledger follows the bank, late, twice or back again, and asks for somebody
where the customer's account can't."""

from __future__ import annotations

from uuid import UUID

import pytest
from msgspec.structs import replace

from application.ledger.outcomes import Command
from domain import movements, transfers
from domain.accounts import Credited, Debited, StatusChanged
from domain.bank_transfers import (
    STATUSES,
    BookBankTransfer,
    CancelBankTransfer,
    CompensateBankTransfer,
    DoubtBankTransfer,
    FailBankTransfer,
    RetryBankTransfer,
    ReturnBankTransfer,
    is_same_request,
)
from domain.movements import ReportMovement
from tests.support.bank_moving import (
    ASKED,
    BEFORE,
    CASH,
    CLEARING,
    CUSTOMER,
    FIRST,
    FOURTH,
    HOLD,
    KINDS,
    MOVEMENT,
    NAMES,
    OWNER,
    SECOND,
    SITUATIONS,
    STRANGER,
    THIRD,
    TRANSFER,
    back,
    check,
    hear,
    moved,
    outcome,
    requested,
    said,
    there,
)
from tests.support.flow_facts import Fact, given
from tests.support.given import refused

# What each command does in each situation. Where nothing is said of it, it has no news.
COMMANDS: dict[str, Command] = {
    "cancel": CancelBankTransfer(TRANSFER, "", OWNER),
    "book": BookBankTransfer(TRANSFER),
    "fail": FailBankTransfer(TRANSFER, "bank_failed"),
    "return": ReturnBankTransfer(TRANSFER, "bank_returned"),
    "doubt": DoubtBankTransfer(TRANSFER, "bank_silent"),
    "retry": RetryBankTransfer(TRANSFER),
    "compensate": CompensateBankTransfer(TRANSFER, "enough"),
}
REFUSED = {
    "cancel": "invalid_transition",
    "retry": "nothing_to_retry",
    "compensate": "nothing_to_undo",
}
DONE: dict[str, dict[str, str]] = {
    "new": {
        "cancel": "failed request:cancelled",
        "doubt": "needs_operator KIND:bank_silent in PLACE",
    },
    "sent": {
        "cancel": "already_sent",
        "doubt": "needs_operator KIND:bank_silent in PLACE",
    },
    "completed": {},
    "returned": {},
    "failed": {},
    "doubted": {"retry": "resumed", "compensate": "failed KIND:enough"},
    "doubted before": {"retry": "resumed", "compensate": "failed KIND:enough"},
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("situation", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_each_command_does_in_each_situation_what_the_table_says(
    kind: str, situation: str, command: str
) -> None:
    log = given(*SITUATIONS[kind][situation])
    expected = DONE[situation].get(command, REFUSED.get(command, "nothing_new"))
    place = "held" if kind == "withdrawal" else "outside"
    assert outcome(log, COMMANDS[command]) == expected.replace("KIND", kind).replace("PLACE", place)
    check(log)


def test_every_status_is_that_of_a_situation() -> None:
    for kind in KINDS:
        assert {there(given(*facts)).status for facts in SITUATIONS[kind].values()} == set(STATUSES)


@pytest.mark.parametrize("command", COMMANDS.values())
def test_what_was_never_asked_for_is_not_there(command: Command) -> None:
    assert outcome(given(*BEFORE), command) == "bank_transfer_not_found"


def test_what_was_not_sent_is_called_off_with_its_flow() -> None:
    for kind in KINDS:
        for situation, command in (("new", "cancel"), ("doubted before", "compensate")):
            log = given(*SITUATIONS[kind][situation])
            outcome(log, COMMANDS[command])
            movement = log.states[MOVEMENT]
            assert isinstance(movement, movements.Movement)
            assert movement.status == "cancelled"


# What the bank says.
COMPLETES = {
    "deposit": "booked bank, booked customer, completed",
    "withdrawal": "booked customer, booked bank, completed",
}
GOES_BACK = {
    "deposit": "taken_back customer, taken_back bank, returned bank_returned",
    "withdrawal": "taken_back bank, taken_back customer, returned bank_returned",
}


@pytest.mark.parametrize("situation", ["new", "sent", "doubted", "failed"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_has_settled_is_booked_also_when_it_was_taken_to_be_over(
    kind: str, situation: str
) -> None:
    log = given(*SITUATIONS[kind][situation])
    assert hear(log, "settled") == COMPLETES[kind]
    check(log)


@pytest.mark.parametrize("situation", ["new", "sent", "doubted"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_has_failed_is_let_go_of(kind: str, situation: str) -> None:
    log = given(*SITUATIONS[kind][situation])
    assert hear(log, "failed") == f"failed {kind}:bank_failed"
    check(log)


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_back_is_reversed_the_last_step_first(kind: str) -> None:
    log = given(*SITUATIONS[kind]["completed"])
    assert hear(log, "returned") == GOES_BACK[kind]
    check(log)
    for transfer_id in (SECOND, HOLD if kind == "withdrawal" else FIRST):
        transfer = log.states[transfer_id]
        assert isinstance(transfer, transfers.Transfer)
        assert transfer.reversed == 10


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_bank_has_done_is_not_undone_before_it_is_heard_of(kind: str) -> None:
    log = given(*SITUATIONS[kind]["doubted"], *said(kind, "settled"))
    assert outcome(log, CompensateBankTransfer(TRANSFER)) == "nothing_to_undo"
    assert outcome(log, RetryBankTransfer(TRANSFER)) == COMPLETES[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_what_settled_and_came_back_before_it_was_heard_of_has_failed(kind: str) -> None:
    log = given(*SITUATIONS[kind]["sent"], *said(kind, "settled", "returned"))
    assert outcome(log, BookBankTransfer(TRANSFER)) == f"failed {kind}:bank_returned"
    assert outcome(log, ReturnBankTransfer(TRANSFER, "bank_returned")) == "nothing_new"
    check(log)


# What the customer's account refuses.
def turned(status: str) -> Fact:
    return CUSTOMER, StatusChanged(status, "active")


UNBOOKED: dict[str, tuple[str, str, str, str, str]] = {
    "a deposit to a closed account": (
        "deposit", "sent", "suspended", "settled",
        "booked bank, set_aside, needs_operator deposit:account_suspended in suspense",
    ),
    "a deposit back from a frozen account": (
        "deposit", "completed", "frozen", "returned",
        "taken_back bank, taken_up, needs_operator return:account_frozen in booked",
    ),
    "a withdrawal from a frozen account": (
        "withdrawal", "sent", "frozen", "settled",
        "booked bank, taken_up, needs_operator withdrawal:account_frozen in held",
    ),
    "a withdrawal back to a suspended account": (
        "withdrawal", "completed", "suspended", "returned",
        "taken_back bank, set_aside, needs_operator return:account_suspended in suspense",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNBOOKED)
def test_what_the_customer_s_account_refuses_waits_in_suspense_until_it_can_be_booked(
    case: str,
) -> None:
    kind, situation, status, word, expected = UNBOOKED[case]
    log = given(*SITUATIONS[kind][situation], turned(status))
    assert hear(log, word) == expected
    check(log)
    assert outcome(log, RetryBankTransfer(TRANSFER)) == "nothing_to_retry"
    log.append([(CUSTOMER, StatusChanged("active", "any"))])
    outcome(log, RetryBankTransfer(TRANSFER))
    assert there(log).status == ("completed" if word == "settled" else "returned")
    assert there(log).suspense == 0
    check(log)


@pytest.mark.parametrize("case", UNBOOKED)
def test_what_will_never_be_booked_is_closed_by_an_operator_and_left_in_suspense(case: str) -> None:
    kind, situation, status, word, _ = UNBOOKED[case]
    log = given(*SITUATIONS[kind][situation], turned(status))
    hear(log, word)
    left = there(log).suspense
    assert left != 0
    assert outcome(log, CompensateBankTransfer(TRANSFER, "by hand")).startswith("failed")
    check(log)
    assert (there(log).status, there(log).is_closed, there(log).suspense) == ("failed", True, left)
    assert not there(log).is_held
    for command in (RetryBankTransfer(TRANSFER), CompensateBankTransfer(TRANSFER)):
        assert outcome(log, command).startswith("nothing_to_")
    assert outcome(log, BookBankTransfer(TRANSFER)).startswith(f"needs_operator {kind}:settled")


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_bank_has_taken_on_is_not_written_off(kind: str) -> None:
    log = given(*SITUATIONS[kind]["doubted"])
    log.submit(ReportMovement(MOVEMENT, "accepted", "B-1", "", 1))
    assert outcome(log, CompensateBankTransfer(TRANSFER)) == "bank_has_it"


@pytest.mark.parametrize(("kind", "status"), [("deposit", "suspended"), ("withdrawal", "frozen")])
def test_what_could_not_be_booked_and_comes_back_is_over(kind: str, status: str) -> None:
    log = given(*SITUATIONS[kind]["sent"], turned(status))
    hear(log, "settled")
    assert hear(log, "returned").endswith("returned bank_returned")
    assert there(log).suspense == 0
    check(log)


def test_a_deposit_that_came_back_and_is_spent_is_owed_until_it_is_there_again() -> None:
    spent: Fact = (CUSTOMER, Debited(UUID(int=3), UUID(int=4), 55, 0))
    log = given(*SITUATIONS["deposit"]["completed"], spent)
    assert hear(log, "returned").endswith("needs_operator return:insufficient_funds in booked")
    assert (there(log).suspense, there(log).clearing) == (-1, 0)
    log.append([(CUSTOMER, Credited(UUID(int=5), UUID(int=6), 55, 0))])
    assert outcome(log, RetryBankTransfer(TRANSFER)) == (
        "taken_back customer, set_aside, returned bank_returned"
    )
    check(log)


def test_a_withdrawal_that_was_paid_late_and_whose_money_is_spent_is_owed() -> None:
    spent: Fact = (CUSTOMER, Debited(UUID(int=3), UUID(int=4), 45, 0))
    log = given(*SITUATIONS["withdrawal"]["failed"], spent)
    assert hear(log, "settled") == (
        "booked bank, taken_up, needs_operator withdrawal:insufficient_funds in booked"
    )
    log.append([(CUSTOMER, Credited(UUID(int=5), UUID(int=6), 45, 0))])
    assert outcome(log, RetryBankTransfer(TRANSFER)) == "booked customer, set_aside, completed"
    check(log)


def test_what_somebody_has_reversed_is_moved_back_all_the_same_when_the_bank_has() -> None:
    log = given(*SITUATIONS["deposit"]["completed"], *back(THIRD, SECOND, CUSTOMER, CLEARING))
    log.append(moved(FOURTH, CLEARING, CUSTOMER))
    assert hear(log, "returned") == GOES_BACK["deposit"]
    check(log)


# Asking.
def test_a_deposit_asks_the_bank_and_books_nothing() -> None:
    log = given(*BEFORE)
    decided = log.submit(ASKED["deposit"])
    assert decided == tuple(requested("deposit")[len(BEFORE) :])
    check(log)


def test_a_withdrawal_holds_the_money_with_the_request() -> None:
    log = given(*BEFORE)
    log.submit(ASKED["withdrawal"])
    assert (there(log).place, there(log).hold_id) == ("held", HOLD)
    check(log)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount": 0}, "negative_amount"),
        ({"account_id": STRANGER}, "account_not_found"),
        ({"owner_id": STRANGER}, "account_not_found"),
        ({"account_id": CASH, "owner_id": None}, "invalid_account_type"),
        ({"currency": "USD"}, "currency_mismatch"),
    ],
)
def test_what_cannot_be_moved_is_refused_and_leaves_nothing(
    kind: str, changes: dict[str, object], reason: str
) -> None:
    log = given(*BEFORE)
    with refused(reason):
        log.submit(replace(ASKED[kind], **changes))
    assert TRANSFER not in log.states


def test_a_withdrawal_of_more_than_there_is_is_refused_at_once() -> None:
    log = given(*BEFORE)
    with refused("insufficient_funds", available_minor=50, requested_minor=51):
        log.submit(replace(ASKED["withdrawal"], amount=51))
    with refused("account_frozen"):
        given(*BEFORE, turned("frozen")).submit(ASKED["withdrawal"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_repeat_is_told_from_another_request_by_what_may_be_shown(kind: str) -> None:
    log = given(*SITUATIONS[kind]["completed"])
    again = replace(ASKED[kind], bank_account="sealed:1:BB")
    assert log.submit(again) == ()
    assert is_same_request(there(log), again)
    for change in (
        {"amount": 11},
        {"bank_account_hint": "*4000"},
        {"reference": "food"},
        {"kind": "deposit" if kind == "withdrawal" else "withdrawal"},
    ):
        other = replace(ASKED[kind], **change)
        assert not is_same_request(there(log), other)
        with refused("id_reused", id=TRANSFER):
            log.submit(other)


@pytest.mark.parametrize("situation", NAMES)
def test_another_s_is_as_if_it_were_not_there(situation: str) -> None:
    for kind in KINDS:
        log = given(*SITUATIONS[kind][situation])
        with refused("bank_transfer_not_found", bank_transfer_id=TRANSFER):
            log.submit(CancelBankTransfer(TRANSFER, owner_id=STRANGER))

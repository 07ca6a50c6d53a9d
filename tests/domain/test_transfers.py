"""Transfers posted at once: what they write, and what they are refused for, in which order."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from domain.accounts import Account, Credited, Debited, Held
from domain.refusals import Refusal
from domain.transfers import (
    Condition,
    Posted,
    PostTransfer,
    Reserved,
    is_same_request,
    post_transfer,
)
from tests.support.given import (
    ALICE,
    AN_HOUR,
    BOB,
    HOUSE,
    NOW,
    TRANSFER,
    account,
    refused,
    transfer,
)

ASKED = PostTransfer(TRANSFER, ALICE, BOB, 30_00, "EUR")
ALICE_HAS_100 = account(ALICE, balance=100_00)
BOB_HAS_NOTHING = account(BOB)


def test_a_transfer_is_one_debit_and_one_credit_and_each_shows_the_balance_after_it() -> None:
    asked = replace(
        ASKED, description="rent", reference="RF18", effective_at=NOW, metadata={"flat": 7}
    )
    assert post_transfer(asked, ALICE_HAS_100, BOB_HAS_NOTHING, NOW) == (
        (
            TRANSFER,
            Posted(ALICE, BOB, "EUR", 30_00, 0, False, "rent", "RF18", NOW, {"flat": 7}, None, ""),
        ),
        (ALICE, Debited(TRANSFER, BOB, 30_00, 70_00, 0, 0, NOW, "rent", "RF18")),
        (BOB, Credited(TRANSFER, ALICE, 30_00, 30_00, 0, NOW, "rent", "RF18")),
    )


def test_money_that_is_held_stays_where_it_is() -> None:
    source = account(ALICE, balance=100_00, held=80_00)
    with refused("insufficient_funds", available_minor=20_00, requested_minor=30_00):
        post_transfer(ASKED, source, BOB_HAS_NOTHING, NOW)


def test_both_entries_show_what_their_account_holds_back() -> None:
    source, destination = (account(id_, balance=100_00, held=10_00) for id_ in (ALICE, BOB))
    _, (_, debit), (_, credit) = post_transfer(ASKED, source, destination, NOW)
    assert isinstance(debit, Debited)
    assert isinstance(credit, Credited)
    assert (debit.held, debit.released, credit.held) == (10_00, 0, 10_00)


def test_up_to_moves_what_is_there_and_keeps_what_was_asked_for() -> None:
    asked = replace(ASKED, amount=130_00, up_to=True)
    (_, posted), (_, debit), _ = post_transfer(asked, ALICE_HAS_100, BOB_HAS_NOTHING, NOW)
    assert posted == Posted(ALICE, BOB, "EUR", 100_00, 130_00, True)
    assert isinstance(debit, Debited)
    assert (debit.amount, debit.balance) == (100_00, 0)


def test_up_to_moves_all_that_was_asked_for_when_it_is_there() -> None:
    asked = replace(ASKED, up_to=True)
    (_, posted), *_ = post_transfer(asked, ALICE_HAS_100, BOB_HAS_NOTHING, NOW)
    assert posted == Posted(ALICE, BOB, "EUR", 30_00, 0, True)


def test_up_to_leaves_alone_what_is_held() -> None:
    asked = replace(ASKED, up_to=True, amount=100_00)
    source = account(ALICE, balance=100_00, held=80_00)
    (_, posted), *_ = post_transfer(asked, source, BOB_HAS_NOTHING, NOW)
    assert isinstance(posted, Posted)
    assert (posted.amount, posted.requested) == (20_00, 100_00)


def test_up_to_from_the_houses_own_account_is_not_limited() -> None:
    asked = replace(ASKED, source_id=HOUSE, up_to=True)
    (_, posted), *_ = post_transfer(asked, account(HOUSE, type="cash"), BOB_HAS_NOTHING, NOW)
    assert isinstance(posted, Posted)
    assert posted.amount == 30_00


def test_up_to_from_an_empty_account_is_refused() -> None:
    with refused("insufficient_funds", available_minor=0, requested_minor=30_00):
        post_transfer(replace(ASKED, up_to=True), account(ALICE), BOB_HAS_NOTHING, NOW)


@pytest.mark.parametrize(
    ("condition", "what", "actual"),
    [
        (Condition(ALICE, version=1), "version", {"wanted": 1, "actual": 2}),
        (Condition(ALICE, version=0), "version", {"wanted": 0, "actual": 2}),
        (
            Condition(ALICE, balance_at_least=100_01),
            "balance_at_least",
            {"wanted_minor": 100_01, "actual_minor": 100_00},
        ),
        (Condition(BOB, balance_at_most=-1), "balance_at_most", {"actual_minor": 0}),
        (Condition(ALICE, available_at_least=90_01), "available_at_least", {"actual_minor": 90_00}),
        (Condition(ALICE, available_at_most=89_99), "available_at_most", {"actual_minor": 90_00}),
        (Condition(ALICE, available_at_most=0), "available_at_most", {"wanted_minor": 0}),
        (Condition(ALICE, version=2, balance_at_most=99_99), "balance_at_most", {}),
    ],
)
def test_a_condition_that_does_not_hold_is_named_with_what_is_the_case(
    condition: Condition, what: str, actual: dict[str, Any]
) -> None:
    source = account(ALICE, balance=100_00, credit_limit=0)
    source = replace(source, held=10_00)
    with refused("condition_failed", condition=what, account_id=condition.account_id, **actual):
        post_transfer(replace(ASKED, conditions=(condition,)), source, BOB_HAS_NOTHING, NOW)


@pytest.mark.parametrize(
    "condition",
    [
        Condition(ALICE),
        Condition(ALICE, version=2),
        Condition(ALICE, balance_at_least=100_00, balance_at_most=100_00),
        Condition(ALICE, available_at_least=100_00, available_at_most=100_00),
        Condition(BOB, version=1, balance_at_least=0, available_at_most=0),
    ],
)
def test_a_condition_that_just_holds_lets_the_transfer_pass(condition: Condition) -> None:
    assert post_transfer(
        replace(ASKED, conditions=(condition,)), ALICE_HAS_100, BOB_HAS_NOTHING, NOW
    )


def test_the_houses_own_account_has_any_amount_available_and_never_a_little() -> None:
    house = account(HOUSE, type="cash")
    asked = replace(ASKED, source_id=HOUSE)
    plenty = Condition(HOUSE, available_at_least=10**18)
    assert post_transfer(replace(asked, conditions=(plenty,)), house, BOB_HAS_NOTHING, NOW)
    little = Condition(HOUSE, available_at_most=10**18)
    with refused("condition_failed", condition="available_at_most", actual_minor=None):
        post_transfer(replace(asked, conditions=(little,)), house, BOB_HAS_NOTHING, NOW)


def test_a_condition_on_a_third_account_is_refused() -> None:
    asked = replace(ASKED, conditions=(Condition(HOUSE, version=1),))
    with refused("condition_account_unknown", account_id=HOUSE):
        post_transfer(asked, ALICE_HAS_100, BOB_HAS_NOTHING, NOW)


@dataclass
class Attempt:
    """A transfer with everything wrong with it; each test step takes the first thing away."""

    asked: PostTransfer = field(
        default_factory=lambda: PostTransfer(
            TRANSFER, ALICE, ALICE, 0, "USD", up_to=True, conditions=(Condition(ALICE, version=9),)
        )
    )
    source: Account | None = None
    destination: Account | None = None

    def reason(self) -> str:
        try:
            post_transfer(self.asked, self.source, self.destination, NOW)
        except Refusal as refusal:
            return refusal.reason
        return "accepted"


def test_refusals_come_in_the_order_amount_accounts_currency_conditions_status_funds() -> None:
    attempt = Attempt()
    assert attempt.reason() == "negative_amount"
    attempt.asked = replace(attempt.asked, amount=5)
    assert attempt.reason() == "same_account"
    attempt.asked = replace(attempt.asked, destination_id=BOB)
    assert attempt.reason() == "account_not_found"
    attempt.source = account(ALICE, status="frozen")
    assert attempt.reason() == "account_not_found"
    attempt.destination = account(BOB, status="suspended")
    assert attempt.reason() == "currency_mismatch"
    attempt.asked = replace(attempt.asked, currency="EUR")
    assert attempt.reason() == "condition_failed"
    attempt.asked = replace(attempt.asked, conditions=())
    assert attempt.reason() == "account_frozen"
    attempt.source = account(ALICE)
    assert attempt.reason() == "insufficient_funds"
    attempt.source = ALICE_HAS_100
    assert attempt.reason() == "account_suspended"
    attempt.destination = BOB_HAS_NOTHING
    assert attempt.reason() == "accepted"


def test_the_account_that_is_missing_is_named() -> None:
    with refused("account_not_found", account_id=ALICE):
        post_transfer(ASKED, None, BOB_HAS_NOTHING, NOW)
    with refused("account_not_found", account_id=BOB):
        post_transfer(ASKED, ALICE_HAS_100, None, NOW)


@pytest.mark.parametrize(("source", "destination"), [("USD", "EUR"), ("EUR", "USD")])
def test_both_accounts_are_in_the_transfers_currency(source: str, destination: str) -> None:
    with refused("currency_mismatch", requested="EUR", source=source, destination=destination):
        post_transfer(
            ASKED,
            account(ALICE, currency=source, balance=100_00),
            account(BOB, currency=destination),
            NOW,
        )


def test_a_pending_transfer_holds_the_money_and_moves_none() -> None:
    asked = replace(ASKED, pending=True, expires_in_s=3600)
    source = account(ALICE, balance=100_00, held=10_00)
    assert post_transfer(asked, source, BOB_HAS_NOTHING, NOW) == (
        (
            TRANSFER,
            Reserved(ALICE, BOB, "EUR", 30_00, expires_at=NOW + AN_HOUR, expires_in_s=3600),
        ),
        (ALICE, Held(TRANSFER, 30_00, 100_00, 40_00)),
    )


def test_a_pending_transfer_without_a_time_limit_does_not_expire() -> None:
    (_, reserved), _ = post_transfer(
        replace(ASKED, pending=True), ALICE_HAS_100, BOB_HAS_NOTHING, NOW
    )
    assert isinstance(reserved, Reserved)
    assert reserved.expires_at is None


def test_a_pending_transfer_to_an_account_that_takes_no_credits_is_refused_at_once() -> None:
    with refused("account_suspended", account_id=BOB):
        post_transfer(
            replace(ASKED, pending=True), ALICE_HAS_100, account(BOB, status="suspended"), NOW
        )


@pytest.mark.parametrize(
    "asked",
    [
        ASKED,
        replace(ASKED, amount=130_00, up_to=True),
        replace(ASKED, up_to=True),
        replace(ASKED, pending=True),
        replace(ASKED, pending=True, expires_in_s=60),
        replace(ASKED, expires_in_s=60),
        replace(ASKED, metadata={"a": "b"}, description="x", effective_at=NOW),
        replace(ASKED, conditions=(Condition(ALICE, version=2),)),
    ],
)
def test_a_repeated_request_is_recognised(asked: PostTransfer) -> None:
    (_, first), *_ = post_transfer(asked, ALICE_HAS_100, BOB_HAS_NOTHING, NOW)
    assert is_same_request(transfer(first), asked)
    assert is_same_request(transfer(first), replace(asked, conditions=()))


@pytest.mark.parametrize(
    "change",
    [
        {"source_id": HOUSE},
        {"destination_id": HOUSE},
        {"amount": 29_99},
        {"currency": "USD"},
        {"description": "other"},
        {"reference": "other"},
        {"effective_at": NOW + timedelta(days=1)},
        {"metadata": {"a": "c"}},
        {"pending": False},
        {"expires_in_s": 61},
        {"up_to": True},
    ],
)
def test_a_request_with_any_other_content_is_not_a_repeat(change: dict[str, Any]) -> None:
    asked = replace(ASKED, pending=True, expires_in_s=60, effective_at=NOW, metadata={"a": "b"})
    (_, first), *_ = post_transfer(asked, ALICE_HAS_100, BOB_HAS_NOTHING, NOW)
    assert not is_same_request(transfer(first), replace(asked, **change))


def test_a_reversal_is_never_the_repeat_of_a_request() -> None:
    reversal = transfer(Posted(ALICE, BOB, "EUR", 30_00, reverses=HOUSE))
    assert not is_same_request(reversal, ASKED)

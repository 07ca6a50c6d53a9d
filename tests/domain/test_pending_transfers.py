"""Pending transfers: posted wholly or in part, voided, or expired, and only once."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from domain.accounts import Account, Credited, Debited, Released
from domain.events import Event
from domain.transfers import (
    Captured,
    Decided,
    Expired,
    ExpirePending,
    PostPending,
    Reserved,
    Transfer,
    Voided,
    VoidPending,
    expire_pending,
    post_pending,
    void_pending,
)
from tests.support.given import ALICE, AN_HOUR, BOB, NOW, TRANSFER, account, refused, transfer

RESERVED = Reserved(
    ALICE,
    BOB,
    "EUR",
    40_00,
    description="hotel",
    reference="R1",
    expires_at=NOW + AN_HOUR,
    expires_in_s=3600,
)
PENDING = transfer(RESERVED)
ALICE_HAS_100 = account(ALICE, balance=100_00, held=40_00)
BOB_HAS_NOTHING = account(BOB)
OVER: list[Event] = [Captured(40_00), Voided(), Expired()]


def post(
    amount: str | None = None,
    there: Transfer | None = PENDING,
    source: Account = ALICE_HAS_100,
    destination: Account = BOB_HAS_NOTHING,
) -> Decided:
    return post_pending(PostPending(TRANSFER, amount), there, source, destination, NOW)


def test_posting_all_of_it_moves_what_was_held() -> None:
    decided = post()
    assert decided == (
        (TRANSFER, Captured(40_00, 0)),
        (
            ALICE,
            Debited(TRANSFER, BOB, 40_00, 60_00, 0, 40_00, None, "hotel", "R1"),
        ),
        (BOB, Credited(TRANSFER, ALICE, 40_00, 40_00, 0, None, "hotel", "R1")),
    )
    assert transfer(RESERVED, decided[0][1]).status == "posted"


def test_posting_a_part_sets_the_rest_of_the_hold_free() -> None:
    (_, captured), (_, debit), (_, credit) = post("15.50")
    assert captured == Captured(15_50, 24_50)
    assert isinstance(debit, Debited)
    assert isinstance(credit, Credited)
    assert (debit.amount, debit.balance, debit.held, debit.released) == (15_50, 84_50, 0, 40_00)
    assert credit.amount == 15_50
    assert transfer(RESERVED, captured).amount == 15_50


def test_other_holds_of_the_account_stay() -> None:
    source = account(ALICE, balance=100_00, held=70_00)
    _, (_, debit), _ = post("10.00", source=source)
    assert isinstance(debit, Debited)
    assert debit.held == 30_00


def test_no_more_is_posted_than_is_pending() -> None:
    with refused("amount_exceeds_pending", pending_minor=40_00, requested_minor=40_01):
        post("40.01")


@pytest.mark.parametrize(
    ("amount", "reason"),
    [("0", "negative_amount"), ("-1", "negative_amount"), ("1.001", "invalid_amount_format")],
)
def test_a_part_is_an_amount_in_the_transfers_currency(amount: str, reason: str) -> None:
    with refused(reason):
        post(amount)


def test_a_pending_transfer_can_be_posted_until_the_moment_it_expires() -> None:
    arguments = PostPending(TRANSFER), PENDING, ALICE_HAS_100, BOB_HAS_NOTHING
    just_before = NOW + AN_HOUR - AN_HOUR / 3600
    assert post_pending(*arguments, just_before)
    with refused("transfer_expired", expired_at=(NOW + AN_HOUR).isoformat()):
        post_pending(*arguments, NOW + AN_HOUR)


def test_one_without_a_time_limit_can_be_posted_after_years() -> None:
    there = transfer(replace(RESERVED, expires_at=None, expires_in_s=0))
    assert post_pending(
        PostPending(TRANSFER), there, ALICE_HAS_100, BOB_HAS_NOTHING, NOW + AN_HOUR * 24 * 3000
    )


@pytest.mark.parametrize("status", ["inactive", "frozen", "suspended"])
def test_it_is_not_posted_while_its_source_lets_no_money_out(status: str) -> None:
    with refused(f"account_{status}", account_id=ALICE):
        post(source=account(ALICE, balance=100_00, held=40_00, status=status))


@pytest.mark.parametrize("status", ["inactive", "suspended", "closed"])
def test_it_is_not_posted_while_its_destination_takes_no_money(status: str) -> None:
    with refused(f"account_{status}", account_id=BOB):
        post(destination=account(BOB, status=status))


def test_it_is_posted_to_a_frozen_destination() -> None:
    assert post(destination=account(BOB, status="frozen"))


def test_voiding_sets_the_hold_free_and_moves_nothing() -> None:
    assert void_pending(
        VoidPending(TRANSFER, "cancelled"), PENDING, ALICE_HAS_100, BOB_HAS_NOTHING
    ) == (
        (TRANSFER, Voided("cancelled")),
        (ALICE, Released(TRANSFER, 40_00, 100_00, 0)),
    )


@pytest.mark.parametrize("status", ["inactive", "frozen", "suspended"])
def test_an_account_gets_its_hold_back_whatever_its_status(status: str) -> None:
    source = account(ALICE, balance=100_00, held=40_00, status=status)
    assert void_pending(VoidPending(TRANSFER), PENDING, source, BOB_HAS_NOTHING)
    assert expire_pending(ExpirePending(TRANSFER), PENDING, source, NOW + AN_HOUR)


def test_it_expires_from_its_time_on_and_not_before() -> None:
    with refused("transfer_not_due"):
        expire_pending(
            ExpirePending(TRANSFER), PENDING, ALICE_HAS_100, NOW + AN_HOUR - AN_HOUR / 3600
        )
    assert expire_pending(ExpirePending(TRANSFER), PENDING, ALICE_HAS_100, NOW + AN_HOUR) == (
        (TRANSFER, Expired()),
        (ALICE, Released(TRANSFER, 40_00, 100_00, 0)),
    )


def test_one_without_a_time_limit_never_expires() -> None:
    there = transfer(replace(RESERVED, expires_at=None, expires_in_s=0))
    with refused("transfer_not_due"):
        expire_pending(ExpirePending(TRANSFER), there, ALICE_HAS_100, NOW + AN_HOUR * 24 * 3000)


@pytest.mark.parametrize("over", OVER)
def test_what_is_over_is_over(over: Event) -> None:
    there = transfer(RESERVED, over)
    with refused("transfer_not_pending", status=there.status):
        post(there=there)
    with refused("transfer_not_pending", status=there.status):
        void_pending(VoidPending(TRANSFER), there, ALICE_HAS_100, BOB_HAS_NOTHING)
    with refused("transfer_not_pending", status=there.status):
        expire_pending(ExpirePending(TRANSFER), there, ALICE_HAS_100, NOW + AN_HOUR)


@pytest.mark.parametrize("expected", [None, (1,), (3, 1)])
def test_it_is_posted_and_voided_at_a_version_that_was_expected(
    expected: tuple[int, ...] | None,
) -> None:
    posting = PostPending(TRANSFER, expected_versions=expected)
    assert post_pending(posting, PENDING, ALICE_HAS_100, BOB_HAS_NOTHING, NOW)
    voiding = VoidPending(TRANSFER, expected_versions=expected)
    assert void_pending(voiding, PENDING, ALICE_HAS_100, BOB_HAS_NOTHING)


@pytest.mark.parametrize("over", OVER)
def test_it_is_neither_posted_nor_voided_at_another_version(over: Event) -> None:
    there = transfer(RESERVED, over)
    with refused("precondition_failed", id=TRANSFER, version=2, expected=[1]):
        posting = PostPending(TRANSFER, expected_versions=(1,))
        post_pending(posting, there, ALICE_HAS_100, BOB_HAS_NOTHING, NOW)
    with refused("precondition_failed", id=TRANSFER, version=2, expected=[1]):
        void_pending(
            VoidPending(TRANSFER, expected_versions=(1,)), there, ALICE_HAS_100, BOB_HAS_NOTHING
        )


def test_one_that_does_not_exist_is_refused() -> None:
    with refused("transfer_not_found", transfer_id=TRANSFER):
        post(there=None)
    with refused("transfer_not_found", transfer_id=TRANSFER):
        void_pending(VoidPending(TRANSFER), None, ALICE_HAS_100, BOB_HAS_NOTHING)
    with refused("transfer_not_found", transfer_id=TRANSFER):
        expire_pending(ExpirePending(TRANSFER), None, ALICE_HAS_100, NOW)

"""Reversals: a posted transfer goes back, wholly or in parts, and never more than was posted."""

from __future__ import annotations

import pytest

from domain.accounts import Account, Credited, Debited
from domain.events import Event
from domain.transfers import (
    Captured,
    Decided,
    Expired,
    Posted,
    Reserved,
    Reversed,
    ReverseTransfer,
    Transfer,
    Voided,
    is_same_reversal,
    reverse_transfer,
)
from tests.support.given import (
    ALICE,
    BOB,
    EARLIER,
    REVERSAL,
    TRANSFER,
    account,
    refused,
    transfer,
)

POSTED = Posted(ALICE, BOB, "EUR", 40_00, description="shoes", reference="R1")
ALICE_HAS_60 = account(ALICE, balance=60_00)
BOB_HAS_40 = account(BOB, balance=40_00)


def reverse(
    amount: str | None = None,
    *,
    there: Transfer | None = None,
    source: Account = ALICE_HAS_60,
    destination: Account = BOB_HAS_40,
) -> Decided:
    return reverse_transfer(
        ReverseTransfer(TRANSFER, REVERSAL, amount, "wrong size"),
        there or transfer(POSTED),
        source,
        destination,
    )


def test_a_whole_reversal_sends_all_of_it_back() -> None:
    assert reverse() == (
        (
            REVERSAL,
            Posted(
                BOB,
                ALICE,
                "EUR",
                40_00,
                description="shoes",
                reference="R1",
                reverses=TRANSFER,
                reason="wrong size",
            ),
        ),
        (TRANSFER, Reversed(REVERSAL, 40_00)),
        (BOB, Debited(REVERSAL, ALICE, 40_00, 0, description="shoes", reference="R1")),
        (ALICE, Credited(REVERSAL, BOB, 40_00, 100_00, description="shoes", reference="R1")),
    )


def test_a_part_goes_back_and_the_rest_can_follow() -> None:
    (_, posted), (_, reversed_), *_ = reverse("15.00")
    assert isinstance(posted, Posted)
    assert posted.amount == 15_00
    there = transfer(POSTED, reversed_)
    assert (there.status, there.amount, there.reversed) == ("posted", 40_00, 15_00)
    (_, rest), *_ = reverse(there=there)
    assert isinstance(rest, Posted)
    assert rest.amount == 25_00


def test_parts_never_add_up_to_more_than_was_posted() -> None:
    there = transfer(POSTED, Reversed(EARLIER, 15_00))
    with refused("amount_exceeds_posted", reversible_minor=25_00, requested_minor=25_01):
        reverse("25.01", there=there)
    assert reverse("25.00", there=there)


@pytest.mark.parametrize("amount", [None, "0.01"])
def test_what_went_back_wholly_does_not_go_back_again(amount: str | None) -> None:
    with refused("already_reversed"):
        reverse(amount, there=transfer(POSTED, Reversed(EARLIER, 40_00)))


def test_of_a_partly_posted_transfer_only_the_posted_part_goes_back() -> None:
    there = transfer(Reserved(ALICE, BOB, "EUR", 90_00), Captured(40_00, 50_00))
    with refused("amount_exceeds_posted", reversible_minor=40_00):
        reverse("40.01", there=there)
    (_, posted), *_ = reverse(there=there)
    assert isinstance(posted, Posted)
    assert posted.amount == 40_00


@pytest.mark.parametrize(
    "history",
    [
        [Reserved(ALICE, BOB, "EUR", 40_00)],
        [Reserved(ALICE, BOB, "EUR", 40_00), Voided()],
        [Reserved(ALICE, BOB, "EUR", 40_00), Expired()],
    ],
)
def test_what_was_never_posted_does_not_go_back(history: list[Event]) -> None:
    there = transfer(*history)
    with refused("transfer_not_posted", status=there.status):
        reverse(there=there)


def test_a_reversal_is_not_reversed() -> None:
    there = transfer(Posted(ALICE, BOB, "EUR", 40_00, reverses=EARLIER))
    with refused("not_reversible", reverses=EARLIER):
        reverse(there=there)


def test_a_transfer_that_does_not_exist_is_refused() -> None:
    with refused("transfer_not_found", transfer_id=TRANSFER):
        reverse_transfer(ReverseTransfer(TRANSFER, REVERSAL), None, ALICE_HAS_60, BOB_HAS_40)


def test_money_that_was_spent_meanwhile_does_not_go_back() -> None:
    with refused("insufficient_funds", account_id=BOB, available_minor=10_00):
        reverse(destination=account(BOB, balance=10_00))


@pytest.mark.parametrize("status", ["inactive", "frozen", "suspended", "closed"])
def test_the_account_that_gives_back_must_be_active(status: str) -> None:
    with refused(f"account_{status}", account_id=BOB):
        reverse(destination=account(BOB, balance=40_00, status=status))


def test_money_goes_back_to_a_frozen_account_and_to_no_closed_one() -> None:
    assert reverse(source=account(ALICE, status="frozen"))
    with refused("account_closed", account_id=ALICE):
        reverse(source=account(ALICE, status="closed"))


@pytest.mark.parametrize("expected", [None, (2,), (1, 2)])
def test_it_goes_back_at_a_version_that_was_expected(expected: tuple[int, ...] | None) -> None:
    there = transfer(POSTED, Reversed(EARLIER, 10_00))
    command = ReverseTransfer(TRANSFER, REVERSAL, expected_versions=expected)
    assert reverse_transfer(command, there, ALICE_HAS_60, BOB_HAS_40)


@pytest.mark.parametrize("part", [10_00, 40_00])
def test_it_does_not_go_back_at_another_version(part: int) -> None:
    """A part that went back meanwhile would change what is left."""
    there = transfer(POSTED, Reversed(EARLIER, part))
    command = ReverseTransfer(TRANSFER, REVERSAL, expected_versions=(1,))
    with refused("precondition_failed", id=TRANSFER, version=2, expected=[1]):
        reverse_transfer(command, there, ALICE_HAS_60, BOB_HAS_40)


def test_a_repeated_reversal_is_recognised_by_what_it_asks_for() -> None:
    (_, posted), *_ = reverse("15.00")
    there = transfer(posted, id_=REVERSAL)
    assert is_same_reversal(there, ReverseTransfer(TRANSFER, REVERSAL, "15", "wrong size"))
    assert not is_same_reversal(there, ReverseTransfer(TRANSFER, REVERSAL, "14", "wrong size"))
    assert not is_same_reversal(there, ReverseTransfer(TRANSFER, REVERSAL, "15", "other"))
    assert not is_same_reversal(there, ReverseTransfer(EARLIER, REVERSAL, "15", "wrong size"))
    assert not is_same_reversal(transfer(POSTED), ReverseTransfer(TRANSFER, REVERSAL))
    at_first = ReverseTransfer(TRANSFER, REVERSAL, "15", "wrong size", expected_versions=(1,))
    assert is_same_reversal(there, at_first)

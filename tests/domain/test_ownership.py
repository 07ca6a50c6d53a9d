"""Whose an account is decides what commands may see of it, and whose money moves."""

from __future__ import annotations

from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.accounts import Account
from domain.ownership import is_within_reach
from domain.transfers import (
    Condition,
    Posted,
    PostPending,
    PostTransfer,
    Reserved,
    ReverseTransfer,
    Transfer,
    VoidPending,
    post_pending,
    post_transfer,
    reverse_transfer,
    void_pending,
)
from tests.support.given import ALICE, BOB, NOW, REVERSAL, TRANSFER, account, refused, transfer

ANNA, BERT, CARL = UUID(int=11), UUID(int=12), UUID(int=13)
"""Persons."""


def owned(account: Account, owner_id: UUID | None) -> Account:
    return replace(account, owner_id=owner_id)


ANNAS = owned(account(ALICE, balance=73_19, held=40_00), ANNA)
BERTS = owned(account(BOB, balance=55_55), BERT)
NOBODYS = owned(account(BOB, balance=1_00), None)

PENDING = transfer(Reserved(ALICE, BOB, "EUR", 40_00, owner_id=ANNA))
THE_HOUSES = transfer(Reserved(ALICE, BOB, "EUR", 40_00))
POSTED = transfer(Posted(ALICE, BOB, "EUR", 40_00))


@pytest.mark.parametrize(
    ("whose", "account", "is_there"),
    [
        (None, ANNAS, True),
        (None, NOBODYS, True),
        (None, None, False),
        (ANNA, ANNAS, True),
        (ANNA, BERTS, False),
        (ANNA, NOBODYS, False),
        (ANNA, None, False),
    ],
)
def test_an_account_is_there_for_its_owner_and_for_who_may_touch_all(
    whose: UUID | None, account: Account | None, is_there: bool
) -> None:
    assert is_within_reach(account, whose) is is_there


def paid(by: UUID | None, source: Account = ANNAS, *conditions: Condition) -> None:
    command = PostTransfer(TRANSFER, ALICE, BOB, 10_00, "EUR", conditions=conditions, owner_id=by)
    post_transfer(command, source, BERTS, NOW)


@pytest.mark.parametrize("by", [ANNA, None])
def test_the_owner_pays_and_so_does_who_may_touch_all(by: UUID | None) -> None:
    paid(by)


@pytest.mark.parametrize("by", [BERT, CARL])
def test_nobody_pays_from_anothers_account_not_even_to_himself(by: UUID) -> None:
    with refused("account_not_found", account_id=ALICE):
        paid(by)


def test_the_houses_accounts_pay_for_no_customer() -> None:
    with refused("account_not_found", account_id=ALICE):
        paid(ANNA, owned(ANNAS, None))


@pytest.mark.parametrize(
    "bounds",
    [
        {"version": 1},
        {"balance_at_least": 55_55},
        {"balance_at_most": 55_55},
        {"available_at_least": 55_56},
        {"available_at_most": 0},
    ],
)
def test_a_condition_does_not_ask_after_anothers_account_whether_it_holds_or_not(
    bounds: dict[str, int],
) -> None:
    with refused("condition_account_unknown", account_id=BOB):
        paid(ANNA, ANNAS, Condition(BOB, **bounds))


def test_one_on_the_owners_own_account_is_looked_at() -> None:
    paid(ANNA, ANNAS, Condition(ALICE, balance_at_least=73_19))
    with refused("condition_failed", actual_minor=73_19):
        paid(ANNA, ANNAS, Condition(ALICE, balance_at_least=73_20))


def processed(by: UUID | None, there: Transfer = PENDING) -> None:
    post_pending(PostPending(TRANSFER, owner_id=by), there, ANNAS, BERTS, NOW)
    void_pending(VoidPending(TRANSFER, owner_id=by), there, ANNAS, BERTS)


@pytest.mark.parametrize("by", [ANNA, None])
def test_a_pending_transfer_is_processed_for_who_pays(by: UUID | None) -> None:
    processed(by)


@pytest.mark.parametrize("verb", ["post", "void"])
@pytest.mark.parametrize(
    ("by", "reason"), [(BERT, "insufficient_permissions"), (CARL, "transfer_not_found")]
)
@pytest.mark.parametrize("version", [1, 2])
def test_who_is_paid_leaves_it_alone_and_for_others_it_is_not_there(
    version: int, by: UUID, reason: str, verb: str
) -> None:
    """Before its version or its status is told of."""
    with refused(reason):
        if verb == "post":
            asked = PostPending(TRANSFER, expected_versions=(version,), owner_id=by)
            post_pending(asked, POSTED, ANNAS, BERTS, NOW)
        else:
            gone = VoidPending(TRANSFER, expected_versions=(version,), owner_id=by)
            void_pending(gone, POSTED, ANNAS, BERTS)


@pytest.mark.parametrize("by", [BERT, None])
def test_money_goes_back_for_who_got_it(by: UUID | None) -> None:
    command = ReverseTransfer(TRANSFER, REVERSAL, owner_id=by)
    assert reverse_transfer(command, POSTED, ANNAS, BERTS)


@pytest.mark.parametrize(
    ("by", "reason"), [(ANNA, "insufficient_permissions"), (CARL, "transfer_not_found")]
)
@pytest.mark.parametrize("there", [POSTED, PENDING])
def test_who_paid_does_not_take_it_back_and_for_others_it_is_not_there(
    there: Transfer, by: UUID, reason: str
) -> None:
    with refused(reason):
        reverse_transfer(ReverseTransfer(TRANSFER, REVERSAL, owner_id=by), there, ANNAS, BERTS)


def test_what_the_house_holds_its_payer_neither_lifts_nor_posts() -> None:
    with refused("insufficient_permissions"):
        void_pending(VoidPending(TRANSFER, owner_id=ANNA), THE_HOUSES, ANNAS, BERTS)
    with refused("insufficient_permissions"):
        post_pending(PostPending(TRANSFER, owner_id=ANNA), THE_HOUSES, ANNAS, BERTS, NOW)
    assert void_pending(VoidPending(TRANSFER), THE_HOUSES, ANNAS, BERTS)


def test_a_transfer_between_ones_own_accounts_is_ones_own_all_the_way() -> None:
    to_herself = owned(BERTS, ANNA)
    post_pending(PostPending(TRANSFER, owner_id=ANNA), PENDING, ANNAS, to_herself, NOW)
    command = ReverseTransfer(TRANSFER, REVERSAL, owner_id=ANNA)
    reverse_transfer(command, POSTED, ANNAS, to_herself)

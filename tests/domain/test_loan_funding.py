"""The house's money to lend comes from accounts that have it, each time by one transfer."""

from __future__ import annotations

from uuid import UUID

import pytest

from domain.accounts import Account, ChangeAccountStatus, OpenAccount
from domain.house import house_account
from domain.loans import FundLending
from domain.transfers import PostTransfer
from tests.support.given import refused
from tests.support.loan_world import (
    CASH,
    CLAIMS,
    CUSTOMER,
    DOLLARS,
    LENDING,
    OTHER,
    OWNER,
    LoanWorld,
)

FUNDING = UUID(int=801)
DOLLARS_TO_LEND = house_account("lending", "USD")
DOLLARS_OF_OTHERS = UUID(int=802)


@pytest.fixture
def world() -> LoanWorld:
    return LoanWorld(lending=0, has=50_00)


def test_the_account_is_opened_with_the_first_money(world: LoanWorld) -> None:
    world.submit(OpenAccount(DOLLARS_OF_OTHERS, "Bank USD", "cash", "USD"))
    first = world.submit(FundLending(FUNDING, DOLLARS_OF_OTHERS, 7_00, "USD"))
    assert [event.topic for _, event in first] == [
        "account.opened", "transfer.posted", "account.debited", "account.credited",
    ]  # fmt: skip
    account = world.states[DOLLARS_TO_LEND]
    assert isinstance(account, Account)
    assert (account.type, account.owner_id, account.balance) == ("lending", None, 7_00)
    again = world.submit(FundLending(UUID(int=803), DOLLARS_OF_OTHERS, 3_00, "USD"))
    assert "account.opened" not in [event.topic for _, event in again]
    assert world.balance(DOLLARS_TO_LEND) == 10_00
    world.check()


def test_it_is_lent_from_then_on(world: LoanWorld) -> None:
    with refused("insufficient_funds"):
        world.lend()
    world.submit(FundLending(FUNDING, CASH, 1_000_00, "EUR"))
    world.lend()
    assert world.balance(LENDING) == 0
    world.check()


def test_the_same_again_does_nothing_and_another_is_refused(world: LoanWorld) -> None:
    asked = FundLending(FUNDING, CASH, 5_00, "EUR")
    world.submit(asked)
    assert world.submit(asked) == ()
    for other in (
        FundLending(FUNDING, CASH, 5_01, "EUR"),
        FundLending(FUNDING, CUSTOMER, 5_00, "EUR"),
    ):
        with refused("id_reused"):
            world.submit(other)
    plain = PostTransfer(UUID(int=804), CASH, LENDING, 5_00, "EUR")
    world.submit(plain)
    with refused("id_reused"):
        world.submit(FundLending(plain.transfer_id, CASH, 5_00, "EUR"))
    assert world.balance(LENDING) == 10_00


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (FundLending(FUNDING, CUSTOMER, 50_01, "EUR"), "insufficient_funds"),
        (FundLending(FUNDING, CUSTOMER, 0, "EUR"), "negative_amount"),
        (FundLending(FUNDING, CUSTOMER, 1, "USD"), "currency_mismatch"),
        (FundLending(FUNDING, UUID(int=999), 1, "EUR"), "account_not_found"),
        (FundLending(FUNDING, OTHER, 1, "EUR", OWNER), "account_not_found"),
        (FundLending(FUNDING, CASH, 1, "EUR", OWNER), "account_not_found"),
        (FundLending(FUNDING, LENDING, 1, "EUR"), "same_account"),
        (FundLending(FUNDING, DOLLARS, 1, "USD"), "insufficient_funds"),
    ],
)
def test_what_is_refused_leaves_nothing(
    world: LoanWorld, command: FundLending, reason: str
) -> None:
    before = len(world.events)
    with refused(reason):
        world.submit(command)
    assert len(world.events) == before


def test_claims_are_not_lent_and_frozen_accounts_pay_nothing(world: LoanWorld) -> None:
    world.submit(FundLending(FUNDING, CASH, 1_000_00, "EUR"))
    world.lend()
    with refused("reserved_account"):
        world.submit(FundLending(UUID(int=805), CLAIMS, 1, "EUR"))
    world.submit(ChangeAccountStatus(CUSTOMER, "frozen"))
    with refused("account_frozen"):
        world.submit(FundLending(UUID(int=805), CUSTOMER, 1, "EUR"))
    world.check()

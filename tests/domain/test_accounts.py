"""Account: its statuses, its floor, and what it says no to."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import get_args

import pytest

from domain import accounts
from domain.accounts import (
    INTERNAL_TYPES,
    Account,
    AccountStatus,
    AccountType,
    ChangeAccountStatus,
    OpenAccount,
    Opened,
    Released,
    StatusChanged,
    check_credit,
    check_debit,
)
from domain.money import MAX_BALANCE_MINOR
from tests.support.given import ALICE, EARLIER, account, refused

STATUSES = get_args(AccountStatus)
TYPES = get_args(AccountType)

MAY_BECOME = {
    "active": {"inactive", "frozen", "suspended", "closed"},
    "inactive": {"active", "suspended", "closed"},
    "frozen": {"active", "suspended", "closed"},
    "suspended": {"active", "closed"},
    "closed": set(),
}


def in_status(status: str) -> Account:
    return account(ALICE, balance=100_00, status=status)


@pytest.mark.parametrize(("current", "asked"), list(product(STATUSES, STATUSES)))
def test_a_status_changes_as_the_table_says_and_in_no_other_way(current: str, asked: str) -> None:
    there = account(ALICE, status=current)
    command = ChangeAccountStatus(ALICE, asked, "asked by the court")
    if asked in MAY_BECOME[current]:
        event = accounts.change_status(there, command)
        assert event == StatusChanged(asked, current, "asked by the court")
        assert accounts.evolve(there, event, ALICE).status == asked
    else:
        with refused("invalid_transition", current=current, requested=asked):
            accounts.change_status(there, command)


def test_a_status_that_does_not_exist_is_refused() -> None:
    with refused("invalid_transition", requested="dormant"):
        accounts.change_status(account(ALICE), ChangeAccountStatus(ALICE, "dormant"))


@pytest.mark.parametrize("expected", [None, (2,), (1, 2, 7)])
def test_a_status_changes_at_a_version_that_was_expected(expected: tuple[int, ...] | None) -> None:
    there = account(ALICE, balance=1)
    assert there.version == 2
    command = ChangeAccountStatus(ALICE, "frozen", expected_versions=expected)
    assert accounts.change_status(there, command) == StatusChanged("frozen", "active")


@pytest.mark.parametrize("expected", [(), (1,), (1, 3)])
@pytest.mark.parametrize("status", ["frozen", "active"])
def test_a_status_does_not_change_at_another_version(
    expected: tuple[int, ...], status: str
) -> None:
    command = ChangeAccountStatus(ALICE, status, expected_versions=expected)
    with refused("precondition_failed", id=ALICE, version=2, expected=list(expected)):
        accounts.change_status(account(ALICE, balance=1), command)


def test_an_account_with_money_does_not_close() -> None:
    with refused("balance_not_zero", balance_minor=1, currency="EUR"):
        accounts.change_status(account(ALICE, balance=1), ChangeAccountStatus(ALICE, "closed"))


def test_an_account_in_debt_does_not_close() -> None:
    with refused("balance_not_zero", balance_minor=-1):
        accounts.change_status(
            account(ALICE, type="credit", credit_limit=5, balance=-1),
            ChangeAccountStatus(ALICE, "closed"),
        )


def test_an_account_with_a_hold_does_not_close() -> None:
    with refused("holds_remain", held_minor=40, currency="EUR"):
        accounts.change_status(
            account(ALICE, balance=100, held=40), ChangeAccountStatus(ALICE, "closed")
        )


def test_an_account_closes_once_its_hold_is_released() -> None:
    there = account(ALICE, Released(EARLIER, 40, 0, 0), type="cash", held=40)
    accounts.change_status(there, ChangeAccountStatus(ALICE, "closed"))


@pytest.mark.parametrize("status", STATUSES)
def test_only_an_active_account_takes_debits(status: str) -> None:
    if status == "active":
        check_debit(in_status(status), 1)
    else:
        with refused(f"account_{status}", account_id=ALICE, status=status):
            check_debit(in_status(status), 1)


@pytest.mark.parametrize("status", STATUSES)
def test_active_and_frozen_accounts_take_credits_and_no_others_do(status: str) -> None:
    if status in {"active", "frozen"}:
        check_credit(in_status(status), 1)
    else:
        with refused(f"account_{status}", account_id=ALICE, status=status):
            check_credit(in_status(status), 1)


@pytest.mark.parametrize("type_", TYPES)
def test_only_the_houses_own_accounts_go_below_zero(type_: str) -> None:
    empty = account(ALICE, type=type_)
    if type_ in {"clearing", "fee", "suspense", "cash", "loans", "interest"}:
        assert empty.available is None
        check_debit(empty, 1)
    else:
        with refused("insufficient_funds", available_minor=0, requested_minor=1, currency="EUR"):
            check_debit(empty, 1)


def test_a_credit_limit_may_be_used_to_the_last_minor_unit() -> None:
    card = account(ALICE, type="credit", credit_limit=500, balance=30)
    assert card.available == 530
    check_debit(card, 530)
    with refused("insufficient_funds", available_minor=530, requested_minor=531):
        check_debit(card, 531)


def test_what_is_held_can_not_be_spent() -> None:
    there = account(ALICE, balance=100, held=60)
    check_debit(there, 40)
    with refused("insufficient_funds", available_minor=40, requested_minor=41):
        check_debit(there, 41)


@pytest.mark.parametrize("type_", ["cash", "checking"])
def test_a_balance_stays_below_its_limit(type_: str) -> None:
    full = account(ALICE, type=type_, balance=MAX_BALANCE_MINOR - 1)
    check_credit(full, 1)
    with refused("balance_limit_exceeded"):
        check_credit(full, 2)


def test_the_houses_own_account_stays_above_its_limit_whatever_becomes_of_its_holds() -> None:
    deep = account(ALICE, type="cash", balance=-MAX_BALANCE_MINOR + 10, held=4)
    check_debit(deep, 6)
    with refused("balance_limit_exceeded"):
        check_debit(deep, 7)


@pytest.mark.parametrize("type_", TYPES)
def test_only_credit_types_have_a_credit_limit(type_: str) -> None:
    command = OpenAccount(ALICE, "any", type_, "EUR", credit_limit=1)
    if type_ in {"credit", "loan"}:
        assert accounts.open_account(command).credit_limit == 1
    else:
        with refused("credit_limit_not_allowed", type=type_, allowed=["credit", "loan"]):
            accounts.open_account(command)


def test_an_account_is_opened_in_a_currency_that_exists() -> None:
    with refused("invalid_currency_format", currency="EUX"):
        accounts.open_account(OpenAccount(ALICE, "any", "checking", "EUX"))


def test_an_opened_account_is_active_and_empty() -> None:
    command = OpenAccount(ALICE, "Alice", "credit", "JPY", owner_id=EARLIER, credit_limit=7)
    event = accounts.open_account(command)
    assert event == Opened("Alice", "credit", "JPY", EARLIER, 7)
    assert accounts.evolve(None, event, ALICE) == Account(
        ALICE, 1, "credit", "JPY", "active", 0, 0, 7, "Alice", EARLIER
    )
    assert accounts.is_same_opening(accounts.evolve(None, event, ALICE), command)


@pytest.mark.parametrize(
    "other",
    [
        OpenAccount(ALICE, "Alicia", "credit", "EUR"),
        OpenAccount(ALICE, "Alice", "loan", "EUR"),
        OpenAccount(ALICE, "Alice", "credit", "USD"),
        OpenAccount(ALICE, "Alice", "credit", "EUR", owner_id=EARLIER),
        OpenAccount(ALICE, "Alice", "credit", "EUR", credit_limit=1),
    ],
)
def test_an_opening_with_any_other_content_is_not_the_same(other: OpenAccount) -> None:
    there = accounts.evolve(None, Opened("Alice", "credit", "EUR"), ALICE)
    assert not accounts.is_same_opening(there, other)


def test_the_houses_own_types_are_account_types() -> None:
    assert set(TYPES) > INTERNAL_TYPES


@pytest.mark.parametrize("check", [check_debit, check_credit])
def test_a_closed_account_is_refused_by_status_before_amount(
    check: Callable[[Account, int], None],
) -> None:
    with refused("account_closed"):
        check(account(ALICE, status="closed"), MAX_BALANCE_MINOR * 2)

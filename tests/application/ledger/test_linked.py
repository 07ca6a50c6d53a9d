"""Linked batches: all commands are accepted, or none leaves anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from application.ledger import Accepted, Ledger, Outcome, Refused
from domain.accounts import ChangeAccountStatus, OpenAccount
from domain.transfers import PostPending, PostTransfer
from tests.support.ledgers import ask, balances, open_account, pay, submission, submit
from tests.support.log import assert_sound, busy, head, transactions, writers_waiting
from tests.support.waiting import until


def reasons(outcomes: Sequence[Outcome]) -> list[str]:
    return [o.reason if isinstance(o, Refused) else "accepted" for o in outcomes]


def test_one_refusal_undoes_the_commands_before_and_after_it(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    before = head(admin)
    outcomes = submit(
        ledger, pay(house, shop, 50), pay(shop, house, 51), pay(house, shop, 1), linked=True
    ).outcomes
    assert reasons(outcomes) == ["linked_refused", "insufficient_funds", "linked_refused"]
    assert isinstance(outcomes[0], Refused)
    assert outcomes[0].details == {"refused_item": 1}
    assert head(admin) == before
    assert balances(ask(ledger, pay(house, shop, 7))) == (-7, 7)


def test_commands_of_a_linked_batch_build_on_each_other(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop, pending = uuid4(), uuid4(), uuid4()
    outcomes = submit(
        ledger,
        OpenAccount(house, "house", "cash", "EUR"),
        OpenAccount(shop, "shop", "checking", "EUR"),
        pay(house, shop, 100),
        PostTransfer(pending, shop, house, 100, "EUR", pending=True),
        PostPending(pending, "0.40"),
        pay(shop, house, 60),
        ChangeAccountStatus(shop, "closed"),
        linked=True,
    ).outcomes
    assert reasons(outcomes) == ["accepted"] * 7
    positions = [outcome.position for outcome in outcomes if isinstance(outcome, Accepted)]
    assert positions == [1, 2, 5, 7, 10, 13, 14]
    assert_sound(admin)


@pytest.mark.parametrize("writer", ["ledger", "other_ledger"])
def test_what_a_refused_batch_did_is_unseen_by_others_in_the_same_transaction(
    writer: str, ledger: Ledger, request: pytest.FixtureRequest, admin: psycopg.Connection[Any]
) -> None:
    """By a writer that knows the accounts, and by one that has to load them."""
    house, shop, other = (open_account(ledger, type_) for type_ in ("cash", "checking", "fee"))
    that: Ledger = request.getfixturevalue(writer)
    no = pay(other, shop, 0)
    before = transactions(admin)
    with busy(admin):
        that.submit(submission())
        until(lambda: writers_waiting(admin) == 1)
        futures = [
            that.submit(submission(*commands, linked=True))
            for commands in (
                [pay(house, shop, 50), no],
                [pay(shop, house, 1)],
                [pay(house, shop, 5), pay(shop, other, 5)],
                [pay(house, shop, 9), pay(shop, other, 9), no],
                [pay(house, shop, 2)],
                [pay(shop, house, 3)],
            )
        ]
    outcomes = [future.result(30).outcomes for future in futures]
    assert [reasons(each) for each in outcomes] == [
        ["linked_refused", "negative_amount"],
        ["insufficient_funds"],
        ["accepted", "accepted"],
        ["linked_refused", "linked_refused", "negative_amount"],
        ["accepted"],
        ["insufficient_funds"],
    ]
    assert balances(outcomes[4][0]) == (-7, 2)
    assert transactions(admin) == before + 1
    assert_sound(admin)


def test_an_account_of_a_refused_batch_does_not_exist(ledger: Ledger) -> None:
    house, shop = open_account(ledger, "cash"), uuid4()
    outcomes = submit(
        ledger, OpenAccount(shop, "shop", "checking", "EUR"), pay(shop, house, 1), linked=True
    ).outcomes
    assert reasons(outcomes) == ["linked_refused", "insufficient_funds"]
    assert reasons([ask(ledger, pay(house, shop, 1))]) == ["account_not_found"]


def test_the_version_after_a_refused_batch_follows_the_one_before_it(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    submit(ledger, pay(house, shop, 1), pay(house, shop, 0), linked=True)
    outcome = ask(ledger, pay(house, shop, 1))
    assert isinstance(outcome, Accepted)
    assert [account.version for account in outcome.accounts] == [2, 2]
    assert_sound(admin)

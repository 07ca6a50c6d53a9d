"""Idempotency keys: a request that comes again gets the stored answer, byte for byte."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import psycopg
import pytest
from msgspec.structs import replace

from application.ledger import Accepted, Ledger, Outcome, Receipt, Refused
from domain.accounts import ChangeAccountStatus
from tests.support.ledgers import (
    accepted,
    open_account,
    pay,
    receipt,
    submission,
    submit,
)
from tests.support.log import assert_sound, busy, head, transactions, writers_waiting
from tests.support.waiting import until


@pytest.fixture
def shop(ledger: Ledger) -> UUID:
    return open_account(ledger, balance=100)


@pytest.fixture
def house(ledger: Ledger) -> UUID:
    return open_account(ledger, "cash")


def reason(outcome: Outcome) -> str:
    assert isinstance(outcome, Refused)
    return outcome.reason


def test_the_same_key_and_content_gets_the_stored_answer(
    shop: UUID,
    house: UUID,
    ledger: Ledger,
    other_ledger: Ledger,
    admin: psycopg.Connection[Any],
) -> None:
    first = submit(ledger, pay(shop, house, 60), receipt=receipt("k"))
    assert isinstance(first.outcomes[0], Accepted)
    assert first.answer is not None
    assert first.answer.status == 201
    assert first.answer.position == first.outcomes[0].position
    assert not first.replayed
    submit(ledger, pay(house, shop, 1))
    before = head(admin)
    # An edge that makes up its ids sends another transfer under the same key.
    for writer in (ledger, other_ledger):
        second = submit(writer, pay(shop, house, 60), receipt=receipt("k"))
        assert (second.outcomes, second.answer, second.replayed) == ([], first.answer, True)
    assert head(admin) == before


def test_a_refusal_is_stored_and_comes_again_though_it_would_now_be_accepted(
    shop: UUID, house: UUID, ledger: Ledger, other_ledger: Ledger
) -> None:
    transfer = pay(shop, house, 101)
    first = submit(ledger, transfer, receipt=receipt("k"))
    assert reason(first.outcomes[0]) == "insufficient_funds"
    assert first.answer is not None
    assert first.answer.status == 422
    submit(ledger, pay(house, shop, 1))
    for writer in (ledger, other_ledger):
        assert submit(writer, transfer, receipt=receipt("k")).answer == first.answer


def test_a_change_without_an_id_of_its_own_has_its_effect_once(
    shop: UUID, ledger: Ledger, other_ledger: Ledger
) -> None:
    freeze = ChangeAccountStatus(shop, "frozen")
    first = submit(ledger, freeze, receipt=receipt("freeze"))
    submit(ledger, ChangeAccountStatus(shop, "active"))
    assert submit(other_ledger, freeze, receipt=receipt("freeze")).answer == first.answer
    assert accepted(ledger, ChangeAccountStatus(shop, "inactive"))


def test_the_same_key_with_other_content_is_refused_and_the_stored_answer_stays(
    shop: UUID, house: UUID, ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    first = submit(ledger, pay(shop, house, 60), receipt=receipt("k", b"one"))
    before = head(admin)
    other = submit(ledger, pay(shop, house, 1), receipt=receipt("k", b"other"))
    assert reason(other.outcomes[0]) == "idempotency_key_reused"
    assert other.answer is None
    assert head(admin) == before
    assert submit(ledger, receipt=receipt("k", b"one")).answer == first.answer


def test_a_key_is_its_callers_own(shop: UUID, house: UUID, ledger: Ledger) -> None:
    for caller in ("shop", "bank"):
        done = submit(ledger, pay(shop, house, 1), receipt=receipt("k", caller=caller))
        assert isinstance(done.outcomes[0], Accepted)


def test_the_same_key_twice_in_one_transaction_has_its_effect_once(
    shop: UUID, house: UUID, ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    before = transactions(admin)
    with busy(admin):
        ledger.submit(submission())
        until(lambda: writers_waiting(admin) == 1)
        futures = [
            ledger.submit(submission(pay(shop, house, 60), receipt=receipt("k", content)))
            for content in (b"one", b"one", b"other")
        ]
        beside = ledger.submit(submission(pay(house, shop, 1)))
    first, second, third = (future.result(30) for future in futures)
    assert isinstance(first.outcomes[0], Accepted)
    assert (second.answer, second.replayed) == (first.answer, True)
    assert reason(third.outcomes[0]) == "idempotency_key_reused"
    assert isinstance(beside.result(30).outcomes[0], Accepted)
    assert transactions(admin) == before + 1


def test_racing_duplicates_on_two_ledgers_have_one_effect_and_one_answer(
    shop: UUID,
    house: UUID,
    ledger: Ledger,
    other_ledger: Ledger,
    admin: psycopg.Connection[Any],
) -> None:
    before = head(admin)[0]
    keys = [f"k{number}" for number in range(20)]

    def send(key: str) -> list[bytes]:
        futures = [
            writer.submit(submission(pay(shop, house, 1), receipt=receipt(key)))
            for writer in (ledger, other_ledger, ledger)
        ]
        answers = [future.result(30).answer for future in futures]
        return [answer.body for answer in answers if answer is not None]

    with ThreadPoolExecutor(8) as threads:
        for bodies in threads.map(send, keys):
            assert len(bodies) == 3
            assert len(set(bodies)) == 1
    assert head(admin)[0] == before + 3 * len(keys)
    assert_sound(admin)


def test_racing_duplicates_of_an_id_have_one_effect_and_one_answer(
    shop: UUID,
    house: UUID,
    ledger: Ledger,
    other_ledger: Ledger,
    admin: psycopg.Connection[Any],
) -> None:
    transfers = [pay(shop, house, 5) for _ in range(20)]
    with busy(admin):
        futures = [
            (ledger.submit(submission(t)), other_ledger.submit(submission(t))) for t in transfers
        ]
    for pair in futures:
        one, other = (future.result(30).outcomes[0] for future in pair)
        assert isinstance(one, Accepted)
        assert isinstance(other, Accepted)
        assert {one.replayed, other.replayed} == {False, True}
        assert replace(one, replayed=True) == replace(other, replayed=True)
    assert_sound(admin)


def test_a_linked_batch_under_a_key_is_stored_as_a_whole(
    shop: UUID, house: UUID, ledger: Ledger
) -> None:
    done = submit(
        ledger, pay(shop, house, 60), pay(shop, house, 60), linked=True, receipt=receipt("k")
    )
    assert done.answer is not None
    assert done.answer.body == b"linked_refused|insufficient_funds"
    assert submit(ledger, receipt=receipt("k")).answer == done.answer


def test_an_answer_that_can_not_be_rendered_leaves_nothing(
    shop: UUID, house: UUID, ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    before = head(admin)

    def fail(_: object) -> Any:
        raise ZeroDivisionError

    transfer = pay(shop, house, 60)
    with pytest.raises(ZeroDivisionError):
        submit(ledger, transfer, receipt=Receipt("shop", "k", b"", fail))
    assert head(admin) == before
    assert isinstance(submit(ledger, transfer, receipt=receipt("k")).outcomes[0], Accepted)

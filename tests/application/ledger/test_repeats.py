"""A command that comes again has no second effect and is answered as the first time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from msgspec.structs import replace

from application.ledger import Accepted, Ledger
from application.ledger.outcomes import Command
from domain.accounts import ChangeAccountStatus, OpenAccount
from domain.statements import Imported, RecordStatement
from domain.transfers import (
    PostPending,
    PostTransfer,
    ReverseTransfer,
    VoidPending,
)
from tests.support.ledgers import accepted, ask, open_account, pay, refusal, submit
from tests.support.log import assert_sound, head


@dataclass(frozen=True)
class Scene:
    """Two accounts: the shop has 100.00, the house pays and takes without limit."""

    shop: UUID
    house: UUID


@pytest.fixture
def scene(ledger: Ledger) -> Scene:
    return Scene(open_account(ledger, balance=100_00), open_account(ledger, "cash"))


def at_once(scene: Scene, _: Ledger) -> Command:
    return pay(scene.shop, scene.house, 100_00)


def up_to(scene: Scene, _: Ledger) -> Command:
    return PostTransfer(uuid4(), scene.shop, scene.house, 150_00, "EUR", up_to=True)


def pending(scene: Scene, _: Ledger) -> Command:
    return PostTransfer(uuid4(), scene.shop, scene.house, 100_00, "EUR", pending=True)


def reversal(scene: Scene, ledger: Ledger) -> Command:
    back = accepted(ledger, pay(scene.house, scene.shop, 50_00))
    return ReverseTransfer(back.id, uuid4(), "20.00", "broken")


def opening(scene: Scene, _: Ledger) -> Command:
    return OpenAccount(uuid4(), "new", "credit", "EUR", owner_id=scene.shop, credit_limit=500)


def statement(scene: Scene, _: Ledger) -> Command:
    day = date(2026, 1, 31)
    imported = Imported(scene.shop, "DE02", "R", "1", "EUR", 0, 100_00, 1, day, day)
    return RecordStatement(uuid4(), imported)


KINDS = [at_once, up_to, pending, reversal, opening, statement]
Kind = Callable[[Scene, Ledger], Command]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def command(request: pytest.FixtureRequest, scene: Scene, ledger: Ledger) -> Command:
    kind: Kind = request.param
    return kind(scene, ledger)


def again(first: Accepted) -> Accepted:
    return replace(first, replayed=True)


def test_a_repeat_is_answered_as_the_first_time_and_writes_nothing(
    command: Command, ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    first = accepted(ledger, command)
    before = head(admin)
    assert ask(ledger, command) == again(first)
    assert head(admin) == before


def test_a_repeat_is_answered_so_by_a_ledger_that_never_saw_the_first(
    command: Command, ledger: Ledger, other_ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    first = accepted(ledger, command)
    before = head(admin)
    assert ask(other_ledger, command) == again(first)
    assert head(admin) == before


def test_a_repeat_within_one_submission_is_answered_as_the_first(
    command: Command, ledger: Ledger
) -> None:
    first, second = submit(ledger, command, command).outcomes
    assert isinstance(first, Accepted)
    assert second == again(first)


@pytest.mark.parametrize("status", ["frozen", "suspended", "inactive"])
def test_a_repeat_is_answered_so_after_the_accounts_moved_on(
    command: Command,
    status: str,
    scene: Scene,
    ledger: Ledger,
    other_ledger: Ledger,
    admin: psycopg.Connection[Any],
) -> None:
    first = accepted(ledger, command)
    submit(
        ledger,
        pay(scene.house, scene.shop, 5),
        pay(scene.shop, scene.house, 3),
        ChangeAccountStatus(scene.shop, status),
        ChangeAccountStatus(scene.house, "closed"),
    )
    before = head(admin)
    assert ask(ledger, command) == again(first)
    assert ask(other_ledger, command) == again(first)
    assert head(admin) == before


def test_a_frozen_account_is_answered_as_frozen_and_not_as_it_is_now(
    scene: Scene, ledger: Ledger, other_ledger: Ledger
) -> None:
    submit(ledger, ChangeAccountStatus(scene.shop, "frozen"))
    transfer = pay(scene.house, scene.shop, 5)
    first = accepted(ledger, transfer)
    assert [account.status for account in first.accounts] == ["active", "frozen"]
    submit(ledger, ChangeAccountStatus(scene.shop, "active"))
    assert ask(other_ledger, transfer) == again(first)


@pytest.mark.parametrize("then", [VoidPending, PostPending])
def test_a_repeated_pending_transfer_is_answered_as_pending_though_it_is_over(
    then: type[VoidPending | PostPending], scene: Scene, ledger: Ledger, other_ledger: Ledger
) -> None:
    transfer = PostTransfer(uuid4(), scene.shop, scene.house, 100_00, "EUR", pending=True)
    first, _ = submit(ledger, transfer, then(transfer.transfer_id)).outcomes
    assert isinstance(first, Accepted)
    assert first.accounts[0].held == 100_00
    assert ask(ledger, transfer) == again(first)
    assert ask(other_ledger, transfer) == again(first)


def test_a_repeat_does_not_spoil_what_is_written_beside_it(
    scene: Scene, ledger: Ledger, other_ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    old = pay(scene.shop, scene.house, 40_00)
    first = accepted(ledger, old)
    new, repeated, newer = submit(
        other_ledger, pay(scene.shop, scene.house, 60_00), old, pay(scene.house, scene.shop, 1)
    ).outcomes
    assert isinstance(new, Accepted)
    assert isinstance(newer, Accepted)
    assert repeated == again(first)
    assert [account.balance for account in newer.accounts] == [100_00 - 1, 1]
    assert_sound(admin)


def test_a_repeat_is_not_held_against_the_commands_linked_with_it(
    scene: Scene, ledger: Ledger, other_ledger: Ledger
) -> None:
    """Were the old one counted again, there would not be enough for the new one."""
    old = pay(scene.shop, scene.house, 30_00)
    first = accepted(ledger, old)
    repeated, new = submit(
        other_ledger, old, pay(scene.shop, scene.house, 70_00), linked=True
    ).outcomes
    assert repeated == again(first)
    assert isinstance(new, Accepted)


def test_a_linked_batch_that_comes_again_is_answered_as_the_first_time(
    scene: Scene, ledger: Ledger, other_ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    batch = [pay(scene.shop, scene.house, amount) for amount in (30_00, 70_00)]
    first = submit(ledger, *batch, linked=True).outcomes
    before = head(admin)
    expected = [again(outcome) for outcome in first if isinstance(outcome, Accepted)]
    assert submit(ledger, *batch, linked=True).outcomes == expected
    assert submit(other_ledger, *batch, linked=True).outcomes == expected
    assert head(admin) == before


def test_a_large_import_that_comes_again_is_answered_line_by_line(
    scene: Scene, ledger: Ledger, other_ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    held = [
        PostTransfer(uuid4(), scene.house, scene.shop, amount, "EUR", pending=True)
        for amount in range(1, 40)
    ]
    lines: list[Command] = []
    for amount, hold in enumerate(held, start=1):
        paid = pay(scene.house, scene.shop, amount)
        lines += [paid, hold, ReverseTransfer(paid.transfer_id, uuid4(), "0.01")]
    lines += [OpenAccount(uuid4(), f"account {number}", "fee", "EUR") for number in range(5)]
    first = submit(ledger, *lines).outcomes
    submit(ledger, *[PostPending(hold.transfer_id) for hold in held[::2]])
    before = head(admin)
    expected = [again(outcome) for outcome in first if isinstance(outcome, Accepted)]
    assert len(expected) == len(lines)
    assert submit(ledger, *lines).outcomes == expected
    assert submit(other_ledger, *lines).outcomes == expected
    assert head(admin) == before


def test_a_refused_command_may_come_again_with_its_id_once_it_can_be_met(
    scene: Scene, ledger: Ledger
) -> None:
    transfer = pay(scene.shop, scene.house, 100_01)
    assert refusal(ledger, transfer).reason == "insufficient_funds"
    accepted(ledger, pay(scene.house, scene.shop, 1))
    assert not accepted(ledger, transfer).replayed


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (at_once, {"amount": 99_99}),
        (up_to, {"up_to": False}),
        (pending, {"pending": False}),
        (reversal, {"reason": "other"}),
        (opening, {"name": "other"}),
    ],
)
def test_an_id_with_other_content_is_refused(
    kind: Kind, change: dict[str, Any], scene: Scene, ledger: Ledger, other_ledger: Ledger
) -> None:
    command = kind(scene, ledger)
    accepted(ledger, command)
    assert refusal(ledger, replace(command, **change)).reason == "id_reused"
    assert refusal(other_ledger, replace(command, **change)).reason == "id_reused"


def test_an_id_is_of_one_kind_for_ever(
    command: Command, scene: Scene, ledger: Ledger, other_ledger: Ledger
) -> None:
    id_ = accepted(ledger, command).id
    others: list[Command] = [
        OpenAccount(id_, "any", "checking", "JPY"),
        pay(scene.house, scene.shop, 77, id_),
        ReverseTransfer(accepted(ledger, pay(scene.house, scene.shop, 1)).id, id_),
    ]
    if not isinstance(command, RecordStatement):
        day = date(2026, 1, 31)
        imported = Imported(scene.shop, "DE02", "R", "1", "EUR", 0, 0, 1, day, day)
        others.append(RecordStatement(id_, imported))
    for other in others:
        assert refusal(other_ledger, other).reason == "id_reused", other
        assert refusal(ledger, other).reason == "id_reused", other

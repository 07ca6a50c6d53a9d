"""Approvals in the ledger: what was agreed to is done in the same transaction, or neither is."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from application.ledger import Accepted, Ledger, Refused
from domain.accounts import ChangeAccountStatus
from domain.approvals import Approval, Approve, Approved, Reject, RequestApproval, Withdraw
from domain.transfers import PostTransfer, Transfer
from domain.users import ChangeRole, RegisterUser, User
from tests.support.ledgers import (
    accepted,
    open_account,
    pay,
    receipt,
    refusal,
    submission,
    submit,
)
from tests.support.log import assert_sound, busy, fold, head, writers_waiting
from tests.support.waiting import until

MAKER, CHECKER = UUID(int=11), UUID(int=12)


def asked(ledger: Ledger, command: PostTransfer | ChangeRole, maker: UUID = MAKER) -> UUID:
    """The id of a new approval."""
    approval_id = uuid4()
    outcome = accepted(ledger, RequestApproval(approval_id, maker, command))
    assert isinstance(outcome.state, Approval)
    assert (outcome.id, outcome.state.status) == (approval_id, "pending")
    return approval_id


def registered(ledger: Ledger, by: UUID | None = None, role: str = "user") -> UUID:
    user_id = uuid4()
    accepted(ledger, RegisterUser(user_id, f"sealed:1:{user_id}", "sealed:1:name", role, by))
    return user_id


def state_of(conn: psycopg.Connection[Any], id_: UUID) -> Any:
    return fold(conn)[id_]


@pytest.mark.parametrize("writer", ["ledger", "other_ledger"])
@pytest.mark.parametrize("is_pending", [False, True])
def test_agreeing_makes_the_transfer_in_the_same_transaction(
    is_pending: bool,
    writer: str,
    ledger: Ledger,
    request: pytest.FixtureRequest,
    admin: psycopg.Connection[Any],
) -> None:
    """By a ledger that knows the accounts, and by one that has to load everything."""
    source, destination, transfer_id = (
        open_account(ledger, balance=100),
        open_account(ledger),
        uuid4(),
    )
    more = {"pending": True, "expires_in_s": 3600} if is_pending else {}
    command = PostTransfer(transfer_id, source, destination, 60, "EUR", **more)  # type: ignore[arg-type]
    approval_id = asked(ledger, command)
    assert transfer_id not in fold(admin)
    before = head(admin)[0]
    outcome = accepted(request.getfixturevalue(writer), Approve(approval_id, CHECKER))
    assert outcome.id == approval_id
    assert isinstance(outcome.state, Approval)
    assert (outcome.state.status, outcome.state.checker_id) == ("approved", CHECKER)
    assert outcome.position == head(admin)[0] == before + (3 if is_pending else 4)
    topics = admin.execute(
        "SELECT topic, xmin::text FROM events WHERE notification_id > %s ORDER BY notification_id",
        (before,),
    ).fetchall()
    assert topics[0][0] == "approval.approved"
    assert topics[1][0] == ("transfer.reserved" if is_pending else "transfer.posted")
    assert len({xmin for _, xmin in topics}) == 1, "one transaction"
    transfer = state_of(admin, transfer_id)
    assert isinstance(transfer, Transfer)
    assert transfer.status == ("pending" if is_pending else "posted")
    deadlines = admin.execute("SELECT transfer_id FROM deadlines").fetchall()
    assert deadlines == ([(transfer_id,)] if is_pending else [])
    assert_sound(admin)


def test_agreeing_to_a_role_changes_it(ledger: Ledger, admin: psycopg.Connection[Any]) -> None:
    user_id = registered(ledger)
    approval_id = asked(ledger, ChangeRole(user_id, "support", MAKER))
    accepted(ledger, Approve(approval_id, CHECKER))
    user = state_of(admin, user_id)
    assert isinstance(user, User)
    assert user.role == "support"
    row = admin.execute("SELECT role FROM user_access WHERE user_id = %s", (user_id,)).fetchone()
    assert row == ("support",)


@pytest.mark.parametrize(
    ("meanwhile", "reason"),
    [
        ("spent", "insufficient_funds"),
        ("frozen", "account_frozen"),
        ("taken", "id_reused"),
        ("made", "id_reused"),
    ],
)
def test_when_it_can_no_longer_be_done_nothing_is_and_the_approval_waits_on(
    meanwhile: str, reason: str, ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    source, destination = open_account(ledger, balance=100), open_account(ledger)
    command = pay(source, destination, 60)
    approval_id = asked(ledger, command)
    match meanwhile:
        case "spent":
            accepted(ledger, pay(source, destination, 41))
        case "frozen":
            accepted(ledger, ChangeAccountStatus(source, "frozen"))
        case "taken":
            accepted(ledger, pay(source, destination, 1, command.transfer_id))
        case "made":
            accepted(ledger, command)
    before = head(admin)
    assert refusal(ledger, Approve(approval_id, CHECKER)).reason == reason
    assert head(admin) == before
    assert state_of(admin, approval_id).status == "pending"


def test_it_can_be_agreed_to_once_it_can_be_done(ledger: Ledger) -> None:
    source, destination = open_account(ledger, balance=100), open_account(ledger)
    approval_id = asked(ledger, pay(source, destination, 60))
    accepted(ledger, ChangeAccountStatus(source, "frozen"))
    refusal(ledger, Approve(approval_id, CHECKER))
    accepted(ledger, ChangeAccountStatus(source, "active"))
    accepted(ledger, Approve(approval_id, CHECKER))


def test_what_cannot_be_done_now_is_not_asked_for(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    """So nobody learns more of another's account, and nobody agrees to what has no effect."""
    source, destination = open_account(ledger, balance=100), open_account(ledger)
    user_id = registered(ledger)
    before = head(admin)
    for command, reason in (
        (pay(source, destination, 101), "insufficient_funds"),
        (pay(source, uuid4(), 1), "account_not_found"),
        (pay(uuid4(), destination, 1), "account_not_found"),
        (PostTransfer(uuid4(), source, destination, 1, "EUR", owner_id=MAKER), "account_not_found"),
        (PostTransfer(uuid4(), source, destination, 1, "USD"), "currency_mismatch"),
        (ChangeRole(uuid4(), "admin", MAKER), "user_not_found"),
        (ChangeRole(user_id, "user", MAKER), "invalid_transition"),
        (ChangeRole(user_id, "root", MAKER), "invalid_role"),
        (ChangeRole(user_id, "admin", user_id), "insufficient_permissions"),
        (ChangeRole(user_id, "admin", MAKER, (7,)), "precondition_failed"),
    ):
        assert refusal(ledger, RequestApproval(uuid4(), MAKER, command)).reason == reason
    assert head(admin) == before


@pytest.mark.parametrize("writer", ["ledger", "other_ledger"])
def test_asking_again_is_answered_as_the_first_time(
    writer: str, ledger: Ledger, request: pytest.FixtureRequest, admin: psycopg.Connection[Any]
) -> None:
    """Also when it was decided meanwhile, or could no longer be done."""
    source, destination = open_account(ledger, balance=100), open_account(ledger)
    asking = RequestApproval(uuid4(), MAKER, pay(source, destination, 100))
    first = accepted(ledger, asking)
    again: Ledger = request.getfixturevalue(writer)
    accepted(ledger, pay(source, destination, 100))
    accepted(ledger, Reject(asking.approval_id, CHECKER))
    before = head(admin)
    outcome = accepted(again, asking)
    assert outcome.replayed
    assert (outcome.position, outcome.state) == (first.position, first.state)
    assert head(admin) == before


@pytest.mark.parametrize("writer", ["ledger", "other_ledger"])
def test_asking_for_a_transfer_that_was_made_is_answered_with_the_transfer(
    writer: str, ledger: Ledger, request: pytest.FixtureRequest, admin: psycopg.Connection[Any]
) -> None:
    """A client tries again, and the house has begun to want a second person meanwhile."""
    source, destination = open_account(ledger, balance=100), open_account(ledger)
    command = pay(source, destination, 60)
    first = accepted(ledger, command)
    before = head(admin)
    outcome = accepted(request.getfixturevalue(writer), RequestApproval(uuid4(), MAKER, command))
    assert (outcome.replayed, outcome.id) == (True, command.transfer_id)
    assert (outcome.position, outcome.accounts) == (first.position, first.accounts)
    assert head(admin) == before


@pytest.mark.parametrize("writer", ["ledger", "other_ledger"])
def test_an_id_that_is_something_elses_is_not_an_approvals(
    writer: str, ledger: Ledger, request: pytest.FixtureRequest
) -> None:
    source, destination = open_account(ledger, balance=100), open_account(ledger)
    command = pay(source, destination, 60)
    approval_id = asked(ledger, command)
    that: Ledger = request.getfixturevalue(writer)
    for asking in (
        RequestApproval(source, MAKER, command),
        RequestApproval(approval_id, CHECKER, command),
        RequestApproval(approval_id, MAKER, pay(source, destination, 61, command.transfer_id)),
        RequestApproval(uuid4(), MAKER, pay(source, destination, 1, approval_id)),
    ):
        assert refusal(that, asking).reason == "id_reused"


def test_only_approvals_are_decided(ledger: Ledger) -> None:
    account_id = open_account(ledger)
    for id_ in (account_id, uuid4()):
        for command in (Approve(id_, CHECKER), Reject(id_, CHECKER), Withdraw(id_, MAKER)):
            assert refusal(ledger, command).reason == "approval_not_found"


@pytest.mark.parametrize("writer", ["ledger", "other_ledger"])
def test_who_was_registered_by_the_maker_is_no_second_person(
    writer: str, ledger: Ledger, request: pytest.FixtureRequest
) -> None:
    """However many steps there are between, which a ledger may have to load one after the other."""
    source, destination = open_account(ledger, balance=100), open_account(ledger)
    root = registered(ledger, role="admin")
    maker = registered(ledger, by=root, role="admin")
    child = registered(ledger, by=maker, role="admin")
    grandchild = registered(ledger, by=child, role="admin")
    sibling = registered(ledger, by=root, role="admin")
    stranger = registered(ledger, role="admin")
    approval_id = asked(ledger, pay(source, destination, 60), maker)
    that: Ledger = request.getfixturevalue(writer)
    for who in (maker, child, grandchild, root, sibling):
        assert refusal(that, Approve(approval_id, who)).reason == "cannot_approve_own"
    accepted(that, Approve(approval_id, stranger))


def test_of_several_who_agree_at_once_one_does(
    ledger: Ledger, other_ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    source, destination = open_account(ledger, balance=100), open_account(ledger)
    approval_id = asked(ledger, pay(source, destination, 40))
    with busy(admin):
        for writer in (ledger, other_ledger):
            writer.submit(submission())
        until(lambda: writers_waiting(admin) == 2)
        futures = [
            writer.submit(submission(Approve(approval_id, uuid4())))
            for writer in (ledger, other_ledger)
            for _ in range(3)
        ]
    outcomes = [future.result(30).outcomes[0] for future in futures]
    assert sum(isinstance(outcome, Accepted) for outcome in outcomes) == 1
    assert {o.reason for o in outcomes if isinstance(o, Refused)} == {"approval_not_pending"}
    assert state_of(admin, source).balance == 60
    assert_sound(admin)


def test_agreeing_again_with_the_same_key_is_answered_as_before(ledger: Ledger) -> None:
    source, destination = open_account(ledger, balance=100), open_account(ledger)
    approval_id = asked(ledger, pay(source, destination, 60))
    first = submit(ledger, Approve(approval_id, CHECKER), receipt=receipt("k"))
    again = submit(ledger, Approve(approval_id, CHECKER), receipt=receipt("k"))
    assert (again.replayed, again.answer) == (True, first.answer)
    assert refusal(ledger, Approve(approval_id, CHECKER)).reason == "approval_not_pending"


def test_in_a_linked_batch_that_is_refused_nothing_was_agreed_to(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    source, destination = open_account(ledger, balance=100), open_account(ledger)
    approval_id = asked(ledger, pay(source, destination, 60))
    before = head(admin)
    submit(ledger, Approve(approval_id, CHECKER), pay(destination, source, 61), linked=True)
    assert head(admin) == before
    outcome = accepted(ledger, Approve(approval_id, CHECKER))
    assert isinstance(outcome.state, Approval)
    assert outcome.state.version == 2


def test_the_log_tells_who_agreed(ledger: Ledger, admin: psycopg.Connection[Any]) -> None:
    source, destination = open_account(ledger, balance=100), open_account(ledger)
    approval_id = asked(ledger, pay(source, destination, 60))
    accepted(ledger, Approve(approval_id, CHECKER))
    states = fold(admin)
    approval = states[approval_id]
    assert isinstance(approval, Approval)
    assert (approval.requested.maker_id, approval.checker_id) == (MAKER, CHECKER)
    assert Approved.topic in {
        topic for (topic,) in admin.execute("SELECT topic FROM events").fetchall()
    }

"""Credit through a real ledger: one application a document however many come at once, money that is there or
not, and a log that tells the same again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from msgspec.structs import replace

from application.ledger import Accepted, Ledger, Outcome, Refused
from application.ledger.outcomes import Command
from application.ledger.reading import load
from domain.accounts import ChangeAccountStatus, OpenAccount
from domain.credit_applications import (
    AcceptOffer,
    ClaimApplication,
    CreditApplication,
    DecideApplication,
    DisburseLoan,
    MakeOffer,
    RecordReport,
    ReportReceived,
    ReviewApplication,
    SubmitApplication,
    WithdrawApplication,
    loan_id_of,
)
from domain.house import house_account
from domain.loans import Loan, RepayLoan, loan_account
from domain.transfers import PostTransfer
from tests.conftest import Database
from tests.support.credit_world import ACCOUNT, OFFICER, OWNER, submission
from tests.support.ledgers import accepted, ask, refusal, submit
from tests.support.ledgers import submission as ask_for
from tests.support.log import assert_sound, busy, fold

CASH, LENDING = house_account("cash", "MXN"), house_account("lending", "MXN")
PEOPLE = 8


@pytest.fixture
def customer(ledger: Ledger) -> UUID:
    """Somebody's account, for loans to be paid out to."""
    accepted(ledger, OpenAccount(ACCOUNT, "mine", "checking", "MXN", OWNER))
    return ACCOUNT


def lend_from(ledger: Ledger, amount: int) -> None:
    """There is so much more to lend."""
    submit(
        ledger,
        OpenAccount(CASH, "Bank MXN", "cash", "MXN"),
        OpenAccount(LENDING, "Lending MXN", "lending", "MXN"),
    )
    accepted(ledger, PostTransfer(uuid4(), CASH, LENDING, amount, "MXN"))


def applied(ledger: Ledger, **changes: Any) -> CreditApplication:
    """An application with a report, as it is put before the decision table."""
    id_ = uuid4()
    there = state(accepted(ledger, submission(id_, report_id=uuid4(), **changes)))
    assert there.report_id is not None
    return state(
        accepted(
            ledger, RecordReport(id_, ReportReceived(there.report_id, 700, 0, is_verified=True))
        )
    )


def owed_to_be_paid(ledger: Ledger) -> CreditApplication:
    """An application whose offer is accepted."""
    there = applied(ledger)
    for command in (
        DecideApplication(there.id, there.assessed, "approve", ("because",)),
        MakeOffer(there.id),
        AcceptOffer(there.id, None, OWNER),
    ):
        outcome = accepted(ledger, command)
    return state(outcome)


def state(outcome: Accepted) -> CreditApplication:
    assert isinstance(outcome.state, CreditApplication)
    return outcome.state


def told(outcomes: Sequence[Outcome]) -> list[str]:
    return sorted(o.reason if isinstance(o, Refused) else "accepted" for o in outcomes)


def at_once(admin: psycopg.Connection[Any], *sent: tuple[Ledger, Command]) -> list[str]:
    """What becomes of commands that all wait for the head when it is let go."""
    with busy(admin):
        futures = [ledger.submit(ask_for(command)) for ledger, command in sent]
    return told([future.result(30).outcomes[0] for future in futures])


# One application a document.
def test_of_two_with_the_same_document_at_the_same_instant_one_is_a_duplicate(
    customer: UUID, ledger: Ledger, other_ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    one_and_one = ["accepted", "duplicate_application"]
    for number, (first, second) in enumerate([(ledger, ledger), (ledger, other_ledger)]):
        document = UUID(int=number + 1)
        both = [submission(uuid4(), report_id=uuid4(), applicant_id=document) for _ in range(2)]
        sent = zip((first, second), both, strict=True)
        assert at_once(admin, *sent) == one_and_one
        # Neither comes in later.
        assert told([ask(second, both[0]), ask(first, both[1])]) == one_and_one
    assert_sound(admin)


def test_however_many_come_at_once_each_document_gets_one(
    customer: UUID, ledger: Ledger, other_ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    sent = [
        (writer, submission(uuid4(), report_id=uuid4(), applicant_id=UUID(int=number % PEOPLE)))
        for number in range(4 * PEOPLE)
        for writer in (ledger, other_ledger)
    ]
    assert at_once(admin, *sent).count("accepted") == PEOPLE
    states = assert_sound(admin)
    there = [s for s in states.values() if isinstance(s, CreditApplication)]
    assert {a.submitted.applicant_id.int for a in there} == {*range(PEOPLE)}


def test_what_was_decided_lets_the_next_one_in_wherever_it_was_decided(
    customer: UUID, ledger: Ledger, other_ledger: Ledger
) -> None:
    there = applied(ledger)
    again = submission(uuid4(), report_id=uuid4())
    assert refusal(other_ledger, again).reason == "duplicate_application"
    accepted(ledger, DecideApplication(there.id, there.assessed, "reject", ("no",)))
    accepted(other_ledger, again)
    assert refusal(ledger, submission(uuid4())).reason == "duplicate_application"


def test_in_india_the_same_document_waits_for_a_day(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    def asks() -> SubmitApplication:
        return submission(uuid4(), "IN", report_id=uuid4(), account_id=None)

    first = accepted(ledger, asks())
    accepted(ledger, WithdrawApplication(first.id))
    refused = refusal(ledger, asks())
    assert refused.reason == "duplicate_application"
    day_after = first.recorded_at + timedelta(days=1)
    assert refused.details["again_at"] == day_after.isoformat()
    turn_clock(admin, day_after - timedelta(seconds=1) - timedelta(minutes=10))
    assert refusal(ledger, asks()).reason == "duplicate_application"
    turn_clock(admin, day_after)
    accepted(ledger, asks())


def turn_clock(admin: psycopg.Connection[Any], now: datetime) -> None:
    """The ledger's time is this at least from now on."""
    admin.execute("UPDATE ledger_head SET recorded_at = %s", (now,))


def test_a_submission_that_comes_again_is_answered_as_the_first_time(
    customer: UUID, ledger: Ledger, other_ledger: Ledger
) -> None:
    command = submission()
    first = accepted(ledger, command)
    accepted(ledger, WithdrawApplication(first.id))
    for writer in (ledger, other_ledger):
        again = accepted(writer, command)
        assert again.replayed
        assert (again.id, again.position, again.state) == (first.id, first.position, first.state)
        assert again.recorded_at == first.recorded_at
    assert state(first).is_waiting
    assert refusal(other_ledger, submission(months=7)).reason == "id_reused"


def test_a_country_that_is_not_served_leaves_nothing_behind(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    command = submission(account_id=None)
    french = replace(command, submitted=replace(command.submitted, country="FR"))
    assert refusal(ledger, french).reason == "unsupported_country"
    assert not fold(admin)


# Two at once about one application.
def test_of_what_cannot_both_be_exactly_one_is_done(
    customer: UUID, ledger: Ledger, other_ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    there = applied(ledger)
    refer = DecideApplication(there.id, there.assessed, "manual_review", ("a doubt",))
    assert at_once(admin, (ledger, refer), (other_ledger, refer)) == ["accepted", "nothing_new"]

    until = datetime.now(UTC) + timedelta(hours=1)
    claims = [ClaimApplication(there.id, uuid4(), until) for _ in range(2)]
    sent = [(ledger, claims[0]), (other_ledger, claims[1])]
    assert at_once(admin, *sent) == ["accepted", "claimed_by_another"]

    review = load_one(admin, there.id).officer_id
    assert review is not None
    approve = ReviewApplication(there.id, review, "approve")
    told_ = at_once(admin, (ledger, approve), (other_ledger, WithdrawApplication(there.id)))
    # A withdrawal may follow an approval, never the other way round.
    assert told_ in (["accepted", "accepted"], ["accepted", "invalid_transition"])
    assert load_one(admin, there.id).status == "withdrawn"
    assert refusal(ledger, approve).reason == "invalid_transition"
    assert_sound(admin)


def load_one(conn: psycopg.Connection[Any], id_: UUID) -> CreditApplication:
    found = load(conn, [id_])[id_]
    assert isinstance(found, CreditApplication)
    return found


def test_an_offer_that_is_accepted_twice_at_once_is_paid_out_once(
    customer: UUID, ledger: Ledger, other_ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    lend_from(ledger, 5_000_00)
    there = owed_to_be_paid(ledger)
    pay = DisburseLoan(there.id)
    assert at_once(admin, (ledger, pay), (other_ledger, pay), (ledger, pay)) == [
        "accepted", "nothing_new", "nothing_new",
    ]  # fmt: skip
    states = assert_sound(admin)
    assert len([s for s in states.values() if isinstance(s, Loan)]) == 1
    assert balance(states, ACCOUNT) == 1_000_00


def balance(states: dict[UUID, Any], account_id: UUID) -> int:
    return int(states[account_id].balance)


# Paying out.
def test_money_is_paid_out_once_there_is_enough_to_lend(
    customer: UUID, ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    there = owed_to_be_paid(ledger)

    def pay() -> CreditApplication:
        return state(accepted(ledger, DisburseLoan(there.id)))

    assert (pay().attempts, pay().attempts) == (1, 2)  # not even an account to lend from
    lend_from(ledger, 999_99)
    assert pay().attempts == 3
    assert balance(assert_sound(admin), LENDING) == 999_99
    lend_from(ledger, 1)
    paid = pay()
    assert (paid.offer_status, paid.loan_id) == ("disbursed", loan_id_of(there.id))
    states = assert_sound(admin)
    assert balance(states, LENDING) == 0
    assert balance(states, ACCOUNT) == 1_000_00
    assert balance(states, loan_account(loan_id_of(there.id))) == -1_000_00


def test_an_account_that_was_closed_meanwhile_takes_nothing_and_another_one_does(
    customer: UUID, ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    lend_from(ledger, 5_000_00)
    there, other = owed_to_be_paid(ledger), uuid4()
    accepted(ledger, ChangeAccountStatus(ACCOUNT, "closed"))
    assert state(accepted(ledger, DisburseLoan(there.id))).attempts == 1
    accepted(ledger, OpenAccount(other, "mine too", "checking", "MXN", OWNER))
    accepted(ledger, AcceptOffer(there.id, other, OWNER))
    accepted(ledger, DisburseLoan(there.id))
    assert balance(assert_sound(admin), other) == 1_000_00


# What the log tells.
def test_streams_that_are_read_from_the_log_have_the_states_that_were_answered(
    customer: UUID, ledger: Ledger, database: Database, admin: psycopg.Connection[Any]
) -> None:
    lend_from(ledger, 5_000_00)
    there = owed_to_be_paid(ledger)
    last = accepted(ledger, DisburseLoan(there.id))
    in_review = applied(ledger, applicant_id=uuid4())
    until = datetime(2030, 1, 1, tzinfo=UTC)
    for command in (
        DecideApplication(in_review.id, in_review.assessed, "manual_review", ("a doubt",)),
        ClaimApplication(in_review.id, OFFICER, until),
        ReviewApplication(in_review.id, OFFICER, "reject", "no"),
    ):
        reviewed = accepted(ledger, command)
    states = fold(admin)
    assert load(admin, list(states)) == states
    assert states[there.id] == last.state
    assert states[in_review.id] == reviewed.state
    with Ledger(database.url, cache_accounts=1, cache_transfers=1) as cold:
        assert refusal(cold, DisburseLoan(there.id)).reason == "nothing_new"
        assert refusal(cold, WithdrawApplication(in_review.id)).reason == "application_closed"
        after = accepted(cold, submission(uuid4(), report_id=uuid4()))
        assert fold(admin)[after.id] == after.state


def test_a_repayment_that_comes_again_is_answered_with_the_loan_as_it_is(
    customer: UUID, ledger: Ledger, other_ledger: Ledger
) -> None:
    lend_from(ledger, 5_000_00)
    there = owed_to_be_paid(ledger)
    accepted(ledger, DisburseLoan(there.id))
    today = datetime.now(UTC).date()
    repay = RepayLoan(loan_id_of(there.id), uuid4(), ACCOUNT, 100_00, today, OWNER)
    first = accepted(ledger, repay)
    assert isinstance(first.state, Loan)
    for writer in (ledger, other_ledger):
        again = accepted(writer, repay)
        assert again.replayed
        assert (again.state, again.recorded_at) == (first.state, first.recorded_at)

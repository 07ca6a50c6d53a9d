"""From an officer's desk to money: claims, reviews, offers, and what is paid out."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.accounts import ChangeAccountStatus
from domain.credit_applications import (
    Accepted,
    AcceptOffer,
    ClaimApplication,
    DecideApplication,
    DisburseLoan,
    DisbursementFailed,
    GiveReportUp,
    MakeOffer,
    MoveApplication,
    Offered,
    ReleaseApplication,
    ReviewApplication,
    loan_id_of,
)
from domain.loans import Loan, loan_account
from tests.support.credit_situations import (
    ACCEPTED,
    AN_HOUR,
    COMMANDS,
    NEW,
    OFFERED,
    OTHERWISE,
    REVIEW,
    SITUATIONS,
    given,
    outcome,
    situation,
)
from tests.support.credit_world import (
    ACCOUNT,
    ANOTHERS,
    APPLICATION,
    CLERK,
    COLLEAGUE,
    ELSEWHERE,
    FOREIGN,
    NEW_REPORT,
    OFFICER,
    OFFICERS,
    OWNER,
    SECOND,
    asked,
    decided,
    given_up,
    of,
    offered,
    other_wishes,
    reported,
    submission,
    submitted,
)
from tests.support.given import NOW, refused


# Officers.
def test_one_officer_at_a_time_looks_at_an_application() -> None:
    world = given(*REVIEW)
    mine = ClaimApplication(APPLICATION, OFFICER, NOW + AN_HOUR)
    anothers = ClaimApplication(APPLICATION, COLLEAGUE, NOW + 2 * AN_HOUR)
    assert outcome(world, mine) == "claimed"
    with refused("claimed_by_another", until=(NOW + AN_HOUR).isoformat()):
        world.submit(anothers)
    assert outcome(world, mine) == "claimed"  # for longer
    for decision in ("approve", "reject"):
        hasty = ReviewApplication(APPLICATION, COLLEAGUE, decision, "a reason")
        assert outcome(world, hasty) == "claimed_by_another"
    assert outcome(world, ReleaseApplication(APPLICATION, COLLEAGUE)) == "nothing_new"
    world.now = NOW + AN_HOUR  # it has lapsed
    assert outcome(world, anothers) == "claimed"
    assert outcome(world, ReleaseApplication(APPLICATION, OFFICER)) == "nothing_new"
    assert outcome(world, ReleaseApplication(APPLICATION, COLLEAGUE)) == "released"
    assert outcome(world, mine) == "claimed"


def test_nobody_decides_on_what_is_his_own_or_what_he_has_written() -> None:
    his_own = {
        "his": submitted(owner_id=OFFICER),
        "brought by him": submitted(submitted_by=str(OFFICER)),
        "changed by him": [*NEW, *of(other_wishes(asked(), by=str(OFFICER)))],
        "to be paid to him": submitted(owner_id=None, account_id=OFFICERS),
    }
    for name, facts in his_own.items():
        world = given(*facts, *given_up(), *decided("manual_review", "manual_review"))
        for word in ("approve", "reject"):
            assert outcome(world, COMMANDS[word]) == "own_application", name
        claim = ClaimApplication(APPLICATION, OFFICER, NOW + AN_HOUR)
        assert outcome(world, claim) == "own_application", name
        by_another = ReviewApplication(APPLICATION, COLLEAGUE, "approve")
        assert outcome(world, by_another) == "reviewed approved", name


def test_while_a_report_is_under_way_nobody_decides_and_nobody_claims() -> None:
    world = situation("changed")
    for word in ("approve", "reject", "claim"):
        with refused("not_in_review", status="manual_review", is_waiting=True):
            world.submit(COMMANDS[word])
    world.submit(GiveReportUp(APPLICATION, NEW_REPORT, "timeout"))
    assert outcome(world, COMMANDS["claim"]) == "claimed"


def test_before_an_officer_is_asked_for_none_decides() -> None:
    for name, status in (
        ("new", "pending"),
        ("assessed", "risk_check"),
        ("given up", "risk_check"),
    ):
        for word in ("approve", "reject", "claim"):
            with refused("not_in_review", status=status):
                situation(name).submit(COMMANDS[word])


def test_who_has_approved_takes_nothing_of_it() -> None:
    """Neither in the applicant's place, nor in an account of his own."""
    nobodys = [*submitted(owner_id=None, account_id=None), *given_up()]
    review = decided("manual_review", "manual_review")
    alone = ReviewApplication(APPLICATION, OFFICER, "approve")
    together = ReviewApplication(APPLICATION, CLERK, "approve", second_id=OFFICER)
    for approve in (alone, together):

        def accept(by: UUID | None, account_id: UUID, approve: ReviewApplication = approve) -> str:
            world = given(*nobodys, *review)
            world.submit(approve)
            world.submit(MakeOffer(APPLICATION))
            return outcome(world, AcceptOffer(APPLICATION, account_id, by=by))

        assert accept(OFFICER, ACCOUNT) == "own_application"
        assert accept(COLLEAGUE, OFFICERS) == "own_application"
        assert accept(None, OFFICERS) == "own_application"
        assert accept(COLLEAGUE, ACCOUNT) == "accepted"
        assert accept(OWNER, ACCOUNT) == "accepted"
        assert accept(None, ACCOUNT) == "accepted"


def test_what_could_not_be_paid_out_goes_to_no_account_of_who_has_approved_it() -> None:
    world = given(
        *submitted(owner_id=None), *given_up(), *decided("manual_review", "manual_review")
    )
    world.submit(ReviewApplication(APPLICATION, OFFICER, "approve"))
    for command in (MakeOffer(APPLICATION), AcceptOffer(APPLICATION)):
        world.submit(command)
    world.submit(ChangeAccountStatus(ACCOUNT, "closed"))
    assert outcome(world, DisburseLoan(APPLICATION)) == "disbursement_failed"
    assert outcome(world, AcceptOffer(APPLICATION, OFFICERS)) == "own_application"
    assert outcome(world, AcceptOffer(APPLICATION, ELSEWHERE, by=OFFICER)) == "own_application"
    assert outcome(world, AcceptOffer(APPLICATION, ELSEWHERE)) == "accepted"


def test_what_the_table_has_approved_an_officer_may_accept_for_the_applicant() -> None:
    world = given(*OFFERED)
    assert outcome(world, AcceptOffer(APPLICATION, by=OFFICER)) == "accepted"


def test_what_an_officer_looks_at_is_not_decided_behind_his_back() -> None:
    world = given(*NEW, *given_up(), *decided("manual_review", "manual_review"))
    world.submit(COMMANDS["report"])
    assessed = world.application().assessed
    world.submit(ClaimApplication(APPLICATION, OFFICER, NOW + AN_HOUR))
    decide = DecideApplication(APPLICATION, assessed, "approve", ())
    assert outcome(world, decide) == "nothing_new"
    assert outcome(world, ReleaseApplication(APPLICATION, OFFICER)) == "released"
    assert outcome(world, COMMANDS["claim"]) == "claimed"  # it is in the queue still


def test_a_change_takes_the_application_from_the_officer_who_looks_at_it() -> None:
    world = situation("claimed")
    world.submit(COMMANDS["change"])
    there = world.application()
    assert (there.officer_id, there.claimed_until) == (None, None)
    assert outcome(world, COMMANDS["approve"]) == "not_in_review"


@pytest.mark.parametrize(
    ("amount", "most", "told"),
    [
        (None, None, 1_000_00),
        (None, 600_00, 600_00),
        (None, 2_000_00, 1_000_00),
        (1, 600_00, 1),
        (1_000_00, 600_00, 1_000_00),
        (1_000_01, None, "amount_exceeds_request"),
        (0, None, "negative_amount"),
        (-1, None, "negative_amount"),
        (None, 0, "negative_amount"),
    ],
)
def test_an_officer_approves_what_is_asked_for_or_less(
    amount: int | None, most: int | None, told: object
) -> None:
    review = decided("manual_review", "manual_review", most)
    world = given(*NEW, *given_up(), *review)
    command = ReviewApplication(APPLICATION, OFFICER, "approve", "", amount)
    if isinstance(told, str):
        assert outcome(world, command) == told
        return
    assert outcome(world, command) == "reviewed approved"
    world.submit(MakeOffer(APPLICATION))
    offer = world.application().offer
    assert offer is not None
    assert offer.amount == told


def test_a_rejection_needs_a_reason() -> None:
    world = given(*REVIEW)
    bare = ReviewApplication(APPLICATION, OFFICER, "reject")
    assert outcome(world, bare) == "reason_required"
    assert outcome(world, COMMANDS["reject"]) == "reviewed rejected"
    assert world.application().reasons == ("no",)
    assert world.applicant().status == "rejected"


# From an offer to money.
@pytest.mark.parametrize(
    ("most", "amount"), [(None, 1_000_00), (600_00, 600_00), (9_999_00, 1_000_00)]
)
def test_an_offer_is_what_was_approved_on_the_terms_of_the_day_it_was_asked_for(
    most: int | None, amount: int
) -> None:
    world = given(*NEW, *reported(), *decided("approved", "approve", most))
    world.submit(MakeOffer(APPLICATION))
    there = world.application()
    assert there.offer == Offered(amount, asked().annual_rate_bps, 6, NOW + timedelta(days=7))
    assert outcome(world, MakeOffer(APPLICATION)) == "nothing_new"


def test_of_nothing_no_offer_is_made() -> None:
    nothing = [*reported(), *decided("manual_review", "manual_review", 0)]
    world = given(*NEW, *nothing)
    assert outcome(world, COMMANDS["move"]) == "moved approved"
    assert outcome(world, MakeOffer(APPLICATION)) == "nothing_new"
    assert outcome(world, COMMANDS["withdraw"]) == "withdrawn withdrawn"


def test_an_offer_can_be_taken_until_it_expires_and_expires_at_that_instant() -> None:
    ends = NOW + timedelta(days=7)
    for now, accept, expire in (
        (ends - timedelta(microseconds=1), "accepted", "nothing_new"),
        (ends, "offer_expired", "offer_expired"),
    ):
        for word, told in (("accept", accept), ("expire", expire)):
            world = given(*OFFERED)
            world.now = now
            assert outcome(world, COMMANDS[word]) == told
    world = given(*ACCEPTED)
    world.now = ends
    assert outcome(world, COMMANDS["expire"]) == "nothing_new"
    assert outcome(world, COMMANDS["disburse"]) == "disbursed"


def test_the_money_goes_to_an_account_that_can_take_it() -> None:
    def accept(account_id: UUID | None) -> AcceptOffer:
        return AcceptOffer(APPLICATION, account_id, OWNER)

    for account_id, reason in (
        (UUID(int=1), "account_not_found"),
        (ANOTHERS, "account_not_found"),
        (FOREIGN, "currency_mismatch"),
        (given().house("lending"), "account_not_found"),
    ):
        assert outcome(given(*OFFERED), accept(account_id)) == reason
    world = given(*OFFERED)
    world.submit(ChangeAccountStatus(ACCOUNT, "frozen"))
    assert outcome(world, accept(None)) == "accepted"  # money may come in
    world = given(*OFFERED)
    world.submit(ChangeAccountStatus(ACCOUNT, "closed"))
    assert outcome(world, accept(None)) == "account_closed"
    assert outcome(world, accept(ELSEWHERE)) == "accepted"
    assert world.application().account_id == ELSEWHERE
    nowhere = [*submitted(account_id=None), *reported(), *decided("approved", "approve")]
    assert outcome(given(*nowhere, *offered()), accept(None)) == "account_required"


def test_the_money_is_paid_out_and_owed_once() -> None:
    world = given(*ACCEPTED)
    assert outcome(world, DisburseLoan(APPLICATION)) == "disbursed"
    loan_id = loan_id_of(APPLICATION)
    there = world.application()
    assert (there.offer_status, there.loan_id) == ("disbursed", loan_id)
    assert world.balance(ACCOUNT) == 1_000_00
    assert world.balance(world.house("lending")) == 4_000_00
    assert world.balance(world.house("loans")) == 1_000_00
    assert world.balance(loan_account(loan_id)) == -1_000_00
    (loan,) = world.of(Loan)
    assert (loan.opened.annual_rate_bps, loan.opened.months) == (28_00, 6)
    assert loan.opened.started_on == NOW.date()
    assert outcome(world, DisburseLoan(APPLICATION)) == "nothing_new"
    for word in ("withdraw", "accept", "accept elsewhere", "decline", "expire", "change"):
        assert outcome(world, COMMANDS[word]) in (OTHERWISE[word], "nothing_new")


@pytest.mark.parametrize(
    ("lending", "status", "reason"),
    [
        (999_99, "active", "insufficient_funds"),
        (0, "active", "insufficient_funds"),
        (5_000_00, "closed", "account_closed"),
        (5_000_00, "suspended", "account_suspended"),
        (5_000_00, "inactive", "account_inactive"),
    ],
)
def test_money_that_cannot_be_paid_out_is_tried_again_and_can_go_elsewhere(
    lending: int, status: str, reason: str
) -> None:
    world = given(*ACCEPTED, lending=lending)
    if status != "active":
        world.submit(ChangeAccountStatus(ACCOUNT, status))
    for attempt in (1, 2):
        assert outcome(world, DisburseLoan(APPLICATION)) == "disbursement_failed"
        assert world.events[-1].data == DisbursementFailed(reason, attempt)
    assert world.balance(ACCOUNT) == 0
    world.pay(world.house("lending"), 5_000_00 - lending)
    assert outcome(world, COMMANDS["accept elsewhere"]) == "accepted"
    assert world.application().attempts == 0
    assert outcome(world, DisburseLoan(APPLICATION)) == "disbursed"
    assert world.balance(ELSEWHERE) == 1_000_00


def test_where_there_was_never_money_to_lend_it_is_tried_again_too() -> None:
    """Not even the house's account is there."""
    world = given(*submitted("CO", account_id=None), *reported(country="CO"), country="MX")
    world.append([*decided("approved", "approve"), *offered(), *of(Accepted(ACCOUNT))])
    assert outcome(world, DisburseLoan(APPLICATION)) == "disbursement_failed"


def test_what_was_withdrawn_before_it_was_paid_out_is_not_paid_out() -> None:
    world = given(*ACCEPTED)
    assert outcome(world, COMMANDS["withdraw"]) == "withdrawn withdrawn"
    assert outcome(world, DisburseLoan(APPLICATION)) == "nothing_new"
    assert world.balance(ACCOUNT) == 0


def test_an_offer_that_is_declined_or_expired_leaves_the_applicant_free_to_ask_again() -> None:
    for name in ("declined", "expired"):
        world = situation(name)
        world.submit(submission(SECOND, report_id=UUID(int=837)))
        world.check()


def test_a_disclosure_is_noted_whatever_has_become_of_the_application() -> None:
    for name in SITUATIONS:
        world = situation(name)
        before = world.application()
        assert outcome(world, COMMANDS["disclose"]) == "disclosed"
        assert replace(world.application(), version=before.version) == before


def test_a_report_that_was_decided_without_is_not_waited_for() -> None:
    reject = MoveApplication(APPLICATION, "rejected", "a partner")
    for command in (reject, COMMANDS["withdraw"]):
        world = given(*NEW)
        world.submit(command)
        assert not world.application().is_waiting
        assert outcome(world, COMMANDS["report"]) == "nothing_new"
        assert outcome(world, COMMANDS["give up"]) == "nothing_new"

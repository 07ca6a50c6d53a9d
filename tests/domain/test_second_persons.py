"""What a second person agrees to, kind by kind: it is done as if it were asked for then, or nothing is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain import users
from domain.accounts import ChangeAccountStatus, OpenAccount
from domain.approvals import (
    KINDS,
    Approval,
    Approve,
    Approved,
    Askable,
    Reject,
    RequestApproval,
    Requested,
    Withdraw,
    approve,
    command_of,
)
from domain.bank_transfers import RequestBankTransfer
from domain.credit_applications import (
    ChangeApplication,
    ClaimApplication,
    GiveReportUp,
    RecordReport,
    ReportReceived,
    ReviewApplication,
)
from domain.funds import ChangeFundStatus, OpenFund
from domain.investments import RequestInvestment
from domain.loans import FundLending, RepayLoan
from domain.refusals import Refusal
from domain.transfers import Decided, PostTransfer
from domain.users import ChangeRole, Registered
from tests.support.credit_situations import REVIEW, given
from tests.support.credit_world import (
    APPLICATION,
    COLLEAGUE,
    NEW_REPORT,
    OFFICER,
    OFFICERS,
    REPORT,
    asked,
    decided,
    given_up,
    of,
    other_wishes,
    submitted,
)
from tests.support.credit_world import OWNER as APPLICANT
from tests.support.flow_world import Log
from tests.support.given import NOW, refused
from tests.support.loan_world import CUSTOMER, LOAN, OTHER, OWNER, STRANGER, LoanWorld

APPROVAL, MAKER, CHECKER, MANAGER = (UUID(int=n) for n in (501, 502, 503, 504))
FLOW, FUND, FUNDS = UUID(int=511), UUID(int=512), UUID(int=513)
A_DAY = timedelta(days=1)


def money() -> LoanWorld:
    """Somebody with money, a loan and a fund to invest in; the fund's account is its manager's."""
    world = LoanWorld()
    world.lend()
    world.submit(OpenAccount(FUNDS, "the fund's", "fund", "EUR", MANAGER))
    world.submit(OpenFund(FUND, "First Fund", "EUR", FUNDS, 1, 0, 1))
    world.now = NOW
    return world


def desk() -> Log:
    """An application that an officer is to look at."""
    return given(*REVIEW)


def spent(world: Log) -> None:
    world.submit(PostTransfer(UUID(int=599), CUSTOMER, OTHER, 5_999_99, "EUR"))


def paid_back(world: Log) -> None:
    world.submit(RepayLoan(LOAN, UUID(int=599), CUSTOMER, 950_00, NOW.date()))


class Case(NamedTuple):
    """What is asked for, where that is possible; who gains by it, and how it becomes impossible."""

    command: Askable
    world: Callable[[], Log]
    concerned: tuple[UUID, ...]
    meanwhile: Callable[[Log], object]
    refusal: str


WITHDRAWAL = RequestBankTransfer(
    FLOW, "withdrawal", CUSTOMER, "EUR", 500_00, "sealed:1:x", "**3000", OWNER, "R-1", OWNER
)
REPAYMENT = RepayLoan(LOAN, FLOW, CUSTOMER, 500_00, NOW.date(), OWNER)
REVIEWED = ReviewApplication(APPLICATION, OFFICER, "approve", "fine", 900_00, round=1)

CASES = {
    "deposit": Case(
        replace(WITHDRAWAL, kind="deposit"), money, (OWNER,),
        lambda world: world.submit(ChangeAccountStatus(CUSTOMER, "suspended")), "account_suspended",
    ),
    "withdrawal": Case(
        WITHDRAWAL, money, (OWNER,), spent, "insufficient_funds"
    ),
    "investment": Case(
        RequestInvestment(FLOW, CUSTOMER, FUND, 500_00, "EUR", OWNER), money,
        (OWNER, MANAGER), lambda world: world.submit(ChangeFundStatus(FUND, "closed")), "fund_not_open",
    ),
    "repayment": Case(
        REPAYMENT, money, (OWNER,), paid_back, "exceeds_outstanding"
    ),
    "a loan that is another's": Case(
        replace(REPAYMENT, account_id=OTHER, owner_id=None), money,
        (OWNER, STRANGER), paid_back, "exceeds_outstanding",
    ),
    "funding": Case(
        FundLending(FLOW, CUSTOMER, 500_00, "EUR"), money, (OWNER,), spent,
        "insufficient_funds",
    ),
    "review": Case(
        REVIEWED, desk, (APPLICANT,),
        lambda world: world.submit(ReviewApplication(APPLICATION, OFFICER, "reject", "no")),
        "invalid_transition",
    ),
}  # fmt: skip

EVERY = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def maker_of(command: Askable) -> UUID:
    return command.officer_id if isinstance(command, ReviewApplication) else MAKER


def asking(command: Askable) -> RequestApproval:
    return RequestApproval(APPROVAL, maker_of(command), command, "EUR")


def waiting(case: Case) -> Log:
    """A world in which it waits for a second person."""
    world = case.world()
    ((id_, event),) = world.submit(asking(case.command))
    assert id_ == APPROVAL
    assert isinstance(event, Requested)
    return world


def there(world: Log) -> Approval:
    found = world.states[APPROVAL]
    assert isinstance(found, Approval)
    return found


def agree(world: Log, who: UUID = CHECKER) -> Decided:
    return world.submit(Approve(APPROVAL, who))


def test_there_is_a_case_of_each_kind() -> None:
    kinds = {kind.command for kind in KINDS.values()}
    assert kinds == {type(case.command) for case in CASES.values()} | {PostTransfer, ChangeRole}


@EVERY
def test_what_is_agreed_to_is_done_as_if_it_were_asked_for_now(case: Case) -> None:
    world, twin, later = waiting(case), case.world(), NOW + A_DAY
    assert command_of(there(world)) == case.command
    before = [event for event in world.events if event.stream_id != APPROVAL]
    assert len(before) == len(twin.events), "nothing is done before"
    world.now = twin.now = later
    command = case.command
    if isinstance(command, RepayLoan):  # interest goes on
        command = replace(command, today=later.date())
    if isinstance(command, ReviewApplication):
        command = replace(command, second_id=CHECKER)
    direct = twin.submit(command)
    (first, *done) = agree(world)
    assert first == (APPROVAL, Approved(CHECKER))
    assert tuple(done) == direct
    assert done
    assert there(world).status == "approved"
    assert world.replayed() == world.states


@EVERY
def test_whoever_gains_by_it_or_asked_does_not_agree(case: Case) -> None:
    world = waiting(case)
    for who in (*case.concerned, maker_of(case.command)):
        with pytest.raises(Refusal) as caught:
            agree(world, who)
        assert caught.value.reason in ("cannot_approve_own", "own_application")
    assert there(world).status == "pending"
    assert agree(world)


@EVERY
def test_what_cannot_be_done_any_more_is_not_and_goes_on_waiting(case: Case) -> None:
    world = waiting(case)
    case.meanwhile(world)
    before = len(world.events)
    with refused(case.refusal):
        agree(world)
    assert (len(world.events), there(world).status) == (before, "pending")
    again = case.world()
    case.meanwhile(again)
    with refused(case.refusal):  # nor is it asked for
        again.submit(asking(case.command))
    world.submit(Reject(APPROVAL, CHECKER))
    with refused("approval_not_pending"):
        agree(world)


@EVERY
def test_asked_for_again_it_is_the_same_and_with_another_amount_another(case: Case) -> None:
    world = waiting(case)
    again = case.command
    if isinstance(again, RequestBankTransfer):  # sealed anew, as each time
        again = replace(again, bank_account="sealed:1:y")
    if isinstance(again, RepayLoan):
        again = replace(again, today=again.today + A_DAY)
    assert world.submit(asking(again)) == ()
    assert not isinstance(again, PostTransfer | ChangeRole)
    assert again.amount is not None
    for other in (
        asking(replace(again, amount=again.amount - 1)),
        replace(asking(again), maker_id=CHECKER),
    ):
        with refused("id_reused", id=APPROVAL):
            world.submit(other)
    world.submit(Withdraw(APPROVAL, maker_of(case.command)))
    assert world.submit(asking(again)) == ()


def test_only_what_its_maker_may_still_ask_for_is_done() -> None:
    """A customer for what is his own, staff for all; the house's money is staff's."""
    may = {
        "user": {"deposit", "withdrawal", "investment", "repayment"},
        "admin": {*CASES},
        "officer": {"review"},
        "support": set(),
        "auditor": set(),
    }
    for role, kinds in may.items():
        maker = users.evolve(None, Registered("m", "n", role), OWNER)
        for name, case in CASES.items():
            asked_for = replace(there(waiting(case)).requested, maker_id=OWNER)
            approval = replace(there(waiting(case)), requested=asked_for)
            command = Approve(APPROVAL, CHECKER)
            if name in kinds:
                assert approve(approval, command, {OWNER: maker}.get, (), NOW)
            else:
                with refused("maker_may_not"):
                    approve(approval, command, {OWNER: maker}.get, (), NOW)


# Applications.
def test_neither_ones_claim_is_in_the_way_and_anothers_is() -> None:
    until = NOW + A_DAY
    for claims, told in (
        ([OFFICER], ""),
        ([OFFICER, CHECKER], ""),
        ([OFFICER, COLLEAGUE], "claimed_by_another"),
    ):
        world = desk()
        world.submit(ClaimApplication(APPLICATION, claims[0], NOW + A_DAY / 24))
        world.submit(asking(REVIEWED))
        if claims[1:]:
            world.now += A_DAY / 12
            world.submit(ClaimApplication(APPLICATION, claims[1], until))
        if told:
            with refused(told, until=until.isoformat()):
                agree(world)
        else:
            assert agree(world)


def test_no_one_agrees_to_an_approval_of_what_is_his_own() -> None:
    his_own = {
        "brought by him": submitted(submitted_by=str(CHECKER)),
        "changed by him": [*submitted(), *of(other_wishes(asked(), by=str(CHECKER)))],
    }
    for name, facts in his_own.items():
        world = given(*facts, *given_up(), *decided("manual_review", "manual_review"))
        world.submit(asking(REVIEWED))
        with refused("own_application"):
            agree(world)
        assert agree(world, COLLEAGUE), name
    world = given(
        *submitted(owner_id=None, account_id=OFFICERS), *given_up(),
        *decided("manual_review", "manual_review"),
    )  # fmt: skip
    world.submit(asking(replace(REVIEWED, officer_id=COLLEAGUE)))
    with refused("own_application"):  # the money would be his
        agree(world, OFFICER)


def test_what_is_asked_for_anew_is_not_what_was_approved() -> None:
    world = waiting(CASES["review"])
    changed = other_wishes(asked(), amount_requested=950_00)
    world.submit(ChangeApplication(APPLICATION, changed, NEW_REPORT, "buro"))
    with refused("not_in_review"):
        agree(world)
    world.submit(GiveReportUp(APPLICATION, NEW_REPORT, "timeout"))
    with refused("application_changed"):
        agree(world)
    world.submit(replace(asking(replace(REVIEWED, round=2)), approval_id=FLOW))
    assert world.submit(Approve(FLOW, CHECKER))


def test_what_was_approved_without_a_report_is_not_when_it_comes_late() -> None:
    world = waiting(CASES["review"])
    world.submit(ClaimApplication(APPLICATION, OFFICER, NOW + A_DAY))  # no table decides anew
    world.submit(RecordReport(APPLICATION, ReportReceived(REPORT, 601)))
    with refused("application_changed"):
        agree(world)
    again = asking(replace(REVIEWED, report_id=REPORT))
    world.submit(replace(again, approval_id=FLOW))
    assert world.submit(Approve(FLOW, CHECKER))

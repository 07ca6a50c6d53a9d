"""The process from an application to money: what follows from each event, and what happens when bureaus, the
house's own accounts and people let it wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from application.decisions import Facts, Verdict
from application.ledger import Ledger, Outcome, Refused
from application.ledger.outcomes import Command
from application.ledger.reading import load
from application.processes import credit, operating
from application.processes.definitions import Process, Reaction
from domain.accounts import ChangeAccountStatus, OpenAccount
from domain.credit_applications import Accepted as Taken
from domain.credit_applications import (
    AcceptOffer,
    ChangeApplication,
    ClaimApplication,
    CreditApplication,
    DecideApplication,
    Declined,
    DeclineOffer,
    Disbursed,
    DisburseLoan,
    DisbursementFailed,
    ExpireOffer,
    GiveReportUp,
    MakeOffer,
    Moved,
    OfferExpired,
    RecordReport,
    ReportReceived,
    ReviewApplication,
    Reviewed,
    WithdrawApplication,
    Withdrawn,
    loan_id_of,
)
from domain.house import house_account
from domain.transfers import PostTransfer
from tests.conftest import Database
from tests.support.credit_world import (
    ACCOUNT,
    APPLICATION,
    NEW_REPORT,
    OFFICER,
    OWNER,
    REPORT,
    CreditWorld,
    asked,
    claimed,
    decided,
    given_up,
    of,
    offered,
    other_wishes,
    reported,
    submission,
    submitted,
)
from tests.support.given import NOW
from tests.support.ledgers import accepted, ask
from tests.support.log import assert_sound
from tests.support.stepping import Steps, stepping

PATIENCE = timedelta(minutes=3)
A_WEEK = timedelta(days=7)

VERDICT = Verdict(
    decision="approve", reasons=("fine",), table="MX", version="2026-01-01", digest="abc", row="6",
    inputs={"credit_score": "700"}, max_approved_amount=900_00,
)  # fmt: skip


def always(verdict: Verdict) -> credit.Judge:
    return lambda facts, on: verdict


def by_score(facts: Facts, on: date) -> Verdict:
    """Approves with a score of 600, in India ahead of an officer, and refers without one."""
    if facts.credit_score is None:
        return Verdict(decision="manual_review", reasons=("Banking data missing",))
    if facts.credit_score < 600:
        return Verdict(decision="reject", reasons=("because",))
    granted: Any = "pre_approve" if facts.country == "IN" else "approve"
    return Verdict(decision=granted, reasons=("because",))


# Pure: what follows from the last thing that has happened.
def reaction(*facts: Any, judge: credit.Judge = by_score) -> Reaction:
    world = CreditWorld(*facts)
    found = credit.process(judge, PATIENCE).react(world.events[-1])
    assert found is not None
    return found


def test_the_bureau_is_asked_by_a_job_and_waited_for_with_patience() -> None:
    world = CreditWorld(*submitted())
    asks = credit.process(by_score, PATIENCE).react(world.events[-1])
    assert asks is not None
    assert asks.status == "started"
    assert asks.command is None
    assert asks.deadlines == {f"report:{REPORT}": NOW + PATIENCE}
    (job,) = asks.jobs
    assert (job.kind, job.queue) == ("bureau.request", "bureaus")
    assert job.payload == {"application_id": str(APPLICATION), "report_id": str(REPORT)}
    again = credit.process(by_score, PATIENCE).react(world.events[-1])
    assert again is not None
    assert again.jobs == asks.jobs, "the same id, however often it is reacted to"


def test_what_was_assessed_is_judged_by_what_was_known_and_on_that_day() -> None:
    seen: list[tuple[Facts, date]] = []

    def judge(facts: Facts, on: date) -> Verdict:
        seen.append((facts, on))
        return VERDICT

    follows = reaction(*submitted(), *reported(700), judge=judge)
    there = asked()
    facts = Facts(
        country="MX", document_type="curp", credit_score=700, monthly_income=500_00,
        amount_requested=1_000_00, total_debt=0, currency="MXN", loan_type="", months=there.months,
    )  # fmt: skip
    assert seen == [(facts, NOW.date())]
    assert follows.command == DecideApplication(
        APPLICATION, 5, "approve", ("fine",), "MX", "2026-01-01", "abc", "6",
        {"credit_score": "700"}, 900_00,
    )  # fmt: skip
    assert follows.deadlines == {f"report:{REPORT}": None}


def test_each_event_leads_on() -> None:
    new, over = submitted(), {"*": None}
    review = decided("manual_review", "manual_review")[:1]
    accept = of(Taken(ACCOUNT))
    for facts, command, deadlines, status in (
        (decided("approved", "approve")[:1], MakeOffer(APPLICATION), {}, "waiting"),
        (of(Reviewed("approved", OFFICER)), MakeOffer(APPLICATION), {}, "waiting"),
        (of(Moved("approved", "a partner")), MakeOffer(APPLICATION), {}, "waiting"),
        (review, None, {}, "waiting"),
        (of(Moved("pre_approved", "a partner")), None, {}, "waiting"),
        (decided("rejected", "reject")[:1], None, over, "completed"),
        (of(Reviewed("rejected", OFFICER)), None, over, "completed"),
        (offered(), None, {"offer": NOW + A_WEEK}, "waiting"),
        (accept, DisburseLoan(APPLICATION), {"offer": None, "disburse": None}, "waiting"),
        (of(Declined()), None, over, "completed"),
        (of(OfferExpired()), None, over, "completed"),
        (of(Disbursed(UUID(int=1))), None, over, "completed"),
        (of(Withdrawn("withdrawn")), None, over, "completed"),
    ):
        follows = reaction(*new, *facts)
        assert (follows.command, follows.deadlines, follows.status) == (command, deadlines, status)
        assert not follows.jobs


def test_money_is_tried_again_each_hour_for_a_day_and_then_every_six_hours() -> None:
    for attempt, hours in ((1, 1), (23, 1), (24, 6), (25, 6), (1_000, 6)):
        follows = reaction(*submitted(), *of(DisbursementFailed("account_closed", attempt)))
        assert follows.deadlines == {"disburse": NOW + timedelta(hours=hours)}
        assert (follows.command, follows.status) == (None, "waiting")
        assert follows.error == "not paid out: account_closed"


def test_deadlines_say_what_is_over() -> None:
    process = credit.process(by_score)
    assert process.on_deadline is not None
    assert process.on_deadline(APPLICATION, "offer").command == ExpireOffer(APPLICATION)
    assert process.on_deadline(APPLICATION, "disburse").command == DisburseLoan(APPLICATION)
    given_up_ = process.on_deadline(APPLICATION, f"report:{REPORT}").command
    assert given_up_ == GiveReportUp(APPLICATION, REPORT, "timeout")


def test_the_process_hears_of_all_that_it_reacts_to_and_of_nothing_else() -> None:
    """What officers and bureaus do by themselves it need not hear of."""
    process = credit.process(by_score)
    world = CreditWorld(
        *submitted(), *given_up(), *decided("manual_review", "manual_review"),
        *claimed(timedelta(hours=1)), *of(other_wishes(asked())),
    )  # fmt: skip
    for event in world.events:
        if event.stream_id == APPLICATION:
            is_heard = event.topic in process.topics
            assert is_heard == (process.react(event) is not None), event.topic


# Through a ledger, step by step.
class Counter:
    """Where applications are taken in, in a ledger that the process follows by hand."""

    def __init__(self, ledger: Ledger, steps: Steps) -> None:
        self.ledger = ledger
        self.steps = steps
        accepted(ledger, OpenAccount(ACCOUNT, "mine", "checking", "MXN", OWNER))

    def apply(self, **changes: Any) -> UUID:
        """Somebody asks for credit, and the process sees to it."""
        id_ = uuid4()
        self.do(submission(id_, report_id=uuid4(), applicant_id=uuid4(), **changes))
        return id_

    def do(self, command: Command) -> None:
        accepted(self.ledger, command)
        self.steps.work()

    def ask(self, command: Command) -> str:
        outcome: Outcome = ask(self.ledger, command)
        self.steps.work()
        return outcome.reason if isinstance(outcome, Refused) else "accepted"

    def report(self, id_: UUID, score: int | None = 700) -> str:
        """The bureau answers what it was asked last."""
        report_id = self.state(id_).report_id
        assert report_id is not None
        return self.ask(RecordReport(id_, ReportReceived(report_id, score, 0, is_verified=True)))

    def approved(self) -> UUID:
        id_ = self.apply()
        self.report(id_)
        return id_

    def state(self, id_: UUID) -> CreditApplication:
        found = load(self.steps.conn, [id_])[id_]
        assert isinstance(found, CreditApplication)
        return found

    def over(self, deadline: str) -> None:
        """It is over, and what it asks for is done."""
        self.steps.make_due(deadline)
        self.steps.fire()
        self.steps.work()

    def pass_time(self, time: timedelta) -> None:
        """The ledger's clock, which never goes back, is ahead by this."""
        self.steps.conn.execute("UPDATE ledger_head SET recorded_at = recorded_at + %s", (time,))

    def lend_from(self, amount: int) -> None:
        cash, lending = house_account("cash", "MXN"), house_account("lending", "MXN")
        ask(self.ledger, OpenAccount(cash, "Bank MXN", "cash", "MXN"))
        ask(self.ledger, OpenAccount(lending, "Lending MXN", "lending", "MXN"))
        self.do(PostTransfer(uuid4(), cash, lending, amount, "MXN"))

    def row(self, id_: UUID) -> tuple[str, str | None]:
        status, _, error = self.steps.row(id_)
        return status, error


@contextmanager
def counting(database: Database, process: Process) -> Iterator[Counter]:
    """A counter; the log is sound in the end."""
    with (
        Ledger(database.url) as ledger,
        stepping(ledger, database.url, process) as steps,
        database.connect(superuser=True) as admin,
    ):
        yield Counter(ledger, steps)
        assert_sound(admin)


@pytest.fixture
def counter(database: Database) -> Iterator[Counter]:
    with counting(database, credit.process(by_score, PATIENCE)) as there:
        yield there


def test_an_application_goes_all_the_way_to_money(counter: Counter) -> None:
    counter.lend_from(5_000_00)
    id_ = counter.apply()
    assert counter.row(id_) == ("started", None)
    assert len(counter.steps.jobs()) == 1
    assert counter.report(id_) == "accepted"
    there = counter.state(id_)
    assert (there.status, there.offer_status, there.reasons) == ("approved", "made", ("because",))
    assert counter.steps.deadlines() == ["offer"]
    counter.do(AcceptOffer(id_, None, OWNER))
    there = counter.state(id_)
    assert (there.offer_status, there.loan_id) == ("disbursed", loan_id_of(id_))
    assert counter.row(id_) == ("completed", None)
    assert counter.steps.deadlines() == []


def test_what_the_table_rejects_is_over_at_once(counter: Counter) -> None:
    id_ = counter.apply()
    counter.report(id_, 500)
    assert counter.state(id_).status == "rejected"
    assert (counter.row(id_), counter.steps.deadlines()) == (("completed", None), [])


def test_a_bureau_that_takes_too_long_leaves_it_to_an_officer_and_may_be_late(
    counter: Counter,
) -> None:
    id_ = counter.apply()
    report_id = counter.state(id_).report_id
    counter.over(f"report:{report_id}")
    there = counter.state(id_)
    assert (there.status, there.unavailable, there.is_referred) == (
        "manual_review",
        "timeout",
        True,
    )
    assert counter.row(id_) == ("waiting", None)
    assert counter.report(id_) == "accepted"
    assert counter.state(id_).status == "approved"
    assert counter.report(id_) == "nothing_new"


def test_a_report_that_comes_while_an_officer_looks_at_it_is_for_him(counter: Counter) -> None:
    id_ = counter.apply()
    counter.over(f"report:{counter.state(id_).report_id}")
    counter.do(ClaimApplication(id_, OFFICER, datetime.max.replace(tzinfo=NOW.tzinfo)))
    assert counter.report(id_) == "accepted"
    there = counter.state(id_)
    assert (there.status, there.officer_id) == ("manual_review", OFFICER)
    assert there.report is not None
    counter.do(ReviewApplication(id_, OFFICER, "approve"))
    assert counter.state(id_).offer_status == "made"


def test_a_late_report_in_india_leaves_it_to_the_officer(counter: Counter) -> None:
    """What would be pre-approved can't be any more: an officer is waited for as it is."""
    id_ = counter.apply(country="IN", account_id=None)
    counter.over(f"report:{counter.state(id_).report_id}")
    assert counter.report(id_) == "accepted"
    there = counter.state(id_)
    reasons = ("because", "pre_approved cannot follow manual_review")
    assert (there.status, there.reasons) == ("manual_review", reasons)
    assert counter.row(id_) == ("waiting", None)
    counter.do(ReviewApplication(id_, OFFICER, "approve"))
    assert counter.state(id_).offer is not None


def test_what_is_pre_approved_waits_for_an_officer_too(counter: Counter) -> None:
    id_ = counter.apply(country="IN", account_id=None)
    counter.report(id_)
    assert counter.state(id_).status == "pre_approved"
    assert counter.row(id_) == ("waiting", None)
    counter.do(ReviewApplication(id_, OFFICER, "approve"))
    assert counter.state(id_).offer is not None


def test_a_change_asks_the_bureau_again_and_what_it_was_asked_before_counts_no_more(
    counter: Counter,
) -> None:
    id_ = counter.apply()
    first = counter.state(id_)
    assert first.report_id is not None
    changed = other_wishes(first.asked)
    counter.do(ChangeApplication(id_, changed, NEW_REPORT, "Buró"))
    assert len(counter.steps.jobs()) == 2
    old = RecordReport(id_, ReportReceived(first.report_id, 500, 0))
    assert counter.ask(old) == "nothing_new"
    counter.over(f"report:{first.report_id}")
    assert counter.state(id_).is_waiting
    counter.report(id_)
    offer = counter.state(id_).offer
    assert offer is not None
    assert offer.amount == 900_00


def test_an_offer_that_nobody_answers_expires(counter: Counter) -> None:
    id_ = counter.approved()
    counter.pass_time(A_WEEK)
    assert counter.ask(AcceptOffer(id_, None, OWNER)) == "offer_expired"
    counter.over("offer")
    assert counter.state(id_).offer_status == "expired"
    assert counter.row(id_) == ("completed", None)


def test_an_offer_that_is_declined_is_over(counter: Counter) -> None:
    id_ = counter.approved()
    counter.do(DeclineOffer(id_, "too dear", OWNER))
    assert (counter.row(id_), counter.steps.deadlines()) == (("completed", None), [])


def test_money_that_is_not_there_yet_is_paid_out_when_it_is(counter: Counter) -> None:
    """However long that takes: nobody has to see to it."""
    id_ = counter.approved()
    counter.do(AcceptOffer(id_, None, OWNER))
    for attempt in range(1, 27):
        assert counter.state(id_).attempts == attempt
        assert counter.row(id_) == ("waiting", "not paid out: insufficient_funds")
        assert counter.steps.deadlines() == ["disburse"]
        counter.over("disburse")
    counter.lend_from(1_000_00)
    counter.over("disburse")
    assert counter.state(id_).offer_status == "disbursed"
    assert (counter.row(id_), counter.steps.deadlines()) == (("completed", None), [])


def test_what_nothing_can_be_decided_on_an_operator_has_decided_once_it_can(
    database: Database,
) -> None:
    def judge(facts: Facts, on: date) -> Verdict:
        raise LookupError("no table")

    with counting(database, credit.process(judge, PATIENCE)) as counter:
        id_ = counter.approved()
        assert counter.row(id_) == ("stuck", "LookupError: no table")
        mended = credit.process(by_score)
        operating.retry(counter.steps.conn, counter.ledger, mended, id_, "operator:test")
        assert counter.state(id_).status == "approved"
        assert counter.row(id_) == ("waiting", None)


def test_an_operator_may_call_off_what_is_stuck(database: Database) -> None:
    def on_deadline(key: UUID, name: str) -> Reaction:
        raise LookupError(name)

    process = replace(credit.process(by_score, PATIENCE), on_deadline=on_deadline)
    with counting(database, process) as counter:
        id_ = counter.approved()
        counter.over("offer")
        assert counter.row(id_) == ("stuck", "LookupError: offer")
        operating.compensate(
            counter.steps.conn, counter.ledger, process, id_, "operator:test", "no use"
        )
        counter.steps.work()
        there = counter.state(id_)
        assert (there.status, there.reasons) == ("withdrawn", ("no use",))
        assert counter.row(id_) == ("completed", None)


def test_an_applicant_whose_account_is_closed_names_another_one(counter: Counter) -> None:
    counter.lend_from(5_000_00)
    id_, other = counter.approved(), uuid4()
    accepted(counter.ledger, AcceptOffer(id_, None, OWNER))
    accepted(counter.ledger, ChangeAccountStatus(ACCOUNT, "closed"))
    counter.steps.work()
    assert counter.state(id_).attempts == 1
    counter.do(OpenAccount(other, "mine too", "checking", "MXN", OWNER))
    counter.do(AcceptOffer(id_, other, OWNER))
    assert counter.state(id_).offer_status == "disbursed"


Withdrawing = Callable[[Counter, UUID], None]


def at_once(counter: Counter, id_: UUID) -> None:
    pass


def once_given_up(counter: Counter, id_: UUID) -> None:
    counter.over(f"report:{counter.state(id_).report_id}")


def once_offered(counter: Counter, id_: UUID) -> None:
    counter.report(id_)


def once_accepted(counter: Counter, id_: UUID) -> None:
    """Before the process has seen it."""
    counter.report(id_)
    accepted(counter.ledger, AcceptOffer(id_, None, OWNER))


def once_unpaid(counter: Counter, id_: UUID) -> None:
    once_accepted(counter, id_)
    counter.steps.work()


@pytest.mark.parametrize("when", [at_once, once_given_up, once_offered, once_accepted, once_unpaid])
def test_what_is_withdrawn_is_over_and_leaves_nothing_to_wait_for(
    counter: Counter, when: Withdrawing
) -> None:
    id_ = counter.apply()
    when(counter, id_)
    accepted(counter.ledger, WithdrawApplication(id_))
    counter.lend_from(5_000_00)
    counter.steps.work()
    there = counter.state(id_)
    assert (there.status, there.loan_id, there.is_waiting) == ("withdrawn", None, False)
    assert (counter.row(id_), counter.steps.deadlines()) == (("completed", None), [])
    assert counter.report(id_) == "nothing_new"


def test_what_was_withdrawn_between_the_report_and_its_decision_is_not_decided(
    counter: Counter,
) -> None:
    id_ = counter.apply()
    report_id = counter.state(id_).report_id
    assert report_id is not None
    accepted(counter.ledger, RecordReport(id_, ReportReceived(report_id, 700, 0, is_verified=True)))
    accepted(counter.ledger, WithdrawApplication(id_))
    counter.steps.work()
    there = counter.state(id_)
    assert (there.status, there.decided) == ("withdrawn", None)
    assert counter.row(id_) == ("completed", None)


def test_a_follower_that_begins_anew_decides_nothing_twice(counter: Counter) -> None:
    id_ = counter.approved()
    before = counter.state(id_)
    for follower in counter.steps.followers:
        follower.resume(counter.steps.conn)
    counter.steps.work()
    assert counter.state(id_) == before

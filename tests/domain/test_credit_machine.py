"""Many applications at once, whatever rules a country has, and whatever applicants, officers, bureaus and
clocks do in whatever order: nothing is granted without a score, paid out twice, or forgotten."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from application.countries import COUNTRIES
from application.decisions import DECISIONS
from application.ledger.outcomes import Command
from domain.accounts import ChangeAccountStatus
from domain.credit_applications import (
    OPEN,
    STATUSES,
    AcceptOffer,
    ChangeApplication,
    ClaimApplication,
    CreditApplication,
    DecideApplication,
    DeclineOffer,
    DisburseLoan,
    EraseApplicant,
    ExpireOffer,
    GiveReportUp,
    MakeOffer,
    MoveApplication,
    NoteApplicationDisclosure,
    RecordReport,
    ReleaseApplication,
    ReportReceived,
    ReviewApplication,
    SubmitApplication,
    WithdrawApplication,
    loan_id_of,
)
from domain.credit_applications.work import Transitions
from domain.refusals import Refusal
from tests.support.careless_credit import World, is_for_an_officer
from tests.support.credit_world import (
    ACCOUNT,
    ANOTHERS,
    CLERK,
    COLLEAGUE,
    ELSEWHERE,
    OFFICER,
    OFFICERS,
    OWNER,
    STRANGER,
    asked,
    other_wishes,
)

CODES = ("AA", "BB")
HOURS = {"AA": 0, "BB": 24}
DOCUMENTS = [UUID(int=n) for n in (871, 872, 873)]
WHO = (OFFICER, COLLEAGUE)
ASKING = ((OWNER, ACCOUNT), (STRANGER, None), (OFFICER, None), (None, None), (None, OFFICERS))
"""Whose an application is, and where the money is to go."""
THEIRS = {OWNER: ACCOUNT, OFFICER: OFFICERS}
LATER = ("risk_check", "manual_review", "pre_approved", "approved", "rejected")
A_DAY = timedelta(days=1)
numbers = st.integers(0, 99)
amounts = st.sampled_from([1, 50_00, 700_00, 1_000_00, 1_300_00])
steps = st.integers(0, 7)
scores = st.sampled_from([None, 0, 1, 2, 3, 4])
known = st.sampled_from([True, True, False])
mosts = st.sampled_from([None, None, -1, 0, 1, 600_00, 5_000_00])
real = st.sampled_from([country.transitions for country in COUNTRIES.values()])
tables = st.one_of(
    real,
    real,
    st.dictionaries(
        st.sampled_from(["pending", "risk_check", "manual_review", "pre_approved"]),
        st.lists(st.sampled_from(LATER), unique=True).map(tuple),
    ),
)


class Credit(RuleBasedStateMachine):
    """Three documents, two countries, two officers, and whoever else has a word in it."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World({})
        self.last_id = 30_000

    def new_id(self) -> UUID:
        self.last_id += 1
        return UUID(int=self.last_id)

    def pick(self, number: int) -> CreditApplication:
        """One of the applications, the latest more often."""
        every = self.world.applications
        return every[-1 - number % min(len(every), 4)]

    def try_(self, command: Command) -> bool:
        try:
            self.world.submit(command)
        except Refusal:
            return False
        return True

    def on(self, number: int, command: Callable[[UUID], Command]) -> bool:
        return self.try_(command(self.pick(number).id))

    @initialize(first=tables, second=tables, lending=st.sampled_from([0, 2_500_00]), ahead=steps)
    def begin(self, first: Transitions, second: Transitions, lending: int, ahead: int) -> None:
        self.world = World(dict(zip(CODES, (first, second), strict=True)), lending)
        self.submit(0, 0, 0, 1_000_00, ahead)

    # What applicants do.
    @rule(document=numbers, country=numbers, owner=numbers, amount=amounts, ahead=steps)
    def submit(self, document: int, country: int, owner: int, amount: int, ahead: int) -> None:
        """Somebody asks for credit, and things go well for a while."""
        code, id_ = CODES[country % 2], self.new_id()
        owner_id, account_id = ASKING[owner % len(ASKING)]
        # A document is one of a country: registers are not shared.
        applicant_id = UUID(int=DOCUMENTS[document % 3].int + 10 * (country % 2))
        submitted = replace(
            asked(), country=code, applicant_id=applicant_id, amount_requested=amount,
            owner_id=owner_id, person_id=owner_id or id_, account_id=account_id,
            submitted_by=str(owner_id or (CLERK if account_id else COLLEAGUE)),
        )  # fmt: skip
        self.try_(SubmitApplication(id_, submitted, self.new_id(), "any", HOURS[code]))
        self.go_the_straight_way(0, ahead, ahead, True)

    @rule(number=numbers, document=numbers, amount=amounts, by=numbers)
    def change(self, number: int, document: int, amount: int, by: int) -> None:
        there = self.pick(number)
        shift = 10 * CODES.index(there.country)
        changed = other_wishes(
            there.asked, amount_requested=amount, by=str((OWNER, OFFICER)[by % 2]),
            applicant_id=UUID(int=DOCUMENTS[document % 3].int + shift) if document % 2
            else there.asked.applicant_id,
        )  # fmt: skip
        self.try_(ChangeApplication(there.id, changed, self.new_id(), "any", HOURS[there.country]))

    @rule(number=numbers, sure=st.integers(0, 2))
    def withdraw(self, number: int, sure: int) -> None:
        if sure == 2:
            self.on(number, WithdrawApplication)

    @rule(number=numbers, times=steps, score=scores, is_known=known)
    def go_the_straight_way(
        self, number: int, times: int, score: int | None, is_known: bool
    ) -> None:
        """What leads on to money, from wherever an application is."""
        for _ in range(times):
            there = self.pick(number)
            self.try_(next_step(there, score, is_known))

    @rule(
        number=numbers,
        to=st.sampled_from([None, ACCOUNT, ELSEWHERE, ANOTHERS, OFFICERS]),
        by=st.sampled_from([None, OFFICER, COLLEAGUE]),
    )
    def accept(self, number: int, to: UUID | None, by: UUID | None) -> None:
        officer_id = self.pick(number).officer_id
        is_done = self.on(number, lambda id_: AcceptOffer(id_, to, by=by))
        assert not is_done or by is None or by != officer_id

    @rule(number=numbers, sure=st.integers(0, 2))
    def decline(self, number: int, sure: int) -> None:
        if sure == 2:
            self.on(number, DeclineOffer)

    # What the house and others do.
    @rule(number=numbers, who=st.sampled_from(WHO), hours=st.integers(0, 3))
    def claim(self, number: int, who: UUID, hours: int) -> None:
        until = self.world.now + timedelta(hours=hours)
        self.on(number, lambda id_: ClaimApplication(id_, who, until))

    @rule(number=numbers, who=st.sampled_from(WHO))
    def release(self, number: int, who: UUID) -> None:
        self.on(number, lambda id_: ReleaseApplication(id_, who))

    @rule(
        number=numbers,
        who=st.sampled_from(WHO),
        decision=st.sampled_from(["approve", "approve", "reject"]),
        amount=st.sampled_from([None, None, 0, 1, 900_00, 1_200_00]),
    )
    def review(self, number: int, who: UUID, decision: str, amount: int | None) -> None:
        self.on(number, lambda id_: ReviewApplication(id_, who, decision, "a reason", amount))

    @rule(number=numbers, status=st.sampled_from([*STATUSES, "nowhere"]))
    def move(self, number: int, status: str) -> None:
        self.on(number, lambda id_: MoveApplication(id_, status, "a partner"))

    @rule(number=numbers, which=numbers)
    def move_on(self, number: int, which: int) -> None:
        """Where the country's table leads."""
        there = self.pick(number)
        following = self.world.rules[there.country].get(there.status, ())
        if following:
            status = following[which % len(following)]
            self.try_(MoveApplication(there.id, status, "a partner"))

    @rule(number=numbers)
    def erase(self, number: int) -> None:
        self.on(number, EraseApplicant)

    @rule(number=numbers)
    def disclose(self, number: int) -> None:
        assert self.on(number, lambda id_: NoteApplicationDisclosure(id_, OFFICER, ("full_name",)))

    @rule(
        which=st.sampled_from([ACCOUNT, ELSEWHERE, ANOTHERS]),
        status=st.sampled_from(["active", "active", "frozen", "suspended", "closed"]),
    )
    def turn_account(self, which: UUID, status: str) -> None:
        self.try_(ChangeAccountStatus(which, status))

    @rule(amount=amounts)
    def fund(self, amount: int) -> None:
        self.world.pay(self.world.house("lending"), amount)

    # What bureaus answer: late, again, or what they were asked before.
    @precondition(lambda self: self.world.asked)
    @rule(number=numbers, score=scores, answers=st.booleans(), is_known=known)
    def hear(self, number: int, score: int | None, answers: bool, is_known: bool) -> None:
        last, every = self.pick(number), self.world.asked
        id_, report_id = every[-1 - number % min(len(every), 5)]
        if number % 2 and last.report_id is not None:
            id_, report_id = last.id, last.report_id
        if answers:
            received = ReportReceived(report_id, score, 0, is_verified=is_known)
            news = self.try_(RecordReport(id_, received))
            assert not self.try_(RecordReport(id_, ReportReceived(report_id, 4, 0)))
        else:
            news = self.try_(GiveReportUp(id_, report_id, "bureau_silent"))
        assert not self.try_(GiveReportUp(id_, report_id, "bureau_silent")) or not news

    # What the process would do, at the wrong time.
    @rule(
        number=numbers,
        back=st.sampled_from([0, 0, 0, 1, 4]),
        decision=st.sampled_from([*DECISIONS, "whatever"]),
        most=mosts,
    )
    def decide(self, number: int, back: int, decision: str, most: int | None) -> None:
        there = self.pick(number)
        command = DecideApplication(
            there.id, there.assessed - back, decision, ("because",), max_approved_amount=most
        )
        if self.try_(command):
            assert back == 0
            assert not self.try_(command)

    @rule(number=numbers, which=st.sampled_from([MakeOffer, ExpireOffer, DisburseLoan]))
    def hurry(self, number: int, which: Callable[[UUID], Command]) -> None:
        self.on(number, which)

    # What happens by itself.
    @rule(times=st.integers(1, 6))
    def react(self, times: int) -> None:
        for _ in range(times):
            self.world.react()

    @rule()
    def let_it_run(self) -> None:
        self.world.go_on()

    @rule(time=st.sampled_from([timedelta(minutes=11), timedelta(hours=2), A_DAY, 8 * A_DAY]))
    def wait(self, time: timedelta) -> None:
        self.world.pass_time(time)

    # What must be the case after each of them.
    @invariant()
    def all_is_well(self) -> None:
        self.world.check()
        for there in self.world.applications:
            if there.status in OPEN:
                awaits = there.is_waiting or there.assessed or is_for_an_officer(there)
                assert awaits, "it would wait for ever"
            if there.loan_id is not None:
                assert there.loan_id == loan_id_of(there.id)
            if there.is_erased:
                ended = ("declined", "expired", "disbursed")
                assert there.status in ("rejected", "withdrawn") or there.offer_status in ended

    def teardown(self) -> None:
        """Bureaus say nothing more, and all that can happen by itself happens."""
        world = self.world
        for _ in range(3):
            world.go_on()
            world.pass_time(timedelta(hours=1))
        world.go_on()
        self.all_is_well()
        for there in world.applications:
            if there.status in OPEN:
                assert not there.is_waiting
                assert is_for_an_officer(there)
            elif there.status == "approved":
                check_offer(world, there)
            elif there.status != "pre_approved":
                assert not [key for key, _ in world.deadlines if key == there.id]


def next_step(there: CreditApplication, score: int | None, is_known: bool) -> Command:
    if there.is_waiting and there.report_id is not None:
        received = ReportReceived(there.report_id, score, 0, is_verified=is_known)
        return RecordReport(there.id, received)
    if there.assessed:
        return DecideApplication(there.id, there.assessed, "approve", ("because",))
    if there.status != "approved":
        who = OFFICER if there.submitted.submitted_by == str(COLLEAGUE) else COLLEAGUE
        return ReviewApplication(there.id, who, "approve")
    match there.offer_status:
        case "":
            return MakeOffer(there.id)
        case "made":
            return AcceptOffer(there.id, THEIRS.get(there.owner_id or STRANGER, ANOTHERS))
        case _:
            return DisburseLoan(there.id)


def check_offer(world: World, there: CreditApplication) -> None:
    """What was approved is on its way to money, or has come to an end."""
    waits_for = {name for key, name in world.deadlines if key == there.id}
    match there.offer_status:
        case "":
            assert there.approved_amount is not None
            assert there.approved_amount <= 0
        case "made":
            assert "offer" in waits_for
        case "accepted":
            assert "disburse" in waits_for
        case _:
            assert not waits_for


TestCredit = Credit.TestCase
TestCredit.settings = settings(max_examples=150, stateful_step_count=40)

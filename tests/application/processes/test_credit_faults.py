"""Every fault of a credit bureau, in every country, with workers that end before and after they commit: each
application is decided once, on what the bureau knows or by an officer, and money is paid out once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from msgspec.structs import replace

from api.secrets import master_keys
from application.countries import COUNTRIES
from application.jobs import NewJob, put
from application.ledger import Accepted, Ledger, Submission
from application.ledger.outcomes import Command
from application.ledger.reading import load
from application.people.vault import Vault
from application.privacy import person_keys
from application.privacy.sealing import place, seal
from application.processes.credit import QUEUE, REQUEST
from domain.accounts import OpenAccount
from domain.credit_applications import (
    AcceptOffer,
    CreditApplication,
    Decided,
    ReviewApplication,
    SubmitApplication,
)
from domain.house import house_account
from domain.loans import Loan
from domain.transfers import PostTransfer
from tests.conftest import Database
from tests.support.bureau import SandboxBureau, sandbox_bureau
from tests.support.crashing import Moment, crashing_bureaus
from tests.support.credit_world import OFFICER, asked
from tests.support.ledgers import WHO
from tests.support.log import assert_sound, rows
from tests.support.people import settings
from tests.support.waiting import until

LOOK_EVERY_S = 0.2
PATIENCE_S = 90.0
LEFT = 5
AMOUNT, INCOME = 1_000_00, 40_000_00
GOOD, BAD = 790, 450


class Fault(NamedTuple):
    """`rule` is one of the sandbox's, without what it matches; `status` what an application comes to with
    a good score, and `reason` why there is no report."""

    name: str
    rule: dict[str, Any] | None
    status: str
    reason: str = ""


TRIED_AGAIN = (
    Fault("nothing", None, "approved"),
    Fault("slow", {"fault": "slow", "value": 0.2}, "approved"),
    Fault("500 twice", {"fault": "500", "times": 2}, "approved"),
    Fault("429 twice", {"fault": "429", "times": 2, "value": 0}, "approved"),
    Fault("dropped twice", {"fault": "drop", "times": 2}, "approved"),
    Fault("time-out", {"fault": "timeout_after_accepting", "times": 1}, "approved"),
    Fault("answer dropped", {"fault": "drop_after_accepting", "times": 1}, "approved"),
    Fault("500 afterwards", {"fault": "500_after_accepting", "times": 1}, "approved"),
    Fault("garbage twice", {"fault": "garbage", "times": 2}, "approved"),
    Fault("later", {"fault": "later", "value": 0.3}, "approved"),
)
FOR_GOOD = (
    Fault("500 for ever", {"fault": "500"}, "manual_review", "bureau_silent"),
    Fault("429 for ever", {"fault": "429", "value": 0}, "manual_review", "bureau_silent"),
    Fault("dropped for ever", {"fault": "drop"}, "manual_review", "bureau_silent"),
    Fault("garbage for ever", {"fault": "garbage"}, "manual_review", "unreadable_report"),
    Fault("refused", {"fault": "refuse:no_file"}, "manual_review", "no_file"),
    Fault("refused oddly", {"fault": "refuse:full_moon"}, "manual_review", "full_moon"),
    Fault("never", {"fault": "never_answer"}, "manual_review", "timeout"),
)
NO_SCORE = Fault("no score", {"fault": "no_score"}, "manual_review")
CRASHES: tuple[Moment | None, ...] = (None, "before", "after")


class Case(NamedTuple):
    """An application: where, what goes wrong, and what the bureau would know. Its document is its own, by
    which the bureau knows what to do wrong."""

    id: UUID
    country: str
    fault: Fault
    crash: Moment | None
    score: int = GOOD

    @property
    def document(self) -> str:
        return f"DOCUMENT{self.id.int % 10**20:020}"

    @property
    def status(self) -> str:
        """What it comes to by itself."""
        if self.fault.status != "approved":
            return self.fault.status
        if self.score == BAD:
            return "rejected"
        return "pre_approved" if self.country == "IN" else "approved"

    def rules(self) -> Iterator[dict[str, Any]]:
        if self.fault.rule is not None:
            yield {**self.fault.rule, "match": {"document": self.document}}


def cases() -> list[Case]:
    """Faults have nothing to do with countries, and countries nothing with crashes."""
    faults = [(fault, crash) for fault in (*TRIED_AGAIN, *FOR_GOOD, NO_SCORE) for crash in CRASHES]
    plain = TRIED_AGAIN[0]
    return [
        *(Case(uuid4(), "MX", fault, crash) for fault, crash in faults),
        *(
            Case(uuid4(), code, plain, "after", score)
            for code in COUNTRIES
            for score in (GOOD, BAD)
        ),
        *(Case(uuid4(), code, NO_SCORE, "before") for code in COUNTRIES),
    ]


class Once:
    """A plan: each thing that is written about an application crashes once, at its own moment."""

    def __init__(self, moments: Mapping[UUID, Moment]) -> None:
        self._moments = moments
        self._over: set[tuple[UUID, str]] = set()
        self.crashes = 0

    def __call__(self, submission: Submission) -> Moment | None:
        step = submission.step
        if step is not None and step.process != "credit":
            return None
        about = {getattr(command, "application_id", None) for command in submission.commands}
        about.add(None if step is None else step.key)
        for id_ in about & self._moments.keys():
            assert id_ is not None
            what = [type(command).__name__ for command in submission.commands]
            point = (id_, " ".join([*what, "" if step is None else step.step]))
            if point not in self._over:
                self._over.add(point)
                self.crashes += 1
                return self._moments[id_]
        return None


class Office:
    """Takes applications in, sealed for who asks."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self.database, self.ledger = database, ledger
        self._vault = Vault.open(database.url, master_keys(settings()))
        self.accounts: dict[UUID, UUID] = {}

    def submit(self, *commands: Command, beside: Any = None) -> None:
        done = self.ledger.submit_and_wait(Submission(commands, WHO, beside=beside))
        assert all(isinstance(o, Accepted) for o in done.outcomes), done.outcomes

    def furnish(self, money: int) -> None:
        """There is money to lend in every currency."""
        for currency in sorted({country.currency for country in COUNTRIES.values()}):
            cash, lending = house_account("cash", currency), house_account("lending", currency)
            self.submit(
                OpenAccount(cash, "Bank", "cash", currency),
                OpenAccount(lending, "Lending", "lending", currency),
            )
            self.submit(PostTransfer(uuid4(), cash, lending, money, currency))

    def apply(self, case: Case) -> None:
        owner_id, there = uuid4(), COUNTRIES[case.country]
        account_id = self.accounts[case.id] = uuid4()
        key = person_keys.new(owner_id)

        def shut(field: str, text: str) -> str:
            return seal(key.key, text, place(case.id, "credit_application", field))

        submitted = replace(
            asked(case.country), applicant_id=uuid4(), owner_id=owner_id, person_id=owner_id,
            submitted_by=str(owner_id), full_name=shut("full_name", "Somebody"),
            document_number=shut("document_number", case.document), monthly_income=INCOME,
            amount_requested=AMOUNT, account_id=account_id,
            loan_type=there.loan_types[0] if there.loan_types else "",
        )  # fmt: skip
        self.submit(OpenAccount(account_id, "mine", "checking", there.currency, owner_id))
        self.submit(
            SubmitApplication(case.id, submitted, uuid4(), there.bureau),
            beside=lambda conn: person_keys.keep(conn, self._vault.masters, key),
        )

    def states(self, cases: Iterable[Case]) -> dict[UUID, Any]:
        with self.database.connect() as conn:
            return load(conn, [case.id for case in cases])

    def wake_workers(self) -> None:
        """Else each try waits for the next sweep."""
        with self.database.connect() as conn:
            conn.execute("NOTIFY daybook_jobs")

    def column(self, query: str, *given: object) -> list[Any]:
        with self.database.connect() as conn:
            return [value for (value,) in conn.execute(query.encode(), given).fetchall()]


def test_every_fault_leads_to_a_decision_or_to_an_officer(database: Database) -> None:
    every = cases()
    plan = Once({case.id: case.crash for case in every if case.crash is not None})
    with Ledger(database.url) as ledger, sandbox_bureau() as bureau:
        office = Office(database, ledger)
        office.furnish(100 * AMOUNT)
        bureau.set_scores({c.document: {"score": c.score, "debt": "0"} for c in every})
        bureau.set_faults(*(rule for case in every for rule in case.rules()))
        with crashing_bureaus(database.url, bureau.url, bureau.token, plan):
            for case in every:
                office.apply(case)
            until_decided(office, every, {case.id: case.status for case in every})
            assert plan.crashes > len(every)
            check_reports(office, bureau, every)

            # What went wrong for good does so no longer, and officers see to what waits for them.
            bureau.clear_faults()
            late = ask_again(office, every)
            until_decided(office, late, {case.id: "approved" for case in late})
            review(office, every)
            accept(office, every)
            until_paid(office, every)
    check_log(database, every)


def until_decided(office: Office, cases: Sequence[Case], wanted: Mapping[UUID, str]) -> None:
    """Wait until each application has come to where it should, and nothing is under way."""
    pause = threading.Event()

    def wrong() -> list[str]:
        states = office.states(cases)
        return [
            f"{case.country} {case.fault.name} {case.crash} is {states[case.id].status}"
            for case in cases
            if states[case.id].status != wanted[case.id] or is_under_way(states[case.id])
        ]

    def are_decided() -> bool:
        pause.wait(LOOK_EVERY_S)
        office.wake_workers()
        lose_patience(office, [case for case in cases if case.fault.name == "never"])
        return not wrong() and not jobs_left(office)

    try:
        until(are_decided, timeout_s=PATIENCE_S)
    except TimeoutError:
        raise AssertionError("\n".join([*wrong()[:LEFT], *map(str, jobs_left(office))])) from None


def is_under_way(there: CreditApplication) -> bool:
    is_to_be_offered = there.status == "approved" and not there.offer_status
    return bool(there.is_waiting or there.assessed or is_to_be_offered)


def jobs_left(office: Office) -> list[Any]:
    return office.column(
        "SELECT kind || ' ' || coalesce(error, '') FROM jobs WHERE finished_at IS NULL"
        " AND kind = %s",
        REQUEST,
    )


def lose_patience(office: Office, cases: Sequence[Case]) -> None:
    """It is too long for what the bureau has taken on and never answers."""
    with office.database.connect() as conn:
        conn.execute(
            "UPDATE process_deadlines SET due_at = now() FROM jobs"
            " WHERE key = ANY(%s) AND deadline LIKE 'report:%%'"
            " AND jobs.kind = 'bureau.look' AND payload ->> 'application_id' = key::text",
            ([case.id for case in cases],),
        )


def check_reports(office: Office, bureau: SandboxBureau, cases: Iterable[Case]) -> None:
    """The bureau's reports are those that were decided on, or it is known why there is none."""
    asked_of = bureau.asked()
    for case in cases:
        there = office.states([case])[case.id]
        assert (there.report is None) == bool(case.fault.reason), case
        assert there.unavailable == case.fault.reason, case
        assert asked_of[there.report_id] >= 1
        if there.report is not None:
            expected = None if case.fault is NO_SCORE else case.score
            assert there.report.credit_score == expected
        assert there.is_referred == (case.status == "manual_review")


def ask_again(office: Office, cases: Iterable[Case]) -> list[Case]:
    """An operator has what failed for good done once more; what it brings comes late."""
    late = [case for case in cases if case.fault in FOR_GOOD[:4]]
    states = office.states(late)
    jobs = [
        NewJob(
            id=uuid4(), kind=REQUEST, queue=QUEUE,
            payload={
                "application_id": str(case.id), "report_id": str(states[case.id].report_id),
            },
        )
        for case in late
    ]  # fmt: skip
    with office.database.connect() as conn:
        put(conn, jobs)
    return late


def review(office: Office, cases: Iterable[Case]) -> None:
    for there in office.states(cases).values():
        if there.status in ("manual_review", "pre_approved"):
            office.submit(ReviewApplication(there.id, OFFICER, "approve"))


def accept(office: Office, cases: Sequence[Case]) -> None:
    """All take what they are offered."""

    def are_offered() -> bool:
        return all(
            there.offer_status == "made"
            for there in office.states(cases).values()
            if there.status == "approved"
        )

    until(are_offered, timeout_s=PATIENCE_S)
    for there in office.states(cases).values():
        if there.status == "approved":
            office.submit(AcceptOffer(there.id, None, there.owner_id))


def until_paid(office: Office, cases: Sequence[Case]) -> None:
    def are_paid() -> bool:
        return all(
            there.offer_status == "disbursed"
            for there in office.states(cases).values()
            if there.status == "approved"
        )

    until(are_paid, timeout_s=PATIENCE_S)
    until(
        lambda: not office.column("SELECT key FROM processes WHERE status NOT IN ('completed')"
        " AND name = 'credit'"),
        timeout_s=PATIENCE_S,
    )  # fmt: skip


def check_log(database: Database, cases: Sequence[Case]) -> None:
    """Each was decided once for each thing that it was decided on, and paid out once."""
    with database.connect(superuser=True) as conn:
        states = assert_sound(conn)
        decided = [row.stream_id for row in rows(conn) if row.topic == Decided.topic]
        stuck = conn.execute("SELECT key, error FROM processes WHERE stuck_at IS NOT NULL")
        assert stuck.fetchall() == []
    rejected = [case for case in cases if case.status == "rejected"]
    assert len([s for s in states.values() if isinstance(s, Loan)]) == len(cases) - len(rejected)
    for case in cases:
        assert decided.count(case.id) == (2 if case.fault in FOR_GOOD[:4] else 1), case
        there = states[case.id]
        assert isinstance(there, CreditApplication)
        assert there.account_id is not None
        money: Any = states[there.account_id]
        assert money.balance == (0 if case.status == "rejected" else AMOUNT)

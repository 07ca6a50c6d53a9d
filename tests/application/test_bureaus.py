"""Jobs that ask a credit bureau: over real HTTP, by real workers, with what bureaus get wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
from msgspec.structs import replace

from api.secrets import master_keys
from application.bureaus import Bureaus, look_now
from application.jobs import Again, BusinessError, ExternalError, Failure, Job, NewJob, put
from application.jobs.workers import Workers
from application.ledger import Accepted, Ledger, Submission
from application.ledger.reading import load
from application.outbound.breaker import Breakers
from application.outbound.breaker_rules import Figures
from application.outbound.bureau import SERVICE, Bureau, BureauAnswer, HttpBureau, Inquiry
from application.outbound.client import Tries
from application.outbound.errors import BadResponseError, CircuitOpenError, TimedOutError
from application.people.vault import Vault
from application.privacy import person_keys
from application.privacy.sealing import open_sealed, place, seal
from application.processes.credit import LOOK, QUEUE, REQUEST
from domain.credit_applications import (
    CreditApplication,
    GiveReportUp,
    OpenedForBureau,
    SubmitApplication,
    Submitted,
    WithdrawApplication,
)
from domain.provenance import Provenance
from tests.conftest import Database, MakeDatabase
from tests.support.bureau import SandboxBureau, sandbox_bureau
from tests.support.clear_text import found_in_database
from tests.support.jobs import Jobs
from tests.support.people import settings
from tests.support.waiting import until

NAME, DOCUMENT = "Guadalupe Xochitl", "BOXW310820HNERXN09"
NOBODY, NOTHING = "", "OPEN000000XXXXXX00"
"""In an application that is sealed for nobody: what is in the log in clear is looked for."""
PLANTED = {"name": NAME, "document": DOCUMENT, "folio": "al_corriente"}
LATER = timedelta(hours=1)
"""Nobody looks by himself in these tests."""


class Office:
    """Takes applications in, and has workers ask the sandbox bureau about them."""

    def __init__(self, database: Database, ledger: Ledger, sandbox: SandboxBureau) -> None:
        self.database, self.ledger, self.sandbox = database, ledger, sandbox
        self.vault = Vault.open(database.url, master_keys(settings()))
        self.keys: dict[UUID, bytes] = {}

    def connect(self) -> psycopg.Connection[Any]:
        return self.database.connect()

    def bureaus(self, bureau: Bureau) -> Bureaus:
        """With hardly any waits between tries."""
        return Bureaus(
            self.ledger, bureau, self.connect, self.vault, look_after=LATER, waits_s=(0.01, 0.01)
        )

    def submit(self, command: Any, beside: Callable[[Any], None] | None = None) -> None:
        done = self.ledger.submit_and_wait(
            Submission([command], Provenance(actor="test"), beside=beside)
        )
        assert isinstance(done.outcomes[0], Accepted), done.outcomes

    def apply(self, *, country: str = "MX", sealed: bool = True) -> CreditApplication:
        """An application that waits for its report."""
        id_, person = uuid4(), person_keys.new(uuid4())
        self.keys[id_] = person.key

        def shut(field: str, text: str) -> str:
            return seal(person.key, text, place(id_, "credit_application", field))

        submitted = Submitted(
            country=country, full_name=NOBODY, document_type="curp", document_number=NOTHING,
            applicant_id=uuid4(), currency="MXN", monthly_income=20_000_00,
            amount_requested=50_000_00, months=24, annual_rate_bps=28_00, method="annuity",
            day_count="30/360", offer_days=7,
        )  # fmt: skip
        if sealed:
            submitted = replace(
                submitted, full_name=shut("full_name", NAME), person_id=person.person_id,
                document_number=shut("document_number", DOCUMENT),
            )  # fmt: skip
        self.submit(
            SubmitApplication(id_, submitted, uuid4(), "Buró de Crédito"),
            lambda conn: person_keys.keep(conn, self.vault.masters, person),
        )
        return self.state(id_)

    def state(self, id_: UUID) -> CreditApplication:
        with self.connect() as conn:
            found = load(conn, [id_])[id_]
        assert isinstance(found, CreditApplication)
        return found

    def ask(self, application: CreditApplication, kind: str = REQUEST) -> UUID:
        """Put the job in that asks."""
        new = NewJob(id=uuid4(), kind=kind, payload=payload(application), queue=QUEUE)
        with self.connect() as conn:
            put(conn, [new])
        return new.id

    def until_done(self, application: CreditApplication, kind: str = REQUEST) -> Any:
        """Have it asked, and what the job comes to; its statuses are those of jobs."""
        return self.until_over(self.ask(application, kind))

    def until_over(self, job_id: UUID) -> Any:
        with self.connect() as conn:
            jobs = Jobs(conn)

            def is_over() -> bool:
                conn.execute("NOTIFY daybook_jobs")  # else each try waits for the next sweep
                return jobs.of(job_id, "status") in ("done", "dead")

            until(is_over)
            return jobs.of(job_id, "coalesce(result ->> 'status', status)")

    def openings(self, application: CreditApplication) -> list[tuple[str, Any]]:
        """Who has noted that the document was opened, and what for."""
        with self.connect() as conn:
            return conn.execute(
                "SELECT convert_from(metadata, 'UTF8')::jsonb ->> 'actor',"
                " convert_from(state, 'UTF8')::jsonb FROM events WHERE originator_id = %s"
                " AND topic = %s ORDER BY originator_version",
                (application.id, OpenedForBureau.topic),
            ).fetchall()

    def waiting_looks(self, application: CreditApplication) -> int:
        with self.connect() as conn:
            row = conn.execute(
                "SELECT count(*) FROM jobs WHERE kind = %s AND status = 'waiting'"
                " AND payload ->> 'application_id' = %s",
                (LOOK, str(application.id)),
            ).fetchone()
        assert row is not None
        return int(row[0])


def payload(application: CreditApplication) -> dict[str, str]:
    return {"application_id": str(application.id), "report_id": str(application.report_id)}


@pytest.fixture(scope="module")
def office(make_database: MakeDatabase) -> Iterator[Office]:
    with make_database() as database, Ledger(database.url) as ledger, sandbox_bureau() as sandbox:
        office = Office(database, ledger, sandbox)
        breaker = Breakers(figures={SERVICE: Figures(failures=1000)}).of(SERVICE)
        bureau = HttpBureau.at(sandbox.url, sandbox.token, breaker, tries=Tries(attempts=1))
        kinds = office.bureaus(bureau).kinds()
        with Workers(database.url, kinds, concurrency={QUEUE: 2}):
            yield office
        bureau.close()


@pytest.fixture(autouse=True)
def _fine(office: Office) -> None:
    office.sandbox.clear_faults()
    known = {"score": 712, "debt": "1250.50"}
    office.sandbox.set_scores({DOCUMENT: known, NOTHING: known})


def test_a_report_is_recorded_in_common_words_and_sealed_as_it_came(office: Office) -> None:
    application = office.apply()
    assert office.until_done(application) == "ready"
    after = office.state(application.id)
    assert after.report is not None
    assert (after.is_waiting, after.report.report_id) == (False, application.report_id)
    assert (after.report.credit_score, after.report.total_debt) == (712, 1250_50)
    assert (after.report.bank_name, after.report.account_status) == ("BBVA México", "current")
    assert after.report.is_verified
    raw = open_sealed(
        office.keys[application.id],
        after.report.raw,
        place(application.id, "credit_application", "raw"),
    )
    assert msgspec.json.decode(raw)["score_buro"] == 712
    assert found_in_database(office.database, PLANTED) == set()


def test_asked_twice_there_is_one_report(office: Office) -> None:
    application = office.apply()
    assert office.until_done(application) == "ready"
    version = office.state(application.id).version
    assert office.until_done(application) == office.state(application.id).status
    assert office.state(application.id).version == version
    assert application.report_id is not None
    assert office.sandbox.asked()[application.report_id] == 1


def test_no_score_is_a_report_too(office: Office) -> None:
    office.sandbox.set_faults({"fault": "no_score"})
    application = office.apply()
    assert office.until_done(application) == "ready"
    report = office.state(application.id).report
    assert report is not None
    assert report.credit_score is None


@pytest.mark.parametrize(
    "fault", ["500", "429", "drop", "drop_after_accepting", "500_after_accepting", "garbage"]
)
def test_what_goes_wrong_is_tried_again(fault: str, office: Office) -> None:
    office.sandbox.set_faults({"fault": fault, "times": 2, "value": 0})
    application = office.apply()
    assert office.until_done(application) == "ready"
    assert application.report_id is not None
    assert office.sandbox.asked()[application.report_id] == 3


@pytest.mark.parametrize(
    ("fault", "reason", "times"),
    [
        ("500", "bureau_silent", 3),
        ("garbage", "unreadable_report", 3),
        ("refuse:no_file", "no_file", 1),
        ("refuse:out_of_paper", "out_of_paper", 1),
        ("refuse:Guadalupe is unknown", "bureau_refused", 1),
    ],
)
def test_in_the_end_the_application_goes_on_without_a_report(
    fault: str, reason: str, times: int, office: Office
) -> None:
    office.sandbox.set_faults({"fault": fault})
    application = office.apply()
    end = office.until_done(application)
    assert end == ("unavailable" if fault == "refuse:no_file" else "dead")
    after = office.state(application.id)
    assert (after.report, after.is_waiting, after.unavailable) == (None, False, reason)
    assert application.report_id is not None
    assert office.sandbox.asked()[application.report_id] == times


def test_a_dead_job_that_is_tried_again_still_brings_the_report(office: Office) -> None:
    office.sandbox.set_faults({"fault": "500"})
    application = office.apply()
    assert office.until_done(application) == "dead"
    office.sandbox.clear_faults()
    assert office.until_done(application) == "ready"
    assert office.state(application.id).report is not None


def test_a_late_report_is_fetched_when_it_is_told_of(office: Office) -> None:
    office.sandbox.set_faults({"fault": "later", "value": 0})
    application = office.apply()
    assert office.until_done(application) == "later"
    assert office.state(application.id).is_waiting
    assert office.waiting_looks(application) == 1
    assert application.report_id is not None
    told = look_now(application.id, application.report_id)
    for _ in range(2):  # told twice, it is fetched once
        with office.connect() as conn:
            put(conn, [told])
    assert office.until_over(told.id) == "ready"
    assert office.state(application.id).report is not None


def test_a_late_report_is_found_when_nobody_tells_of_it(office: Office) -> None:
    office.sandbox.set_faults({"fault": "later", "value": 0}, {"fault": "lost_webhook"})
    application = office.apply()
    office.until_done(application)
    with office.connect() as conn:
        Jobs(conn).hurry()
    until(lambda: office.state(application.id).report is not None)


def test_a_bureau_that_has_forgotten_is_asked_anew(office: Office) -> None:
    application = office.apply()
    assert office.until_done(application, LOOK) == "ready"
    assert office.state(application.id).report is not None


def test_nobody_is_asked_about_for_nothing(office: Office) -> None:
    withdrawn, other = office.apply(), office.apply()
    office.submit(WithdrawApplication(withdrawn.id))
    assert office.until_done(withdrawn) == "withdrawn"
    assert office.until_done(withdrawn, LOOK) == "withdrawn"
    assert office.until_done(replace(other, report_id=uuid4())) == other.status
    asked = office.sandbox.asked()
    assert withdrawn.report_id not in asked
    assert other.report_id not in asked


def test_nobody_is_asked_about_who_was_forgotten(office: Office) -> None:
    application = office.apply()
    assert application.submitted.person_id is not None
    with office.database.connect(superuser=True) as conn:
        assert person_keys.destroy(conn, application.submitted.person_id)
    assert office.until_done(application) == "dead"
    assert office.state(application.id).unavailable == "erased"
    assert application.report_id not in office.sandbox.asked()


def test_each_opening_of_the_document_is_noted_before_the_bureau_is_asked(office: Office) -> None:
    office.sandbox.set_faults({"fault": "500", "times": 1})
    application = office.apply()
    assert office.until_done(application) == "ready"
    noted = office.openings(application)
    assert application.report_id is not None
    once = {
        "report_id": str(application.report_id),
        "bureau": "Buró de Crédito",
        "fields": ["document_number", "full_name"],
    }
    assert noted == [("worker", once)] * 2
    assert office.sandbox.asked()[application.report_id] == 2


def test_for_a_bureau_that_is_left_alone_nothing_is_opened(office: Office) -> None:
    application = office.apply()
    breaker = Breakers(figures={SERVICE: Figures(failures=1)}).of(SERVICE)
    breaker.ask().failed("it is away")
    bureau = HttpBureau.at(office.sandbox.url, office.sandbox.token, breaker)
    with pytest.raises(Again) as later:
        handle(office, application, REQUEST, bureau)
    assert later.value.has_not_tried
    bureau.close()
    assert office.openings(application) == []
    assert application.report_id not in office.sandbox.asked()


def test_what_is_withdrawn_in_the_last_moment_is_not_opened(office: Office) -> None:
    application = office.apply()

    class Slow(Stub):
        def check(self) -> None:
            office.submit(WithdrawApplication(application.id))

    told = handle(office, application, REQUEST, Slow(None))
    assert told == {"asked": False, "status": "withdrawn"}
    assert office.openings(application) == []


def test_what_is_sealed_for_nobody_keeps_no_raw_report(office: Office) -> None:
    application = office.apply(sealed=False)
    assert office.until_done(application) == "ready"
    assert office.openings(application) == []
    report = office.state(application.id).report
    assert report is not None
    assert (report.credit_score, report.raw) == (712, "")
    with office.database.connect(superuser=True) as conn:  # else the other tests would find it
        found = conn.execute(
            "SELECT count(*) FROM jobs WHERE payload::text LIKE %s", (f"%{NAME}%",)
        )
        assert found.fetchone() == (0,)


class Stub:
    """Says what a test has it say."""

    def __init__(self, says: BureauAnswer | Exception | None) -> None:
        self.says = says

    def check(self) -> None:
        """It is asked, whatever it says."""

    def request(self, inquiry: Inquiry) -> BureauAnswer:
        answer = self.look(inquiry.report_id)
        assert answer is not None
        return answer

    def look(self, report_id: UUID) -> BureauAnswer | None:
        if isinstance(self.says, Exception):
            raise self.says
        return self.says and replace(self.says, report_id=report_id)


def run(
    office: Office, application: CreditApplication, kind: str, says: Any, attempt: int = 1
) -> Any:
    """Run a handler as a worker does, with a stub. Raises what it raises."""
    return handle(office, application, kind, Stub(says), attempt)


def handle(
    office: Office, application: CreditApplication, kind: str, bureau: Bureau, attempt: int = 1
) -> Any:
    now = datetime.now(UTC)
    job = Job(
        id=uuid4(), kind=kind, queue=QUEUE, priority=5, payload=payload(application),
        attempt=attempt, worker="test", created_at=now, started_at=now,
    )  # fmt: skip
    return office.bureaus(bureau).kinds()[kind].handler(job, None)


def test_a_bureau_that_is_left_alone_costs_no_try_and_less_and_less_often(office: Office) -> None:
    application = office.apply()
    closed = CircuitOpenError("bureau", 12.0)
    for attempt in (1, 50):
        with pytest.raises(Again) as later:
            run(office, application, REQUEST, closed, attempt)
        assert (later.value.delay_s, later.value.has_not_tried) == (12.0, True)
    assert application.report_id is not None
    office.submit(GiveReportUp(application.id, application.report_id, "timeout"))
    with pytest.raises(Again) as much_later:
        run(office, application, REQUEST, closed, 50)
    assert much_later.value.delay_s == 3600.0


@pytest.mark.parametrize(
    "says",
    [
        BureauAnswer(uuid4(), "later"),
        TimedOutError("bureau", sent=True),
        CircuitOpenError("bureau", 30.0),
        BadResponseError("bureau", 401),
    ],
    ids=["later", "silent", "circuit open", "not let in"],
)
def test_a_look_never_gives_up_while_the_application_is_open(says: Any, office: Office) -> None:
    application = office.apply()
    for attempt in (1, 5, 50):
        with pytest.raises(Again):
            run(office, application, LOOK, says, attempt)


def test_who_is_not_let_in_tries_again(office: Office) -> None:
    with pytest.raises(ExternalError):
        run(office, office.apply(), REQUEST, BadResponseError("bureau", 401))


def test_reports_that_cannot_be_kept_are_none(office: Office) -> None:
    application = office.apply()
    raw: dict[str, object] = {"score_buro": 700, "note": "x" * 70_000}
    with pytest.raises(ExternalError, match="unreadable_report"):
        run(office, application, REQUEST, BureauAnswer(uuid4(), "ready", raw))
    with pytest.raises(ExternalError) as error:
        run(office, application, REQUEST, BureauAnswer(uuid4(), "ready", {"score_buro": NAME}))
    assert NAME not in str(error.value)


def test_what_is_no_application_is_nobodys_job(office: Office) -> None:
    application = replace(office.apply(), id=uuid4())
    with pytest.raises(BusinessError, match="no credit application"):
        run(office, application, REQUEST, None)


def test_what_an_operator_cancels_leaves_nobody_waiting(office: Office) -> None:
    application = office.apply()
    now = datetime.now(UTC)
    job = Job(
        id=uuid4(), kind=REQUEST, queue=QUEUE, priority=5, payload=payload(application), attempt=1,
        worker="test", created_at=now, started_at=now,
    )  # fmt: skip
    kind = office.bureaus(Stub(None)).kinds()[REQUEST]
    assert kind.on_dead is not None
    failure = Failure("business", "cancelled: by an operator")
    kind.on_dead(job, failure, None, lambda _: None)
    assert office.state(application.id).unavailable == "cancelled"

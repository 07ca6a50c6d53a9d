"""Asks credit bureaus for reports, and brings what they say into the ledger.

Whatever happens to a worker, a report is asked for under one id, which is the bureau's idempotency key.
Who is asked about is opened for the call alone, and the answer is sealed for that person before it goes
anywhere: no job, log or error has any of it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct
from psycopg import Connection

from application.countries.catalogue import COUNTRIES, country_of
from application.countries.country import UnreadableReportError
from application.jobs import (
    Again,
    Bury,
    BusinessError,
    ExternalError,
    Failure,
    Job,
    Kind,
    NewJob,
    finish,
    put,
)
from application.ledger import Ledger, Refused, Submission
from application.ledger.outcomes import Command, Outcome
from application.ledger.reading import load
from application.ledger.steps import NOTHING_NEW
from application.outbound.bureau import REFUSED, Bureau, BureauAnswer, Inquiry
from application.outbound.errors import UNKNOWN_CODE, CircuitOpenError, OutboundError, is_code
from application.people.vault import Vault
from application.privacy import person_keys
from application.privacy.sealing import open_sealed, place, seal
from application.processes.credit import LOOK, QUEUE, REQUEST
from domain.credit_applications import (
    CreditApplication,
    GiveReportUp,
    NoteOpening,
    RecordReport,
    ReportReceived,
    is_wanted,
)
from domain.provenance import Provenance
from domain.refusals import Refusal
from domain.sealed import is_sealed
from domain.texts import is_fit

WAITS_S = (1.0, 2.0, 4.0)
"""Between tries: an applicant waits. After that an officer looks at it without a report."""

LOOK_AFTER = timedelta(seconds=30)

SILENT, UNREADABLE, ERASED = "bureau_silent", "unreadable_report", "erased"
"""Why there is no report, next to the codes that bureaus give."""

MAX_REPORT = 64 * 1024
"""Characters of a report as it is kept."""

_NAMESPACE = UUID("da4b0000-0000-4000-8000-00000b02ea00")
_AGGREGATE = "credit_application"
_LONGEST_LOOK_S = 3_600.0
_LEAST_WAIT_S = 5.0
_MAX_WORD = 100
_OPENED = ("document_number", "full_name")

Connect = Callable[[], AbstractContextManager[Connection[Any]]]


class _Asked(Struct, frozen=True):
    application_id: UUID
    report_id: UUID


def look_now(application_id: UUID, report_id: UUID, correlation_id: str = "") -> NewJob:
    """Has a report fetched that a bureau says is ready."""
    asked = _Asked(application_id, report_id)
    return _look(asked, "ready", 0.0, correlation_id, causation_id="")


class Bureaus:
    """Handles the jobs of the queue `bureaus`. `look_after` is how long a bureau that has promised a report
    may say nothing before it is asked; then it is asked less and less often, once an hour in the end."""

    def __init__(
        self,
        ledger: Ledger,
        bureau: Bureau,
        connect: Connect,
        vault: Vault,
        *,
        look_after: timedelta = LOOK_AFTER,
        waits_s: tuple[float, ...] = WAITS_S,
    ) -> None:
        self._ledger = ledger
        self._bureau = bureau
        self._connect = connect
        self._vault = vault
        self._look_after_s = look_after.total_seconds()
        self._waits_s = waits_s

    def kinds(self) -> dict[str, Kind]:
        """What a worker has to know of these jobs."""
        kind = partial(Kind, time_limit_s=60, waits_s=self._waits_s, on_dead=self._give_up)
        return {REQUEST: kind(handler=self._request), LOOK: kind(handler=self._look_at)}

    def _request(self, job: Job, ctx: object) -> dict[str, Any]:
        asked = _asked(job)
        application = self._application(asked)
        if not is_wanted(application, asked.report_id):
            return _unasked(application)
        key = self._key(application)
        try:
            self._bureau.check()  # for one that is left alone nothing is opened
            if (inquiry := self._open(job, application, key)) is None:
                return _unasked(self._application(asked))
            answer = self._bureau.request(inquiry)
        except CircuitOpenError as error:
            raise self._later(job, application, error) from None
        except OutboundError as error:
            raise _failure(error) from error
        return self._take(job, application, answer, key)

    def _look_at(self, job: Job, ctx: object) -> dict[str, Any]:
        asked = _asked(job)
        application = self._application(asked)
        if not is_wanted(application, asked.report_id):
            return _unasked(application)
        key = self._key(application)
        try:
            answer = self._bureau.look(asked.report_id)
            if answer is None:  # it has forgotten, or never got what it was asked
                if (inquiry := self._open(job, application, key)) is None:
                    return _unasked(self._application(asked))
                answer = self._bureau.request(inquiry)
        except OutboundError:
            raise Again(self._pause_s(job)) from None
        if answer.status == "later":
            raise Again(self._pause_s(job))
        return self._take(job, application, answer, key)

    def _open(self, job: Job, application: CreditApplication, key: bytes | None) -> Inquiry | None:
        """Whom to ask about, opened once it is in the log that it is; None when the report is not wanted
        any more."""
        asked = _asked(job)
        if fields := _sealed_fields(application, key):
            country = COUNTRIES.get(application.country)
            bureau = "" if country is None else country.bureau
            noted = NoteOpening(application.id, asked.report_id, bureau, fields)
            if isinstance(self._submit(job, noted, "worker"), Refused):
                return None
        return _inquiry(application, asked, key)

    def _take(
        self, job: Job, application: CreditApplication, answer: BureauAnswer, key: bytes | None
    ) -> dict[str, Any]:
        """Bring an answer into the ledger, and with it the job's end; or look again later."""
        told = {"status": answer.status}
        asked = _asked(job)
        command: Command
        match answer.status:
            case "later":
                with self._connect() as conn:
                    put(
                        conn,
                        [
                            _look(
                                asked, "later", self._look_after_s, job.correlation_id, str(job.id)
                            )
                        ],
                    )
                return told
            case "ready":
                command = RecordReport(application.id, _received(application, answer, key))
            case "unavailable":
                command = GiveReportUp(application.id, asked.report_id, answer.reason)
        self._tell(job, command, lambda conn: finish(conn, job, told))
        return told

    def _give_up(self, job: Job, failure: Failure, ctx: object, bury: Bury) -> None:
        """There is no further try: the application goes on without a report."""
        asked = _asked(job)
        self._tell(job, GiveReportUp(asked.application_id, asked.report_id, _reason(failure)), bury)

    def _tell(self, job: Job, command: Command, beside: Callable[[Connection[Any]], None]) -> None:
        """Submit a command of the bureau's; what is no news to the ledger is as good as taken."""
        outcome = self._submit(job, command, "bureau", beside)
        if isinstance(outcome, Refused) and outcome.reason != NOTHING_NEW:
            raise BusinessError(f"refused: {outcome.reason}")

    def _submit(
        self,
        job: Job,
        command: Command,
        actor: str,
        beside: Callable[[Connection[Any]], None] | None = None,
    ) -> Outcome:
        who = Provenance(
            actor=actor, correlation_id=job.correlation_id, causation_id=f"job:{job.id}"
        )
        return self._ledger.submit_and_wait(Submission([command], who, beside=beside)).outcomes[0]

    def _later(self, job: Job, application: CreditApplication, error: CircuitOpenError) -> Again:
        """The bureau was not asked, so that this is no try. Once nobody waits for it, it may take long."""
        wait_s = error.retry_after_s or _LEAST_WAIT_S
        if not application.is_waiting:
            wait_s = max(wait_s, self._pause_s(job))
        return Again(wait_s, has_not_tried=True)

    def _pause_s(self, job: Job) -> float:
        return min(self._look_after_s * 2.0 ** min(job.attempt, 20), _LONGEST_LOOK_S)

    def _application(self, asked: _Asked) -> CreditApplication:
        with self._connect() as conn:
            found = load(conn, [asked.application_id])[asked.application_id]
        if not isinstance(found, CreditApplication):
            raise BusinessError(f"there is no credit application {asked.application_id}")
        return found

    def _key(self, application: CreditApplication) -> bytes | None:
        """The key of its person; None when nothing of it is sealed."""
        person_id = application.submitted.person_id
        if person_id is None:
            return None
        with self._connect() as conn:
            keys = person_keys.load_sync(conn, self._vault.masters, [person_id])
        if person_id not in keys:
            raise BusinessError(f"{ERASED}: whose application it is has been forgotten")
        return keys[person_id]


def _unasked(application: CreditApplication) -> dict[str, Any]:
    return {"asked": False, "status": application.status}


def _sealed_fields(application: CreditApplication, key: bytes | None) -> tuple[str, ...]:
    """What a bureau is told in clear and the log is not."""
    if key is None:
        return ()
    return tuple(name for name in _OPENED if is_sealed(getattr(application.asked, name)))


def _inquiry(application: CreditApplication, asked: _Asked, key: bytes | None) -> Inquiry:
    about = application.asked

    def clear(field: str, text: str) -> str:
        if key is None or not is_sealed(text):
            return text
        return open_sealed(key, text, place(application.id, _AGGREGATE, field))

    return Inquiry(
        report_id=asked.report_id,
        application_id=application.id,
        country=about.country,
        document_type=about.document_type,
        document_number=clear("document_number", about.document_number),
        full_name=clear("full_name", about.full_name),
        monthly_income=about.monthly_income,
        currency=about.currency,
        loan_type=about.loan_type,
    )


def _received(
    application: CreditApplication, answer: BureauAnswer, key: bytes | None
) -> ReportReceived:
    """The report in words that are the same for all countries, and as it came, sealed. Raises what has the
    bureau asked again when it makes no sense."""
    raw = msgspec.json.encode(answer.raw).decode()
    try:
        report = country_of(application.country).read_report(answer.raw)
    except UnreadableReportError as error:
        raise ExternalError(f"{UNREADABLE}: {error}") from None
    except Refusal as error:  # the country is not served any more
        raise BusinessError(error.reason) from None
    if len(raw) > MAX_REPORT:
        raise ExternalError(f"{UNREADABLE}: it has more than {MAX_REPORT} characters")
    return ReportReceived(
        answer.report_id,
        credit_score=report.credit_score,
        total_debt=report.total_debt,
        bank_name=_word(report.bank_name),
        account_status=_word(report.account_status),
        is_verified=report.is_verified,
        raw="" if key is None else seal(key, raw, place(application.id, _AGGREGATE, "raw")),
    )


def _word(text: str) -> str:
    """What may stay in the log as it is; whatever else a bureau writes is in the sealed answer only."""
    return text if len(text) <= _MAX_WORD and is_fit(text) else ""


def _failure(error: OutboundError) -> Exception:
    """What decides whether the bureau is asked again."""
    # Who is not let in can be by the next try: that is for those who gave the token to mend.
    if error.transient or getattr(error, "status", 0) in (401, 403):
        return ExternalError(str(error), retry_after_s=error.retry_after_s)
    reason = REFUSED if error.reason == UNKNOWN_CODE else error.reason
    return BusinessError(f"{reason}: {error}")


def _reason(failure: Failure) -> str:
    """The code that an error begins with, after the name of its class."""
    words = failure.error.removeprefix("BusinessError: ").removeprefix("ExternalError: ")
    code = words.partition(":")[0]
    if is_code(code):
        return code
    return REFUSED if failure.category == "business" else SILENT


def _look(
    asked: _Asked, why: str, delay_s: float, correlation_id: str, causation_id: str
) -> NewJob:
    return NewJob(
        id=uuid5(_NAMESPACE, f"{why}:{asked.application_id}:{asked.report_id}"),
        kind=LOOK,
        payload=msgspec.to_builtins(asked),
        queue=QUEUE,
        priority=3 if delay_s == 0 else 8,
        delay_s=delay_s,
        correlation_id=correlation_id,
        causation_id=causation_id,
    )


def _asked(job: Job) -> _Asked:
    return msgspec.convert(job.payload, _Asked)

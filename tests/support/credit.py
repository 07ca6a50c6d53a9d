"""Applications for credit in tests, and what the bureau and the worker do to them, put into the ledger
without either."""

from __future__ import annotations

import random
import string
from typing import Any
from uuid import UUID

import httpx2
import psycopg
from stdnum.exceptions import ValidationError
from stdnum.mx import curp

from application.countries import COUNTRIES
from application.ledger import Ledger
from application.processes import credit
from domain import catalogue
from domain.credit_applications import (
    CreditApplication,
    GiveReportUp,
    NoteOpening,
    RecordReport,
    ReportReceived,
)
from projections import log
from tests.support.ledgers import accepted
from tests.support.waiting import until

Json = dict[str, Any]

_LETTERS_OF_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"
_CONSONANTS = "BCDFGHJKLMNPQRSTVWXYZ"
_MANY = 1_000
_PROCESS = credit.process()


def new_document(country: str) -> Json:
    """A document that nobody has applied with yet."""
    make = {"MX": ("curp", _curp), "ES": ("dni", _dni), "IN": ("pan", _pan)}
    kind, number = make[country]
    return {"document_type": kind, "document_number": number()}


def _curp() -> str:
    while True:
        name = "".join(random.choices(_CONSONANTS, k=3))
        day = f"{random.randrange(50, 100)}{random.randrange(1, 13):02}{random.randrange(1, 29):02}"
        inner = "".join(random.choices(_CONSONANTS, k=3))
        number = f"{name[0]}A{name[1:]}{day}HNE{inner}0"
        try:
            return str(curp.validate(number + curp.calc_check_digit(number)))
        except ValidationError:  # a word that nobody is to be called
            continue


def _dni() -> str:
    number = random.randrange(10_000_000, 100_000_000)
    return f"{number}{_LETTERS_OF_DNI[number % 23]}"


def _pan() -> str:
    letters = random.choices(string.ascii_uppercase, k=6)
    return f"{''.join(letters[:5])}{random.randrange(10_000):04}{letters[5]}"


def applying(country: str = "MX", **more: object) -> Json:
    """The body of an application that a score of 600 or more is enough for, with a document of its own."""
    body = {
        "country": country,
        "full_name": "Ana López",
        **new_document(country),
        "monthly_income": "25000.00",
        "amount_requested": "60000.00",
        **({"loan_type": "PERSONAL"} if country == "IN" else {}),
    }
    return body | more


def submit(client: httpx2.Client, country: str = "MX", **more: object) -> Json:
    """An application as it was answered."""
    answer = client.post("/api/applications", json=applying(country, **more))
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def until_status(client: httpx2.Client, application_id: str, *statuses: str) -> Json:
    """What is told of an application once it has one of these statuses; a worker runs."""
    found: Json = {}

    def has_come() -> bool:
        found.update(client.get(f"/api/applications/{application_id}/status").json())
        return found["status"] in statuses

    until(has_come)
    return found


class Desk:
    """Does what the bureau and the process would, one application at a time."""

    def __init__(self, ledger: Ledger, conninfo: str) -> None:
        self._ledger = ledger
        self._conninfo = conninfo

    def report(
        self, application_id: str, score: int | None = 720, debt: int = 0
    ) -> CreditApplication:
        """The bureau answers; `debt` is minor units. What follows from that has happened."""
        there = self.now(application_id)
        assert there.report_id is not None, "each application asks for a report"
        received = ReportReceived(there.report_id, score, debt, "Banco Uno", "current", True)
        return self._carry_out(RecordReport(there.id, received))

    def no_report(self, application_id: str, reason: str = "timeout") -> CreditApplication:
        """The bureau is given up."""
        there = self.now(application_id)
        assert there.report_id is not None, "each application asks for a report"
        return self._carry_out(GiveReportUp(there.id, there.report_id, reason))

    def open(self, application_id: str) -> UUID:
        """What is sealed is opened to ask the bureau; the id of the report."""
        there = self.now(application_id)
        assert there.report_id is not None, "each application asks for a report"
        bureau, fields = COUNTRIES[there.country].bureau, ("document_number", "full_name")
        accepted(self._ledger, NoteOpening(there.id, there.report_id, bureau, fields))
        return there.report_id

    def go_on(self, application_id: str) -> CreditApplication:
        """What follows from the last event of the application happens, and so on."""
        while True:
            there = self.now(application_id)
            with psycopg.connect(self._conninfo) as conn:
                events = log.read_stream(conn, there.id, 0, log.head_position(conn), _MANY)
            reaction = _PROCESS.react(events[-1])
            if reaction is None or reaction.command is None:
                return there
            accepted(self._ledger, reaction.command)

    def now(self, application_id: str) -> CreditApplication:
        """The application as its events make it."""
        with psycopg.connect(self._conninfo) as conn:
            events = log.read_stream(conn, UUID(application_id), 0, log.head_position(conn), _MANY)
        state = None
        for event in events:
            state = catalogue.evolve(state, event.data, event.stream_id)
        assert isinstance(state, CreditApplication), state
        return state

    def _carry_out(self, command: RecordReport | GiveReportUp) -> CreditApplication:
        accepted(self._ledger, command)
        return self.go_on(str(command.application_id))

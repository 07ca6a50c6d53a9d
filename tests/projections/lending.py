"""Credit in histories: applications with all that can become of them, and loans that are paid back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import cycle
from random import Random
from typing import Any
from uuid import UUID, uuid5

from msgspec.structs import replace

from application.ledger.outcomes import Command
from domain.accounts import ChangeAccountStatus, OpenAccount
from domain.credit_applications import (
    AcceptOffer,
    ChangeApplication,
    Changed,
    ClaimApplication,
    DecideApplication,
    DeclineOffer,
    DisburseLoan,
    EraseApplicant,
    ExpireOffer,
    GiveReportUp,
    MakeOffer,
    MoveApplication,
    NoteApplicationDisclosure,
    NoteOpening,
    RecordReport,
    ReleaseApplication,
    ReportReceived,
    ReviewApplication,
    SubmitApplication,
    Submitted,
    WithdrawApplication,
    loan_id_of,
)
from domain.house import house_account
from domain.loans import RepayLoan
from domain.transfers import PostTransfer

LENDING = house_account("lending", "EUR")
OFFICER, OTHER_OFFICER = UUID(int=0xC1), UUID(int=0xC2)
UNTIL = datetime(2100, 1, 1, tzinfo=UTC)
LONG_OVER = datetime(2000, 1, 1, tzinfo=UTC)
FIRST = 5
"""The version that an application's first assessment makes."""
LEAST = 1_000
"""What is asked for at least, in minor units."""
MOST = 2_500
"""What the table approves at most, in minor units."""
IN_A_YEAR = 365
"""Days after which all instalments of a loan for three months are due."""


def asked(**changes: object) -> Submitted:
    """In Spain, for 30.00 EUR, but for the changes."""
    application = Submitted(
        country="ES", full_name="sealed:1:AAAA", document_type="dni",
        document_number="sealed:1:BBBB", applicant_id=UUID(int=0xA1), currency="EUR",
        monthly_income=200_000, amount_requested=3_000, months=3, annual_rate_bps=1200,
        method="annuity", day_count="30/360", offer_days=7, document_hint="12*****8Z",
    )  # fmt: skip
    return replace(application, **changes)


def report_of(id_: UUID, round_: int = 1) -> UUID:
    return uuid5(id_, f"report {round_}")


def submit(id_: UUID, application: Submitted) -> SubmitApplication:
    return SubmitApplication(id_, application, report_of(id_), "Equifax")


def reported(id_: UUID, score: int | None = 700, round_: int = 1) -> RecordReport:
    """The bureau's answer; a score of None is one that it does not have."""
    received = ReportReceived(
        report_of(id_, round_), score, 50_00, "Banco Uno", "current", True, "sealed:1:CCCC"
    )
    return RecordReport(id_, received)


def judged(id_: UUID, decision: str, *reasons: str, assessment: int = FIRST) -> DecideApplication:
    """What the table says of an assessment, which is named by its version."""
    return DecideApplication(
        id_, assessment, decision, reasons, "ES", "2026-01-01", "ab" * 32, "row-1",
        {"credit_score": "700"}, MOST if decision == "approve" else None,
    )  # fmt: skip


def approved(id_: UUID) -> list[Command]:
    return [reported(id_), judged(id_, "approve", "Passes"), MakeOffer(id_)]


def disbursed(id_: UUID) -> list[Command]:
    return [*approved(id_), AcceptOffer(id_), DisburseLoan(id_)]


def referred(id_: UUID) -> list[Command]:
    return [reported(id_, None), judged(id_, "manual_review", "Banking data missing", "No score")]


def claim(id_: UUID, officer_id: UUID = OFFICER, until: datetime = UNTIL) -> ClaimApplication:
    return ClaimApplication(id_, officer_id, until)


def review(id_: UUID, decision: str, reason: str = "", amount: int | None = None) -> Command:
    return ReviewApplication(id_, OFFICER, decision, reason, amount)


def changed(id_: UUID, applicant_id: UUID) -> ChangeApplication:
    """Another document, and less money."""
    new = Changed(
        "sealed:1:DDDD", "nie", "sealed:1:EEEE", applicant_id, 190_000, 2_000, 6, "X12****L",
        "personal", "user:1",
    )  # fmt: skip
    return ChangeApplication(id_, new, report_of(id_, 2), "Equifax")


APPLICATIONS: dict[str, Callable[[UUID], list[Command]]] = {
    "submitted": lambda id_: [],
    "unanswered": lambda id_: [GiveReportUp(id_, report_of(id_), "bureau_silent")],
    "assessed": lambda id_: [
        NoteOpening(id_, report_of(id_), "Equifax", ("document_number",)), reported(id_),
    ],
    "referred": referred,
    "rejected": lambda id_: [reported(id_, 400), judged(id_, "reject", "Low score", "Debt")],
    "approved": approved,
    "declined": lambda id_: [*approved(id_), DeclineOffer(id_, "too dear")],
    "expired": lambda id_: [*approved(id_), ExpireOffer(id_)],
    "accepted": lambda id_: [*approved(id_), AcceptOffer(id_)],
    "disbursed": disbursed,
    "withdrawn at once": lambda id_: [WithdrawApplication(id_)],
    "withdrawn from review": lambda id_: [
        *referred(id_), claim(id_), WithdrawApplication(id_, "found another"),
    ],
    "withdrawn offer": lambda id_: [*approved(id_), WithdrawApplication(id_, "no need")],
    "claimed": lambda id_: [*referred(id_), claim(id_)],
    "claimed long ago": lambda id_: [*referred(id_), claim(id_, OTHER_OFFICER, LONG_OVER)],
    "released": lambda id_: [*referred(id_), claim(id_), ReleaseApplication(id_, OFFICER)],
    "approved by an officer": lambda id_: [
        *referred(id_), claim(id_), review(id_, "approve", "well known", LEAST), MakeOffer(id_),
    ],
    "rejected by an officer": lambda id_: [*referred(id_), review(id_, "reject", "no papers")],
    "approved by a partner": lambda id_: [
        reported(id_), judged(id_, "manual_review", "Debt"),
        MoveApplication(id_, "approved", "Partner", "seen in person"),
    ],
    "referred by a partner": lambda id_: [
        reported(id_), MoveApplication(id_, "manual_review", "Partner"),
    ],
    "changed": lambda id_: [
        *referred(id_), changed(id_, uuid5(id_, "another")),
    ],
    "changed and approved": lambda id_: [
        *referred(id_), claim(id_), changed(id_, uuid5(id_, "another")), reported(id_, 720, 2),
        judged(id_, "approve", "Passes", assessment=14), MakeOffer(id_),
    ],
    "late report": lambda id_: [
        GiveReportUp(id_, report_of(id_), "bureau_silent"),
        judged(id_, "manual_review", "Banking data missing"), reported(id_, 690),
        judged(id_, "approve", "Passes", assessment=9),
    ],
    "disclosed": lambda id_: [
        *referred(id_), NoteApplicationDisclosure(id_, OFFICER, ("full_name",), "a call"),
    ],
    "erased": lambda id_: [WithdrawApplication(id_), EraseApplicant(id_)],
    "pre-approved": lambda id_: [reported(id_), judged(id_, "pre_approve", "Passes")],
    "confirmed": lambda id_: [
        reported(id_), judged(id_, "pre_approve", "Passes"), review(id_, "approve"), MakeOffer(id_),
    ],
}  # fmt: skip
"""What may become of them, and the commands that make it so."""

_INDIAN = {"country": "IN", "currency": "INR", "account_id": None}

_ASKED: dict[str, dict[str, Any]] = {
    "expired": {"offer_days": 0}, "pre-approved": _INDIAN, "confirmed": _INDIAN,
}  # fmt: skip


def asked_for(way: str, id_: UUID) -> dict[str, Any]:
    """What is different in an application that is to go a way."""
    if way == "erased":  # it is no user's
        return {"owner_id": None, "person_id": id_}
    return _ASKED.get(way, {})


class Lending:
    """Makes commands, which may well be refused: each application goes its way, a few steps at a time."""

    def __init__(self, random: Random, accounts: list[UUID]) -> None:
        # The first account's id is the owner of the others as well.
        self._random, self._cash, self._accounts = random, accounts[0], accounts[1:]
        self._going: list[list[Command]] = []
        self._ways = cycle(APPLICATIONS)
        self._is_open = False

    def commands(self, new: int = 6) -> list[Command]:
        """Some more of what happens."""
        made = [] if self._is_open else self._open()
        self._going += [self._begin() for _ in range(new)]
        for way in self._going:
            steps = self._random.randint(2, 6)
            made += way[:steps]
            del way[:steps]
        self._going = [way for way in self._going if way]
        return made

    def _uuid(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=4)

    def _open(self) -> list[Command]:
        self._is_open = True
        return [
            OpenAccount(LENDING, "Lending EUR", "lending", "EUR"),
            PostTransfer(self._uuid(), self._cash, LENDING, 10_000_000, "EUR"),
        ]

    def _begin(self) -> list[Command]:
        random, id_, account_id = self._random, self._uuid(), self._random.choice(self._accounts)
        amount = random.randint(LEAST, MOST)
        name, way = self._way(id_, account_id, amount)
        of = {
            "applicant_id": self._uuid(), "account_id": account_id, "amount_requested": amount,
            "owner_id": self._cash, "person_id": random.choice([None, self._uuid()]),
            "country": random.choice(["ES", "IT"]), "loan_type": random.choice(["", "personal"]),
            "method": random.choice(["annuity", "equal_principal"]), "submitted_by": "user:1",
        }  # fmt: skip
        application = asked(**(of | asked_for(name, id_)))
        return [submit(id_, application), *way]

    def _way(self, id_: UUID, account_id: UUID, amount: int) -> tuple[str, list[Command]]:
        chance = self._random.random()
        if chance < 0.3:
            return "repaid", [*disbursed(id_), *self._repaid(id_, account_id, amount)]
        if chance < 0.4:
            return "stopped", [*approved(id_), AcceptOffer(id_), *self._stopped(id_, account_id)]
        name = next(self._ways)
        return name, APPLICATIONS[name](id_)

    def _stopped(self, id_: UUID, account_id: UUID) -> list[Command]:
        """The account takes no money for a while."""
        return [
            ChangeAccountStatus(account_id, "inactive"), DisburseLoan(id_),
            ChangeAccountStatus(account_id, "active"), DisburseLoan(id_),
        ]  # fmt: skip

    def _repaid(self, id_: UUID, account_id: UUID, amount: int) -> list[Command]:
        """All of it at once, or parts of it as time goes by, some of them ahead of time."""
        random, today = self._random, datetime.now(UTC).date()
        parts = [(0, amount)]
        if random.random() < 0.7:
            days = random.sample(range(0, IN_A_YEAR, 20), random.randint(0, 3))
            parts = [(day, random.randint(1, 2_000)) for day in sorted(days)]
        return [
            RepayLoan(
                loan_id_of(id_), self._uuid(), account_id, part, today + timedelta(days=day)
            )
            for day, part in parts
        ]  # fmt: skip

"""Credit applications in every situation that they can be in, and what each command does there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from application.countries import COUNTRIES
from application.ledger.outcomes import Command
from domain.credit_applications import (
    Accepted,
    AcceptOffer,
    ChangeApplication,
    ClaimApplication,
    DecideApplication,
    Declined,
    DeclineOffer,
    DisburseLoan,
    DisbursementFailed,
    DocumentsChecked,
    EraseApplicant,
    ErasedEvent,
    ExpireOffer,
    GiveReportUp,
    MakeOffer,
    MoveApplication,
    NoteApplicationDisclosure,
    NoteOpening,
    OfferExpired,
    RecordReport,
    ReleaseApplication,
    ReportReceived,
    ReportRequested,
    ReviewApplication,
    WithdrawApplication,
    Withdrawn,
)
from domain.events import Event
from domain.refusals import Refusal
from tests.support.credit_world import (
    ACCOUNT,
    APPLICATION,
    COLLEAGUE,
    ELSEWHERE,
    NEW_REPORT,
    OFFICER,
    OWNER,
    REPORT,
    CreditWorld,
    Fact,
    asked,
    claimed,
    closed,
    decided,
    given_up,
    of,
    offered,
    other_wishes,
    reported,
    submitted,
)
from tests.support.given import NOW

AN_HOUR = timedelta(hours=1)

# What was there before.
NEW = submitted()
REVIEW = [*NEW, *given_up(), *decided("manual_review", "manual_review")]
APPROVED = [*NEW, *reported(), *decided("approved", "approve")]
OFFERED = [*APPROVED, *offered()]
ACCEPTED = [*OFFERED, *of(Accepted(ACCOUNT))]
INDIAN = [*submitted("IN"), *reported(country="IN"), *decided("pre_approved", "pre_approve")]
NOBODYS: dict[str, Any] = {"owner_id": None, "person_id": APPLICATION, "account_id": None}
"""Of somebody who is no user."""
NOBODYS_REJECTED = [*submitted(**NOBODYS), *reported(), *decided("rejected", "reject")]

SITUATIONS: dict[str, list[Fact]] = {
    "new": NEW,
    "assessed": [*NEW, *reported()],
    "given up": [*NEW, *given_up()],
    "review": REVIEW,
    "claimed": [*REVIEW, *claimed(AN_HOUR)],
    "lapsed": [*REVIEW, *claimed(timedelta())],
    "changed": [
        *REVIEW,
        *of(
            other_wishes(asked()), DocumentsChecked("curp"), ReportRequested(NEW_REPORT, "Buró", 2)
        ),
    ],
    "pre-approved": INDIAN,
    "approved": APPROVED,
    "offered": OFFERED,
    "too late": [*APPROVED, *offered(timedelta())],
    "accepted": ACCEPTED,
    "unpaid": [*ACCEPTED, *of(DisbursementFailed("account_closed", 1))],
    "declined": [*OFFERED, *of(Declined("too dear"))],
    "expired": [*APPROVED, *offered(timedelta()), *of(OfferExpired())],
    "rejected": [*NEW, *reported(), *decided("rejected", "reject")],
    "withdrawn": [*NEW, *of(Withdrawn("withdrawn")), closed("withdrawn")],
    "withdrawn late": [*ACCEPTED, *of(Withdrawn("withdrawn")), closed("withdrawn")],
    "no user's": NOBODYS_REJECTED,
    "erased": [*NOBODYS_REJECTED, *of(ErasedEvent())],
}


def given(*facts: Fact, lending: int = 5_000_00, country: str = "MX") -> CreditWorld:
    return CreditWorld(*facts, lending=lending, currency=COUNTRIES[country].currency)


def situation(name: str) -> CreditWorld:
    return given(*SITUATIONS[name], country="IN" if name == "pre-approved" else "MX")


def outcome(world: CreditWorld, command: Command) -> str:
    """The application's own events in short, or why the command is refused."""
    try:
        found = world.submit(command)
    except Refusal as refusal:
        return refusal.reason
    world.check()
    return ", ".join(in_short(event) for stream_id, event in found if stream_id == APPLICATION)


def in_short(event: Event) -> str:
    name = event.topic.partition(".")[2]
    status = getattr(event, "status", None)
    return name if status is None else f"{name} {status}"


# What each command does in each situation.
COMMANDS: dict[str, Command] = {
    "change": ChangeApplication(
        APPLICATION, other_wishes(asked(), amount_requested=800_00), UUID(int=839), "Buró"
    ),
    "withdraw": WithdrawApplication(APPLICATION, "changed my mind", OWNER),
    "report": RecordReport(APPLICATION, ReportReceived(REPORT, 700, 0, is_verified=True)),
    "give up": GiveReportUp(APPLICATION, REPORT, "timeout"),
    "decide": DecideApplication(APPLICATION, 5, "approve", ("because",)),
    "claim": ClaimApplication(APPLICATION, COLLEAGUE, NOW + AN_HOUR),
    "release": ReleaseApplication(APPLICATION, OFFICER),
    "approve": ReviewApplication(APPLICATION, OFFICER, "approve"),
    "reject": ReviewApplication(APPLICATION, OFFICER, "reject", "no"),
    "move": MoveApplication(APPLICATION, "approved", "a partner"),
    "offer": MakeOffer(APPLICATION),
    "accept": AcceptOffer(APPLICATION, None, OWNER),
    "accept elsewhere": AcceptOffer(APPLICATION, ELSEWHERE, OWNER),
    "decline": DeclineOffer(APPLICATION, "too dear", OWNER),
    "expire": ExpireOffer(APPLICATION),
    "disburse": DisburseLoan(APPLICATION),
    "disclose": NoteApplicationDisclosure(APPLICATION, OFFICER, ("full_name",), "a doubt"),
    "open": NoteOpening(APPLICATION, REPORT, "Buró", ("full_name",)),
    "erase": EraseApplicant(APPLICATION),
}
OTHERWISE = {
    "change": "application_closed",
    "withdraw": "application_closed",
    "report": "nothing_new",
    "give up": "nothing_new",
    "decide": "nothing_new",
    "claim": "not_in_review",
    "release": "nothing_new",
    "approve": "invalid_transition",
    "reject": "invalid_transition",
    "move": "invalid_transition",
    "offer": "nothing_new",
    "accept": "no_open_offer",
    "accept elsewhere": "no_open_offer",
    "decline": "no_open_offer",
    "expire": "nothing_new",
    "disburse": "nothing_new",
    "disclose": "disclosed",
    "open": "nothing_new",
    "erase": "belongs_to_user",
}
ANEW = "changed, documents_checked, report_requested"
UNDECIDED = {
    "change": ANEW,
    "withdraw": "withdrawn withdrawn",
    "approve": "not_in_review",
    "reject": "not_in_review",
    "move": "score_missing",
}
IN_REVIEW = {
    **UNDECIDED,
    "open": "opened_for_bureau",
    "reject": "reviewed rejected",
    "report": "report_received, assessed manual_review",
    "claim": "claimed",
    "approve": "reviewed approved",
}
OPEN_OFFER = {
    "withdraw": "withdrawn withdrawn",
    "accept": "accepted",
    "accept elsewhere": "accepted",
    "decline": "declined",
    "move": "nothing_new",
}
IS_APPROVED = {"move": "nothing_new"}
NOT_MINE = dict.fromkeys(
    ("withdraw", "accept", "accept elsewhere", "decline"), "application_not_found"
)
DONE: dict[str, dict[str, str]] = {
    "new": {
        **UNDECIDED,
        "report": "report_received, assessed risk_check",
        "give up": "report_unavailable, assessed risk_check",
        "open": "opened_for_bureau",
    },
    "assessed": {**UNDECIDED, "decide": "decided approved", "move": "moved approved"},
    "given up": {
        **UNDECIDED,
        "report": "report_received, assessed risk_check",
        "decide": "decided manual_review, referred",  # whatever the table says
        "open": "opened_for_bureau",
    },
    "review": IN_REVIEW,
    "claimed": {
        **IN_REVIEW,
        "change": "changed, released, documents_checked, report_requested",
        "report": "report_received",  # the officer looks at it
        "claim": "claimed_by_another",
        "release": "released",
        "move": "claimed_by_another",
    },
    "lapsed": {**IN_REVIEW, "release": "released"},
    "changed": UNDECIDED,
    "pre-approved": {
        "withdraw": "withdrawn withdrawn",
        "claim": "claimed",
        "approve": "reviewed approved",
        "reject": "reviewed rejected",
        "move": "moved approved",
    },
    "approved": {**IS_APPROVED, "withdraw": "withdrawn withdrawn", "offer": "offered"},
    "offered": OPEN_OFFER,
    "too late": {
        **IS_APPROVED,
        "withdraw": "withdrawn withdrawn",
        "accept": "offer_expired",
        "accept elsewhere": "offer_expired",
        "decline": "offer_expired",
        "expire": "offer_expired",
    },
    "accepted": {**IS_APPROVED, "withdraw": "withdrawn withdrawn", "disburse": "disbursed"},
    "unpaid": {
        **IS_APPROVED,
        "withdraw": "withdrawn withdrawn",
        "accept": "nothing_new",
        "accept elsewhere": "accepted",
        "disburse": "disbursed",
    },
    "declined": IS_APPROVED,
    "expired": IS_APPROVED,
    "rejected": {},
    "withdrawn": {},
    "withdrawn late": {},
    "no user's": {**NOT_MINE, "erase": "erased"},
    "erased": {**NOT_MINE, "erase": "nothing_new"},
}

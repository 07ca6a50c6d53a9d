"""Credit applications: what each command does in each situation, and where it leads."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast, get_args
from uuid import UUID

import pytest
from msgspec.structs import replace

from application.countries import COUNTRIES
from application.ledger.outcomes import Command
from domain import credit_applications
from domain.credit_applications import (
    EVENTS,
    OFFER_STATUSES,
    STATUSES,
    ChangeApplication,
    ClaimApplication,
    DecideApplication,
    Decided,
    GiveReportUp,
    Referred,
    ReportReceived,
    ReviewApplication,
    Reviewed,
    SubmitApplication,
    WithdrawApplication,
    Withdrawn,
    is_same_submission,
    loan_id_of,
)
from domain.events import Event
from domain.loans import loan_account
from tests.support.credit_situations import (
    ACCEPTED,
    AN_HOUR,
    ANEW,
    COMMANDS,
    DONE,
    INDIAN,
    NEW,
    OFFERED,
    OTHERWISE,
    SITUATIONS,
    given,
    in_short,
    outcome,
    situation,
)
from tests.support.credit_world import (
    ACCOUNT,
    ANOTHERS,
    APPLICANT,
    APPLICATION,
    CLERK,
    FOREIGN,
    NEW_REPORT,
    OFFICER,
    REPORT,
    SECOND,
    SOMEBODY,
    STRANGER,
    CreditWorld,
    asked,
    assessment,
    closed,
    decided,
    given_up,
    of,
    other_wishes,
    reported,
    submission,
    submitted,
)
from tests.support.given import NOW, refused


@pytest.mark.parametrize("name", SITUATIONS)
def test_each_command_does_in_each_situation_what_the_table_says(name: str) -> None:
    for word, command in COMMANDS.items():
        expected = DONE[name].get(word, OTHERWISE[word])
        assert (word, outcome(situation(name), command)) == (word, expected)


def test_each_command_says_the_same_of_what_is_not_there_and_of_anothers() -> None:
    for word, command in COMMANDS.items():
        assert outcome(given(), command) == "application_not_found", word
        if getattr(command, "owner_id", None) is not None:
            anothers = replace(command, owner_id=STRANGER)
            assert outcome(given(*OFFERED), anothers) == "application_not_found", word


def test_the_situations_have_every_status_and_every_event() -> None:
    worlds = [situation(name) for name in SITUATIONS]
    assert {world.application().status for world in worlds} == {*STATUSES}
    assert {world.application().offer_status for world in worlds} == {"", *OFFER_STATUSES} - {
        "disbursed"
    }
    commands = {type(command) for command in COMMANDS.values()}
    assert {*get_args(credit_applications.Command)} - commands == {SubmitApplication}
    found = {type(event.data) for world in worlds for event in world.events}
    told = [parts for words in DONE.values() for parts in words.values()]
    done = {part.split()[0] for parts in told for part in parts.split(", ")}
    assert {event.topic.partition(".")[2] for event in {*EVENTS} - found} <= done | {"disclosed"}


@pytest.mark.parametrize(
    "word", ["change", "withdraw", "claim", "approve", "reject", "accept", "decline"]
)
def test_a_command_may_say_which_version_it_was_decided_on(word: str) -> None:
    name = "offered" if word in ("accept", "decline") else "review"
    version = situation(name).application().version
    assert (
        outcome(situation(name), replace(COMMANDS[word], expected=(version,))) == DONE[name][word]
    )
    other = replace(COMMANDS[word], expected=(version + 1,))
    assert outcome(situation(name), other) == "precondition_failed"


# Asking.
def test_who_asks_is_registered_and_the_bureau_is_to_be_asked() -> None:
    world = given()
    decided_ = world.submit(submission())
    assert decided_ == tuple(submitted())
    there = world.application()
    assert (there.status, there.round, there.is_waiting) == ("pending", 1, True)
    assert there.account_id == ACCOUNT
    world.check()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount_requested": 0}, "negative_amount"),
        ({"amount_requested": -100}, "negative_amount"),
        ({"monthly_income": 0}, "negative_amount"),
        ({"months": 0}, "invalid_terms"),
        ({"months": 601}, "invalid_terms"),
        ({"method": "as you like"}, "invalid_terms"),
        ({"day_count": "sometimes"}, "invalid_terms"),
        ({"account_id": UUID(int=1)}, "account_not_found"),
        ({"account_id": ANOTHERS}, "account_not_found"),
        ({"account_id": FOREIGN}, "currency_mismatch"),
    ],
    ids=str,
)
def test_what_no_loan_can_come_of_is_refused(changes: dict[str, Any], reason: str) -> None:
    world = given()
    assert outcome(world, submission(**changes)) == reason
    assert not world.applications


def test_an_account_of_the_houses_is_no_place_for_the_money() -> None:
    world = given()
    for type_, reason in (("lending", "invalid_account_type"), ("cash", "invalid_account_type")):
        assert outcome(world, submission(account_id=world.house(type_), owner_id=None)) == reason
    opened = given(*ACCEPTED)
    opened.submit(COMMANDS["disburse"])
    owed = loan_account(loan_id_of(APPLICATION))
    again = submission(SECOND, account_id=owed, owner_id=None, applicant_id=SOMEBODY)
    assert outcome(opened, again) == "reserved_account"


def test_a_country_that_is_not_served_is_refused_and_nothing_is_stored() -> None:
    world = given()
    events = len(world.events)
    with refused("unsupported_country", country="FR", supported=[*COUNTRIES]):
        command = submission()
        world.submit(replace(command, submitted=replace(command.submitted, country="FR")))
    assert len(world.events) == events


def test_the_same_submission_again_is_no_second_one() -> None:
    world = given()
    world.submit(submission())
    again = submission(full_name="sealed:1:ZZ", document_number="sealed:1:YY")
    assert world.submit(again) == ()
    for changes in (
        {"applicant_id": SOMEBODY},
        {"amount_requested": 1},
        {"monthly_income": 1},
        {"months": 7},
        {"owner_id": None},
        {"account_id": None},
        {"loan_type": "HOME"},
    ):
        other = submission(**changes)
        assert not is_same_submission(world.application(), other), changes
        assert outcome(world, other) == "id_reused"
    assert outcome(world, submission(id_=ACCOUNT)) == "id_reused"


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_second_application_waits_for_the_first_to_be_decided(name: str) -> None:
    world = situation(name)
    country = world.application().country
    is_open = world.application().status in ("pending", "risk_check", "manual_review")
    asks = submission(SECOND, country, report_id=UUID(int=837))
    if is_open:
        with refused("duplicate_application", country=country):
            world.submit(asks)
    elif country == "IN":
        with refused("duplicate_application", again_at=(NOW + timedelta(hours=24)).isoformat()):
            world.submit(asks)
    else:
        world.submit(asks)
        assert world.applicant().application_id == SECOND
    world.submit(submission(UUID(int=813), country, applicant_id=SOMEBODY))
    world.check()


def test_in_india_a_document_serves_again_after_a_day_and_at_once_when_it_was_rejected() -> None:
    ends = {
        "pre_approved": [*INDIAN],
        "withdrawn": [*submitted("IN"), *of(Withdrawn("withdrawn")), closed("withdrawn")],
        "rejected": [
            *submitted("IN"),
            *reported(500, country="IN"),
            *decided("rejected", "reject"),
        ],
    }
    for status, facts in ends.items():
        for hours, waits in ((0, True), (23.99, True), (24, False)):
            world = given(*facts, country="IN")
            world.now = NOW + timedelta(hours=hours)
            expected = waits and status != "rejected"
            told = outcome(world, submission(SECOND, "IN"))
            assert (told == "duplicate_application") == expected, (status, hours)


def test_who_applies_is_nobody_but_his_document() -> None:
    """Two with the same document meet, whoever brings them; with another document there is no other."""
    world = given()
    world.submit(submission(owner_id=None, account_id=None, submitted_by=str(CLERK)))
    assert outcome(world, submission(SECOND)) == "duplicate_application"
    assert "submitted" in outcome_of(world, submission(SECOND, applicant_id=SOMEBODY))


# Asking for something else.
def test_a_change_is_assessed_anew_and_a_report_counts_for_its_own_round_only() -> None:
    world = given(*NEW, *reported(700))
    change = ChangeApplication(APPLICATION, other_wishes(asked()), NEW_REPORT, "Buró")
    assert outcome(world, change) == ANEW
    there = world.application()
    assert (there.round, there.report_id, there.is_waiting) == (2, NEW_REPORT, True)
    assert there.asked == replace(asked(), amount_requested=900_00)
    assert there.submitted == asked()
    # What was said of the first round comes too late.
    assert outcome(world, DecideApplication(APPLICATION, 5, "approve", ())) == "nothing_new"
    assert outcome(world, COMMANDS["report"]) == "nothing_new"
    assert outcome(world, COMMANDS["give up"]) == "nothing_new"
    assert outcome(world, GiveReportUp(APPLICATION, NEW_REPORT, "timeout")) != "nothing_new"
    told = world.events[-1].data
    assert isinstance(told, credit_applications.Assessed)
    assert (told.round, told.credit_score, told.amount_requested) == (2, None, 900_00)
    approve = DecideApplication(APPLICATION, world.application().assessed, "approve", ())
    assert outcome(world, approve) == "decided manual_review, referred"


def test_a_change_of_nothing_is_no_news_and_what_is_not_given_stays() -> None:
    world = given(*NEW)
    same = other_wishes(asked(), amount_requested=1_000_00)
    for changed in (same, replace(same, full_name="", document_number="")):
        change = ChangeApplication(APPLICATION, changed, NEW_REPORT, "Buró")
        assert outcome(world, change) == "nothing_new"
    renamed = ChangeApplication(
        APPLICATION, replace(same, full_name="sealed:1:CC", document_number=""), NEW_REPORT, "Buró"
    )
    assert outcome(world, renamed) == ANEW
    assert world.application().asked == replace(asked(), full_name="sealed:1:CC")


def test_what_costs_a_report_is_changed_nine_times_at_most() -> None:
    world = given(*NEW)

    def change(amount: int) -> str:
        changed = other_wishes(asked(), amount_requested=amount)
        return outcome(world, ChangeApplication(APPLICATION, changed, UUID(int=amount), "Buró"))

    for round_ in range(2, 11):
        assert change(round_) == ANEW
        assert world.application().round == round_
    with refused("too_many_changes", most=10):
        world.submit(ChangeApplication(APPLICATION, other_wishes(asked()), NEW_REPORT, "Buró"))
    assert change(10) == "nothing_new"  # as it is
    assert outcome(world, COMMANDS["withdraw"]) == "withdrawn withdrawn"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount_requested": 0}, "negative_amount"),
        ({"monthly_income": -1}, "negative_amount"),
        ({"months": 0}, "invalid_terms"),
    ],
    ids=str,
)
def test_a_change_that_no_loan_can_come_of_is_refused(changes: dict[str, Any], reason: str) -> None:
    world = given(*NEW)
    change = ChangeApplication(APPLICATION, other_wishes(asked(), **changes), NEW_REPORT, "Buró")
    assert outcome(world, change) == reason
    assert world.application().asked == asked()


def test_another_document_takes_the_application_to_another_register_and_back() -> None:
    world = given(*submitted("IN"), country="IN")
    there = asked("IN")

    def turn_to(applicant_id: UUID, number: int) -> str:
        changed = other_wishes(there, applicant_id=applicant_id)
        report_id = UUID(int=850 + number)
        return outcome(world, ChangeApplication(APPLICATION, changed, report_id, "CIBIL", 24))

    assert turn_to(SOMEBODY, 1) == ANEW
    assert (world.applicant().status, world.applicant(SOMEBODY).status) == ("changed", "")
    # Whose document it was by mistake has not to wait for it.
    assert "submitted" in outcome_of(world, submission(SECOND, "IN"))
    assert turn_to(APPLICANT, 2) == "duplicate_application"
    world.submit(WithdrawApplication(SECOND))
    assert turn_to(APPLICANT, 3) == "duplicate_application"  # for the rest of the day
    world.now = NOW + timedelta(hours=24)
    assert turn_to(APPLICANT, 4) == ANEW
    assert world.applicant().application_id == APPLICATION
    world.check()


def outcome_of(world: CreditWorld, command: Command) -> str:
    """All events in short."""
    found = world.submit(command)
    world.check()
    return ", ".join(event.topic for _, event in found)


# Deciding.
@pytest.mark.parametrize(
    ("country", "decision", "score", "most", "status", "doubt"),
    [
        ("MX", "approve", 700, None, "approved", ""),
        ("MX", "approve", 700, 1, "approved", ""),
        ("MX", "approve", 0, None, "approved", ""),  # what a score is worth is for the table to say
        ("MX", "reject", 700, None, "rejected", ""),
        ("MX", "reject", None, None, "rejected", ""),
        ("MX", "manual_review", 700, None, "manual_review", ""),
        ("MX", "approve", None, None, "manual_review", "Banking data missing"),
        ("MX", "approve", 700, 0, "manual_review", "No amount may be offered"),
        ("MX", "approve", 700, -1, "manual_review", "No amount may be offered"),
        ("MX", "whatever", 700, None, "manual_review", ""),
        ("MX", "pre_approve", 700, None, "manual_review", "pre_approved cannot follow risk_check"),
        ("IN", "pre_approve", 700, None, "pre_approved", ""),
        ("IN", "pre_approve", None, None, "manual_review", "Banking data missing"),
        ("IN", "pre_approve", 700, 0, "manual_review", "No amount may be offered"),
        ("IN", "approve", 700, None, "manual_review", "approved cannot follow pending"),
        ("CO", "approve", 700, None, "approved", ""),
        ("CO", "manual_review", 700, None, "manual_review", ""),
    ],
)
def test_a_decision_leads_where_it_says_or_to_an_officer(
    country: str, decision: str, score: int | None, most: int | None, status: str, doubt: str
) -> None:
    world = given(*submitted(country), *reported(score, country=country), country=country)
    command = DecideApplication(
        APPLICATION,
        5,
        decision,
        ("because",),
        "table",
        "2026-01-01",
        "abc",
        "row",
        {"a": "1"},
        most,
    )
    referred = ", referred" if status == "manual_review" else ""
    assert outcome(world, command) == f"decided {status}{referred}"
    there = world.application().decided
    reasons = ("because", doubt) if doubt else ("because",)
    assert there == Decided(
        status, decision, reasons, 1, "table", "2026-01-01", "abc", "row", {"a": "1"}, most
    )
    assert outcome(world, command) == "nothing_new"  # told twice


@pytest.mark.parametrize(
    ("country", "decision", "status"),
    [("MX", "approve", "manual_review"), ("IN", "pre_approve", "manual_review"),
     ("CO", "approve", "manual_review"), ("MX", "reject", "rejected")],
)  # fmt: skip
def test_who_the_bureau_does_not_confirm_is_granted_nothing_by_a_table(
    country: str, decision: str, status: str
) -> None:
    facts = [*submitted(country), *reported(700, country=country, is_verified=False)]
    world = given(*facts, country=country)
    outcome(world, DecideApplication(APPLICATION, 5, decision, ("because",)))
    there = world.application()
    assert there.status == status
    doubt = "The bureau does not confirm who it is"
    assert there.reasons == ("because", *([doubt] if status == "manual_review" else []))
    if status == "manual_review":
        assert outcome(world, COMMANDS["approve"]) == "reviewed approved"


def test_a_report_that_comes_late_is_decided_on_from_where_the_application_is() -> None:
    """In India nothing that waits for an officer is approved ahead of him."""
    for country, decision, expected in (
        ("MX", "approve", "decided approved"),
        ("MX", "reject", "decided rejected"),
        ("MX", "manual_review", "decided manual_review, referred"),
        ("IN", "pre_approve", "decided manual_review, referred"),
    ):
        review = [*given_up(country), *decided("manual_review", "manual_review")]
        world = given(*submitted(country), *review, country=country)
        assert outcome(world, COMMANDS["report"]) == "report_received, assessed manual_review"
        late = world.application().assessed
        stale = DecideApplication(APPLICATION, 5, "manual_review", ())
        assert outcome(world, stale) == "nothing_new"
        assert outcome(world, DecideApplication(APPLICATION, late, decision, ())) == expected


def test_where_a_country_has_no_way_to_an_officer_one_looks_at_it_where_it_is() -> None:
    table = {"pending": ("approved", "rejected")}
    world = given(*NEW, *of(ReportReceived(REPORT, 700, is_verified=True), assessment("CO", 700)))

    def decide(command: credit_applications.Command) -> list[Event]:
        found = credit_applications.decide(command, world.states.get, NOW, table)
        world.append(found)
        return [event for stream_id, event in found if stream_id == APPLICATION]

    events = decide(DecideApplication(APPLICATION, 5, "manual_review", ("a doubt",)))
    reasons = ("a doubt", "manual_review cannot follow pending")
    assert events == [Decided("pending", "manual_review", reasons, 1), Referred(reasons)]
    assert world.application().is_referred
    decide(ClaimApplication(APPLICATION, OFFICER, NOW + AN_HOUR))
    (reviewed,) = decide(ReviewApplication(APPLICATION, OFFICER, "approve"))
    assert reviewed == Reviewed("approved", OFFICER, approved_amount=1_000_00)
    world.check()


def test_of_a_country_that_is_no_longer_there_applications_stay_and_may_be_withdrawn() -> None:
    world = given(*NEW)

    def decide(command: credit_applications.Command) -> list[str]:
        found = credit_applications.decide(command, world.states.get, NOW, {})
        world.append(found)
        return [in_short(event) for stream_id, event in found if stream_id == APPLICATION]

    given_up_ = cast(GiveReportUp, COMMANDS["give up"])
    assert decide(given_up_) == ["report_unavailable", "assessed pending"]
    unknown = DecideApplication(APPLICATION, 5, "manual_review", ())
    assert decide(unknown) == ["decided pending", "referred"]
    for decision in ("approve", "reject"):
        with refused("invalid_transition", allowed=[]):
            decide(ReviewApplication(APPLICATION, OFFICER, decision, "a reason"))
    assert decide(WithdrawApplication(APPLICATION)) == ["withdrawn withdrawn"]
    world.check()

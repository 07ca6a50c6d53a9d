"""What partners who decide for us may say of applications, and what they may not."""

from __future__ import annotations

from application.countries import COUNTRIES
from domain import credit_applications
from domain.credit_applications import (
    STATUSES,
    DecideApplication,
    MoveApplication,
    Moved,
    RecordReport,
    Referred,
    ReportReceived,
    ReportRequested,
)
from tests.support.credit_situations import (
    AN_HOUR,
    COMMANDS,
    INDIAN,
    NEW,
    REVIEW,
    given,
    in_short,
    outcome,
)
from tests.support.credit_world import (
    APPLICATION,
    NEW_REPORT,
    REPORT,
    asked,
    claimed,
    closed,
    decided,
    of,
    other_wishes,
    reported,
    submitted,
)
from tests.support.given import NOW, refused


def test_a_partner_moves_an_application_along_the_countrys_table_and_nowhere_else() -> None:
    for code, country in COUNTRIES.items():
        for status, following in country.transitions.items():
            for target in (*STATUSES, "nowhere"):
                facts = [*submitted(code)]
                if status != "pending":
                    facts += of(Moved(status, "a partner"))
                    facts += [closed(status)] if status == "pre_approved" else []
                world = given(*facts, country=code)
                move = MoveApplication(APPLICATION, target, "a partner", "because")
                told = outcome(world, move)
                if target in following and target in ("approved", "pre_approved"):
                    assert told == "score_missing", (code, status, target)
                    world.append(of(ReportReceived(REPORT, 700)))
                    told = outcome(world, move)
                if target == status:
                    assert told == "nothing_new"
                elif target in following:
                    assert told.startswith(f"moved {target}"), (code, status, target)
                    assert ("referred" in told) == (target == "manual_review")
                else:
                    assert told == "invalid_transition", (code, status, target)


def test_a_partner_approves_of_nothing_that_the_bureau_has_not_scored() -> None:
    scored = [*NEW, *of(ReportReceived(REPORT, 0, is_verified=False))]
    asks_anew = of(other_wishes(asked()), ReportRequested(NEW_REPORT, "Buró", 2))
    for facts, told in (
        (scored, "moved approved"),  # who it is, a partner has seen for himself
        ([*NEW, *of(ReportReceived(REPORT))], "score_missing"),
        ([*scored, *asks_anew], "score_missing"),
        ([*scored, *asks_anew, *of(ReportReceived(NEW_REPORT, 700))], "moved approved"),
    ):
        assert outcome(given(*facts), COMMANDS["move"]) == told
    reject = MoveApplication(APPLICATION, "rejected", "a partner")
    assert outcome(given(*NEW), reject) == "moved rejected"


def test_a_partner_waits_for_the_officer_who_looks_at_it() -> None:
    world = given(*NEW, *reported(), *decided("manual_review", "manual_review"))
    world.append(claimed(AN_HOUR))
    for status in ("approved", "rejected"):
        move = MoveApplication(APPLICATION, status, "a partner")
        with refused("claimed_by_another", until=(NOW + AN_HOUR).isoformat()):
            world.submit(move)
    world.now = NOW + AN_HOUR  # it has lapsed
    assert outcome(world, COMMANDS["move"]) == "moved approved"


def test_what_a_partner_wants_looked_at_no_table_grants() -> None:
    doubtful = [Moved("risk_check", "a partner"), Moved("manual_review", "a partner")]
    for decision, told, doubts in (
        ("approve", "decided manual_review, referred", ("A partner has asked for a review",)),
        ("reject", "decided rejected", ()),
    ):
        world = given(*NEW, *of(*doubtful, Referred()))
        assert world.application().partner == "a partner"
        world.submit(COMMANDS["report"])
        late = world.application().assessed
        assert outcome(world, DecideApplication(APPLICATION, late, decision, ())) == told
        assert world.application().reasons == doubts
    indian = of(Moved("manual_review", "a partner"), Referred())
    world = given(*submitted("IN"), *indian, country="IN")
    world.submit(COMMANDS["report"])
    decide = DecideApplication(APPLICATION, world.application().assessed, "pre_approve", ())
    assert outcome(world, decide) == "decided manual_review, referred"
    assert world.application().reasons == ("A partner has asked for a review",)


def test_what_a_partner_wants_looked_at_stays_so_after_a_change_and_an_officer_may_grant_it() -> (
    None
):
    world = given(*NEW, *of(Moved("risk_check", "p"), Moved("manual_review", "p"), Referred()))
    world.submit(COMMANDS["change"])
    report_id = world.application().report_id
    assert report_id is not None
    world.submit(RecordReport(APPLICATION, ReportReceived(report_id, 700, 0, is_verified=True)))
    decide = DecideApplication(APPLICATION, world.application().assessed, "approve", ())
    assert outcome(world, decide) == "decided manual_review, referred"
    assert outcome(world, COMMANDS["approve"]) == "reviewed approved"


def test_a_partner_who_wants_no_review_leaves_it_to_the_table() -> None:
    world = given(*NEW, *of(Moved("risk_check", "a partner")), *reported())
    decide = DecideApplication(APPLICATION, world.application().assessed, "approve", ())
    assert outcome(world, decide) == "decided approved"


def test_a_refused_move_tells_from_where_to_where_and_what_would_be_allowed() -> None:
    allowed = ["risk_check", "approved", "rejected"]
    move = MoveApplication(APPLICATION, "manual_review", "a partner")
    details = {"from": "pending", "to": "manual_review", "allowed": allowed}
    with refused("invalid_transition", **details):
        given(*NEW).submit(move)


def test_what_was_decided_is_never_undecided_whatever_a_table_says() -> None:
    world = given(*INDIAN, country="IN")
    table = {"pre_approved": ("manual_review", "approved")}
    move = MoveApplication(APPLICATION, "manual_review", "a partner")
    with refused("invalid_transition", allowed=["approved"]):
        credit_applications.decide(move, world.states.get, NOW, table)


def test_what_a_partner_leaves_undecided_without_a_report_is_for_an_officer() -> None:
    table = {"pending": ("risk_check",), "manual_review": ("risk_check",)}
    world = given(*REVIEW)
    move = MoveApplication(APPLICATION, "risk_check", "a partner")
    found = credit_applications.decide(move, world.states.get, NOW, table)
    assert [in_short(event) for _, event in found] == ["moved risk_check", "referred"]

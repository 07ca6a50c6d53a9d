"""The applications read model against folds of the log: what becomes of them, and who waits for whom."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from statistics import quantiles
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from application.ledger import Ledger
from domain.accounts import OpenAccount
from domain.credit_applications import STATUSES, CreditApplication, WithdrawApplication
from domain.events import Recorded
from domain.transfers import PostTransfer
from projections.agreement import hold_against_log
from projections.applications import queries
from projections.applications.shown import ApplicationRow, FactsRow
from projections.applications.stats import ScoreBand, StatusCount, stats
from projections.catalogue import read_model
from projections.rebuild import Options, rebuild
from tests.conftest import Database
from tests.projections import lending
from tests.projections.histories import fold, recorded
from tests.projections.lending import (
    APPLICATIONS,
    OFFICER,
    OTHER_OFFICER,
    UNTIL,
    asked,
    asked_for,
    submit,
)
from tests.projections.running import (
    ask,
    ask_pages,
    caught_up,
    no_progress,
    project_all,
    projected,
    rows,
    running,
)
from tests.projections.worlds import World

MODEL = read_model("applications")
TABLES = ("application", "application_step", "assessment")
LONG_AFTER = datetime(2200, 1, 1, tzinfo=UTC)
DECIDED = ("approved", "pre_approved", "rejected")

Conn = psycopg.Connection[Any]


@pytest.fixture
def world(ledger: Ledger) -> World:
    return lender(ledger)


def lender(ledger: Ledger) -> World:
    """With money that the house can lend."""
    world = World(ledger)
    cash, lending_account = uuid4(), lending.LENDING
    world.do(
        OpenAccount(cash, "cash", "cash", "EUR"),
        OpenAccount(lending_account, "Lending EUR", "lending", "EUR"),
        PostTransfer(uuid4(), cash, lending_account, 1_000_000, "EUR"),
    )
    return world


def apply(world: World, way: str = "submitted", **changes: Any) -> UUID:
    """An application that has gone this way."""
    id_ = uuid4()
    of = {"applicant_id": uuid4(), "owner_id": world.owner, "account_id": world.account}
    world.do(submit(id_, asked(**(of | asked_for(way, id_) | changes))), *APPLICATIONS[way](id_))
    return id_


def everything(world: World) -> dict[str, UUID]:
    """One application for each way that there is."""
    return {way: apply(world, way) for way in APPLICATIONS}


def listed(url: str, size: int = 1_000, **filters: Any) -> list[ApplicationRow]:
    """Page after page, all of them full but the last."""
    pages = ask_pages(url, queries.applications, limit=size, **filters)
    assert all(len(page) == size for page in pages[:-1])
    return [row for page in pages for row in page]


def by_fold(log: list[Recorded]) -> dict[UUID, ApplicationRow]:
    """What the read model must hold, by the domain's own rules."""
    history: dict[UUID, list[tuple[Recorded, CreditApplication]]] = {}
    for event, state in fold(log):
        if isinstance(state, CreditApplication):
            history.setdefault(state.id, []).append((event, state))
    return {id_: _row(steps) for id_, steps in history.items()}


def _row(steps: list[tuple[Recorded, CreditApplication]]) -> ApplicationRow:
    first, (last, state) = steps[0][0], steps[-1]
    now, offer, said = state.asked, state.offer, state.decided
    report = state.report
    if report is not None and report.report_id != state.report_id:
        report = None
    name, hint = now.full_name, now.document_hint
    if state.is_erased:
        name = hint = "[erased]"
    waits = _since(steps)
    return ApplicationRow(
        state.id, state.country, state.status, state.owner_id, now.submitted_by, now.person_id,
        now.applicant_id, name, now.document_type, hint, now.currency,
        now.monthly_income, now.amount_requested, now.months, now.loan_type, state.account_id,
        state.report_id, state.round, state.is_waiting, state.is_referred, state.unavailable,
        report.credit_score if report else None, report.total_debt if report else None,
        report.bank_name if report else "", report.account_status if report else "",
        report.is_verified if report else False, said.decision if said else "",
        list(state.reasons), said.table if said else "", said.table_version if said else "",
        said.digest if said else "", said.row if said else "",
        said.max_approved_amount if said else None,
        next((e.recorded_at for e, s in steps if s.status in DECIDED), None),
        waits.recorded_at if waits else None, waits.position if waits else None,
        state.officer_id, state.claimed_until, state.approved_amount,
        offer.amount if offer else None, offer.annual_rate_bps if offer else None,
        offer.months if offer else None, offer.expires_at if offer else None, state.offer_status,
        state.attempts, state.loan_id,
        next((e.recorded_at for e, s in steps if s.loan_id is not None), None),
        first.recorded_at, last.recorded_at, state.version, first.position, last.position,
    )  # fmt: skip


def _since(steps: list[tuple[Recorded, CreditApplication]]) -> Recorded | None:
    """The event since which an officer is waited for without a break."""
    since = None
    for event, state in steps:
        is_his = state.is_referred or state.status in ("manual_review", "pre_approved")
        if state.is_waiting or not is_his:
            since = None
        elif since is None:
            since = event
    return since


def test_whatever_becomes_of_applications_they_are_as_the_domain_has_them(
    database: Database, world: World, conn: Conn
) -> None:
    with running(database.url):
        everything(world)
        caught_up(conn)
    log = recorded(conn)
    assert {e.topic for e in log} >= MODEL.topics - {"credit_application.disbursement_failed"}
    shown = {row.id: row for row in listed(database.url)}
    assert shown == by_fold(log)
    assert {v.name: v.differences for v in hold_against_log(conn) if v.differences} == {}
    assert {row.status for row in shown.values()} == {*STATUSES}
    live = {table: rows(conn, "applications", table) for table in TABLES}
    for parallel in (1, 2):
        parity = rebuild(
            database.url, "applications", no_progress, options=Options(parallel=parallel)
        ).parity
        assert parity is not None
        assert parity.is_equal
        assert {table: rows(conn, "applications", table) for table in TABLES} == live


@pytest.mark.parametrize("size", [1, 2, 7])
def test_batches_may_be_cut_anywhere(size: int, world: World, conn: Conn) -> None:
    everything(world)
    log = recorded(conn)
    for table in TABLES:
        assert projected(conn, MODEL, log, size, table) == projected(conn, MODEL, log, 9_999, table)


def test_an_application_shows_its_steps_in_order(database: Database, world: World) -> None:
    id_ = apply(world, "approved by an officer")
    project_all(database.url, "applications")
    found = ask(database.url, queries.application, id_)
    assert found is not None
    assert [(step.name, step.status) for step in found.steps] == [
        ("submitted", "pending"), ("documents_checked", "pending"), ("report_requested", "pending"),
        ("report_received", "pending"), ("assessed", "risk_check"), ("decided", "manual_review"),
        ("referred", "manual_review"), ("claimed", "manual_review"), ("reviewed", "approved"),
        ("offered", "approved"),
    ]  # fmt: skip
    assert [step.number for step in found.steps] == list(range(1, 11))
    assert {step.actor for step in found.steps} == {"somebody"}
    notes = {step.name: step.note for step in found.steps if step.note}
    assert notes == {
        "decided": "Banking data missing; No score", "referred": "Banking data missing; No score",
        "reviewed": "well known",
    }  # fmt: skip
    row = found.row
    assert (row.reasons, row.officer_id, row.claimed_until) == (["well known"], OFFICER, None)
    assert (row.version, row.position, row.updated_at) == (
        10, found.steps[-1].position, found.steps[-1].at,
    )  # fmt: skip
    assert row.decided_at == found.steps[8].at
    for seen in found.steps:
        later = [step for step in found.steps if step.position > seen.position]
        assert ask(database.url, queries.steps_after, id_, seen.position) == later


def test_the_score_is_that_of_the_report_that_was_asked_for_last(
    database: Database, world: World
) -> None:
    id_ = apply(world, "referred", person_id=None)
    world.do(lending.reported(apply(world), 640))
    world.do(lending.changed(id_, uuid4()))
    project_all(database.url, "applications")
    new, old = listed(database.url)
    assert (old.is_waiting, old.credit_score, old.bank_name) == (True, None, "")
    assert (old.document_type, old.amount_requested, old.round) == ("nie", 2_000, 2)
    assert old.reasons == ["Banking data missing", "No score"]
    assert (new.is_waiting, new.credit_score, new.bank_name) == (False, 640, "Banco Uno")


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_lists_are_newest_first_and_exact_on_multiples(
    size: int, database: Database, world: World
) -> None:
    ids = [apply(world, amount_requested=1_000 * n, owner_id=None) for n in range(1, 4)]
    ids.append(apply(world, "rejected", country="IT"))
    project_all(database.url, "applications")

    def found(**filters: Any) -> list[UUID]:
        return [row.id for row in listed(database.url, size, **filters)]

    assert found() == ids[::-1]
    assert found(country="ES") == ids[2::-1]
    assert found(country="ES", status="rejected") == found(status="approved") == []
    assert found(status="rejected") == found(owner_id=world.owner) == ids[3:]
    assert found(min_amount=2_000, max_amount=3_000) == [ids[3], ids[2], ids[1]]
    assert found(min_amount=3_001) == found(max_amount=999) == []
    rows_ = {row.id: row for row in listed(database.url)}
    second, third = rows_[ids[1]].submitted_at, rows_[ids[2]].submitted_at
    assert found(submitted_from=second) == [ids[3], ids[2], ids[1]]
    assert found(submitted_from=second, submitted_before=third) == [ids[1]]
    assert found(submitted_before=second) == [ids[0]]


def test_an_application_is_found_for_its_owner_only(database: Database, world: World) -> None:
    id_ = apply(world)
    project_all(database.url, "applications")
    assert ask(database.url, queries.application, id_, owner_id=world.owner) is not None
    assert ask(database.url, queries.application, id_, owner_id=uuid4()) is None
    assert ask(database.url, queries.application, uuid4()) is None


def test_erasure_hides_the_name_and_what_is_left_of_the_document(
    database: Database, world: World, conn: Conn
) -> None:
    person = uuid4()
    conn.execute("INSERT INTO person_keys VALUES (%s, 'a master key', '\\x00')", (person,))
    id_ = apply(world, "referred", person_id=person)
    project_all(database.url, "applications")

    def shown() -> tuple[str, str]:
        found = ask(database.url, queries.application, id_)
        assert found is not None
        assert listed(database.url) == [found.row]
        page = ask(database.url, queries.queue, now=LONG_AFTER, limit=1)
        assert page.rows == [found.row]
        return found.row.full_name, found.row.document_hint

    assert shown() == ("sealed:1:AAAA", "12*****8Z")
    conn.execute("DELETE FROM person_keys WHERE person_id = %s", (person,))
    assert shown() == ("[erased]", "[erased]")


def test_what_was_said_by_who_is_erased_is_not_shown(
    database: Database, world: World, conn: Conn
) -> None:
    person = uuid4()
    conn.execute("INSERT INTO person_keys VALUES (%s, 'a master key', '\\x00')", (person,))
    ids = [apply(world, person_id=person) for _ in range(3)]
    world.do(WithdrawApplication(ids[0], "I am ill"), WithdrawApplication(ids[1]))
    project_all(database.url, "applications")

    def shown() -> list[tuple[list[str], str]]:
        found = [ask(database.url, queries.application, id_) for id_ in ids]
        return [(each.row.reasons, each.steps[-1].note) for each in found if each is not None]

    assert shown() == [(["I am ill"], "I am ill"), ([], ""), ([], "")]
    conn.execute("DELETE FROM person_keys WHERE person_id = %s", (person,))
    assert shown() == [(["[erased]"], "[erased]"), ([], ""), ([], "")]
    assert ask(database.url, queries.steps_after, ids[0])[-1].note == "[erased]"


def test_a_persons_applications_are_found_whatever_the_read_model_has(
    database: Database, world: World, conn: Conn
) -> None:
    shown, left_out = apply(world), apply(world)
    apply(world, owner_id=uuid4(), account_id=None)
    project_all(database.url, "applications")
    new = apply(world)
    apply(world, owner_id=None)

    def found() -> set[UUID]:
        return set(ask(database.url, queries.ids_of_owner, world.owner))

    assert found() == {shown, left_out, new}
    conn.execute("DELETE FROM applications.application WHERE id = %s", (left_out,))
    assert found() == {shown, new}
    conn.execute(
        "INSERT INTO parked_keys (model, key, position, error) VALUES ('applications', %s, 1, 'no')",
        (left_out,),
    )
    assert found() == {shown, left_out, new}
    conn.execute("DELETE FROM checkpoints WHERE name = 'applications'")
    assert found() == {shown, left_out, new}


def test_the_queue_has_who_waits_longest_first_and_nothing_that_another_has_claimed(
    database: Database, world: World
) -> None:
    ways = everything(world)
    last = apply(world, "referred", country="IT")
    # Whoever comes back into review waits from then on.
    again = apply(world, "changed")
    first = ways["referred"]
    report = lending.reported(again, None, 2)
    world.do(report)
    project_all(database.url, "applications")
    rows_ = {row.id: row for row in listed(database.url)}
    now = rows_[again].updated_at

    def waiting(size: int = 100, **filters: Any) -> list[UUID]:
        found: list[ApplicationRow] = []
        after = None
        while True:
            page = ask(
                database.url, queries.queue, limit=size, after=after, **({"now": now} | filters)
            )
            found += page.rows
            after = page.next_before
            if after is None:
                return [row.id for row in found]
            assert len(page.rows) == size

    free = [
        first, ways["claimed long ago"], ways["released"], ways["referred by a partner"],
        ways["disclosed"], ways["pre-approved"], last, again,
    ]  # fmt: skip
    assert waiting() == waiting(1) == waiting(3) == waiting(len(free)) == free
    assert waiting(officer_id=OTHER_OFFICER) == free
    with_his = [*free[:1], ways["claimed"], *free[1:]]
    assert waiting(officer_id=OFFICER) == waiting(now=UNTIL) == with_his
    assert waiting(now=UNTIL - timedelta(seconds=1)) == free
    assert waiting(country="IT") == [last]
    assert waiting(1, country="IN") == [ways["pre-approved"]]
    elsewhere = (last, ways["pre-approved"])
    assert waiting(1, country="ES") == [id_ for id_ in free if id_ not in elsewhere]


def test_what_tables_have_decided_on_is_there_to_be_judged_again(
    database: Database, world: World
) -> None:
    ways = {way: apply(world, way) for way in ("approved", "submitted", "late report", "rejected")}
    changed = apply(world, "changed and approved", country="IT")
    reviewed = apply(world, "rejected by an officer", country="IT")
    project_all(database.url, "applications")
    found = ask(database.url, queries.facts, limit=100)
    assert [row.id for row in found] == [
        ways["approved"], ways["late report"], ways["rejected"], changed, reviewed,
    ]  # fmt: skip
    assert [(row.decision, row.credit_score, row.round) for row in found] == [
        ("approve", 700, 1), ("approve", 690, 1), ("reject", 400, 1), ("approve", 720, 2),
        ("manual_review", None, 1),
    ]  # fmt: skip
    assert found[2].reasons == ["Low score", "Debt"]
    new: FactsRow = found[3]
    assert (new.document_type, new.monthly_income, new.amount_requested, new.months) == (
        "nie", 190_000, 2_000, 6,
    )  # fmt: skip
    assert (new.loan_type, new.total_debt, new.currency, new.max_approved_amount) == (
        "personal", 50_00, "EUR", 2_500,
    )  # fmt: skip
    assert (new.table_name, new.table_version, new.row_id) == ("ES", "2026-01-01", "row-1")
    assert ask(database.url, queries.facts, limit=100, country="IT") == found[3:]
    assert ask(database.url, queries.facts, limit=2) == found[:2]
    after = found[1].first_position
    assert ask(database.url, queries.facts, limit=2, after=after) == found[2:4]


def test_an_assessment_that_is_not_decided_is_not_to_be_judged_again(
    database: Database, world: World
) -> None:
    id_ = apply(world, "changed")
    project_all(database.url, "applications")
    (before,) = ask(database.url, queries.facts, limit=9)
    assert (before.amount_requested, before.decision) == (3_000, "manual_review")
    world.do(lending.reported(id_, 700, 2))
    apply(world, "assessed")
    project_all(database.url, "applications")
    assert ask(database.url, queries.facts, limit=9) == []


def test_figures_are_those_of_the_applications(database: Database, world: World) -> None:
    everything(world)
    for score in (599, 600, 649, 650):
        world.do(lending.reported(apply(world, country="IT"), score))
    project_all(database.url, "applications")
    spanish, indian, italian = ask(database.url, stats)
    assert (spanish.country, italian.country, italian.currency) == ("ES", "IT", "EUR")
    assert (indian.country, indian.currency, indian.approved) == ("IN", "INR", 2)
    assert (italian.applications, italian.amount_requested, italian.decided) == (4, 12_000, 0)
    assert italian.statuses == [StatusCount("risk_check", 4, 12_000)]
    assert italian.scores == [ScoreBand(550, 1), ScoreBand(600, 2), ScoreBand(650, 1)]
    assert (italian.approval_rate, italian.p50_s, italian.p95_s) == (None, None, None)

    rows_ = listed(database.url, country="ES")
    counts = Counter(row.status for row in rows_)
    assert {s.status: s.applications for s in spanish.statuses} == counts
    assert spanish.applications == len(rows_)
    assert spanish.amount_requested == sum(row.amount_requested for row in rows_)
    assert sum(s.amount_requested for s in spanish.statuses) == spanish.amount_requested
    assert (spanish.approved, spanish.rejected) == (counts["approved"], counts["rejected"])
    share = counts["approved"] / (counts["approved"] + counts["rejected"])
    assert spanish.approval_rate == pytest.approx(share)
    bands = Counter(
        row.credit_score // 50 * 50 for row in rows_ if row.credit_score is not None
    )  # fmt: skip
    assert {band.from_score: band.applications for band in spanish.scores} == bands
    assert spanish.without_score == sum(row.credit_score is None for row in rows_)
    took = sorted(
        (row.decided_at - row.submitted_at).total_seconds() for row in rows_ if row.decided_at
    )  # fmt: skip
    assert spanish.decided == len(took)
    p50 = quantiles(took, n=100, method="inclusive")[49]
    p95 = quantiles(took, n=100, method="inclusive")[94]
    assert spanish.p50_s == pytest.approx(p50)
    assert spanish.p95_s == pytest.approx(p95)


def test_what_all_ask_for_together_is_exact_whatever_it_is(
    database: Database, world: World
) -> None:
    """More than the database has whole numbers for, and than a float tells apart."""
    for amount in (9 * 10**18, 9 * 10**18, 1):
        apply(world, country="IT", amount_requested=amount)
    project_all(database.url, "applications")
    (italian,) = ask(database.url, stats)
    assert italian.amount_requested == 18 * 10**18 + 1
    assert type(italian.amount_requested) is int
    assert italian.statuses == [StatusCount("pending", 3, 18 * 10**18 + 1)]


def test_figures_of_a_time_are_of_what_was_submitted_in_it(
    database: Database, world: World
) -> None:
    for country in ("ES", "IT", "ES"):
        apply(world, country=country)
    project_all(database.url, "applications")
    third, second, first = (row.submitted_at for row in listed(database.url))

    def found(**asked_: Any) -> dict[str, int]:
        return {one.country: one.applications for one in ask(database.url, stats, **asked_)}

    assert found() == found(since=first) == {"ES": 2, "IT": 1}
    assert found(since=second) == {"ES": 1, "IT": 1}
    assert found(until=third) == {"ES": 1, "IT": 1}
    assert found(since=second, until=third) == {"IT": 1}
    assert found(country="ES", since=second) == {"ES": 1}
    assert found(country="PT") == found(until=first) == {}

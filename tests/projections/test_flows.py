"""The flows read model against folds of the log: investments, deposits and withdrawals, step by step."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID, uuid4

import psycopg
import pytest

from application.ledger import Ledger
from domain.accounts import ChangeAccountStatus
from domain.bank_transfers import BankTransfer, RequestBankTransfer, RetryBankTransfer
from domain.bank_transfers import Requested as TransferRequested
from domain.events import Recorded
from domain.house import house_account
from domain.investments import Investment
from domain.investments import Requested as InvestmentRequested
from domain.movements import Movement, SendMovement
from projections.catalogue import read_model
from projections.flows import queries
from projections.flows.projection import key_of
from projections.flows.queries import FlowRow, Kind, LegRow, LegState
from projections.rebuild import Options, rebuild
from tests.conftest import Database
from tests.projections.flowing import (
    BANK_TRANSFERS,
    INVESTMENTS,
    completed,
    movement_of,
    refunded,
    stranded,
    withdrawn,
)
from tests.projections.histories import busy_history, fold, recorded, write
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

FLOWS = read_model("flows")
TABLES = ("flow", "flow_step", "leg")
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
FINISHED = ("completed", "failed", "returned")

Conn = psycopg.Connection[Any]


@pytest.fixture
def world(ledger: Ledger) -> World:
    return World(ledger)


def listed(url: str, kind: Kind, size: int = 1_000, **filters: Any) -> list[FlowRow]:
    """Page after page, all of them full but the last."""
    pages = ask_pages(url, queries.list_flows, kind, limit=size, **filters)
    assert all(len(page) == size for page in pages[:-1])
    return [row for page in pages for row in page]


def flows_by_fold(events: list[Recorded]) -> dict[UUID, FlowRow]:
    """What the read model must hold, by the domain's own rules."""
    firsts: dict[UUID, Recorded] = {}
    lasts: dict[UUID, Recorded] = {}
    turned: dict[UUID, Recorded] = {}
    states: dict[UUID, Investment | BankTransfer] = {}
    for event, state in fold(events):
        if event.topic in FLOWS.topics:
            lasts[key_of(event)] = event
        if isinstance(state, Investment | BankTransfer):
            firsts.setdefault(state.id, event)
            before = states.get(state.id)
            if before is None or before.status != state.status:
                turned[state.id] = event
            states[state.id] = state
    return {id_: _row(state, firsts[id_], lasts[id_], turned[id_]) for id_, state in states.items()}


def _row(
    state: Investment | BankTransfer, first: Recorded, last: Recorded, turned: Recorded
) -> FlowRow:
    r = state.requested
    kind: Any = "investment" if isinstance(r, InvestmentRequested) else r.kind
    assert isinstance(r, InvestmentRequested | TransferRequested)
    return FlowRow(
        state.id, kind, state.status, state.place, state.clearing * r.amount,
        r.investor_account_id if isinstance(r, InvestmentRequested) else r.account_id,
        r.fund_id if isinstance(r, InvestmentRequested) else None,
        r.fund_account_id if isinstance(r, InvestmentRequested) else None,
        r.owner_id, r.currency, r.amount,
        _hint(r), "" if isinstance(r, InvestmentRequested) else r.reference, state.step, state.reason,
        first.recorded_at, last.recorded_at,
        turned.recorded_at if state.status in FINISHED else None, state.version, first.position,
        last.position,
    )  # fmt: skip


def _hint(r: InvestmentRequested | TransferRequested) -> str:
    """Nobody in these histories has a key."""
    if isinstance(r, InvestmentRequested):
        return ""
    return r.bank_account_hint if r.person_id is None else "[erased]"


def test_every_flow_is_there_live_and_rebuilt(
    database: Database, ledger: Ledger, conn: Conn
) -> None:
    with running(database.url):
        busy_history(ledger)
        caught_up(conn, "flows")
    by_fold = flows_by_fold(recorded(conn))
    assert {(row.kind, row.status) for row in by_fold.values()} >= {
        ("investment", "completed"), ("investment", "failed"), ("investment", "needs_operator"),
        ("deposit", "completed"), ("withdrawal", "completed"), ("deposit", "failed"),
    }  # fmt: skip
    shown = {row.id: row for kind in get_args(Kind) for row in listed(database.url, kind)}
    assert shown == by_fold
    live = {table: rows(conn, "flows", table) for table in TABLES}
    project_all(database.url, "flows")
    assert {table: rows(conn, "flows", table) for table in TABLES} == live


@pytest.mark.parametrize("parallel", [1, 2])
def test_a_rebuild_in_parts_comes_to_the_same(
    parallel: int, database: Database, ledger: Ledger, conn: Conn
) -> None:
    with running(database.url):
        busy_history(ledger)
        caught_up(conn, "flows", "funds")
    live = [*(rows(conn, "flows", table) for table in TABLES), rows(conn, "funds", "allocation")]
    for name in ("flows", "funds"):
        parity = rebuild(database.url, name, no_progress, options=Options(parallel=parallel)).parity
        assert parity is not None
        assert parity.is_equal
    assert [
        *(rows(conn, "flows", table) for table in TABLES), rows(conn, "funds", "allocation"),
    ] == live  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 7])
def test_batches_may_be_cut_anywhere(size: int, ledger: Ledger, conn: Conn) -> None:
    busy_history(ledger, transfers=120)
    log = recorded(conn)
    for table in TABLES:
        assert projected(conn, FLOWS, log, size, table) == projected(conn, FLOWS, log, 9_999, table)


def names(url: str, kind: Kind, id_: UUID) -> list[str]:
    found = ask(url, queries.flow, kind, id_)
    assert found is not None
    return [step.name for step in found.steps]


BEGUN = ["requested", "criteria_checked", "seat_reserved"]
WITHDRAWN = [
    *BEGUN, "source_held", "withdrawal_instructed", "withdrawal_sent", "withdrawal_accepted",
    "withdrawn", "deposit_instructed",
]  # fmt: skip


def test_an_investment_shows_its_steps_in_order(database: Database, world: World) -> None:
    id_ = world.invest()
    world.do(*completed(id_))
    project_all(database.url, "flows")
    assert names(database.url, "investment", id_) == [
        *WITHDRAWN, "deposit_sent", "deposit_accepted", "deposited", "allocation_taken", "completed",
    ]  # fmt: skip
    found = ask(database.url, queries.flow, "investment", id_)
    assert found is not None
    assert (found.row.status, found.row.state) == ("completed", "Deposit Completed")
    assert (found.row.place, found.row.clearing) == ("fund", 0)
    assert found.row.finished_at == found.steps[-1].at
    assert found.row.position == found.steps[-1].position
    positions = [step.position for step in found.steps]
    assert positions == sorted(positions)


def test_both_legs_have_a_history_of_their_own(database: Database, world: World) -> None:
    id_ = world.invest(700)
    world.do(*completed(id_))
    project_all(database.url, "flows")
    found = ask(database.url, queries.flow, "investment", id_)
    assert found is not None
    withdrawal, deposit = found.legs
    asked = found.row
    for leg, kind, direction, account in (
        (withdrawal, "withdrawal", "in", asked.account_id),
        (deposit, "deposit", "out", asked.fund_account_id),
    ):
        assert (leg.kind, leg.direction, leg.account) == (kind, direction, str(account))
        assert (leg.amount, leg.currency, leg.flow_id) == (700, "EUR", id_)
        assert (leg.status, leg.state, leg.bank_reference, leg.sequence) == (
            "completed", "COMPLETED", "bank 2", 2,
        )  # fmt: skip
        moments = {moment.name: moment.at for moment in leg.history}
        assert list(moments) == ["instructed", "sent", "accepted", "settled"]
        assert moments == {
            "instructed": leg.instructed_at, "sent": leg.sent_at, "accepted": leg.accepted_at,
            "settled": leg.settled_at,
        }  # fmt: skip
        assert leg.ended_at == leg.settled_at
    assert withdrawal.settled_at is not None
    assert withdrawal.settled_at <= deposit.instructed_at


def test_what_is_undone_says_what_failed_and_why(database: Database, world: World) -> None:
    id_ = world.invest()
    world.do(*refunded(id_))
    project_all(database.url, "flows")
    assert names(database.url, "investment", id_) == [
        *WITHDRAWN, "deposit_sent", "undoing", "refund_instructed", "refund_sent", "refunded",
        "seat_released", "failed",
    ]  # fmt: skip
    found = ask(database.url, queries.flow, "investment", id_)
    assert found is not None
    assert (found.row.status, found.row.step, found.row.reason, found.row.place) == (
        "failed", "deposit", "account_closed", "returned",
    )  # fmt: skip
    assert found.steps[-1].details == {
        "step": "deposit", "reason": "account_closed", "place": "returned",
    }  # fmt: skip
    assert [leg.state for leg in found.legs] == ["COMPLETED", "FAILED", "COMPLETED"]
    assert found.legs[1].reason == "account_closed"
    assert found.legs[1].history[-1].reason == "account_closed"


def test_what_waits_for_an_operator_has_not_finished(database: Database, world: World) -> None:
    id_ = world.invest()
    world.do(*stranded(id_))
    project_all(database.url, "flows")
    assert names(database.url, "investment", id_)[-2:] == ["set_aside", "needs_operator"]
    (row,) = listed(database.url, "investment", status="needs_operator")
    assert (row.state, row.step, row.place, row.clearing, row.finished_at) == (
        "Needs Operator", "refund", "suspense", 0, None,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["deposit", "withdrawal"])
def test_a_bank_transfer_shows_its_steps_in_order(
    kind: Kind, database: Database, world: World
) -> None:
    id_ = world.bank_transfer(kind)
    world.do(*BANK_TRANSFERS["booked"](id_))
    project_all(database.url, "flows")
    held = ["source_held"] if kind == "withdrawal" else []
    found = [n for n in names(database.url, kind, id_) if n != "booked"]
    assert found == ["requested", *held, "instructed", "sent", "accepted", "completed"]
    whole = ask(database.url, queries.flow, kind, id_)
    assert whole is not None
    assert (whole.row.state, whole.row.place, whole.row.clearing) == ("Completed", "booked", 0)
    assert [leg.kind for leg in whole.legs] == ["collection" if kind == "deposit" else "payout"]


STATES: dict[str, LegState] = {
    "initiated": "INITIATED", "sent": "INITIATED", "pending": "PENDING", "completed": "COMPLETED",
    "failed": "FAILED", "cancelled": "FAILED", "returned": "RETURNED",
}  # fmt: skip


def test_whatever_becomes_of_flows_they_and_their_legs_are_as_the_domain_has_them(
    database: Database, world: World, conn: Conn
) -> None:
    for way in INVESTMENTS.values():
        id_ = world.invest()
        write(world.ledger, way(id_))
    for kind in ("deposit", "withdrawal"):
        for way in BANK_TRANSFERS.values():
            id_ = world.bank_transfer(kind)
            write(world.ledger, way(id_))
    id_ = world.bank_transfer("deposit")
    sent, *moved = BANK_TRANSFERS["booked"](id_)
    world.do(
        sent, ChangeAccountStatus(world.account, "inactive"), *moved,
        ChangeAccountStatus(world.account, "active"), RetryBankTransfer(id_),
    )  # fmt: skip
    project_all(database.url, "flows")
    log = recorded(conn)
    assert {event.topic for event in log} >= FLOWS.topics
    shown = {row.id: row for kind in get_args(Kind) for row in listed(database.url, kind)}
    assert shown == flows_by_fold(log)
    by_fold: dict[UUID, Movement] = {}
    happened: Counter[UUID] = Counter()
    for event, state in fold(log):
        if isinstance(state, Movement):
            by_fold[state.id] = state
            happened[event.stream_id] += 1
    found = everything(database.url)
    assert {leg.id: _of(leg) for leg in found} == {
        id_: (
            m.instructed.flow_id, m.instructed.flow, m.instructed.kind, m.instructed.amount,
            m.status, STATES[m.status], m.bank_reference, m.reason, m.sequence, m.version,
        )
        for id_, m in by_fold.items()
    }  # fmt: skip
    assert {leg.id: len(leg.history) for leg in found} == happened
    assert {leg.status for leg in found} == set(STATES)


def _of(leg: LegRow) -> tuple[object, ...]:
    return (
        leg.flow_id, leg.flow_kind, leg.kind, leg.amount, leg.status, leg.state, leg.bank_reference,
        leg.reason, leg.sequence, leg.version,
    )  # fmt: skip


def everything(url: str) -> list[LegRow]:
    return ask(url, queries.movements_between, "EUR", LONG_AGO, LONG_AGO + timedelta(days=99_999))


def test_movements_between_two_times_begin_with_the_first_and_end_before_the_last(
    database: Database, world: World
) -> None:
    for _ in range(3):
        world.bank_transfer("deposit")
    project_all(database.url, "flows")
    first, second, third = everything(database.url)
    assert first.instructed_at < second.instructed_at < third.instructed_at

    def between(since: datetime, until: datetime, currency: str = "EUR") -> list[LegRow]:
        return ask(database.url, queries.movements_between, currency, since, until)

    assert between(first.instructed_at, third.instructed_at) == [first, second]
    after = first.instructed_at + timedelta(microseconds=1)
    assert between(after, third.instructed_at) == [second]
    assert between(first.instructed_at, third.instructed_at, "JPY") == []


def test_steps_after_a_position_are_those_that_were_not_seen(
    database: Database, world: World
) -> None:
    id_ = world.invest()
    world.do(*withdrawn(id_))
    project_all(database.url, "flows")
    every = ask(database.url, queries.steps_after, id_, 0)
    assert [step.name for step in every] == WITHDRAWN
    for seen in every:
        later = [step for step in every if step.position > seen.position]
        assert ask(database.url, queries.steps_after, id_, seen.position) == later
    assert ask(database.url, queries.steps_after, uuid4(), 0) == []


def test_open_flows_are_counted_and_what_is_in_clearing_is_told(
    database: Database, world: World, conn: Conn
) -> None:
    for amount in (100, 250):
        world.do(*withdrawn(world.invest(amount)))
    world.do(*completed(world.invest(400)))
    world.bank_transfer("deposit", 70)
    project_all(database.url, "flows", "balances")
    found = [
        (o.kind, o.status, o.currency, o.flows, o.amount)
        for o in ask(database.url, queries.open_flows)
    ]
    assert found == [
        ("deposit", "pending", "EUR", 1, 70), ("investment", "deposit_pending", "EUR", 2, 350),
    ]  # fmt: skip
    (clearing,) = ask(database.url, queries.clearing)
    assert (clearing.currency, clearing.flows, clearing.amount) == ("EUR", 2, 350)
    assert balance_of_clearing(conn) == 350


def test_flows_may_be_more_together_than_one_can_be(database: Database, world: World) -> None:
    for _ in range(2):
        world.bank_transfer("deposit", 5 * 10**18)
    project_all(database.url, "flows")
    (found,) = ask(database.url, queries.open_flows)
    assert (found.flows, found.amount) == (2, 10**19)
    assert type(found.amount) is int


def test_what_clearing_holds_for_flows_is_its_balance_whatever_happens(
    database: Database, ledger: Ledger, conn: Conn
) -> None:
    busy_history(ledger)
    project_all(database.url, "flows", "balances")
    found = {c.currency: c.amount for c in ask(database.url, queries.clearing)}
    assert found.get("EUR", 0) == balance_of_clearing(conn)


def balance_of_clearing(conn: Conn) -> int:
    row = conn.execute(
        "SELECT balance FROM balances.account WHERE id = %s", (house_account("clearing", "EUR"),)
    ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_lists_are_newest_first_and_exact_on_multiples(
    size: int, database: Database, world: World
) -> None:
    ids = [world.invest() for _ in range(4)]
    world.do(*completed(ids[1]))
    world.bank_transfer("deposit")
    project_all(database.url, "flows")

    def found(kind: Kind = "investment", **filters: Any) -> list[UUID]:
        return [row.id for row in listed(database.url, kind, size, **filters)]

    assert found() == ids[::-1]
    assert found(status="completed") == ids[1:2]
    assert found(owner_id=world.owner) == found(account_id=world.account) == ids[::-1]
    assert found(fund_id=world.fund, owner_id=world.owner) == ids[::-1]
    assert found(owner_id=uuid4()) == found(account_id=uuid4()) == found(fund_id=uuid4()) == []
    assert len(found("deposit")) == 1
    assert found("withdrawal") == []


def test_a_flow_is_found_by_its_kind_and_for_its_owner_only(
    database: Database, world: World
) -> None:
    id_ = world.invest()
    project_all(database.url, "flows")
    assert ask(database.url, queries.flow, "investment", id_, owner_id=world.owner) is not None
    assert ask(database.url, queries.flow, "investment", id_, owner_id=uuid4()) is None
    assert ask(database.url, queries.flow, "deposit", id_) is None
    assert ask(database.url, queries.flow, "investment", uuid4()) is None


def test_erasure_hides_the_account_at_the_other_bank(
    database: Database, world: World, conn: Conn
) -> None:
    id_, person = uuid4(), uuid4()
    conn.execute("INSERT INTO person_keys VALUES (%s, 'a master key', '\\x00')", (person,))
    world.do(
        RequestBankTransfer(
            id_, "deposit", world.account, "EUR", 100, "sealed:1:AAAA", "**3000", person
        ),
        SendMovement(movement_of(id_)),
    )
    project_all(database.url, "flows")

    def shown() -> tuple[str, str]:
        found = ask(database.url, queries.flow, "deposit", id_)
        assert found is not None
        (leg,) = found.legs
        assert everything(database.url) == [leg]
        (row,) = listed(database.url, "deposit")
        assert row == found.row
        return row.bank_account_hint, leg.account

    assert shown() == ("**3000", "sealed:1:AAAA")
    conn.execute("DELETE FROM person_keys WHERE person_id = %s", (person,))
    assert shown() == ("[erased]", "[erased]")


def test_all_events_about_a_flow_have_its_id_as_their_key(world: World, conn: Conn) -> None:
    id_ = world.invest()
    world.do(*stranded(id_))
    other = world.bank_transfer("withdrawal")
    world.do(*BANK_TRANSFERS["returned"](other))
    found = {key_of(event) for event in recorded(conn) if event.topic in FLOWS.topics}
    assert found == {id_, other}

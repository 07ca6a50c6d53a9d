"""The funds read model against folds of the log: seats, terms, and what each investment has of a fund."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from application.ledger import Ledger
from domain.events import Event, Recorded
from domain.funds import (
    AllocationTaken,
    ChangeFundStatus,
    ChangeTerms,
    Fund,
    Opened,
    OpenFund,
    SeatReleased,
    SeatReserved,
    StatusChanged,
    TermsChanged,
)
from domain.investments import Requested
from projections.catalogue import read_model
from projections.funds import queries
from projections.funds.projection import key_of
from projections.funds.queries import AllocationRow, FundRow
from tests.conftest import Database
from tests.projections.flowing import INVESTMENTS, completed, refunded, withdrawn
from tests.projections.histories import busy_history, fold, log_of, recorded, write
from tests.projections.running import (
    ask,
    ask_pages,
    caught_up,
    project_all,
    projected,
    rows,
    running,
)
from tests.projections.worlds import World

FUNDS = read_model("funds")
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)

Conn = psycopg.Connection[Any]


@pytest.fixture
def world(ledger: Ledger) -> World:
    return World(ledger, seats=10)


def funds_by_fold(events: list[Recorded]) -> dict[UUID, FundRow]:
    """What the read model must hold, by the domain's own rules."""
    firsts: dict[UUID, Recorded] = {}
    found: dict[UUID, FundRow] = {}
    for event, f in fold(events):
        if not isinstance(f, Fund):
            continue
        first = firsts.setdefault(f.id, event)
        found[f.id] = FundRow(
            f.id, f.opened.name, f.opened.currency, f.opened.account_id, f.opened.manager_id,
            f.status, f.minimum_investment, f.maximum_investment, f.seats, f.reserved, f.taken,
            f.reserved_amount, f.taken_amount, f.opens_at, f.closes_at, first.recorded_at,
            event.recorded_at, f.version, first.position, event.position,
        )  # fmt: skip
    return found


def allocations_of(
    url: str, fund_id: UUID, size: int = 1_000, **filters: Any
) -> list[AllocationRow]:
    """Page after page, all of them full but the last."""
    pages = ask_pages(url, queries.allocations, fund_id, limit=size, **filters)
    assert all(len(page) == size for page in pages[:-1])
    return [row for page in pages for row in page]


def test_every_fund_is_there_live_and_rebuilt(
    database: Database, ledger: Ledger, conn: Conn
) -> None:
    with running(database.url):
        busy_history(ledger)
        caught_up(conn, "funds")
    by_fold = funds_by_fold(recorded(conn))
    assert any(row.reserved and row.taken for row in by_fold.values())
    assert {row.id: row for row in ask(database.url, queries.list_funds, limit=99).rows} == by_fold
    for id_, row in by_fold.items():
        assert ask(database.url, queries.fund, id_) == row
        held = allocations_of(database.url, id_)
        for status, seats, amount in (
            ("reserved", row.reserved, row.reserved_amount),
            ("taken", row.taken, row.taken_amount),
        ):
            amounts = [a.amount for a in held if a.status == status]
            assert (len(amounts), sum(amounts)) == (seats, amount)
    assert ask(database.url, queries.fund, uuid4()) is None
    live = [rows(conn, "funds", table) for table in ("fund", "allocation")]
    project_all(database.url, "funds")
    assert [rows(conn, "funds", table) for table in ("fund", "allocation")] == live


def test_seats_left_are_what_the_fund_itself_says(
    database: Database, world: World, conn: Conn
) -> None:
    for way in (completed, refunded, withdrawn):
        write(world.ledger, way(world.invest()))
    world.do(ChangeTerms(world.fund, seats=20))
    project_all(database.url, "funds")
    row = ask(database.url, queries.fund, world.fund)
    assert row is not None
    assert (row.seats, row.reserved, row.taken, row.seats_left) == (20, 1, 1, 18)
    world.invest()
    last = recorded(conn)[-1].data
    assert isinstance(last, SeatReserved)
    project_all(database.url, "funds")
    row = ask(database.url, queries.fund, world.fund)
    assert row is not None
    assert row.seats_left == last.seats_left


def test_an_allocation_shows_who_has_it_and_what_became_of_it(
    database: Database, world: World
) -> None:
    reserved, taken, released = (world.invest(amount) for amount in (100, 200, 300))
    world.do(*completed(taken), *refunded(released))
    project_all(database.url, "funds")
    found = {row.investment_id: row for row in allocations_of(database.url, world.fund)}
    assert {id_: (row.status, row.amount) for id_, row in found.items()} == {
        reserved: ("reserved", 100), taken: ("taken", 200), released: ("released", 300),
    }  # fmt: skip
    for row in found.values():
        assert (row.fund_id, row.account_id, row.owner_id, row.currency) == (
            world.fund, world.account, world.owner, "EUR",
        )  # fmt: skip
        assert row.reserved_at is not None
    assert (found[reserved].taken_at, found[reserved].released_at) == (None, None)
    assert found[taken].taken_at is not None
    assert found[taken].released_at is None
    assert found[released].taken_at is None
    assert found[released].released_at is not None


def test_a_seat_that_was_taken_and_went_back_is_free(database: Database, world: World) -> None:
    id_ = world.invest()
    world.do(*INVESTMENTS["deposit returned"](id_))
    project_all(database.url, "funds")
    (row,) = allocations_of(database.url, world.fund)
    assert row.status == "released"
    assert row.taken_at is not None
    fund = ask(database.url, queries.fund, world.fund)
    assert fund is not None
    assert (fund.seats_left, fund.taken_amount) == (10, 0)


@pytest.mark.parametrize("size", [1, 2, 3, 1_000])
def test_batches_may_be_cut_anywhere(size: int, conn: Conn) -> None:
    fund, other, one, two = (uuid4() for _ in range(4))
    account, owner = uuid4(), uuid4()
    happened: list[tuple[UUID, Event]] = [
        (fund, Opened("Forests", "EUR", account, 100, 0, 5, NOON, None, owner)),
        (one, Requested(account, fund, account, "EUR", 100, owner)),
        (fund, SeatReserved(one, 100, 4)),
        (other, Opened("Rivers", "JPY", account, 1, 900, 7)),
        (fund, TermsChanged(50, 700, 9)),
        (two, Requested(account, fund, account, "EUR", 250)),
        (fund, SeatReserved(two, 250, 7)),
        (fund, AllocationTaken(one, 100)),
        (fund, StatusChanged("suspended", "open", "full")),
        (fund, SeatReleased(two, 250, 8)),
        (fund, SeatReleased(one, 100, 9, was_taken=True)),
        (other, TermsChanged(1, 0, 8, NOON, NOON)),
    ]
    for end in range(1, len(happened) + 1):
        log = log_of(*happened[:end])
        found = projected(conn, FUNDS, log, size)
        assert {row[0]: FundRow(*row) for row in found} == funds_by_fold(log)
    held = projected(conn, FUNDS, log, size, "allocation")
    times = {event.position: event.recorded_at for event in log}
    assert {row[0]: row[1:] for row in held} == {
        one: (fund, account, owner, 100, "released", times[3], times[8], times[11], 2, 11),
        two: (fund, account, None, 250, "released", times[7], None, times[10], 6, 10),
    }


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6, 7])
def test_lists_are_newest_first_and_exact_on_multiples(
    size: int, database: Database, world: World
) -> None:
    others = [uuid4() for _ in range(2)]
    world.do(
        *(OpenFund(id_, "Rivers", "EUR", world.fund_account, 10, 0, 5) for id_ in others),
        ChangeFundStatus(others[0], "closed"),
    )
    ids = [world.invest() for _ in range(6)]
    world.do(*completed(ids[2]))
    project_all(database.url, "funds")

    def held(fund_id: UUID = world.fund, **filters: Any) -> list[UUID]:
        return [row.investment_id for row in allocations_of(database.url, fund_id, size, **filters)]

    assert held() == ids[::-1]
    assert held(status="taken") == [ids[2]]
    assert held(others[1]) == []

    def found(**filters: Any) -> list[UUID]:
        return [r.id for r in ask(database.url, queries.list_funds, limit=9, **filters).rows]

    assert found() == [*others[::-1], world.fund]
    assert found(status="closed") == others[:1]
    assert found(currency="EUR", status="open") == [others[1], world.fund]
    assert found(currency="JPY") == []
    first = ask(database.url, queries.list_funds, limit=2)
    assert [row.id for row in first.rows] == others[::-1]
    last = ask(database.url, queries.list_funds, limit=2, before=first.next_before)
    assert ([row.id for row in last.rows], last.next_before) == ([world.fund], None)


def test_all_events_about_a_fund_have_its_id_as_their_key(world: World, conn: Conn) -> None:
    world.do(*refunded(world.invest()))
    own = [event for event in recorded(conn) if event.topic in FUNDS.topics]
    assert {key_of(event) for event in own} == {world.fund}
    assert {event.topic for event in own} >= {"investment.requested", "fund.seat_released"}

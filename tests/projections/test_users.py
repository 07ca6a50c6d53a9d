"""The users read model against folds of the log, its lists, its counts, and that it says nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from random import Random
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from application.ledger import Ledger
from application.ledger.outcomes import Command
from domain.events import Event, Recorded
from domain.users import (
    ROLES,
    Activated,
    ApiKeyIssued,
    ApiKeyRevoked,
    ChangeUserStatus,
    Deleted,
    Disclosed,
    EmailChanged,
    EmailVerified,
    Erased,
    EraseUser,
    PasswordChanged,
    ProfileChanged,
    Registered,
    RegisterUser,
    RoleChanged,
    Suspended,
    User,
)
from projections import schemas
from projections.catalogue import read_model
from projections.paging import Place, Sort
from projections.users import queries
from projections.users.queries import SORT_COLUMNS, Filters, Statistics, UserRow
from tests.conftest import Database, MakeDatabase
from tests.projections.histories import busy_history, fold, log_of, recorded, write
from tests.projections.people import People, sealed
from tests.projections.running import ask, caught_up, project_all, projected, rows, running

USERS = read_model("users")
ID, BY = UUID(int=7), UUID(int=8)

Conn = psycopg.Connection[Any]


def users_by_fold(events: list[Recorded]) -> dict[UUID, UserRow]:
    """What the read model must hold, by the domain's own rules."""
    found: dict[UUID, UserRow] = {}
    for event, state in fold(events):
        if isinstance(state, User):
            first = found.get(state.id)
            found[state.id] = UserRow(
                state.id, state.email, state.full_name, state.role, state.status, state.verified,
                state.registered_by, first.registered_at if first else event.recorded_at,
                event.recorded_at, state.version, first.first_position if first else event.position,
                event.position,
            )  # fmt: skip
    return found


REGISTERED = Registered("sealed:1:a", "sealed:1:b", "support", BY)

CHANGES: list[tuple[Event, dict[str, object]]] = [
    (ProfileChanged("sealed:1:c"), {"full_name": "sealed:1:c"}),
    (EmailChanged("sealed:1:d"), {"email": "sealed:1:d", "verified": False}),
    (EmailVerified(), {"verified": True}),
    (PasswordChanged(), {}),
    (RoleChanged("admin", "support"), {"role": "admin"}),
    (Suspended("fraud"), {"status": "suspended"}),
    (Activated(), {"status": "active"}),
    (Deleted(), {"status": "deleted"}),
    (Erased(), {"email": "[erased]", "full_name": "[erased]"}),
    (Disclosed(("email",), "court"), {}),
    (ApiKeyIssued(BY, "shop", ()), {}),
    (ApiKeyRevoked(BY), {}),
]


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize(("event", "change"), CHANGES, ids=[e.topic for e, _ in CHANGES])
def test_each_event_does_this(
    event: Event, change: dict[str, object], size: int, conn: Conn
) -> None:
    log = log_of((ID, REGISTERED), (ID, EmailVerified()), (ID, event))
    registered_at, updated_at = log[0].recorded_at, log[2].recorded_at
    before = UserRow(
        ID, "sealed:1:a", "sealed:1:b", "support", "active", True, BY, registered_at, updated_at,
        3, 1, 3,
    )  # fmt: skip
    (row,) = projected(conn, USERS, log, size)
    assert UserRow(*row) == replace(before, **change)


@pytest.mark.parametrize("size", [1, 2, 7, 1_000])
@pytest.mark.parametrize("seed", [1, 3])
def test_batches_may_be_cut_anywhere(
    seed: int, size: int, conn: Conn, database: Database, ledger: Ledger
) -> None:
    people = People(Random(seed), [uuid4(), uuid4()])
    for _ in range(8):
        write(ledger, people.commands())
    log = recorded(conn)
    by_fold = users_by_fold(log)
    assert {r.status for r in by_fold.values()} == {"active", "suspended", "deleted"}
    found = projected(conn, USERS, log, size)
    assert {row[0]: UserRow(*row) for row in found} == by_fold


def test_every_user_is_there_live_and_rebuilt(
    database: Database, ledger: Ledger, conn: Conn
) -> None:
    with running(database.url):
        busy_history(ledger)
        caught_up(conn, "users")
    live = rows(conn, "users")
    by_fold = users_by_fold(recorded(conn))
    assert {row[0]: UserRow(*row) for row in live} == by_fold
    for id_, row in by_fold.items():
        assert ask(database.url, queries.user, id_, include_deleted=True) == row
    project_all(database.url, "users")
    assert rows(conn, "users") == live


def test_a_deleted_user_is_there_for_those_who_ask_for_it(
    database: Database, ledger: Ledger
) -> None:
    id_ = uuid4()
    write(ledger, [RegisterUser(id_, "sealed:1:a", "sealed:1:b")])
    project_all(database.url, "users")
    assert ask(database.url, queries.user, id_) is not None
    write(ledger, [EraseUser(id_)])
    project_all(database.url, "users")
    assert ask(database.url, queries.user, id_) is None
    row = ask(database.url, queries.user, id_, include_deleted=True)
    assert row is not None
    assert (row.status, row.email, row.full_name) == ("deleted", "[erased]", "[erased]")
    assert ask(database.url, queries.user, uuid4(), include_deleted=True) is None


class Crowd(NamedTuple):
    """Some forty users of all kinds, the last registered first; several came at one time."""

    url: str
    all: list[UserRow]


@pytest.fixture(scope="module")
def crowd(make_database: MakeDatabase) -> Iterator[Crowd]:
    people = People(Random(5), [uuid4(), uuid4()])
    with make_database() as database, Ledger(database.url) as ledger, database.connect() as conn:
        for _ in range(12):
            write(ledger, people.commands(40))
        project_all(database.url, "users")
        found = list(users_by_fold(recorded(conn)).values())[::-1]
        assert len({row.registered_at for row in found}) < len(found)
        yield Crowd(database.url, found)


ORDERS = [
    [],
    *(
        [Sort(column, down)]
        for column, down in product(sorted({*SORT_COLUMNS.values()}), (True, False))
    ),
    [Sort("role"), Sort("status", is_descending=True), Sort("registered_at", is_descending=True)],
    [Sort("verified", is_descending=True), Sort("role"), Sort("updated_at")],
]


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_pages_come_in_the_order_that_is_asked_for(order: list[Sort], crowd: Crowd) -> None:
    expected = sorted((row for row in crowd.all if row.status != "deleted"), key=lambda r: r.id)
    for sort in order[::-1]:
        expected.sort(key=lambda row: getattr(row, sort.column), reverse=sort.is_descending)
    found: list[UserRow] = []
    for page in range(1, 8):
        rows, total = ask(crowd.url, queries.users_by_page, page=page, page_size=7, sort=order)
        found += rows
        assert total == len(expected)
    assert found == expected


def test_pages_are_newest_first_unless_asked_otherwise(crowd: Crowd) -> None:
    rows, _ = ask(crowd.url, queries.users_by_page, page=1, page_size=100)
    times = [row.registered_at for row in rows]
    assert times == sorted(times, reverse=True)


FILTERS = [
    Filters(),
    Filters(include_deleted=True),
    Filters(role="admin"),
    Filters(status="suspended"),
    Filters(status="deleted"),
    Filters(status="deleted", include_deleted=True),
    Filters(verified=True),
    Filters(role="user", verified=False, include_deleted=True),
]


def is_wanted(row: UserRow, filters: Filters) -> bool:
    return (
        (filters.role in (None, row.role))
        and (filters.status in (None, row.status))
        and (filters.verified in (None, row.verified))
        and (filters.registered_from is None or row.registered_at >= filters.registered_from)
        and (filters.registered_to is None or row.registered_at < filters.registered_to)
        and (filters.include_deleted or filters.status == "deleted" or row.status != "deleted")
    )


@pytest.mark.parametrize("during", [False, True], ids=["ever", "during a time"])
@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_filters_combine_in_both_kinds_of_lists(
    filters: Filters, during: bool, crowd: Crowd
) -> None:
    if during:
        first, last = crowd.all[-5].registered_at, crowd.all[4].registered_at
        filters = replace(filters, registered_from=first, registered_to=last)
    expected = [row for row in crowd.all if is_wanted(row, filters)]
    assert during or expected
    rows, total = ask(crowd.url, queries.users_by_page, page=1, page_size=100, filters=filters)
    assert {row.id: row for row in rows} == {row.id: row for row in expected}
    assert total == len(expected)
    assert walk(crowd.url, 3, filters) == expected


def walk(url: str, size: int, filters: Filters = queries.ANY) -> list[UserRow]:
    """Page after page, all of them full but the last."""
    found: list[UserRow] = []
    after = None
    while True:
        page = ask(url, queries.users_after, limit=size, after=after, filters=filters)
        assert page is not None
        found += page.rows
        if page.next_before is None:
            return found
        assert len(page.rows) == size
        after = page.rows[-1].place


def newcomers(count: int, random: Random) -> list[Command]:
    return [RegisterUser(uuid4(), sealed(random), sealed(random)) for _ in range(count)]


@pytest.mark.parametrize("size", [1, 3, 4, 6, 12, 13])
def test_walks_are_exact_on_multiples(size: int, database: Database, ledger: Ledger) -> None:
    write(ledger, newcomers(12, Random(1)))
    project_all(database.url, "users")
    pages = 0
    after = None
    found: list[UserRow] = []
    while True:
        page = ask(database.url, queries.users_after, limit=size, after=after)
        assert page is not None
        found, pages = found + page.rows, pages + 1
        if page.next_before is None:
            break
        after = page.rows[-1].place
    assert [row.first_position for row in found] == list(range(12, 0, -1))
    assert pages == -(-12 // size)


def test_a_walk_sees_each_user_once_though_others_come_and_go_meanwhile(
    database: Database, ledger: Ledger, conn: Conn
) -> None:
    random = Random(2)
    commands = newcomers(9, random)  # in one transaction, and so at one time
    write(ledger, commands)
    found: list[UUID] = []
    after: Place | None = None
    with running(database.url):
        while True:
            caught_up(conn, "users")
            page = ask(database.url, queries.users_after, limit=2, after=after)
            assert page is not None
            found += [row.id for row in page.rows]
            if page.next_before is None:
                break
            after = page.rows[-1].place
            # Somebody new, and the one that the next page begins after goes.
            write(ledger, [*newcomers(1, random), ChangeUserStatus(after.id, "deleted")])
    assert found == [c.user_id for c in commands[::-1] if isinstance(c, RegisterUser)]


def test_nobodys_place_is_told_from_the_end(database: Database, ledger: Ledger) -> None:
    write(ledger, newcomers(1, Random(3)))
    project_all(database.url, "users")
    page = ask(database.url, queries.users_after, limit=1)
    assert page is not None
    place = page.rows[0].place
    at_end = ask(database.url, queries.users_after, limit=1, after=place)
    assert at_end is not None
    assert at_end.rows == []
    moved = place._replace(inserted_at=place.inserted_at + timedelta(seconds=1))
    for nobodys in (moved, place._replace(id=uuid4())):
        assert ask(database.url, queries.users_after, limit=1, after=nobodys) is None


happenings = st.lists(
    st.tuples(
        st.integers(0, 7),
        st.one_of(
            st.builds(RoleChanged, st.sampled_from(ROLES), st.just("user")),
            st.sampled_from([
                EmailVerified(), EmailChanged("sealed:1:e"), Suspended(), Activated(), Deleted(),
                Erased(), PasswordChanged(),
            ]),
        ),
    ),
    max_size=40,
)  # fmt: skip


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(roles=st.lists(st.sampled_from(ROLES), max_size=8), happened=happenings)
def test_statistics_are_what_one_counts_by_hand(
    roles: list[str], happened: list[tuple[int, Event]], database: Database, conn: Conn
) -> None:
    people = [(UUID(int=n), Registered("sealed:1:a", "sealed:1:b", r)) for n, r in enumerate(roles)]
    later = [(UUID(int=n), event) for n, event in happened if n < len(people)]
    log = log_of(*people, *later)
    schemas.ensure(conn, USERS)
    with conn.transaction(), conn.cursor() as cursor:
        schemas.search_in(conn, "users")
        conn.execute("TRUNCATE person")
        if log:
            USERS.project(log, cursor)
    all_ = list(users_by_fold(log).values())
    there = [row for row in all_ if row.status != "deleted"]
    assert ask(database.url, queries.statistics) == Statistics(
        total_users=len(there),
        active_users=len([row for row in there if row.status == "active"]),
        admin_users=len([row for row in there if row.role == "admin"]),
        suspended_users=len([row for row in there if row.status == "suspended"]),
        deleted_users=len(all_) - len(there),
        verified_users=len([row for row in there if row.verified]),
        by_role={role: len([row for row in there if row.role == role]) for role in ROLES},
    )

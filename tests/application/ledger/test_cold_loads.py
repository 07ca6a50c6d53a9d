"""States from the log: by snapshot and tail, out of a small cache, or behind another writer, all the same."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from random import Random
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from application.ledger import Ledger, reading
from domain.catalogue import AggregateState
from domain.transfers import PostPending, PostTransfer, ReverseTransfer, VoidPending
from tests.conftest import Database
from tests.support.ledgers import accepted, balances, open_account, pay, submit
from tests.support.log import assert_sound, fold, head, tampering

MANY = reading.SNAPSHOT_EVERY + 10


def load(database: Database, ids: Sequence[UUID]) -> dict[UUID, AggregateState | None]:
    with database.connect() as conn:
        return reading.load(conn, ids)


def snapshots(conn: psycopg.Connection[Any]) -> list[tuple[UUID, int]]:
    return conn.execute(
        "SELECT originator_id, version FROM snapshots ORDER BY originator_id"
    ).fetchall()


@pytest.fixture
def busy_account(ledger: Ledger) -> UUID:
    """An account with more events than one snapshot covers."""
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    submit(ledger, *[pay(house, shop, 7) for _ in range(MANY)])
    submit(ledger, *[pay(shop, house, 3) for _ in range(20)])
    return shop


def test_a_cold_load_by_snapshot_and_tail_equals_the_fold_of_all_events(
    busy_account: UUID, database: Database, admin: psycopg.Connection[Any]
) -> None:
    assert (busy_account, MANY + 1) in snapshots(admin)
    assert load(database, [busy_account]) == {busy_account: fold(admin)[busy_account]}


def test_every_kind_of_stream_loads_as_the_fold_of_its_events(
    busy_account: UUID, ledger: Ledger, database: Database, admin: psycopg.Connection[Any]
) -> None:
    house = open_account(ledger, "cash")
    pending = [
        PostTransfer(uuid4(), house, busy_account, 10, "EUR", pending=True) for _ in range(3)
    ]
    posted = accepted(ledger, pay(house, busy_account, 10)).id
    submit(ledger, *pending, PostPending(pending[0].transfer_id, "0.04"))
    submit(ledger, VoidPending(pending[1].transfer_id), ReverseTransfer(posted, uuid4(), "0.01"))
    states = fold(admin)
    assert load(database, list(states)) == states


def test_a_stream_that_is_not_there_loads_as_nothing(database: Database) -> None:
    stranger = uuid4()
    assert load(database, [stranger]) == {stranger: None}
    assert load(database, []) == {}


def test_a_snapshot_of_another_shape_is_ignored(
    busy_account: UUID, database: Database, admin: psycopg.Connection[Any]
) -> None:
    admin.execute("UPDATE snapshots SET shape = shape + 1, state = '{}'")
    assert load(database, [busy_account]) == {busy_account: fold(admin)[busy_account]}
    with Ledger(database.url) as ledger:
        house = open_account(ledger, "cash")
        assert balances(accepted(ledger, pay(house, busy_account, 1)))[1] == MANY * 7 - 60 + 1


def test_a_deleted_snapshot_is_not_missed(
    busy_account: UUID, database: Database, admin: psycopg.Connection[Any]
) -> None:
    admin.execute("DELETE FROM snapshots")
    assert load(database, [busy_account]) == {busy_account: fold(admin)[busy_account]}


def test_a_snapshot_is_renewed_as_the_account_goes_on(
    busy_account: UUID, database: Database, admin: psycopg.Connection[Any]
) -> None:
    with Ledger(database.url) as cold:
        house = open_account(cold, "cash")
        for _ in range(4):
            submit(cold, *[pay(house, busy_account, 1) for _ in range(100)])
    taken = dict(snapshots(admin))[busy_account]
    state = fold(admin)[busy_account]
    assert taken // reading.SNAPSHOT_EVERY == state.version // reading.SNAPSHOT_EVERY == 2
    assert load(database, [busy_account]) == {busy_account: state}


def test_a_small_cache_is_as_right_as_a_large_one(
    database: Database, admin: psycopg.Connection[Any]
) -> None:
    picks = Random(7)
    with Ledger(database.url, cache_accounts=2, cache_transfers=1) as ledger:
        accounts = [open_account(ledger, "cash") for _ in range(7)]
        pending: list[UUID] = []
        for _ in range(60):
            one, other = picks.sample(accounts, 2)
            held = PostTransfer(uuid4(), one, other, 5, "EUR", pending=True)
            submit(ledger, pay(one, other, picks.randrange(1, 9)), pay(other, one, 1), held)
            pending.append(held.transfer_id)
            submit(ledger, PostPending(picks.choice(pending)), VoidPending(picks.choice(pending)))
    assert_sound(admin)


def test_the_cache_keeps_to_its_limit(database: Database) -> None:
    with Ledger(database.url, cache_accounts=2, cache_transfers=3) as ledger:
        house = open_account(ledger, "cash")
        submit(ledger, *[pay(house, open_account(ledger), 1) for _ in range(10)])
        assert len(ledger._cache) == 5


def test_two_ledgers_that_alternate_on_the_same_accounts_keep_each_other_true(
    ledger: Ledger, other_ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    shop, till = open_account(ledger, balance=1_000), open_account(ledger, balance=1_000)
    expected = 1_000
    for number, writer in zip(range(1, 31), cycle([ledger, other_ledger])):
        expected -= number
        outcome = accepted(writer, pay(shop, till, number))
        assert balances(outcome) == (expected, 2_000 - expected)
    assert_sound(admin)


def test_a_ledger_finishes_what_another_began(ledger: Ledger, other_ledger: Ledger) -> None:
    shop, till = open_account(ledger, balance=100), open_account(ledger)
    held = PostTransfer(uuid4(), shop, till, 60, "EUR", pending=True)
    accepted(ledger, held)
    posted = accepted(other_ledger, PostPending(held.transfer_id))
    assert balances(posted) == (40, 60)
    back = accepted(ledger, ReverseTransfer(held.transfer_id, uuid4()))
    assert balances(back) == (0, 100)


def test_a_ledger_that_is_far_behind_starts_anew(
    ledger: Ledger, other_ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_TAIL", 10)
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    accepted(ledger, pay(house, shop, 1))
    submit(other_ledger, *[pay(house, shop, 1) for _ in range(9)])
    assert balances(accepted(ledger, pay(house, shop, 1))) == (-11, 11)


def test_a_ledger_whose_last_commits_were_lost_with_the_old_primary_forgets_them(
    ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    """A standby may take over without the last commits; writing goes on upon what the log has."""
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    accepted(ledger, pay(house, shop, 10))
    kept = head(admin)
    accepted(ledger, pay(house, shop, 100))
    go_back(admin, *kept)
    assert balances(accepted(ledger, pay(house, shop, 1))) == (-11, 11)
    assert_sound(admin)


def test_a_ledger_notices_that_the_log_went_another_way_to_the_same_position(
    ledger: Ledger, other_ledger: Ledger, admin: psycopg.Connection[Any]
) -> None:
    house, shop = open_account(ledger, "cash"), open_account(ledger)
    kept = head(admin)
    accepted(ledger, pay(house, shop, 100))
    go_back(admin, *kept)
    accepted(other_ledger, pay(house, shop, 1))
    assert balances(accepted(ledger, pay(house, shop, 1))) == (-2, 2)
    go_back(admin, *kept)
    submit(other_ledger, *[pay(house, shop, 10) for _ in range(5)])
    assert balances(accepted(ledger, pay(house, shop, 1))) == (-51, 51)
    assert_sound(admin)


def go_back(conn: psycopg.Connection[Any], position: int, hash_: bytes) -> None:
    """The database as it was at a position, as a standby that lags behind has it."""
    with tampering(conn):
        conn.execute("DELETE FROM events WHERE notification_id > %s", (position,))
        conn.execute("UPDATE ledger_head SET position = %s, hash = %s", (position, hash_))

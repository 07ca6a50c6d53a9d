"""What a read model's code fails on is parked, the rest goes on, and nothing is lost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from msgspec.structs import replace

from application.ledger import Ledger
from domain.accounts import ChangeAccountStatus
from domain.events import Recorded
from domain.transfers import PostTransfer
from projections import checkpoints, parking
from projections.balances import queries
from projections.catalogue import READ_MODELS, ReadModel, read_model
from projections.checkpoints import Checkpoint
from projections.log import UnreadableEventError, head_position
from projections.parking import Retried, RetryRefusedError
from projections.rebuild import Options, rebuild
from projections.swapping import rollback
from tests.conftest import Database
from tests.projections.histories import busy_history, open_accounts, recorded, uuid, write
from tests.projections.planted import failing, journal, noted
from tests.projections.running import (
    NAMES,
    ask,
    caught_up,
    no_progress,
    project_all,
    rows,
    running,
)
from tests.support.log import tampering
from tests.support.waiting import until

Conn = psycopg.Connection[Any]


def parked(conn: Conn, name: str) -> dict[UUID, int]:
    found = conn.execute("SELECT key, position FROM parked_keys WHERE model = %s", (name,))
    keys: dict[UUID, int] = dict(found.fetchall())
    checkpoint = checkpoints.read(conn, name)
    assert (checkpoint.parked if checkpoint else 0) == len(keys)
    return keys


def key_of(model: ReadModel, event: Recorded) -> UUID:
    return event.stream_id if model.key_of is None else model.key_of(event)


def everything(conn: Conn) -> dict[str, list[Any]]:
    marks = conn.execute("SELECT * FROM balances.mark ORDER BY 1, 2").fetchall()
    return {"marks": marks, **{name: rows(conn, name) for name in NAMES}}


def stands_still(conn: Conn, why: str) -> bool:
    checkpoint = checkpoints.read(conn, "journal")
    return checkpoint is not None and why in (checkpoint.error or "")


def test_a_poison_event_parks_one_account_and_no_other(
    database: Database, ledger: Ledger, conn: Conn, caplog: pytest.LogCaptureFixture
) -> None:
    balances = read_model("balances")
    cash, first, second = open_accounts(ledger, 3)
    poison = next(e for e in recorded(conn) if e.stream_id == first and e.version == 2)
    with running(database.url, [failing(balances, poison.position), read_model("entries")]):
        caught_up(conn, "balances", "entries")
        assert parked(conn, "balances") == {first: poison.position}
        write(ledger, [PostTransfer(uuid4(), a, cash, 700, "EUR") for a in (first, second)])
        caught_up(conn, "balances", "entries")
    assert parked(conn, "balances") == {first: poison.position}
    assert parked(conn, "entries") == {}
    assert f"daybook projections retry balances {first}" in caplog.text
    shown = {row[0]: row[6] for row in rows(conn, "balances")}
    assert shown == {cash: -18_600, first: 0, second: 9_300}
    assert len(rows(conn, "entries")) == 8

    with running(database.url, [balances]):
        assert parking.retry(database.url, "balances") == [Retried(first, 2, None)]
        write(ledger, [PostTransfer(uuid4(), first, cash, 1, "EUR")])
        caught_up(conn, "balances")
    assert parked(conn, "balances") == {}
    assert {row[0]: row[6] for row in rows(conn, "balances")} == {
        cash: -18_599, first: 9_299, second: 9_300,
    }  # fmt: skip
    (total,) = ask(database.url, queries.trial_balance).currencies
    assert total.difference == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_after_a_retry_the_rows_are_those_of_undisturbed_read_models(
    database: Database, ledger: Ledger, conn: Conn, seed: int
) -> None:
    busy_history(ledger, seed, transfers=90)
    random, poisons = Random(seed), some_of_each(recorded(conn), Random(seed))
    fails = {m.name for m in (READ_MODELS if seed == 1 else READ_MODELS[seed % 2 :: 2])}
    keys = {
        m.name: {key_of(m, event) for event in poisons[m.name]} if m.name in fails else set()
        for m in READ_MODELS
    }
    broken = [failing(m, *positions(poisons[m.name])) for m in READ_MODELS if m.name in fails]
    healthy = [m for m in READ_MODELS if m.name not in fails]
    with running(database.url, [*broken, *healthy]):
        caught_up(conn)
        busy_history(ledger, seed + 10, transfers=30)
        caught_up(conn)
        assert {name: parked(conn, name).keys() for name in NAMES} == keys
        ones = {name: random.choice(sorted(keys[name])) for name in sorted(fails)}
        for name, one in ones.items():
            assert [r.error for r in parking.retry(database.url, name, one)] == [None]
        busy_history(ledger, seed + 20, transfers=30)
        caught_up(conn)
        for name, one in ones.items():
            assert {r.key for r in parking.retry(database.url, name)} == keys[name] - {one}
    with running(database.url):
        caught_up(conn)
    retried = everything(conn)
    assert {name: parked(conn, name) for name in NAMES} == {name: {} for name in NAMES}
    project_all(database.url)
    assert everything(conn) == retried


def some_of_each(events: Sequence[Recorded], random: Random) -> dict[str, list[Recorded]]:
    """Some events that go into each read model."""
    return {
        model.name: random.sample([e for e in events if e.topic in model.topics], 5)
        for model in READ_MODELS
    }


def positions(events: Sequence[Recorded]) -> list[int]:
    return [event.position for event in events]


def test_a_key_that_still_fails_stays_parked_where_it_fails_now(
    database: Database, ledger: Ledger, conn: Conn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parking, "_SPAN", 4)
    (_, account) = open_accounts(ledger, 2)
    statuses = ["frozen", "active"] * 5
    write(ledger, [ChangeAccountStatus(account, status) for status in statuses])
    changes = [e.position for e in recorded(conn) if e.topic == "account.status_changed"]
    with running(database.url, [failing(journal(), changes[2])]):
        caught_up(conn, "journal")
    assert parked(conn, "journal") == {account: changes[2]}
    later = failing(journal(), changes[8])
    for shown in (6, 0):  # the second time nothing before it is left
        (again,) = parking.retry(database.url, "journal", account, [later])
        assert again == Retried(account, shown, "ZeroDivisionError: out of order")
        assert parked(conn, "journal") == {account: changes[8]}
        assert noted(conn) == changes[:8]
    assert parking.retry(database.url, "journal", None, [journal()]) == [Retried(account, 2, None)]
    assert noted(conn) == changes
    assert parking.retry(database.url, "journal", None, [journal()]) == []


def test_a_retry_that_ends_half_way_is_gone_on_with(
    database: Database, ledger: Ledger, conn: Conn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parking, "_SPAN", 4)
    (_, account) = open_accounts(ledger, 2)
    write(ledger, [ChangeAccountStatus(account, s) for s in ["frozen", "active"] * 5])
    changes = [e.position for e in recorded(conn) if e.topic == "account.status_changed"]
    with running(database.url, [failing(journal(), changes[0])]):
        caught_up(conn, "journal")
    away = failing(journal(), changes[5], error=psycopg.OperationalError)
    with pytest.raises(psycopg.OperationalError):
        parking.retry(database.url, "journal", account, [away])
    assert noted(conn) == changes[:4]
    parking.retry(database.url, "journal", account, [journal()])
    assert noted(conn) == changes


def test_what_is_wrong_with_all_keys_parks_none(
    database: Database, ledger: Ledger, conn: Conn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def misspelt(batch: Sequence[Recorded], db: psycopg.Cursor[Any]) -> None:
        db.execute("INSERT INTO notet VALUES (1)")

    def broken(batch: Sequence[Recorded], db: psycopg.Cursor[Any]) -> None:
        raise KeyError("nothing works")

    _, *accounts = open_accounts(ledger, 5)
    write(ledger, [ChangeAccountStatus(account, "frozen") for account in accounts])
    monkeypatch.setattr(parking, "MAX_PARKED", 3)
    for project, why, left_out in ((misspelt, "UndefinedTable", 0), (broken, "KeyError", 3)):
        with running(database.url, [replace(journal(), project=project)]):
            until(partial(stands_still, conn, why))
        assert len(parked(conn, "journal")) == left_out
    with running(database.url, [journal()]):
        caught_up(conn, "journal")
    assert len(noted(conn)) == 1
    parking.retry(database.url, "journal", None, [journal()])
    assert len(noted(conn)) == 4


def test_a_rebuild_leaves_nothing_out_and_a_rollback_what_was_left_out(
    database: Database, ledger: Ledger, conn: Conn
) -> None:
    busy_history(ledger, transfers=60)
    poison = recorded(conn)[30]
    with running(database.url, [failing(read_model("audit"), poison.position)]):
        caught_up(conn, "audit")
    left_out = {poison.stream_id: poison.position}
    assert parked(conn, "audit") == left_out
    accepted = Options(accept_differences=True)
    assert rebuild(database.url, "audit", no_progress).outcome == "different"
    assert rebuild(database.url, "audit", no_progress, options=accepted).outcome == "swapped"
    assert (parked(conn, "audit"), parked(conn, "audit_previous")) == ({}, left_out)
    rollback(database.url, "audit")
    assert (parked(conn, "audit"), parked(conn, "audit_previous")) == (left_out, {})
    rollback(database.url, "audit")
    assert (parked(conn, "audit"), parked(conn, "audit_previous")) == ({}, left_out)
    with running(database.url, READ_MODELS):
        busy_history(ledger, 2, transfers=30)
        caught_up(conn)
    assert len(rows(conn, "audit")) == head_position(conn)


def test_a_key_that_is_not_parked_is_answered_with_those_that_are(
    database: Database, ledger: Ledger, conn: Conn
) -> None:
    _, account = open_accounts(ledger, 2)
    with running(database.url, [failing(read_model("balances"), 2)]):
        caught_up(conn, "balances")
    other = uuid(Random(1))
    with pytest.raises(RetryRefusedError, match=f"no parked key {other}; there are: {account}"):
        parking.retry(database.url, "balances", other)
    (one,) = ask(database.url, parking.parked, "balances")
    assert (one.key, one.position, one.error) == (account, 2, "ZeroDivisionError: out of order")


def park_first(database: Database, ledger: Ledger, conn: Conn) -> tuple[UUID, list[Recorded]]:
    """Have `balances` park an account from its second event on; answers its events, of which it has more."""
    cash, first, _ = open_accounts(ledger, 3)
    poison = next(e for e in recorded(conn) if e.stream_id == first and e.version == 2)
    write(ledger, [PostTransfer(uuid4(), first, cash, 700, "EUR") for _ in range(3)])
    with running(database.url, [failing(read_model("balances"), poison.position)]):
        caught_up(conn, "balances")
    return first, [event for event in recorded(conn) if event.stream_id == first]


def test_a_retry_ends_before_an_event_that_it_cannot_read_and_loses_none_behind_it(
    database: Database, ledger: Ledger, conn: Conn
) -> None:
    account, events = park_first(database, ledger, conn)
    with database.connect(superuser=True) as admin, tampering(admin):
        admin.execute(
            "UPDATE events SET topic = 'account.painted' WHERE notification_id = %s",
            (events[2].position,),
        )
    with pytest.raises(UnreadableEventError):
        parking.retry(database.url, "balances")
    assert parked(conn, "balances") == {account: events[1].position}
    with database.connect(superuser=True) as admin, tampering(admin):
        admin.execute(
            "UPDATE events SET topic = %s WHERE notification_id = %s",
            (events[2].topic, events[2].position),
        )
    assert parking.retry(database.url, "balances") == [Retried(account, 4, None)]


def test_tables_of_another_version_are_not_written_by_a_retry(
    database: Database, ledger: Ledger, conn: Conn
) -> None:
    account, events = park_first(database, ledger, conn)
    before = rows(conn, "balances")
    newer = replace(read_model("balances"), version=99)
    with pytest.raises(RetryRefusedError, match="code is version 99: rebuild it"):
        parking.retry(database.url, "balances", account, [newer])
    assert (parked(conn, "balances"), rows(conn, "balances")) == (
        {account: events[1].position},
        before,
    )


def test_a_runner_notices_a_rollback_to_where_it_is_itself(
    database: Database, ledger: Ledger, conn: Conn
) -> None:
    def changes() -> list[int]:
        return [e.position for e in recorded(conn) if e.topic == "account.status_changed"]

    _, first, second = open_accounts(ledger, 3)
    write(ledger, [ChangeAccountStatus(id_, "frozen") for id_ in (first, second)])
    with running(database.url, [failing(journal(), changes()[0])]):
        caught_up(conn, "journal")
    accepted = Options(accept_differences=True)
    rebuild(database.url, "journal", no_progress, [journal()], accepted)
    write(ledger, [ChangeAccountStatus(second, "active")])
    with running(database.url, [failing(journal(), changes()[2])]):
        caught_up(conn, "journal")
    rollback(database.url, "journal", [journal()])
    assert set(parked(conn, "journal")) == {first}
    assert set(parked(conn, "journal_previous")) == {second}
    with running(database.url, [journal()]):
        caught_up(conn, "journal")
        rollback(database.url, "journal", [journal()])
        write(ledger, [ChangeAccountStatus(first, "active"), ChangeAccountStatus(second, "frozen")])
        caught_up(conn, "journal")
    first_frozen, second_frozen, _, first_active, _ = changes()
    assert noted(conn) == [first_frozen, second_frozen, first_active]
    parking.retry(database.url, "journal", None, [journal()])
    assert noted(conn) == changes()


def test_one_that_a_rebuild_mends_meanwhile_is_not_called_failing(
    database: Database, ledger: Ledger, conn: Conn, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_accounts(ledger, 2)
    poison = head_position(conn)
    rebuilds: list[object] = []

    def rebuilt_first(error: Exception) -> bool:
        if not rebuilds:
            rebuilds.append(rebuild(database.url, "entries", no_progress))
        return True

    monkeypatch.setattr(parking, "is_of_key", rebuilt_first)
    with running(database.url, [failing(read_model("entries"), poison)]):
        until(lambda: rebuilds)
        open_accounts(ledger, 2)
        caught_up(conn, "entries")
    assert checkpoints.read(conn, "entries") == Checkpoint(head_position(conn), 1, None)

"""The past against folds of the log: totals, transfers, lines and states at positions and versions."""

from __future__ import annotations

from collections import Counter
from datetime import date
from random import Random
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import AsyncConnection

from application.ledger import Ledger
from domain.accounts import Credited, Debited, Opened
from domain.catalogue import AggregateState
from domain.events import Recorded
from domain.statements import Imported, RecordStatement
from projections import histories, log
from projections.balances import past as balances
from projections.balances import projection, queries
from projections.balances.queries import CurrencyTotals, TrialBalance
from projections.entries import queries as entries
from projections.entries.queries import EntryRow
from projections.transfers import past as transfers
from projections.transfers.queries import TransferRow
from tests.conftest import Database
from tests.projections.histories import busy_history, fold, open_accounts, recorded, write
from tests.projections.running import ask, ask_each, caught_up, project_all, running
from tests.projections.test_balances import A_MICROSECOND, accounts_at
from tests.projections.test_entries import entries_of
from tests.projections.test_transfers import transfers_by_fold

MOMENTS = 200


def totals_by_fold(events: list[Recorded], position: int) -> TrialBalance:
    """Every currency's totals over the first events of the log."""
    currency_of = {e.stream_id: e.data.currency for e in events if isinstance(e.data, Opened)}
    accounts: Counter[str] = Counter()
    debits: Counter[str] = Counter()
    credits: Counter[str] = Counter()
    for event in events[:position]:
        currency = currency_of.get(event.stream_id, "")
        match event.data:
            case Opened():
                accounts[currency] += 1
            case Debited(amount=amount):
                debits[currency] += amount
            case Credited(amount=amount):
                credits[currency] += amount
    rows = []
    for currency in sorted(accounts):
        debit, credit = debits[currency], credits[currency]
        rows.append(
            CurrencyTotals(
                currency, accounts[currency], debit, credit, credit - debit, credit - debit
            )
        )
    return TrialBalance(position, rows)


@pytest.mark.parametrize("every", [1, 7, 64, 20_000])
def test_the_trial_balance_at_any_position_is_a_fold_up_to_it(
    every: int,
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(projection, "MARK_EVERY", every)
    monkeypatch.setattr(balances, "_PAGE_EVENTS", 50)
    busy_history(ledger)
    with running(database.url):
        caught_up(conn, "balances")
    events = recorded(conn)
    positions = Random(every).sample(range(len(events)), 50)
    asked = [0, 1, min(every, len(events)), len(events), *positions]
    found = ask_each(database.url, balances.trial_balance_at, [(position,) for position in asked])
    assert found == [totals_by_fold(events, position) for position in asked]


def marks(conn: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return conn.execute("SELECT * FROM balances.mark ORDER BY 1, 2").fetchall()


def test_marks_are_the_same_however_the_log_is_cut_into_batches(
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(projection, "MARK_EVERY", 100)
    with running(database.url):
        busy_history(ledger)
        caught_up(conn)
    live = marks(conn)
    assert len(live) > 10
    project_all(database.url, "balances")
    assert marks(conn) == live
    events = recorded(conn)
    conn.execute("TRUNCATE balances.account, balances.mark")
    relevant = [event for event in events if event.topic in projection.TOPICS]
    random = Random(3)
    with conn.transaction(), conn.cursor() as cursor:
        conn.execute("SET LOCAL search_path TO balances")
        while relevant:
            size = random.choice([1, 3, 99, 250])
            projection.project(relevant[:size], cursor)
            relevant = relevant[size:]
    assert marks(conn) == live


def test_a_transfer_at_any_position_is_a_fold_up_to_it(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    busy_history(ledger)
    events = recorded(conn)
    random = Random(5)
    changed = [e.stream_id for e in events if e.topic.startswith("transfer.") and e.version > 1]
    now = transfers_by_fold(events)
    asked: list[tuple[TransferRow, int]] = []
    wanted: list[TransferRow | None] = []
    for position in [1, len(events), *random.sample(range(1, len(events)), 30)]:
        then = transfers_by_fold(events[:position])
        for id_ in random.sample(changed, 7):
            asked.append((now[id_], position))
            wanted.append(then.get(id_))
    assert len(asked) > 200
    assert ask_each(database.url, transfers.as_of, asked) == wanted


def test_a_state_is_the_fold_of_its_stream_at_every_version(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any], monkeypatch: Any
) -> None:
    monkeypatch.setattr(histories, "_PAGE_EVENTS", 2)
    busy_history(ledger, transfers=120)
    events = recorded(conn)
    places = [(event.stream_id, event.version) for event in events]
    found = ask_each(database.url, histories.state_at, places)
    before: dict[UUID, AggregateState] = {}
    for (event, state), then in zip(fold(events), found, strict=True):
        assert (then.state, then.before) == (state, before.get(event.stream_id))
        assert (then.event.position, then.event.data) == (event.position, event.data)
        assert then.event.metadata["actor"] == "somebody"
        before[event.stream_id] = state
    assert len(found) > 200


def test_versions_at_positions_are_counted(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    busy_history(ledger, transfers=60)
    events = recorded(conn)
    random = Random(2)
    asked = [(random.choice(events).stream_id, random.randint(0, len(events))) for _ in range(200)]
    assert ask_each(database.url, histories.version_at, asked) == [
        sum(1 for e in events[:position] if e.stream_id == id_) for id_, position in asked
    ]
    assert ask_each(database.url, histories.last_version, [(id_,) for id_, _ in asked]) == [
        sum(1 for e in events if e.stream_id == id_) for id_, _ in asked
    ]
    assert ask(database.url, histories.last_version, uuid4()) == 0


def test_a_statement_has_a_state_as_well(database: Database, ledger: Ledger) -> None:
    (cash,) = open_accounts(ledger, 1)
    imported = Imported(
        cash, "NL1", "REF", "7", "EUR", 0, 0, 3, date(2026, 1, 1), date(2026, 1, 31)
    )
    (id_,) = write(ledger, [RecordStatement(uuid4(), imported)])
    found = ask(database.url, histories.state_at, id_, 1)
    assert (found.event.data, found.before) == (imported, None)


def test_all_that_is_asked_of_a_position_or_a_time_is_a_fold_up_to_it(
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(projection, "MARK_EVERY", 64)
    busy_history(ledger, transfers=150)
    project_all(database.url, "balances", "entries", "transfers")
    events, random, url = recorded(conn), Random(8), database.url
    times = [random.choice(events).recorded_at + random.randint(-1, 1) * A_MICROSECOND
             for _ in range(MOMENTS)]  # fmt: skip
    by_time = [sum(1 for event in events if event.recorded_at <= at) for at in times]
    assert ask_each(url, log.position_at, [(at,) for at in times]) == by_time
    positions = by_time + [random.randint(0, len(events)) for _ in range(MOMENTS)]

    folded = {position: accounts_at(events, position) for position in positions}
    ids = random.choices(list(accounts_at(events, len(events))), k=len(positions))
    places = list(zip(ids, positions, strict=True))
    wanted = [folded[position].get(id_) for id_, position in places]
    assert ask_each(url, queries.account_at_position, places) == wanted
    at_times = list(zip(ids[:MOMENTS], times, strict=True))
    assert ask_each(url, queries.account_at_time, at_times) == wanted[:MOMENTS]
    lines = ask_each(url, entries_then, places)
    assert lines == [entries_of(events[:position], id_) for id_, position in places]

    moved = {position: transfers_by_fold(events[:position]) for position in positions}
    now = random.choices(list(transfers_by_fold(events).values()), k=len(positions))
    asked = list(zip(now, positions, strict=True))
    assert ask_each(url, transfers.as_of, asked) == [moved[p].get(row.id) for row, p in asked]
    totals = ask_each(url, balances.trial_balance_at, [(position,) for position in positions])
    assert totals == [totals_by_fold(events, position) for position in positions]


async def entries_then(
    conn: AsyncConnection[Any], account_id: UUID, position: int
) -> list[EntryRow]:
    """An account's lines as of a position, as the API asks for them."""
    page = await entries.list_entries(conn, account_id, limit=10_000, before=position + 1)
    return page.rows

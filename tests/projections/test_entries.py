"""The entries read model against the log: statement lines, filters, pages, balances by value date."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import psycopg

from application.ledger import Ledger
from domain.accounts import Credited, Debited, OpenAccount
from domain.events import Recorded
from domain.transfers import PostTransfer
from projections.entries import queries
from projections.entries.queries import EffectiveBalance, EntryRow
from tests.conftest import Database
from tests.projections.histories import a_day, busy_history, open_accounts, recorded, write
from tests.projections.running import ask, ask_pages, project_all


def entries_of(events: list[Recorded], account_id: UUID) -> list[EntryRow]:
    """An account's statement lines as the log has them, newest first."""
    return [
        EntryRow(
            account_id, e.position, e.data.transfer_id, e.data.counterparty_id,
            "debit" if isinstance(e.data, Debited) else "credit", e.data.amount, e.data.balance,
            e.data.effective_at or e.recorded_at, e.recorded_at, e.data.description,
            e.data.reference,
        )
        for e in reversed(events)
        if e.stream_id == account_id and isinstance(e.data, Debited | Credited)
    ]  # fmt: skip


def signed(entry: EntryRow) -> int:
    return entry.amount if entry.direction == "credit" else -entry.amount


def test_every_entry_is_its_event(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    accounts = busy_history(ledger)
    project_all(database.url, "entries")
    events = recorded(conn)
    for id_ in [*accounts["EUR"], *accounts["JPY"]]:
        wanted = entries_of(events, id_)
        found = ask(database.url, queries.list_entries, id_, limit=1_000)
        assert found == (wanted, None)
        assert len(wanted) > 10


def test_statements_filter(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    account_id = busy_history(ledger)["EUR"][0]
    project_all(database.url, "entries")
    lines = entries_of(recorded(conn), account_id)

    def listed(**filters: Any) -> list[EntryRow]:
        return ask(database.url, queries.list_entries, account_id, limit=1_000, **filters).rows

    amount = sorted(e.amount for e in lines)[len(lines) // 2]
    start, end = a_day(5), a_day(20)
    assert listed(direction="debit") == [e for e in lines if e.direction == "debit"] != []
    assert listed(min_amount=amount) == [e for e in lines if e.amount >= amount] != []
    assert listed(max_amount=amount) == [e for e in lines if e.amount <= amount] != []
    assert listed(effective_from=start) == [e for e in lines if e.effective_at >= start] != []
    assert listed(effective_to=end) == [e for e in lines if e.effective_at < end] != []
    assert listed(
        effective_from=start, effective_to=end, direction="credit", min_amount=5, max_amount=2_000
    ) == [
        e
        for e in lines
        if start <= e.effective_at < end and e.direction == "credit" and 5 <= e.amount <= 2_000
    ]
    assert listed(effective_from=end, effective_to=start) == []


def test_pages_of_entries_are_exact(database: Database, ledger: Ledger) -> None:
    a, b = open_accounts(ledger, 2)
    write(ledger, [PostTransfer(uuid4(), b, a, n, "EUR") for n in range(1, 20)])
    project_all(database.url, "entries")
    for size in (1, 4, 5, 10, 20, 21):
        pages = ask_pages(database.url, queries.list_entries, b, limit=size)
        assert [row.amount for page in pages for row in page] == [*range(19, 0, -1), 10_000]
        assert len(pages) == -(-20 // size)


def test_a_balance_by_value_date_sums_up_what_was_effective_by_then(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    accounts = busy_history(ledger)
    project_all(database.url, "entries")
    events = recorded(conn)
    random = Random(3)
    for id_ in accounts["EUR"][:4]:
        lines = entries_of(events, id_)
        moments = [e.effective_at for e in random.sample(lines, 6)]
        for moment in [*moments, a_day(10), lines[0].recorded_at + timedelta(days=1)]:
            effective = [signed(e) for e in lines if e.effective_at <= moment]
            found = ask(database.url, queries.balance_by_effective_time, id_, moment)
            assert found == (EffectiveBalance(sum(effective), len(events)) if effective else None)


def test_before_an_account_was_open_it_has_no_balance_by_value_date(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    id_ = uuid4()
    write(ledger, [OpenAccount(id_, "empty", "checking", "EUR")])
    project_all(database.url, "entries")
    opened_at = recorded(conn)[0].recorded_at
    found = [
        ask(database.url, queries.balance_by_effective_time, account_id, moment)
        for account_id, moment in [
            (id_, opened_at),
            (id_, opened_at - timedelta(microseconds=1)),
            (uuid4(), opened_at),
        ]
    ]
    assert found == [EffectiveBalance(0, 1), None, None]


def test_a_transfers_two_entries_are_found_by_their_places(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    a, b = open_accounts(ledger, 2)
    project_all(database.url, "entries")
    events = recorded(conn)
    (debit,), (credit,) = entries_of(events, a), entries_of(events, b)
    places = [(b, credit.position), (a, debit.position)]
    assert ask(database.url, queries.entries_at, places) == [debit, credit]
    assert ask(database.url, queries.entries_at, []) == []

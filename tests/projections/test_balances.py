"""The balances read model against folds of the log: now, in total, and at every past moment."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import psycopg

from application.ledger import Ledger
from domain.accounts import Account, ChangeAccountStatus, Credited, Debited, OpenAccount, Opened
from domain.events import Recorded
from projections.balances import queries
from projections.balances.queries import AccountAt, AccountRow, CurrencyTotals, TrialBalance
from tests.conftest import Database
from tests.projections.histories import busy_history, fold, open_accounts, recorded, write
from tests.projections.running import ask, ask_each, ask_pages, project_all

A_MICROSECOND = timedelta(microseconds=1)


def accounts_by_fold(events: list[Recorded]) -> dict[UUID, AccountRow]:
    """What the read model must hold, by the domain's own rules."""
    opened: dict[UUID, Recorded] = {}
    rows: dict[UUID, AccountRow] = {}
    for event, state in fold(events):
        if isinstance(state, Account):
            first = opened.setdefault(state.id, event)
            rows[state.id] = AccountRow(
                state.id, state.name, state.type, state.currency, state.owner_id, state.status,
                state.balance, state.held, state.credit_limit, state.version, first.recorded_at,
                first.position, event.position,
            )  # fmt: skip
    return rows


def accounts_at(events: list[Recorded], position: int) -> dict[UUID, AccountAt]:
    """Every account as a fold up to a position has it."""
    states: dict[UUID, AccountAt] = {}
    for event, state in fold(events[:position]):
        if isinstance(state, Account):
            states[state.id] = AccountAt(
                state.id, state.name, state.type, state.currency, state.owner_id, state.status,
                state.balance, state.held, state.credit_limit, state.version, event.position,
                event.recorded_at, state.reserved_for,
            )  # fmt: skip
    return states


def test_every_account_is_what_its_events_come_to(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    busy_history(ledger)
    project_all(database.url, "balances")
    wanted = accounts_by_fold(recorded(conn))
    assert {r.status for r in wanted.values()} >= {"active"}
    assert any(r.held for r in wanted.values())
    found = ask_each(database.url, queries.account, [(id_,) for id_ in wanted])
    assert found == list(wanted.values())
    assert ask(database.url, queries.account, uuid4()) is None


def test_available_is_what_may_leave(database: Database, ledger: Ledger) -> None:
    credit = uuid4()
    cash, funded = open_accounts(ledger, 2)
    write(ledger, [OpenAccount(credit, "line", "credit", "EUR", credit_limit=500)])
    project_all(database.url, "balances")
    found = [ask(database.url, queries.account, id_) for id_ in (cash, funded, credit)]
    assert [row and row.available for row in found] == [None, 10_000, 500]
    then = [ask(database.url, queries.account_at_position, id_, 5) for id_ in (cash, funded)]
    assert [at and at.available for at in then] == [None, 10_000]


def test_the_trial_balance_adds_up_all_entries(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    busy_history(ledger)
    project_all(database.url, "balances")
    events = recorded(conn)
    currency_of = {e.stream_id: e.data.currency for e in events if isinstance(e.data, Opened)}
    debits: Counter[str] = Counter()
    for event in events:
        if isinstance(event.data, Debited):
            debits[currency_of[event.stream_id]] += event.data.amount
    accounts = Counter(currency_of.values())
    wanted = [CurrencyTotals(c, accounts[c], debits[c], debits[c], 0, 0) for c in ("EUR", "JPY")]
    found = ask(database.url, queries.trial_balance)
    assert found == TrialBalance(len(events), wanted)


def test_the_trial_balance_of_nothing(database: Database) -> None:
    project_all(database.url, "balances")
    assert ask(database.url, queries.trial_balance) == TrialBalance(0, [])


def test_totals_may_leave_the_range_of_a_balance(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 3)
    project_all(database.url, "balances")
    conn.execute("UPDATE balances.account SET debits = 9e18, credits = 9e18")
    (euro,) = ask(database.url, queries.trial_balance).currencies
    assert (euro.debits, euro.credits) == (27 * 10**18, 27 * 10**18)


def test_as_of_any_position_is_a_fold_up_to_it(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    busy_history(ledger, transfers=120)
    project_all(database.url, "balances")
    events = recorded(conn)
    random = Random(7)
    ids = list(accounts_by_fold(events))
    asked = [1, 2, 17, len(events), *random.sample(range(1, len(events)), 12)]
    for position in asked:
        wanted = accounts_at(events, position)
        places = [(id_, position) for id_ in ids]
        found = ask_each(database.url, queries.account_at_position, places)
        assert found == [wanted.get(id_) for id_ in ids]
    last = accounts_at(events, len(events))
    assert ask(database.url, queries.account_at_position, ids[0], 10**15) == last[ids[0]]
    assert ask(database.url, queries.account_at_position, ids[0], 0) is None


def test_as_of_any_time_is_a_fold_of_what_was_recorded_by_then(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    busy_history(ledger, transfers=120)
    events = recorded(conn)
    ids = list(accounts_by_fold(events))
    times = sorted({event.recorded_at for event in events})
    for at in [
        t + d for t in times[:: len(times) // 5] for d in (-A_MICROSECOND, 0 * A_MICROSECOND)
    ]:
        position = sum(1 for event in events if event.recorded_at <= at)
        wanted = accounts_at(events, position)
        found = ask_each(database.url, queries.account_at_time, [(id_, at) for id_ in ids[::3]])
        assert found == [wanted.get(id_) for id_ in ids[::3]]


def test_only_accounts_are_accounts_at_a_position(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 2)
    transfer = next(e.stream_id for e in recorded(conn) if e.topic == "transfer.posted")
    assert ask(database.url, queries.account_at_position, transfer, 100) is None
    assert ask(database.url, queries.account_at_position, uuid4(), 100) is None


def test_pages_of_accounts_are_exact(database: Database, ledger: Ledger) -> None:
    ids = open_accounts(ledger, 12)
    project_all(database.url, "balances")
    for size in (1, 3, 4, 6, 12, 13):
        pages = ask_pages(database.url, queries.list_accounts, limit=size)
        assert [row.id for page in pages for row in page] == ids[::-1]
        assert len(pages) == -(-12 // size)


def test_lists_of_accounts_filter(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    euros, yen = open_accounts(ledger, 5), open_accounts(ledger, 3, "JPY")
    write(ledger, [ChangeAccountStatus(euros[2], "frozen"), ChangeAccountStatus(yen[1], "frozen")])
    project_all(database.url, "balances")

    def listed(**filters: Any) -> list[UUID]:
        page = ask(database.url, queries.list_accounts, limit=50, **filters)
        return [row.id for row in page.rows]

    assert listed(type="cash") == [yen[0], euros[0]]
    assert listed(currency="JPY") == yen[::-1]
    assert listed(status="frozen") == [yen[1], euros[2]]
    assert listed(owner_id=euros[0]) == euros[:0:-1]
    assert listed(status="frozen", currency="EUR", type="checking") == [euros[2]]
    assert listed(status="closed") == []


def test_totals_are_those_of_the_entries(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    busy_history(ledger, seed=2)
    project_all(database.url, "balances")
    debits: defaultdict[UUID, int] = defaultdict(int)
    credits: defaultdict[UUID, int] = defaultdict(int)
    for event in recorded(conn):
        if isinstance(event.data, Debited):
            debits[event.stream_id] += event.data.amount
        elif isinstance(event.data, Credited):
            credits[event.stream_id] += event.data.amount
    for id_, debit, credit in conn.execute("SELECT id, debits, credits FROM balances.account"):
        assert (debit, credit) == (debits[id_], credits[id_])

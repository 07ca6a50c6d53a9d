"""What must be true after any crash: of the log, of the balances, of the read models, of retries."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any
from uuid import UUID

import httpx2
from psycopg import Connection

from domain.accounts import Account, Credited, Debited
from domain.events import Recorded
from projections.balances import queries as balances
from projections.entries import queries as entries
from projections.transfers import queries as transfers
from tests.conftest import Database
from tests.crash.load import Load, post
from tests.projections.histories import recorded
from tests.projections.running import ask, caught_up
from tests.projections.test_balances import accounts_by_fold
from tests.projections.test_entries import entries_of
from tests.projections.test_transfers import transfers_by_fold
from tests.support.log import assert_sound
from tests.support.people import bearer
from tests.support.processes import PATIENCE_S

FUNDING = 100_000_00
MOVED = ["transfer.posted", "account.debited", "account.credited"]
ALL = 10**6


def assert_nothing_lost(database: Database, load: Load, base_url: str) -> None:
    """All of it, before and after the clients try again what they heard nothing of."""
    assert load.acknowledged
    with database.connect() as conn:
        there = assert_log_is_what_clients_know(conn, load)
        with httpx2.Client(base_url=base_url, timeout=PATIENCE_S, headers=bearer()) as client:
            for asked in load.unacknowledged:
                answer = post(client, asked)
                assert answer.status_code == 201, answer.text
                assert (answer.headers.get("idempotent-replayed") == "true") == (asked.id in there)
                load.acknowledged[asked.id] = answer.json()["position"]
            assert assert_log_is_what_clients_know(conn, load) == set(load.sent)
            caught_up(conn)
            assert_read_models_are_folds(database, recorded(conn))
            report = client.get("/api/trial-balance").json()
            assert report["position"] == len(recorded(conn))
            assert {c["difference"] for c in report["data"]} == {"0.00"}


def assert_log_is_what_clients_know(conn: Connection[Any], load: Load) -> set[UUID]:
    """The log is sound; each transfer is in it whole or not at all, the acknowledged ones are, at
    the position that was told; and the balances are exact. Answers the transfers that are there."""
    states = assert_sound(conn)
    events = recorded(conn)
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    parts: defaultdict[UUID, list[str]] = defaultdict(list)
    for event in events:
        if (id_ := _transfer_of(event)) is not None:
            parts[id_].append(event.topic)
    assert all(topics == MOVED for topics in parts.values())
    there = parts.keys() & load.sent.keys()
    assert load.acknowledged.keys() <= there
    for id_, position in load.acknowledged.items():
        assert _transfer_of(events[position - 1]) == id_
    expected = Counter(dict.fromkeys(load.accounts, FUNDING))
    for id_ in there:
        asked = load.sent[id_]
        expected[asked.source] -= asked.amount
        expected[asked.destination] += asked.amount
    for id_, balance in expected.items():
        account = states[id_]
        assert isinstance(account, Account)
        assert (account.balance, account.held) == (balance, 0)
    return set(there)


def _transfer_of(event: Recorded) -> UUID | None:
    """The transfer that an event belongs to, None for what opens an account."""
    if isinstance(event.data, Debited | Credited):
        return event.data.transfer_id
    return event.stream_id if event.topic.startswith("transfer.") else None


def assert_read_models_are_folds(database: Database, events: list[Recorded]) -> None:
    """Every row of every read model is what the domain makes of the log, and there are no others."""
    accounts = ask(database.url, balances.list_accounts, limit=ALL).rows
    assert {row.id: row for row in accounts} == accounts_by_fold(events)
    moved = ask(database.url, transfers.search_transfers, limit=ALL).rows
    assert {row.id: row for row in moved} == transfers_by_fold(events)
    by_account: defaultdict[UUID, list[Recorded]] = defaultdict(list)
    for event in events:
        by_account[event.stream_id].append(event)
    for account in accounts:
        lines = ask(database.url, entries.list_entries, account.id, limit=ALL).rows
        assert lines == entries_of(by_account[account.id], account.id)
    totals = ask(database.url, balances.trial_balance).currencies
    debits = sum(event.data.amount for event in events if isinstance(event.data, Debited))
    assert sum(c.debits for c in totals) == sum(c.credits for c in totals) == debits
    assert not any(c.difference or c.balances for c in totals)

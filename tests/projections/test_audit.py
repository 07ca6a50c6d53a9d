"""The audit read model against the log: words, provenance, search by everything, and the tree."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest

from application.ledger import Ledger, Submission
from application.ledger.outcomes import Command
from domain import bank_transfers, credit_applications, funds, investments, loans, movements
from domain.accounts import Opened
from domain.events import Recorded
from domain.provenance import Provenance
from domain.transfers import (
    Posted,
    PostPending,
    PostTransfer,
    Reserved,
    ReverseTransfer,
)
from projections.audit import chain, queries
from projections.audit.chain import CommandNode, tree
from projections.audit.queries import AuditRow, Wanted
from projections.audit.words import describe
from tests.conftest import Database
from tests.projections.histories import busy_history, open_accounts, recorded, write_raw
from tests.projections.running import ask, ask_pages, caught_up, project_all, rows, running

A, B, T, R = (UUID(int=n) for n in (10, 11, 12, 13))
DAY = datetime(2026, 1, 31, 12, tzinfo=UTC)


def audited(events: list[Recorded]) -> list[AuditRow]:
    """What the read model must hold, newest first."""
    subjects: dict[UUID, tuple[str, UUID | None, UUID | None]] = {}
    found = []
    for e in events:
        match e.data:
            case Opened(currency=currency):
                subjects[e.stream_id] = (currency, e.stream_id, None)
            case Posted() | Reserved():
                subjects[e.stream_id] = (e.data.currency, e.data.source_id, e.data.destination_id)
            case funds.Opened() | bank_transfers.Requested() | credit_applications.Submitted():
                subjects[e.stream_id] = (e.data.currency, e.data.account_id, None)
            case investments.Requested() as asked:
                ends = (asked.investor_account_id, asked.fund_account_id)
                subjects[e.stream_id] = (asked.currency, *ends)
            case loans.Opened() as lent:
                ends = (lent.customer_account_id, lent.loan_account_id)
                subjects[e.stream_id] = (lent.currency, *ends)
            case movements.Instructed(currency=currency):
                subjects[e.stream_id] = (currency, None, None)
        currency, account, other = subjects.get(e.stream_id, ("", None, None))
        meta = msgspec.json.decode(e.metadata)
        found.append(
            AuditRow(
                e.position, e.stream_id, e.version, e.recorded_at, e.topic, account, other,
                meta["actor"], meta.get("correlation_id", ""), meta.get("causation_id", ""),
                meta.get("command_id", ""), describe(e.data, currency),
            )
        )  # fmt: skip
    return found[::-1]


SHORT_SCAN = 4
"""So few events a page looks at when it is to come out short."""


def search_all(url: str, size: int = 1_000, **wanted: Any) -> list[AuditRow]:
    """Page after page, all of them full but the last, unless few events are looked at."""
    pages = ask_pages(url, queries.search, Wanted(**wanted), limit=size)
    assert all(len(page) <= size for page in pages)
    for page in pages[:-1]:
        assert len(page) == size or (len(wanted) > 1 and queries.MAX_SCAN == SHORT_SCAN)
    return [row for page in pages for row in page]


def test_every_event_is_there_in_words_live_and_rebuilt(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    with running(database.url):
        busy_history(ledger)
        caught_up(conn)
    wanted = audited(recorded(conn))
    assert search_all(database.url) == wanted
    live = rows(conn, "audit")
    project_all(database.url, "audit")
    assert rows(conn, "audit") == live


def test_an_event_without_origin_or_beginning_is_there_too(
    database: Database, conn: psycopg.Connection[Any]
) -> None:
    write_raw(database, "transfer.voided", b'{"reason":"x"}')
    with running(database.url):
        caught_up(conn, "audit")
    (row,) = search_all(database.url)
    assert (row.actor, row.account_id, row.summary) == ("", None, "voided: x")


@pytest.fixture
def busy(database: Database, ledger: Ledger, conn: psycopg.Connection[Any]) -> list[AuditRow]:
    """A history with three actors, each with several correlations; answers what must be found."""
    random = Random(4)
    accounts = open_accounts(ledger, 6, random=random)
    for n in range(60):
        who = Provenance(f"actor {n % 3}", f"request {n % 7}", str(n % 2), "")
        source, destination = random.sample(accounts[1:], 2)
        transfer = PostTransfer(uuid4(), source, destination, 5, "EUR", pending=n % 4 == 0)
        commands: list[Command] = [transfer]
        if transfer.pending:
            commands.append(PostPending(transfer.transfer_id))
        ledger.submit_and_wait(Submission(commands, who))
    with running(database.url):
        caught_up(conn, "audit")
    return audited(recorded(conn))


@pytest.mark.parametrize("scan", [queries.MAX_SCAN, SHORT_SCAN])
def test_search_finds_by_each_filter_and_by_several(
    busy: list[AuditRow], database: Database, scan: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "MAX_SCAN", scan)
    some = busy[len(busy) // 2]
    stream = next(r for r in busy if r.topic == "transfer.captured")
    assert stream.account_id is not None

    def touches(row: AuditRow) -> bool:
        return stream.account_id in (row.account_id, row.other_account_id)

    since, until = busy[-20].recorded_at, busy[20].recorded_at
    cases: list[tuple[dict[str, Any], Callable[[AuditRow], bool]]] = [
        ({"actor": some.actor}, lambda r: r.actor == some.actor),
        ({"stream_id": stream.stream_id}, lambda r: r.stream_id == stream.stream_id),
        ({"account_id": stream.account_id}, touches),
        ({"topic": "account.held"}, lambda r: r.topic == "account.held"),
        ({"correlation_id": "request 3"}, lambda r: r.correlation_id == "request 3"),
        ({"recorded_from": since}, lambda r: r.recorded_at >= since),
        ({"recorded_to": until}, lambda r: r.recorded_at < until),
        (
            {"recorded_from": since, "recorded_to": until, "actor": "actor 1"},
            lambda r: since <= r.recorded_at < until and r.actor == "actor 1",
        ),
        (
            {"account_id": stream.account_id, "topic": "transfer.posted", "actor": "actor 2"},
            lambda r: touches(r) and (r.topic, r.actor) == ("transfer.posted", "actor 2"),
        ),
        (
            {"topic": "account.debited", "actor": "actor 0", "correlation_id": "request 0"},
            lambda r: (
                (r.topic, r.actor, r.correlation_id) == ("account.debited", "actor 0", "request 0")
            ),
        ),
        ({"actor": "nobody"}, lambda r: False),
        ({"stream_id": uuid4()}, lambda r: False),
    ]
    for wanted, matches in cases:
        expected = [row for row in busy if matches(row)]
        for size in (3, 1_000):
            assert search_all(database.url, size, **wanted) == expected, wanted
    found = [len([r for r in busy if matches(r)]) for _, matches in cases[:10]]
    assert all(found)


@pytest.mark.parametrize("divisor", [1, 2, 4])
def test_pages_are_exact_on_multiples(
    divisor: int, database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 4)
    with running(database.url):
        caught_up(conn, "audit")
    wanted = audited(recorded(conn))
    wanted_opened = [row for row in wanted if row.topic == "account.opened"]
    assert len(wanted_opened) == 4
    assert search_all(database.url, 4 // divisor, topic="account.opened") == wanted_opened
    assert search_all(database.url, len(wanted)) == wanted


def submit(ledger: Ledger, *commands: Command, causation_id: str = "", name: str = "") -> int:
    """Submit under one correlation; answers the position of the last event."""
    who = Provenance("somebody", "story", causation_id, name)
    done = ledger.submit_and_wait(Submission(commands, who))
    return max(outcome.position for outcome in done.outcomes)  # type: ignore[union-attr]


def outline(commands: list[CommandNode]) -> list[Any]:
    return [
        [
            (node.row.topic.partition(".")[2], outline(node.commands))
            if node.commands
            else node.row.topic.partition(".")[2]
            for node in command.events
        ]
        for command in commands
    ]


def test_a_correlation_is_a_tree_of_commands_and_events(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    cash, bob = open_accounts(ledger, 2)
    start = submit(
        ledger,
        PostTransfer(uuid4(), cash, bob, 5, "EUR"),
        PostTransfer(T, cash, bob, 7, "EUR", pending=True),
        name="order 7",
    )
    open_accounts(ledger, 2)  # of another correlation, in between
    end = submit(ledger, PostPending(T), causation_id=str(start))
    submit(ledger, ReverseTransfer(T, R), causation_id=str(end))
    submit(ledger, PostTransfer(uuid4(), cash, bob, 1, "EUR"), causation_id="job 9")
    with running(database.url):
        caught_up(conn, "audit")
    found = tree(ask(database.url, queries.correlated, "story", 100))
    back = ["posted", "reversed", "debited", "credited"]
    captured = ["captured", "debited", ("credited", [back])]
    assert outline(found) == [
        ["posted", "debited", "credited"],
        ["reserved", ("held", [captured])],
        ["posted", "debited", "credited"],
    ]
    assert [c.first.command_id for c in found] == ["order 7", "order 7", ""]
    assert found[2].first.causation_id == "job 9"
    assert len(ask(database.url, queries.correlated, "story", 4)) == 4
    assert ask(database.url, queries.correlated, "", 4) == []


def test_a_very_long_chain_is_cut_into_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "MAX_DEPTH", 2)
    rows = [
        AuditRow(n, T, n, DAY + timedelta(n), "transfer.voided", None, None, "", "c", str(n - 1), "", "")
        for n in range(1, 6)
    ]  # fmt: skip
    assert outline(tree(rows)) == [
        [("voided", [["voided"]])], [("voided", [["voided"]])], ["voided"]
    ]  # fmt: skip

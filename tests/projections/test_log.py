"""Reading the log: whole, in pages, filtered, and up to what can't be read."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
import pytest

from application.ledger import Ledger
from domain.events import Recorded
from projections import log
from projections.log import UnreadableEventError, read_batch
from tests.conftest import Database
from tests.projections.histories import busy_history, open_accounts, recorded, write_raw
from tests.projections.running import ask


def test_batches_put_together_are_the_log(ledger: Ledger, conn: psycopg.Connection[Any]) -> None:
    open_accounts(ledger, 5)
    whole = recorded(conn)
    assert [event.position for event in whole] == list(range(1, log.head_position(conn) + 1))
    parts: list[Recorded] = []
    while batch := read_batch(conn, len(parts), 4):
        parts += batch
    assert parts == whole


@pytest.mark.parametrize(
    ("topic", "state"),
    [("account.painted", b'{"colour":"red"}'), ("account.released", b'{"transfer_id":1}')],
    ids=["unknown name", "unknown shape"],
)
def test_a_batch_ends_before_what_cannot_be_read(
    topic: str, state: bytes, database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    open_accounts(ledger, 2)
    before = recorded(conn)
    write_raw(database, topic, state)
    assert read_batch(conn, 0, 1_000) == before
    with pytest.raises(UnreadableEventError, match=topic) as caught:
        read_batch(conn, len(before), 1_000)
    assert caught.value.position == len(before) + 1
    with pytest.raises(UnreadableEventError, match=topic):
        ask(database.url, log.read_events, 0, 1_000)


def test_a_page_tells_who_asked_for_an_event(database: Database, ledger: Ledger) -> None:
    open_accounts(ledger, 2)
    page = ask(database.url, log.read_events, 0, 1)
    assert page.events[0].metadata == {"actor": "somebody", "correlation_id": "a test"}
    assert len(page.events[0].hash) == 32


def test_filtered_pages_find_all_even_when_a_page_finds_nothing(
    database: Database,
    ledger: Ledger,
    conn: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy_history(ledger, transfers=60)
    monkeypatch.setattr(log, "MAX_SCAN", 20)
    wanted = [e.position for e in recorded(conn) if e.topic == "account.status_changed"]
    found, after, pages, head = [], 0, 0, log.head_position(conn)
    while after < head:
        page = ask(database.url, log.read_events, after, 2, topic="account.status_changed")
        assert page.head == head
        found += [event.position for event in page.events]
        after, pages = page.read_to, pages + 1
    assert found == wanted
    assert pages > len(wanted)
    assert ask(database.url, log.read_events, head, 2) == ([], head, head)


def test_a_stream_is_read_by_version_and_by_position(
    database: Database, ledger: Ledger, conn: psycopg.Connection[Any]
) -> None:
    cash, *_ = open_accounts(ledger, 6)
    wanted = [(e.version, e.position) for e in recorded(conn) if e.stream_id == cash]
    stream = ask(database.url, log.stream_events, cash, 0, 100)
    assert [(e.version, e.position) for e in stream] == wanted
    assert ask(database.url, log.stream_events, cash, 2, 3) == stream[2:5]
    assert ask(database.url, log.stream_events, uuid4(), 0, 100) == []
    page = ask(database.url, log.read_events, 0, 3, stream_id=cash)
    assert page.events == stream[:3]
    rest = ask(database.url, log.read_events, page.read_to, 100, stream_id=cash)
    assert rest.events == stream[3:]
    assert rest.read_to == rest.head

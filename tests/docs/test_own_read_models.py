"""The worked example of a read model of one's own: it is what the document shows, and it is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

import psycopg
import pytest

from application.ledger import Ledger
from domain.accounts import Credited, Opened
from projections import checkpoints, files
from projections.log import head_position
from projections.rebuild import Options, rebuild
from tests.conftest import Database, MakeDatabase
from tests.docs.documents import blocks
from tests.projections.histories import busy_history, recorded
from tests.projections.running import caught_up, no_progress, running, schemas_of
from tests.support.processes import ROOT

EXAMPLE = ROOT / "docs" / "examples" / "daily_volume"
MODEL = files.load(EXAMPLE / "model.py")

Rows = list[tuple[date, str, int, int]]


def shown(language: str) -> list[str]:
    document = "own-read-models.md"
    return [b.text for b in blocks() if b.document == document and b.language == language]


@pytest.fixture(scope="module")
def busy(make_database: MakeDatabase) -> Iterator[Database]:
    """A database with a busy log, and the example kept up to date while it was written."""
    with make_database() as database, database.connect() as conn:
        with running(database.url, [MODEL]), Ledger(database.url) as ledger:
            busy_history(ledger)
            caught_up(conn, MODEL.name)
        yield database


def folded(conn: psycopg.Connection[Any]) -> Rows:
    """What the log comes to, by other code."""
    log = recorded(conn)
    currencies = {e.stream_id: e.data.currency for e in log if isinstance(e.data, Opened)}
    count: Counter[tuple[date, str]] = Counter()
    amount: Counter[tuple[date, str]] = Counter()
    for event in log:
        if isinstance(event.data, Credited):
            key = event.recorded_at.date(), currencies[event.stream_id]
            count[key] += 1
            amount[key] += event.data.amount
    return [(*key, count[key], amount[key]) for key in sorted(count)]


def as_reader(database: Database) -> Rows:
    """What the document's query answers to the role that may only read."""
    (query,) = shown("sql reader")
    url = database.url.replace("//daybook@", "//daybook_reader@")
    with psycopg.connect(url, autocommit=True) as conn:
        return conn.execute(query.encode(), prepare=True).fetchall()


def test_the_document_shows_the_files() -> None:
    assert shown("python") == [(EXAMPLE / "model.py").read_text()]
    assert shown("sql") == [(EXAMPLE / "tables.sql").read_text()]


def test_its_rows_are_what_the_log_comes_to(busy: Database) -> None:
    with busy.connect() as conn:
        expected = folded(conn)
    assert {currency for _, currency, _, _ in expected} == {"EUR", "JPY"}
    assert as_reader(busy) == expected


@pytest.mark.parametrize("parallel", [1, 2])
def test_a_rebuild_comes_to_the_same(parallel: int, busy: Database) -> None:
    expected = as_reader(busy)
    done = rebuild(busy.url, MODEL.name, no_progress, [MODEL], Options(parallel=parallel))
    assert done.outcome == "swapped"
    assert done.parity is not None
    assert done.parity.is_equal
    assert as_reader(busy) == expected


def test_it_is_verified_and_a_wrong_row_is_found(busy: Database) -> None:
    verify = Options(only_verify=True)
    assert rebuild(busy.url, MODEL.name, no_progress, [MODEL], verify).outcome == "verified"
    with busy.connect() as conn:
        conn.execute("UPDATE daily_volume.volume SET amount = amount + 1 WHERE currency = 'JPY'")
    try:
        assert rebuild(busy.url, MODEL.name, no_progress, [MODEL], verify).outcome == "different"
    finally:
        with busy.connect() as conn:
            conn.execute(
                "UPDATE daily_volume.volume SET amount = amount - 1 WHERE currency = 'JPY'"
            )


def test_it_goes_as_the_document_says(database: Database) -> None:
    with Ledger(database.url) as ledger, database.connect() as conn:
        busy_history(ledger, transfers=30)
        for _ in range(2):
            rebuild(database.url, MODEL.name, no_progress, [MODEL])
        assert schemas_of(conn) == ["daily_volume", "daily_volume_previous"]
        (drop,) = shown("sql owner")
        conn.execute(drop.encode())
        assert schemas_of(conn) == []
        done = rebuild(database.url, MODEL.name, no_progress, [MODEL])
        assert done.parity is None, "as if it had never been there"
        assert checkpoints.read(conn, MODEL.name) == (head_position(conn), 1, None, 0)

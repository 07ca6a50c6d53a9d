"""The reconciliations read model against the events that it is made of."""

from __future__ import annotations

from datetime import date
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest
from msgspec.structs import replace

from domain.reconciliations import (
    Mismatch,
    MissingMovement,
    UnexpectedLine,
)
from projections.agreement import hold_against_log
from projections.catalogue import read_model
from projections.reconciliations import queries
from tests.conftest import Database
from tests.projections.histories import EVEN, append, recorded
from tests.projections.running import ask, fill, project_all, projected, rows

SETTLED = replace(EVEN, missing=(MissingMovement(UUID(int=12), -7, settled=True),), source="a.xml")
ODD = replace(
    EVEN,
    currency="JPY",
    unexpected_total=2,
    mismatched_total=1,
    unexpected=(
        UnexpectedLine(2, date(2026, 3, 9), 5, "X", UUID(int=13)),
        UnexpectedLine(3, date(2026, 3, 9), 6),
    ),
    mismatched=(Mismatch((4, 5), (UUID(int=14),), 8, 9),),
)
MADE = {UUID(int=1): EVEN, UUID(int=2): SETTLED, UUID(int=3): ODD}


@pytest.fixture
def filled(database: Database) -> Database:
    append(database, *MADE.items())
    project_all(database.url, "reconciliations")
    return database


def test_each_is_shown_as_it_was_made(filled: Database) -> None:
    for position, (id_, made) in enumerate(MADE.items(), start=1):
        found = ask(filled.url, queries.reconciliation, id_)
        assert found is not None
        row, lists = found
        for name in ("account", "currency", "opened_on", "closed_on", "digest", "opening", "lines"):
            assert getattr(row, name) == getattr(made, name)
        totals = (made.matched_total, made.missing_total, made.unexpected_total)
        assert (row.matched, row.missing, row.unexpected) == totals
        assert (row.position, row.is_even) == (position, made is EVEN)
        for name in ("matched", "missing", "unexpected", "mismatched"):
            assert getattr(lists, name) == getattr(made, name)
    assert ask(filled.url, queries.reconciliation, UUID(int=4)) is None


def test_lists_are_the_last_made_first(filled: Database) -> None:
    def ids(**asked: Any) -> list[int]:
        page = ask(filled.url, queries.list_reconciliations, **{"limit": 9, **asked})
        return [row.id.int for row in page.rows]

    assert ids() == [3, 2, 1]
    assert ids(is_even=True) == [1]
    assert ids(is_even=False, currency="EUR") == [2]
    assert ids(account="another") == []
    assert ids(before=3, limit=1) == [2]


def test_batches_may_be_cut_anywhere(filled: Database) -> None:
    with filled.connect() as conn:
        model, shown = read_model("reconciliations"), rows(conn, "reconciliations")
        for size in (1, 2, 9):
            assert projected(conn, model, recorded(conn), size) == shown


DAMAGE: tuple[LiteralString, ...] = (
    "account = 'odd'", "currency = 'USD'", "opened_on = '1999-01-01'", "closed_on = '1999-01-01'",
    "statement_reference = 'odd'", "number = 'odd'", "digest = 'odd'", "source = 'odd'",
    "opening = 7", "closing = 7", "lines = 7", "movements = 7", "matched = 7", "missing = 7",
    "unexpected = 7", "mismatched = 7", "is_even = NOT is_even",
    "found = jsonb_set(found, '{matched, 0, amount}', '7')", "made_at = '1999-01-01'",
)  # fmt: skip


def test_what_is_wrong_in_the_table_is_named(filled: Database) -> None:
    fill(filled.url)
    with filled.connect() as conn:
        assert differences(conn) == []
        conn.execute("CREATE TEMPORARY TABLE whole AS TABLE reconciliations.reconciliation")
        for damage in DAMAGE:
            conn.execute(f"UPDATE reconciliations.reconciliation SET {damage}")
            assert f"{damage.partition(' ')[0]} is" in str(differences(conn)), damage
            conn.execute("DELETE FROM reconciliations.reconciliation")
            conn.execute("INSERT INTO reconciliations.reconciliation TABLE whole")
        conn.execute("DELETE FROM reconciliations.reconciliation")
        assert "is in the log, and not in the read model" in str(differences(conn))


def differences(conn: psycopg.Connection[Any]) -> list[str]:
    (found,) = [one for one in hold_against_log(conn) if one.name == "reconciliations"]
    return found.differences

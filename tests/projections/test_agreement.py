"""The read models against the log: they agree, and whatever is wrong in a table is named."""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg
import pytest

from application.ledger import Ledger
from projections import agreement
from projections.agreement import MAX_DIFFERENCES, ReadModelVerdict, hold_against_log
from tests.conftest import Database
from tests.projections.histories import busy_history
from tests.projections.running import caught_up, running
from tests.support.log import head, tampering

Conn = psycopg.Connection[Any]


@pytest.fixture
def projected(ledger: Ledger, database: Database, conn: Conn) -> Conn:
    """A log with a bit of everything, and read models that show all of it."""
    busy_history(ledger)
    with running(database.url):
        caught_up(conn)
    return conn


def verdict_of(conn: Conn, name: str) -> ReadModelVerdict:
    (found,) = [verdict for verdict in hold_against_log(conn) if verdict.name == name]
    return found


def test_read_models_that_the_runner_filled_agree_with_the_log(
    projected: Conn, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = head(projected)[0]
    for batch in (agreement.BATCH_EVENTS, 37):
        monkeypatch.setattr(agreement, "BATCH_EVENTS", batch)
        told: list[tuple[int, int]] = []
        verdicts = hold_against_log(projected, lambda done, total: told.append((done, total)))  # noqa: B023
        assert {verdict.position for verdict in verdicts} == {last}
        assert [verdict.differences for verdict in verdicts] == [[], [], []]
        assert told[-1] == (last, last)


def test_read_models_that_lag_behind_agree_up_to_where_they_are(
    projected: Conn, ledger: Ledger
) -> None:
    before = head(projected)[0]
    busy_history(ledger, seed=2)
    assert head(projected)[0] > before
    for verdict in hold_against_log(projected):
        assert (verdict.position, verdict.differences) == (before, [])


CHANGES: list[tuple[LiteralString, str, str]] = [
    ("UPDATE balances.account SET balance = balance + 1", "balances", "balance is"),
    ("UPDATE balances.account SET debits = debits + 1", "balances", "debits is"),
    ("UPDATE balances.account SET held = held + 1", "balances", "held is"),
    ("UPDATE balances.account SET status = 'odd'", "balances", "status is odd, by the log"),
    ("UPDATE balances.account SET name = 'odd'", "balances", "name is odd, by the log"),
    ("UPDATE balances.account SET version = version - 1", "balances", "version is"),
    ("DELETE FROM balances.account", "balances", "is in the log, and not in the read model"),
    ("UPDATE entries.entry SET amount = amount + 1", "entries", "is"),
    ("UPDATE entries.entry SET balance = balance + 1", "entries", "sum_of_balances is"),
    ("UPDATE entries.entry SET position = position + 100000", "entries", "sum_of_positions is"),
    ("UPDATE entries.entry SET account_id = gen_random_uuid()", "entries", "not in the log"),
    ("DELETE FROM entries.entry", "entries", "in the read model"),
    ("UPDATE transfers.transfer SET amount = amount + 1", "transfers", "amount is"),
    ("UPDATE transfers.transfer SET status = 'odd'", "transfers", "status is odd, by the log"),
    ("UPDATE transfers.transfer SET reversed = 7", "transfers", "reversed is 7, by the log"),
    ("UPDATE transfers.transfer SET id = gen_random_uuid()", "transfers", "not in the log"),
    ("DELETE FROM transfers.transfer", "transfers", "is in the log, and not in the read model"),
]


@pytest.mark.parametrize(("change", "name", "words"), CHANGES)
def test_what_is_wrong_in_a_table_is_named(
    change: LiteralString, name: str, words: str, projected: Conn
) -> None:
    projected.execute(change)
    found = verdict_of(projected, name)
    assert len(found.differences) <= MAX_DIFFERENCES
    assert any(words in difference for difference in found.differences), found.differences
    assert found.differences[0].startswith(f"{name}: ")


def test_a_read_model_that_has_seen_more_than_there_is_says_so(
    projected: Conn, database: Database
) -> None:
    last = head(projected)[0]
    with database.connect(superuser=True) as conn, tampering(conn):
        conn.execute("DELETE FROM events WHERE notification_id > %s", (last - 5,))
        conn.execute("UPDATE ledger_head SET position = %s", (last - 5,))
    for verdict in hold_against_log(projected):
        assert f"has seen event {last}, and the log ends at {last - 5}" in verdict.differences[0]

"""The writer's snapshots against the log: they agree, and a forged one is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest

from application.ledger import Ledger
from application.ledger.reading import SNAPSHOT_EVERY, SNAPSHOT_SHAPE
from projections import agreement
from projections.agreement import ReadModelVerdict, hold_against_log
from tests.conftest import Database, MakeDatabase
from tests.projections.running import fill, kept
from tests.support.ledgers import open_account, pay, submit
from tests.support.log import head

Conn = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def written(make_database: MakeDatabase) -> Iterator[Database]:
    """A log with snapshots of two accounts, which went on since."""
    with make_database() as database:
        with Ledger(database.url) as ledger:
            one, other = open_account(ledger, "cash"), open_account(ledger)
            for _ in range(3):
                submit(ledger, *[pay(one, other, 1 + n % 7) for n in range(SNAPSHOT_EVERY // 2)])
        fill(database.url)
        yield database


@pytest.fixture
def snapshotted(written: Database) -> Iterator[Conn]:
    """A connection to it; what a test does to the snapshots is undone after it."""
    with written.connect() as conn, kept(conn, "snapshots"):
        assert conn.execute("SELECT count(*) FROM snapshots").fetchone() == (2,)
        yield conn


def snapshots_of(conn: Conn) -> ReadModelVerdict:
    verdicts = hold_against_log(conn, snapshot_shape=SNAPSHOT_SHAPE)
    (found,) = [verdict for verdict in verdicts if verdict.name == "snapshots"]
    return found


def test_snapshots_as_the_writer_made_them_agree_with_the_log(
    snapshotted: Conn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for batch in (agreement.BATCH_EVENTS, 37):
        monkeypatch.setattr(agreement, "BATCH_EVENTS", batch)
        found = snapshots_of(snapshotted)
        assert (found.differences, found.counted) == ([], "2 snapshots")
    assert found.position == head(snapshotted)[0]
    assert "snapshots" not in {verdict.name for verdict in hold_against_log(snapshotted)}


def forged(name: str, value: object) -> LiteralString:
    """Sets a field in all snapshots, as the application's role, which may."""
    return (
        "UPDATE snapshots SET state = convert_to(jsonb_set(convert_from(state, 'UTF8')::jsonb,"
        f" '{{{name}}}', '{json.dumps(value)}')::text, 'UTF8')"
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (forged("balance", 9_999_999), "balance is 9999999, by the log"),
        (forged("held", 7), "held is 7, by the log 0"),
        (forged("credit_limit", 10**30), "by the log 0"),
        (forged("status", "frozen"), "status is frozen, by the log active"),
        (forged("type", "cash"), "type is cash, by the log checking"),
        (forged("id", str(UUID(int=7))), f"account is {UUID(int=7)}, by the log"),
        (forged("version", 7), "version_inside is 7, by the log"),
        (
            "UPDATE snapshots SET state ="
            " convert_to(replace(convert_from(state, 'UTF8'), 'any', '\\u0000'), 'UTF8')",
            "name is \ufffd, by the log any",
        ),
        ("UPDATE snapshots SET version = version + 1", "is"),
        ("UPDATE snapshots SET version = 100000", "version is 100000, by the log"),
        ("UPDATE snapshots SET state = '\\xff'", "balance is None, by the log"),
        ("UPDATE snapshots SET originator_id = gen_random_uuid()", "and not in the log"),
    ],
)  # fmt: skip
def test_a_snapshot_that_was_forged_is_named(
    change: LiteralString, words: str, snapshotted: Conn
) -> None:
    snapshotted.execute(change)
    found = snapshots_of(snapshotted).differences
    assert any(words in difference for difference in found), found
    assert found[0].startswith("snapshots: snapshot ")


def test_a_snapshot_of_another_shape_is_left_alone_as_the_writer_does(snapshotted: Conn) -> None:
    snapshotted.execute("UPDATE snapshots SET shape = 0, state = '{}'")
    assert snapshots_of(snapshotted).counted == "0 snapshots"

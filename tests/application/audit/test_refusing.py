"""What somebody with the application's role, or the database's owner, does so that a wrong log is signed."""

from __future__ import annotations

import asyncio
import logging

import pytest
from psycopg import AsyncConnection

from application.audit import kept, making, merkle
from application.audit.checkpoints import sign
from application.audit.errors import AuditError
from application.audit.keeper import CheckpointKeeper
from application.audit.notes import Signer, Verifier
from application.audit.tree import BLOCK_EVENTS
from tests.application.audit import forgery
from tests.application.audit.conftest import EVENTS, SIGNER, Audited, count
from tests.support.log import head, rows, tampering
from tests.support.waiting import until


def put_node(audited: Audited, level: int, index: int) -> None:
    """As the application's role, which may."""
    with audited.database.connect() as conn:
        conn.execute("INSERT INTO audit_nodes VALUES (%s, %s, %s)", (level, index, bytes(32)))


@pytest.mark.parametrize("level", [10, 11])
def test_nodes_that_somebody_put_in_ahead_of_the_log_are_not_signed(
    level: int, audited: Audited
) -> None:
    audited.fill(BLOCK_EVENTS + 100)
    audited.sign()
    put_node(audited, level, index=11 - level)
    audited.fill(2 * BLOCK_EVENTS + 10)
    with pytest.raises(AuditError, match=r"is not the one that they give. See `Repair`"):
        audited.sign()
    assert count(audited, "audit_checkpoints") == 1
    with tampering(audited.conn):
        audited.conn.execute("TRUNCATE audit_nodes")  # as docs/audit.md says under Repair
    assert audited.sign().root == merkle.root_of(row.hash for row in rows(audited.conn))
    assert audited.findings() == []


def test_a_checkpoint_over_a_wrong_tree_is_put_away_as_docs_audit_says(audited: Audited) -> None:
    wrong = sign(SIGNER, EVENTS, bytes(32), head(audited.conn)[1])
    put_row(audited, EVENTS, wrong.note)
    audited.folder.mkdir()
    file = audited.folder / f"{EVENTS}.txt"
    file.write_text(wrong.note)
    audited.fill(EVENTS + 20)
    with pytest.raises(AuditError, match="does not extend the checkpoint of position 40"):
        audited.sign()
    (found,) = audited.findings()
    assert "made from a wrong tree" in found.sentence
    file.unlink()
    with tampering(audited.conn):
        audited.conn.execute("DELETE FROM audit_checkpoints WHERE position = %s", (EVENTS,))
    audited.sign()
    assert audited.findings() == []


def test_nodes_for_more_events_than_there_are_are_not_signed(audited: Audited) -> None:
    put_node(audited, 10, 10**9)
    with pytest.raises(AuditError, match="the log ends at 40, and audit_nodes keeps nodes for"):
        audited.sign()


def test_a_server_tells_of_a_wrong_node_once_and_does_not_wait_for_better_times(
    audited: Audited, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    audited.fill(BLOCK_EVENTS + 10)
    put_node(audited, 10, 0)
    asked = []

    def keys_asked() -> tuple[Signer, list[Verifier]]:
        asked.append(1)
        return SIGNER, [SIGNER.verifier]

    caplog.set_level(logging.INFO, "daybook.audit")
    running = CheckpointKeeper(audited.database.url, keys_asked, audited.folder, 1, look_s=0.01)
    running.start()
    try:
        until(lambda: len(asked) > 2)
    finally:
        running.stop()
    (told,) = [record.message for record in caplog.records]
    assert "no checkpoint was made: nothing was signed: the node of level 10" in told


def forget(audited: Audited) -> None:
    """As an older backup does, or somebody who owns the database."""
    with tampering(audited.conn):
        audited.conn.execute("TRUNCATE audit_checkpoints, audit_nodes")


def test_a_second_history_is_not_signed_though_the_database_has_forgotten_the_first(
    audited: Audited,
) -> None:
    signed = audited.sign()
    forgery.rewrite(audited.conn, 5, b'{"forged":true}')
    forget(audited)
    for events in (EVENTS, EVENTS + 20):
        audited.fill(events)
        with pytest.raises(
            AuditError, match=r"does not extend the checkpoint of position 40 in .*40\.txt"
        ):
            audited.sign()
    assert count(audited, "audit_checkpoints") == 0
    assert [path.read_text() for path in audited.folder.iterdir()] == [signed.note]


def test_a_log_that_is_shorter_than_a_file_says_is_not_signed(audited: Audited) -> None:
    audited.sign()
    forget(audited)
    forgery.delete(audited.conn, 31, EVENTS)
    forgery.move_head(audited.conn, 30)
    with pytest.raises(AuditError, match="an older backup was restored"):
        audited.sign()


def test_a_database_that_has_lost_its_row_gets_back_what_the_file_says(audited: Audited) -> None:
    signed = audited.sign()
    forget(audited)
    later = Signer.generate("example.com/ledger")
    with audited.database.connect() as conn:
        made = making.make(conn, later, [later.verifier, SIGNER.verifier], audited.folder)
    assert made == signed
    assert count(audited, "audit_checkpoints") == 1
    assert audited.verify().checkpoints == 1


@pytest.mark.parametrize("content", [b"something else", b"\xff", None])
def test_no_file_is_ever_replaced(content: bytes | None, audited: Audited) -> None:
    path = audited.folder / f"{EVENTS}.txt"
    path.parent.mkdir()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(AuditError, match=f"{EVENTS}.txt"):
        audited.sign()
    assert path.is_dir() if content is None else path.read_bytes() == content
    assert count(audited, "audit_checkpoints") == 0


def put_row(audited: Audited, position: int, note: str = "junk") -> None:
    """As the application's role, which may."""
    with audited.database.connect() as conn:
        conn.execute(
            "INSERT INTO audit_checkpoints (position, note) VALUES (%s, %s)", (position, note)
        )


def test_rows_that_are_no_checkpoint_stop_nothing_and_are_named(audited: Audited) -> None:
    signed = audited.sign()
    for position in (7, EVENTS + 1, 2**62):
        put_row(audited, position)
    stranger = Signer.generate("example.com/other")
    put_row(audited, 2**61, sign(stranger, 2**61, bytes(32), bytes(32)).note)
    audited.fill(EVENTS + 20)
    with audited.database.connect() as conn:
        assert making.is_due(conn, 20)
        assert not making.is_due(conn, 21)
    made = audited.sign()

    async def ask() -> tuple[list[int], int | None]:
        async with await AsyncConnection.connect(audited.database.url, autocommit=True) as conn:
            newest = await kept.newest_of_log(conn)
            page = await kept.page(conn, None, 2)
            return [one.position for one in page], newest and newest.position

    assert asyncio.run(ask()) == ([made.position, signed.position], made.position)
    named = [finding.position for finding in audited.findings()]
    assert named == [7, EVENTS + 1, 2**61, 2**62]


def test_a_row_that_is_no_checkpoint_in_the_next_ones_place_is_named(audited: Audited) -> None:
    put_row(audited, EVENTS)
    with pytest.raises(AuditError, match="has a row of position 40 that is no checkpoint"):
        audited.sign()
    audited.fill(EVENTS + 1)
    assert audited.sign().position > EVENTS

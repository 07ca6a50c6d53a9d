"""Whoever owns the database can change the log in eight ways, and each of them is found and named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from application.audit.checkpoints import sign
from application.audit.errors import AuditError
from application.audit.kept import collect
from application.audit.tree import BLOCK_EVENTS
from tests.application.audit import forgery
from tests.application.audit.conftest import EVENTS, SIGNER, Audited, kept
from tests.support.log import tampering

Tamper = Callable[[psycopg.Connection[Any]], None]


def test_a_log_as_it_was_written_has_no_findings(audited: Audited) -> None:
    audited.sign()
    verdict = audited.verify()
    assert verdict.findings == []
    assert (verdict.first, verdict.last, verdict.events) == (1, EVENTS, EVENTS)
    assert verdict.checkpoints == 1


def test_an_empty_log_has_no_findings(audited: Audited) -> None:
    with tampering(audited.conn):
        audited.conn.execute("TRUNCATE events")
        audited.conn.execute("UPDATE ledger_head SET position = 0, hash = %s", (bytes(32),))
    assert audited.verify().events == 0
    assert audited.findings() == []


WAYS: dict[str, tuple[Tamper, str, int, int]] = {
    "payload": (
        lambda c: forgery.alter(c, 12, "state = state || ' '"), "altered", 12, 12,
    ),
    "payload of the first": (lambda c: forgery.alter(c, 1, "state = '{}'"), "altered", 1, 1),
    "payload of the last": (
        lambda c: forgery.alter(c, EVENTS, "state = '{}'"), "altered", EVENTS, EVENTS,
    ),
    "metadata": (lambda c: forgery.alter(c, 7, "metadata = '{}'"), "altered", 7, 7),
    "time": (
        lambda c: forgery.alter(c, 9, "recorded_at = recorded_at + '1 microsecond'"),
        "altered", 9, 9,
    ),
    "topic": (lambda c: forgery.alter(c, 9, "topic = 'account.opened'"), "altered", 9, 9),
    "stream": (
        lambda c: forgery.alter(c, 9, "originator_id = gen_random_uuid()"), "altered", 9, 9,
    ),
    "version": (lambda c: forgery.alter(c, 9, "originator_version = 99"), "altered", 9, 9),
    "stored hash": (lambda c: forgery.alter(c, 9, "hash = sha256(hash)"), "altered", 9, 9),
    "order": (lambda c: forgery.swap(c, 8, 11), "reordered", 8, 11),
    "order of neighbours": (lambda c: forgery.swap(c, 8, 9), "reordered", 8, 9),
    "order of the last two": (
        lambda c: forgery.swap(c, EVENTS - 1, EVENTS), "reordered", EVENTS - 1, EVENTS,
    ),
    "order, with the last": (lambda c: forgery.swap(c, 8, EVENTS), "reordered", 8, EVENTS),
    "order of contents": (lambda c: forgery.swap_contents(c, 8, 11), "reordered", 8, 11),
    "deletion in the middle": (lambda c: forgery.delete(c, 10, 12), "missing", 10, 12),
    "deletion of the first": (lambda c: forgery.delete(c, 1, 1), "missing", 1, 1),
    "deletion in the middle, renumbered": (
        lambda c: forgery.delete(c, 10, 12, renumber=True), "missing", 10, 12,
    ),
    "deletion at the end": (lambda c: forgery.delete(c, 31, EVENTS), "missing", 31, EVENTS),
    "insertion": (lambda c: forgery.insert(c, 15), "inserted", 15, 15),
    "insertion of many": (lambda c: forgery.insert(c, 15, 3), "inserted", 15, 17),
    "insertion at the start": (lambda c: forgery.insert(c, 1), "inserted", 1, 1),
    "insertion before the last": (
        lambda c: forgery.insert(c, EVENTS), "inserted", EVENTS, EVENTS,
    ),
    "insertion with hashes that fit": (
        lambda c: forgery.insert(c, 15, 2, sealed=True), "inserted", 15, 16,
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_the_first_wrong_event_is_named(way: str, audited: Audited) -> None:
    tamper, kind, first, last = WAYS[way]
    tamper(audited.conn)
    found = audited.findings()[0]
    assert (found.kind, found.position, found.until) == (kind, first, last)
    assert found.sentence.startswith(kind.capitalize())
    assert str(first) in found.sentence
    assert found.sentence.endswith(".")


def test_an_end_that_was_deleted_together_with_the_heads_memory_of_it_is_missed_by_the_checkpoint(
    audited: Audited,
) -> None:
    signed = audited.sign()
    forgery.delete(audited.conn, 31, EVENTS)
    forgery.move_head(audited.conn, 30)
    (found,) = audited.findings()
    assert (found.kind, found.position, found.until) == ("missing", 31, EVENTS)
    assert "was signed when the log had more" in found.sentence
    with tampering(audited.conn):
        audited.conn.execute("TRUNCATE audit_checkpoints")
    assert audited.findings() == [], "the chain alone can't know"
    (found,) = audited.findings(kept(signed))
    assert (found.kind, found.position) == ("missing", 31)


def test_a_log_rewritten_with_a_right_chain_is_found_by_a_checkpoint_that_was_kept(
    audited: Audited,
) -> None:
    signed = audited.sign()
    forgery.rewrite(audited.conn, 5, b'{"forged":true}')
    (found,) = audited.findings()
    assert found.kind == "rewritten"
    assert found.position <= 5 <= found.until
    with tampering(audited.conn):
        audited.conn.execute("TRUNCATE audit_checkpoints, audit_nodes")
    assert audited.findings() == [], "the chain alone can't know"
    (found,) = audited.findings(kept(signed))
    assert (found.kind, found.position, found.until) == ("rewritten", 1, EVENTS)
    assert "the auditor's safe" in found.sentence


def test_a_rewriting_is_narrowed_down_by_earlier_checkpoints_and_the_kept_tree(
    audited: Audited,
) -> None:
    audited.sign()
    audited.fill(2 * BLOCK_EVENTS + 500)
    signed = audited.sign()
    forgery.rewrite(audited.conn, BLOCK_EVENTS + 7, b"{}")
    (found,) = audited.findings()
    assert (found.position, found.until) == (BLOCK_EVENTS + 1, 2 * BLOCK_EVENTS)
    assert f"up to {BLOCK_EVENTS} the log is as it was signed" in found.sentence
    with tampering(audited.conn):
        audited.conn.execute("UPDATE audit_nodes SET hash = sha256(hash)")
    (found,) = audited.findings(kept(signed))
    assert (found.position, found.until) == (EVENTS + 1, signed.position), "only signed nodes count"


def test_a_rewriting_behind_the_last_whole_block_is_narrowed_down_to_it(audited: Audited) -> None:
    audited.fill(BLOCK_EVENTS + 100)
    signed = audited.sign()
    forgery.rewrite(audited.conn, BLOCK_EVENTS + 7, b"{}")
    (found,) = audited.findings()
    assert (found.position, found.until) == (BLOCK_EVENTS + 1, signed.position)


HEADS: dict[str, tuple[Tamper, int]] = {
    "UPDATE ledger_head SET hash = sha256(hash)": (lambda _: None, EVENTS),
    "UPDATE ledger_head SET recorded_at = '2150-01-01'": (lambda _: None, EVENTS),
    "SELECT": (lambda c: forgery.move_head(c, 30), 31),
    "DELETE FROM ledger_head": (lambda _: None, 1),
}


@pytest.mark.parametrize("change", HEADS)
def test_a_head_that_was_altered_is_found(change: str, audited: Audited) -> None:
    tamper, position = HEADS[change]
    with tampering(audited.conn):
        tamper(audited.conn)
        audited.conn.execute(change.encode())
    (found,) = audited.findings()
    assert (found.kind, found.position) == ("head", position)


def test_a_kept_tree_that_was_altered_is_found(audited: Audited) -> None:
    audited.fill(2 * BLOCK_EVENTS + 10)
    audited.sign()
    for change in ("UPDATE audit_nodes SET hash = sha256(hash)", "DELETE FROM audit_nodes"):
        with tampering(audited.conn):
            audited.conn.execute((change + " WHERE level = 10 AND index = 0").encode())
        (found,) = audited.findings()
        assert (found.kind, found.position, found.until) == ("tree", 1, BLOCK_EVENTS)


def put_nodes(audited: Audited, *places: tuple[int, int]) -> None:
    """Put nodes in as the application's role, which may."""
    with audited.database.connect() as conn:
        for level, index in places:
            conn.execute("INSERT INTO audit_nodes VALUES (%s, %s, %s)", (level, index, bytes(32)))


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM audit_nodes WHERE level = 10 AND index = 1",
        "DELETE FROM audit_nodes WHERE level = 11",
        "TRUNCATE audit_nodes",
    ],
)
def test_nodes_that_were_taken_out_are_found_and_made_anew(change: str, audited: Audited) -> None:
    audited.fill(2 * BLOCK_EVENTS + 10)
    signed = audited.sign()
    with tampering(audited.conn):
        audited.conn.execute(change.encode())
    (found,) = audited.findings()
    assert found.kind == "tree"
    assert "taken out" in found.sentence
    with tampering(audited.conn):
        audited.conn.execute("TRUNCATE audit_nodes")  # as docs/audit.md says under Repair
    assert audited.sign() == signed
    assert audited.findings() == []


@pytest.mark.parametrize("place", [(10, 2), (10, 10**9), (11, 1), (12, 0)])
def test_nodes_over_what_the_log_has_not_in_whole_blocks_are_found(
    place: tuple[int, int], audited: Audited
) -> None:
    audited.fill(2 * BLOCK_EVENTS + 10)
    audited.sign()
    put_nodes(audited, place)
    (found,) = audited.findings()
    assert (found.kind, found.position) == ("tree", 2 * BLOCK_EVENTS + 1)
    assert "too much: 1 node is in audit_nodes" in found.sentence
    assert "docs/audit.md" in found.sentence


def test_a_wrong_node_that_was_put_in_ahead_is_found_once_the_log_is_there(
    audited: Audited,
) -> None:
    audited.fill(BLOCK_EVENTS + 10)
    audited.sign()
    audited.fill(2 * BLOCK_EVENTS + 10)
    put_nodes(audited, (10, 1))
    (found,) = audited.findings()
    assert (found.kind, found.position) == ("tree", BLOCK_EVENTS + 1)


def test_a_checkpoint_whose_root_is_wrong_says_what_to_do(audited: Audited) -> None:
    signed = audited.sign()
    wrong = sign(SIGNER, EVENTS, bytes(32), signed.chain)
    (found,) = audited.findings(kept(wrong))
    assert found.kind == "checkpoint"
    assert "not its root: it was made from a wrong tree" in found.sentence
    assert "See `Repair` in docs/audit.md" in found.sentence


@pytest.mark.parametrize(("position", "where"), [(-1, "the first is -1"), (None, "none")])
def test_an_event_that_has_no_place_in_the_log_is_found(
    position: int | None, where: str, audited: Audited
) -> None:
    audited.sign()
    with tampering(audited.conn):
        forgery.put_outside(audited.conn, position)
    (found,) = audited.findings()
    assert (found.kind, found.position) == ("inserted", position or 0)
    assert f"1 row has no position in the log, which begins at 1 ({where})" in found.sentence
    assert audited.verify(first=2).findings == [], "only who begins at the start looks there"


@pytest.mark.parametrize("position", [1, 5, EVENTS])
def test_an_event_that_is_there_twice_is_named(position: int, audited: Audited) -> None:
    with tampering(audited.conn):
        for name in ("events_pkey", "events_stream_version"):
            audited.conn.execute(f"ALTER TABLE events DROP CONSTRAINT {name}".encode())
        audited.conn.execute(
            "INSERT INTO events SELECT * FROM events WHERE notification_id = %s", (position,)
        )
    (found,) = audited.findings()
    assert (found.kind, found.position, found.until) == ("inserted", position, position)
    assert found.sentence.startswith(f"Inserted: there is a second event {position};")


def test_a_file_that_can_not_be_read_is_one_finding_among_others(audited: Audited) -> None:
    signed = audited.sign()
    (audited.folder / "7.txt").write_bytes(b"\xff\xfe")
    (audited.folder / "8.txt").write_bytes(b"x" * (2 << 20))
    (audited.folder / "9.txt").mkdir()
    with audited.database.connect() as conn:
        collected = collect(conn, audited.folder, [SIGNER.verifier])
    assert [finding.position for finding in collected.findings] == [7, 8, 9]
    assert {finding.kind for finding in collected.findings} == {"checkpoint"}
    for finding, reason in zip(
        collected.findings, ("no text in UTF-8", "too large", "cannot be read"), strict=True
    ):
        assert reason in finding.sentence
    assert [one.checkpoint for one in collected.kept] == [signed]


def test_a_checkpoint_that_was_altered_is_found(audited: Audited) -> None:
    audited.sign()
    with tampering(audited.conn):
        audited.conn.execute("UPDATE audit_checkpoints SET note = replace(note, '40', '41')")
    (found,) = audited.findings()
    assert found.kind == "checkpoint"
    assert "the text was changed" in found.sentence


def test_a_checkpoint_at_another_position_than_it_says_is_found(audited: Audited) -> None:
    audited.sign()
    with tampering(audited.conn):
        audited.conn.execute("UPDATE audit_checkpoints SET position = 39")
    (found,) = audited.findings()
    assert found.sentence.endswith("cannot be trusted: it is of position 40.")


def test_a_part_is_verified_trusting_the_hash_before_it(audited: Audited) -> None:
    forgery.alter(audited.conn, 12, "state = state || ' '")
    assert audited.verify(first=13).findings == []
    assert audited.verify(last=11).findings == []
    assert audited.verify(first=5, last=12).findings[0].position == 12
    verdict = audited.verify(first=20, last=30)
    assert (verdict.first, verdict.last, verdict.events) == (20, 30, 11)


@pytest.mark.parametrize("part", [{"first": 41}, {"last": 41}, {"first": 9, "last": 8}])
def test_a_part_that_there_is_not_is_refused(part: dict[str, int], audited: Audited) -> None:
    with pytest.raises(AuditError, match="from 1 to 40, where the log ends"):
        audited.verify(**part)

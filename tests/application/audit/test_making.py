"""Making checkpoints: cheap, resumable, by one process at a time, and never of a log that is broken."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from application.audit import keys, making, merkle
from application.audit.checkpoints import open_checkpoint
from application.audit.errors import AuditError
from application.audit.keeper import CheckpointKeeper
from application.audit.notes import Signer, Verifier
from application.audit.tree import BLOCK_EVENTS
from tests.application.audit import forgery
from tests.application.audit.conftest import EVENTS, SIGNER, Audited, count
from tests.support.log import head, rows, tampering
from tests.support.waiting import until

KEYS = (SIGNER, [SIGNER.verifier])


class Killed(Exception):  # noqa: N818 - it stands for the end of a process
    pass


def killed(_: float) -> None:
    raise Killed


def test_a_checkpoint_is_the_root_over_all_events_and_the_chains_last_hash(
    audited: Audited,
) -> None:
    for events in (EVENTS, BLOCK_EVENTS, 2 * BLOCK_EVENTS + 30, 4 * BLOCK_EVENTS + 1):
        audited.fill(events)
        made = audited.sign()
        assert (made.position, made.chain) == head(audited.conn)
        assert made.root == merkle.root_of(row.hash for row in rows(audited.conn))
        file = audited.folder / f"{made.position}.txt"
        assert open_checkpoint(file.read_text(), [SIGNER.verifier]) == made
    assert count(audited, "audit_checkpoints") == 4
    assert count(audited, "audit_nodes") == 4 + 2 + 1
    assert audited.verify().checkpoints == 4
    assert audited.findings() == []


def test_a_log_that_has_not_grown_keeps_its_checkpoint(audited: Audited) -> None:
    assert audited.sign() == audited.sign()
    assert count(audited, "audit_checkpoints") == 1


def test_what_was_kept_before_a_crash_is_held_against_the_events(
    audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "STEP_BLOCKS", 1)
    audited.fill(3 * BLOCK_EVENTS + 5)
    with audited.database.connect() as conn, pytest.raises(Killed):
        making.make(conn, *KEYS, audited.folder, pause=killed)
    assert count(audited, "audit_nodes WHERE level = 10") == 1
    assert count(audited, "audit_checkpoints") == 0
    assert audited.sign().root == merkle.root_of(row.hash for row in rows(audited.conn))
    assert audited.findings() == []


def test_two_that_make_one_at_the_same_time_make_the_same(
    audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "STEP_BLOCKS", 1)
    audited.fill(4 * BLOCK_EVENTS)
    made = []
    both = threading.Barrier(2)

    def make() -> None:
        both.wait()
        made.append(audited.sign())

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made[0] == made[1]
    assert count(audited, "audit_checkpoints") == 1
    assert audited.findings() == []


def test_an_empty_log_is_not_signed(audited: Audited) -> None:
    with tampering(audited.conn):
        audited.conn.execute("TRUNCATE events")
        audited.conn.execute("UPDATE ledger_head SET position = 0, hash = %s", (bytes(32),))
    with pytest.raises(AuditError, match="the log is empty"):
        audited.sign()


def test_a_broken_log_is_not_signed(audited: Audited) -> None:
    forgery.alter(audited.conn, 12, "state = state || ' '")
    with pytest.raises(AuditError, match=r"nothing was signed, .* Altered: event 12 "):
        audited.sign()
    audited.conn.execute("SELECT 1")
    assert count(audited, "audit_checkpoints") == 0
    assert not audited.folder.exists()


def test_another_history_than_the_one_signed_before_is_not_signed(audited: Audited) -> None:
    audited.sign()
    forgery.rewrite(audited.conn, 5, b"{}")
    audited.fill(EVENTS + 10)
    with pytest.raises(AuditError, match="does not extend the checkpoint of position 40"):
        audited.sign()


def test_a_log_that_lost_its_end_is_not_signed(audited: Audited) -> None:
    audited.fill(BLOCK_EVENTS)
    audited.sign()
    forgery.delete(audited.conn, 31, BLOCK_EVENTS)
    forgery.move_head(audited.conn, 30)
    with pytest.raises(AuditError, match="does not extend the checkpoint of position 1024"):
        audited.sign()


def test_a_short_log_that_lost_its_end_is_not_signed(audited: Audited) -> None:
    audited.sign()
    forgery.delete(audited.conn, 31, EVENTS)
    forgery.move_head(audited.conn, 30)
    with pytest.raises(AuditError, match="does not extend the checkpoint of position 40"):
        audited.sign()


def test_a_head_that_says_otherwise_is_not_signed(audited: Audited) -> None:
    with tampering(audited.conn):
        audited.conn.execute("UPDATE ledger_head SET hash = sha256(hash)")
    with pytest.raises(AuditError, match="does not end as its head says"):
        audited.sign()


def test_a_server_with_another_key_does_not_sign(audited: Audited) -> None:
    audited.sign()
    other = Signer.generate("example.com/ledger")
    wanted = "checkpoint of position 40 in the database cannot be trusted.*AUDIT_KEY_FILE"
    with audited.database.connect() as conn, pytest.raises(AuditError, match=wanted):
        making.make(conn, other, [other.verifier], audited.folder)


def test_a_new_key_goes_on_where_the_earlier_one_signed(audited: Audited) -> None:
    audited.sign()
    audited.fill(EVENTS + 5)
    later = Signer.generate("example.com/ledger")
    with audited.database.connect() as conn:
        made = making.make(conn, later, [later.verifier, SIGNER.verifier], audited.folder)
    assert made.position == EVENTS + 5


def keeper(audited: Audited, every: int) -> CheckpointKeeper:
    return CheckpointKeeper(audited.database.url, lambda: KEYS, audited.folder, every, look_s=0.01)


def test_a_server_signs_by_itself_when_the_log_has_grown(audited: Audited) -> None:
    running = keeper(audited, every=EVENTS)
    running.start()
    try:
        until(lambda: count(audited, "audit_checkpoints") == 1)
        audited.fill(2 * EVENTS)
        until(lambda: count(audited, "audit_checkpoints") == 2)
    finally:
        running.stop()
    assert {path.name for path in audited.folder.iterdir()} == {"40.txt", "80.txt"}
    assert audited.findings() == []


def test_a_server_that_is_told_not_to_does_not_sign(audited: Audited) -> None:
    running = keeper(audited, every=0)
    running.start()
    running.stop()
    assert count(audited, "audit_checkpoints") == 0


def test_a_server_that_stops_leaves_the_rest_to_the_next(
    audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "STEP_BLOCKS", 1)
    audited.fill(8 * BLOCK_EVENTS)
    first = keeper(audited, every=1)
    first.start()
    until(lambda: count(audited, "audit_nodes"))
    first.stop()
    second = keeper(audited, every=1)
    second.start()
    try:
        until(lambda: count(audited, "audit_checkpoints"))
    finally:
        second.stop()
    assert audited.findings() == []


def test_a_server_that_can_not_sign_says_why_once(
    audited: Audited, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    asked = []

    def no_key() -> tuple[Signer, list[Verifier]]:
        asked.append(1)
        return keys.load_signer(tmp_path / "audit.key"), []

    caplog.set_level(logging.INFO, "daybook.audit")
    running = CheckpointKeeper(audited.database.url, no_key, audited.folder, 1, look_s=0.01)
    running.start()
    try:
        until(lambda: len(asked) > 2)
    finally:
        running.stop()
    (told,) = [record.message for record in caplog.records]
    assert "no checkpoint was made: there is no key to sign with" in told


def test_a_server_whose_database_goes_away_goes_on_when_it_is_back(
    audited: Audited, caplog: pytest.LogCaptureFixture
) -> None:
    running = keeper(audited, every=EVENTS + 10)
    running.start()
    try:
        until(lambda: backends(audited) == 1)
        audited.conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'daybook checkpoints' AND datname = current_database()"
        )
        audited.fill(EVENTS + 10)
        until(lambda: count(audited, "audit_checkpoints") == 1)
    finally:
        running.stop()
    assert any("waits for better times" in record.message for record in caplog.records)


def backends(audited: Audited) -> int:
    return count(
        audited,
        "pg_stat_activity WHERE application_name = 'daybook checkpoints'"
        " AND datname = current_database()",
    )

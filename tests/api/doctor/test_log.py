"""Trouble in the log is found: what is missing, altered, moved or no longer what was signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from application.audit import keys
from application.audit.making import make
from tests.api.doctor.conftest import Conn, Ward, fill
from tests.application.audit import forgery
from tests.support.log import tampering

EVENTS = 40


def sign(ward: Ward) -> None:
    """Sign the log with the installation's own key."""
    folder = ward.patient.settings.DATA_DIR
    signer = keys.load_or_create(folder / "keys" / "audit.key")
    with ward.database.connect() as conn:
        make(conn, signer, [signer.verifier], folder / "checkpoints")


def test_what_is_looked_at_is_said(ward: Ward) -> None:
    ward.all_clear("positions", "head", "chain", "signatures")
    assert ward.check("positions").looked_at == "40 events, the last at 40"
    assert ward.check("chain").looked_at == "40 events"
    assert ward.limited(recent_events=10).check("chain").looked_at == (
        "10 events from 31 on; `--deep` looks at all"
    )


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (1, 1, "1 event of positions 1 to 40; the first is 1."),
        (17, 19, "3 events of positions 1 to 40; the first is 17."),
        (39, 39, "1 event of positions 1 to 40; the first is 39."),
    ],
)
def test_a_gap_is_found_and_its_start_named(
    first: int, last: int, words: str, ward: Ward, admin: Conn
) -> None:
    forgery.delete(admin, first, last)
    finding = ward.one("positions")
    assert finding.severity == "wrong"
    assert words in finding.sentence
    assert "daybook audit verify" in finding.advice
    assert ward.one("chain").severity == "wrong"


def test_two_gaps_are_counted_together(ward: Ward, admin: Conn) -> None:
    forgery.delete(admin, 30, 31)
    forgery.delete(admin, 5, 5)
    assert "3 events of positions 1 to 40; the first is 5." in ward.one("positions").sentence


def test_events_before_the_first_position_are_found(ward: Ward, admin: Conn) -> None:
    with tampering(admin):
        forgery.put_outside(admin, -1)
    (finding,) = ward.found("positions")
    assert "Inserted: 1 event with a position below 1" in finding.sentence


def test_checkpoints_without_a_key_are_no_pass(ward: Ward) -> None:
    sign(ward)
    for name in ("audit.key", "audit.pub"):
        (ward.patient.settings.DATA_DIR / "keys" / name).unlink(missing_ok=True)
    found = ward.deep().found("chain")
    assert "no key to check them with" in found[0].sentence


def test_the_recent_part_of_the_chain_is_followed_and_with_deep_all_of_it(
    ward: Ward, admin: Conn
) -> None:
    recent = ward.limited(recent_events=10)
    forgery.alter(admin, 31, "state = '{}'")
    assert "31" in recent.one("chain").sentence
    forgery.alter(admin, 30, "state = '{}'")
    assert "31" in recent.one("chain").sentence
    assert "30" in recent.deep().one("chain").sentence


def test_a_chain_that_cannot_be_begun_is_no_pass(ward: Ward, admin: Conn) -> None:
    forgery.delete(admin, 30, 30)
    assert "could not be done" in ward.limited(recent_events=10).one("chain").sentence


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE ledger_head SET position = 35", "ends at 35, and the last event is 40"),
        ("UPDATE ledger_head SET position = 45", "ends at 45, and the last event is 40"),
        ("UPDATE ledger_head SET hash = sha256(hash)", "hash is not that of event 40"),
        ("UPDATE ledger_head SET recorded_at = 'epoch'", "The head's time is 1970-01-01"),
        ("DELETE FROM ledger_head", "its row in ledger_head is gone"),
        ("DELETE FROM events", "ends at 40, and there is no event"),
    ],
)
def test_a_head_that_is_not_the_last_event_is_found(
    change: str, words: str, ward: Ward, admin: Conn
) -> None:
    with tampering(admin):
        admin.execute(change.encode())
    finding = ward.one("head")
    assert finding.severity == "wrong"
    assert words in finding.sentence


def test_a_log_that_should_be_signed_by_now_is_a_warning(ward: Ward) -> None:
    for every, severities in ((20, ["warning"]), (21, []), (0, ["warning"])):
        found = ward.set(CHECKPOINT_EVERY=every).found("signatures")
        assert [finding.severity for finding in found] == severities
        assert all("daybook audit checkpoint" in finding.advice for finding in found)


def test_an_old_checkpoint_is_a_warning(ward: Ward) -> None:
    sign(ward)
    ward.set(CHECKPOINT_EVERY=1).all_clear("signatures")
    fill(ward.database)
    finding = ward.set(CHECKPOINT_EVERY=20).one("signatures")
    assert (finding.severity, "40 events came since" in finding.sentence) == ("warning", True)
    ward.set(CHECKPOINT_EVERY=21).all_clear("signatures")
    by_hand = ward.set(CHECKPOINT_EVERY=0)
    by_hand.all_clear("signatures")
    assert by_hand.limited(unsigned_s=-1.0).one("signatures").severity == "warning"


def test_events_that_were_signed_and_are_gone_are_found(ward: Ward, admin: Conn) -> None:
    sign(ward)
    forgery.delete(admin, 36, 40)
    forgery.move_head(admin, 35)
    finding = ward.one("signatures")
    assert finding.severity == "wrong"
    assert "of position 40, and the log ends at 35" in finding.sentence
    ward.all_clear("positions", "head", "chain")


def test_a_log_rewritten_since_it_was_signed_is_found(ward: Ward, admin: Conn) -> None:
    sign(ward)
    forgery.rewrite(admin, 3, b"{}")
    assert "Event 40 is not the one that was signed" in ward.one("signatures").sentence
    ward.all_clear("positions", "head", "chain")
    assert "Rewritten" in ward.deep().one("chain").sentence


def test_deep_says_how_many_checkpoints_the_log_was_held_against(ward: Ward) -> None:
    sign(ward)
    assert ward.deep().check("chain") == ("chain", "40 events, 1 checkpoint", [])


def test_a_checkpoint_that_cannot_be_trusted_is_found(ward: Ward, tmp_path: Path) -> None:
    sign(ward)
    (tmp_path / "checkpoints" / "7.txt").write_text("forged\n")
    finding = ward.deep().one("chain")
    assert "7.txt cannot be trusted" in finding.sentence

"""`daybook replay`: a stream's story in lines, up to any point, and what it cannot tell."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from api.cli.replay import _line
from tests.api.cli.conftest import Ledgered


def test_the_story_of_an_account(ledgered: Ledgered) -> None:
    lines = ledgered.daybook.done("replay", ledgered.alice).splitlines()
    assert len(lines) == 4
    opened, credited, debited, held = lines
    assert 'somebody: opened "any" (checking, EUR)' in opened
    assert "credited 100.00 EUR by transfer" in credited
    assert f"debited 30.00 EUR for transfer {ledgered.posted} to {ledgered.bob}" in debited
    assert "; balance 70.00" in debited
    assert "held 5.00 EUR" in held
    assert held.endswith("(in a test)")


def test_a_story_ends_where_asked(ledgered: Ledgered) -> None:
    daybook, stream = ledgered.daybook.here, ("replay", ledgered.alice)
    whole = [json.loads(line) for line in daybook.done(*stream, "--json").splitlines()]
    assert [row["version"] for row in whole] == [1, 2, 3, 4]
    assert whole[2]["correlation_id"] == "a test"
    third = whole[2]
    for option, value in (
        ("--version", 3),
        ("--position", third["position"]),
        ("--at", third["recorded_at"]),
    ):
        told = daybook.done(*stream, option, value, "--json").splitlines()
        assert [json.loads(line) for line in told] == whole[:3]


def test_a_transfer_has_a_story_too(ledgered: Ledgered) -> None:
    (line,) = ledgered.daybook.here.done("replay", ledgered.pending).splitlines()
    assert f"reserved 5.00 EUR from {ledgered.alice} to {ledgered.bob}" in line


def test_what_nobody_can_tell_is_refused(ledgered: Ledgered) -> None:
    refused, stream = ledgered.daybook.here.refused, ("replay", ledgered.alice)
    assert "ask for one up to it" in refused(1, *stream, "--version", 9)
    assert "ask for a moment up to then" in refused(1, *stream, "--position", 999)
    assert "has nothing at that moment" in refused(1, *stream, "--position", 0)
    assert "There is no stream" in refused(1, "replay", "00000000-0000-4000-8000-000000000000")
    assert "give one of" in refused(2, *stream, "--version", 1, "--position", 1)
    assert "RFC 3339" in refused(2, *stream, "--at", "tomorrow")


def test_what_was_stored_does_not_move_the_cursor() -> None:
    row = {
        "version": 2, "recorded_at": datetime(2026, 1, 1, tzinfo=UTC), "actor": "x\x1b[2J",
        "summary": "paid\n     3  admin: voided\x9b1A\u202e", "causation_id": "", "correlation_id": "",
        "command_id": "",
    }  # fmt: skip
    line = _line(row)
    assert line.endswith("x [2J: paid 3 admin: voided 1A")
    assert line.isprintable()

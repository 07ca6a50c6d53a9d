"""Rebuilds as an operator drives them from the command line."""

from __future__ import annotations

import pytest

from projections import shadows
from projections.catalogue import read_model
from projections.rebuild import rebuild
from projections.swapping import pause
from tests.api.cli.conftest import Ledgered
from tests.projections.histories import recorded
from tests.projections.planted import failing
from tests.projections.running import caught_up, running


def test_a_rebuild_that_differs_is_not_swapped_and_says_what_to_do(ledgered: Ledgered) -> None:
    daybook = ledgered.daybook.here
    daybook.done("accounts")
    with ledgered.database.connect() as conn:
        conn.execute("UPDATE balances.account SET balance = 7 WHERE type = 'savings'")
    assert "balance=7, " in daybook("projections", "verify", "balances").stdout
    result = daybook("projections", "rebuild", "balances")
    assert result.returncode == 1
    assert "account: 3 rows live, 3 rows rebuilt; 1 keys differ" in result.stdout
    assert "balance=7, " in result.stdout
    assert "projections rebuild balances --accept-differences" in result.stderr
    assert "kept to look at" in daybook.refused(1, "projections", "verify", "balances")
    done = daybook.json("projections", "rebuild", "balances", "--accept-differences")
    assert (done[0]["outcome"], done[0]["report"]["is_equal"]) == ("swapped", False)
    assert daybook.json("projections", "verify", "balances")[0]["outcome"] == "verified"


def test_the_tables_before_come_back(ledgered: Ledgered) -> None:
    daybook = ledgered.daybook.here
    daybook.done("projections", "rebuild", "entries")
    daybook.done("projections", "rebuild", "entries")
    assert "entries: rolled back to position" in daybook.done("projections", "rollback", "entries")
    assert "less than or equal to 64" in daybook.refused(
        2, "projections", "rebuild", "entries", "--parallel", "65"
    )
    said = daybook.refused(1, "projections", "rollback", "ledger")
    assert "no read model is called 'ledger'" in said


def test_a_paused_rebuild_is_shown_resumed_and_cancelled(
    ledgered: Ledgered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadows, "BATCH_EVENTS", 2)
    daybook, url = ledgered.daybook.here, ledgered.database.url

    def begin_and_pause() -> None:
        def pauses(done: int, total: int) -> None:
            pause(url, "entries")

        rebuild(url, "entries", pauses)

    begin_and_pause()
    assert "paused" in daybook.done("projections", "show", "entries")
    (shown,) = daybook.json("projections", "show", "entries")
    assert (shown["rebuild"]["state"], shown["rebuild"]["events_done"]) == ("paused", 4)
    assert daybook.done("projections", "pause", "entries") == "entries: paused\n"
    (done,) = daybook.json("projections", "resume", "entries")
    assert (done["outcome"], done["events"]) == ("swapped", done["position"] - 4)
    begin_and_pause()
    assert daybook.done("projections", "cancel", "entries") == "entries: cancelled\n"
    assert "under way" in daybook.refused(1, "projections", "cancel", "entries")
    assert "resumed: start one" in daybook.refused(1, "projections", "resume", "entries")
    states = {row["name"]: row["state"] for row in daybook.json("projections", "status")}
    assert states["entries"] == "cancelled"
    assert "cancelled" in daybook.done("projections", "status", "--watch")


def test_what_is_parked_is_listed_and_retried(ledgered: Ledgered) -> None:
    daybook, url = ledgered.daybook.here, ledgered.database.url
    with ledgered.database.connect() as conn:
        conn.execute("DROP SCHEMA IF EXISTS entries CASCADE")
        conn.execute("DELETE FROM checkpoints WHERE name = 'entries'")
        first = next(e.position for e in recorded(conn) if e.topic == "account.credited")
        with running(url, [failing(read_model("entries"), first)]):
            caught_up(conn, "entries")
        row = conn.execute("SELECT key::text, position FROM parked_keys").fetchone()
        assert row is not None
        key, position = row
    (listed,) = [m for m in daybook.json("projections", "list") if m["name"] == "entries"]
    assert (listed["health"], listed["parked"]) == ("not running", 1)
    assert f"from event {position}: ZeroDivisionError" in daybook.done(
        "projections", "show", "entries"
    )
    unknown = "3f0c9a52-6d0b-4d5e-9f57-0f6f5a8a1c11"
    assert key in daybook.refused(1, "projections", "retry", "entries", unknown)
    (done,) = daybook.json("projections", "retry", "entries", key)
    assert (done["key"], done["outcome"]) == (key, "shown")
    assert daybook.done("projections", "retry", "entries") == "nothing of entries is parked\n"
    assert daybook.json("projections", "verify", "entries")[0]["outcome"] == "verified"

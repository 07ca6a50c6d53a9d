"""Rebuilds as an operator drives them from the command line."""

from __future__ import annotations

import pytest

from projections import shadows
from projections.rebuild import rebuild
from projections.swapping import pause
from tests.api.cli.conftest import Ledgered


def test_a_rebuild_that_differs_is_not_swapped_and_says_what_to_do(ledgered: Ledgered) -> None:
    daybook = ledgered.daybook.here
    daybook.done("accounts")
    with ledgered.database.connect() as conn:
        conn.execute("UPDATE balances.account SET balance = 7 WHERE type = 'savings'")
    result = daybook("projections", "rebuild", "balances")
    assert result.returncode == 1
    assert "account: 3 rows live, 3 rows rebuilt; 1 keys differ" in result.stdout
    assert "balance=7, " in result.stdout
    assert "projections rebuild balances --accept-differences" in result.stderr
    assert "balance=7, " in daybook("projections", "verify", "balances").stdout
    done = daybook.json("projections", "rebuild", "balances", "--accept-differences")
    assert (done[0]["outcome"], done[0]["report"]["is_equal"]) == ("swapped", False)
    assert daybook.json("projections", "verify", "balances")[0]["outcome"] == "verified"


def test_the_tables_before_come_back(ledgered: Ledgered) -> None:
    daybook = ledgered.daybook.here
    daybook.done("projections", "rebuild", "entries")
    daybook.done("projections", "rebuild", "entries")
    assert "entries: rolled back to position" in daybook.done("projections", "rollback", "entries")
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

"""Rebuilds asked for over HTTP: the row in the database asks, and a projector does it."""

from __future__ import annotations

import json

from tests.api.conftest import Bank, Json
from tests.conftest import Database
from tests.projections.running import rebuilding
from tests.support.waiting import until


def ask(bank: Bank, name: str, verb: str, body: Json | None = None, status: int = 202) -> Json:
    answer = bank.client.post(f"/api/projections/{name}/{verb}", json=body)
    assert answer.status_code == status, answer.text
    found: Json = answer.json()
    return found


def state(bank: Bank, name: str) -> str:
    return str(bank.get(f"/api/projections/{name}")["rebuild"]["state"])


def test_a_projector_does_what_is_asked_over_http(bank: Bank, api_database: Database) -> None:
    account = bank.funded("12.00")
    bank.account(account)
    assert bank.get("/api/projections/entries")["rebuild"] is None
    asked = ask(bank, "entries", "rebuild", {"parallel": 2})
    assert asked["rebuild"]["state"] == "waiting"
    assert ask(bank, "entries", "pause")["rebuild"]["state"] == "paused"
    with rebuilding(api_database.url):
        assert ask(bank, "entries", "resume")["name"] == "entries"
        until(lambda: state(bank, "entries") == "swapped")
        done = bank.get("/api/projections/entries")["rebuild"]
        assert (done["events_done"], done["report"]["is_equal"]) == (done["events_total"], True)
        ask(bank, "balances", "verify")
        until(lambda: state(bank, "balances") == "verified")
    back = ask(bank, "entries", "rollback", status=200)
    assert back["health"] == "ok"
    ask(bank, "entries", "rebuild")
    assert ask(bank, "entries", "cancel")["rebuild"]["state"] == "cancelled"


def test_what_can_not_be_asked_is_said(bank: Bank) -> None:
    bank.account(bank.open())
    refused = ask(bank, "transfers", "resume", status=409)
    assert (refused["reason"], "start one" in refused["detail"]) == ("rebuild_refused", True)
    assert ask(bank, "transfers", "pause", status=409)["reason"] == "rebuild_refused"
    assert ask(bank, "sums", "rebuild", status=404)["reason"] == "projection_not_found"
    ask(bank, "transfers", "rebuild", {"parallel": 0}, status=400)


def test_progress_is_streamed(bank: Bank) -> None:
    bank.account(bank.open())
    ask(bank, "transfers", "rebuild")
    with bank.client.stream("GET", "/api/projections/stream") as answer:
        for line in answer.iter_lines():
            if line.startswith("data:") and '"transfers"' in line:
                told = json.loads(line.removeprefix("data:"))
                break
    assert (told["name"], told["state"]) == ("transfers", "waiting")
    ask(bank, "transfers", "cancel")

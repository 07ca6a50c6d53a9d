"""The audit read model over HTTP: search by each filter, pages, and the tree of a correlation."""

from __future__ import annotations

from typing import Any

import pytest

from api.routes import audit
from tests.api.conftest import Bank, Json, problem_of
from tests.support.people import ADMIN


def found(bank: Bank, **wanted: Any) -> list[Json]:
    rows: list[Json] = []
    cursor: dict[str, str] = {}
    while True:
        page = bank.get("/api/audit", min_position=bank.head(), limit=3, **wanted, **cursor)
        rows += page["data"]
        if not page["has_more"]:
            return rows
        cursor = {"cursor": page["next_cursor"]}


def test_events_are_found_by_each_filter(bank: Bank) -> None:
    alice, bob = bank.funded("9.00"), bank.open()
    key = {"X-Correlation-Id": "order/7", "Idempotency-Key": "key 7"}
    done = bank.move(alice, bob, "4.00", headers=key).json()
    own = ["transfer.posted", "account.debited", "account.credited"][::-1]
    rows = found(bank, correlation_id="order/7")
    assert [row["topic"] for row in rows] == own
    assert rows[2]["account_ids"] == [alice, bob]
    assert {(r["actor"], r["command_id"]) for r in rows} == {(f"user:{ADMIN}", "key 7")}
    assert (
        rows[1]["summary"] == f"debited 4.00 EUR for transfer {done['id']} to {bob}; balance 5.00"
    )
    assert [r["topic"] for r in found(bank, account_id=bob)] == [own[0], own[2], "account.opened"]
    assert found(bank, stream_id=done["id"]) == [rows[2]]
    assert found(bank, topic="transfer.posted", account_id=bob) == [rows[2]]
    at = done["recorded_at"]
    assert [r for r in found(bank, **{"from": at}) if r["recorded_at"] == at] == rows
    assert found(bank, **{"from": at}, to=at) == []
    assert found(bank, actor="somebody else") == []
    positions = [row["position"] for row in found(bank, actor=f"user:{ADMIN}")]
    assert positions == list(range(bank.head(), 0, -1))


def test_a_correlation_shows_its_commands_and_their_events(bank: Bank) -> None:
    alice, bob = bank.funded("9.00"), bank.open()
    headers = {"X-Correlation-Id": "order/8"}
    held = bank.move(alice, bob, "4.00", pending=True, headers=headers).json()["id"]
    bank.client.post(f"/api/transfers/{held}/post", json={}, headers=headers)
    tree = bank.get("/api/audit/correlations/order/8", min_position=bank.head())
    assert (tree["correlation_id"], tree["has_more"]) == ("order/8", False)
    assert [[e["topic"] for e in c["events"]] for c in tree["data"]] == [
        ["transfer.reserved", "account.held"],
        ["transfer.captured", "account.debited", "account.credited"],
    ]
    assert {c["stream_id"] for c in tree["data"]} == {held}
    assert tree["data"][0]["position"] == tree["data"][0]["events"][0]["position"]


def test_a_correlation_too_large_for_a_tree_says_so(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MAX_TREE_EVENTS", 2)
    bank.move(bank.funded("9.00"), bank.open(), "4.00", headers={"X-Correlation-Id": "large"})
    tree = bank.get("/api/audit/correlations/large", min_position=bank.head())
    assert (len(tree["data"][0]["events"]), tree["has_more"]) == (2, True)


def test_what_cannot_be_looked_for_is_refused(bank: Bank) -> None:
    def refused(path: str, status: int, reason: str, **wanted: Any) -> None:
        problem_of(bank.client.get(path, params=wanted), status, reason)

    refused("/api/audit/correlations/nobody", 404, "correlation_not_found")
    refused("/api/audit/correlations/a b", 400, "invalid_request")
    refused("/api/audit", 400, "invalid_topic", topic="opened")
    refused("/api/audit", 400, "invalid_cursor", cursor="x")
    refused("/api/audit", 400, "unknown_fields", who="local")

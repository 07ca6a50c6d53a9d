"""The past over HTTP: states with diffs, and lines, totals and transfers as of a position or a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from domain.money import format_amount
from tests.api.conftest import Bank, Json, problem_of, some_id
from tests.conftest import Database
from tests.support.people import ADMIN

NEXT_YEAR = (datetime.now(UTC) + timedelta(days=366)).isoformat()


def state(bank: Bank, stream: str, **when: Any) -> Json:
    return bank.get(f"/api/streams/{stream}/state", **when)


def test_each_version_of_an_account_is_what_the_one_before_and_its_event_make(bank: Bank) -> None:
    alice, bob = bank.funded("100.00"), bank.open()
    held = bank.move(alice, bob, "30.00", pending=True).json()["id"]
    bank.client.post(f"/api/transfers/{held}/post", json={"amount": "10.00"})
    bank.client.post(f"/api/accounts/{alice}/freeze", json={"reason": "court"})
    seen = [state(bank, alice, version=v) for v in range(1, 6)]
    assert [s["event"]["topic"].split(".")[1] for s in seen] == [
        "opened", "credited", "held", "debited", "status_changed",
    ]  # fmt: skip
    assert seen[0]["diff"]["currency"] == {"before": None, "after": "EUR"}
    assert seen[1]["diff"] == {
        "balance": {"before": "0.00", "after": "100.00"},
        "available": {"before": "0.00", "after": "100.00"},
    }
    assert seen[2]["diff"] == {
        "held": {"before": "0.00", "after": "30.00"},
        "available": {"before": "100.00", "after": "70.00"},
    }
    assert seen[3]["diff"] == {
        "balance": {"before": "100.00", "after": "90.00"},
        "held": {"before": "30.00", "after": "0.00"},
        "available": {"before": "70.00", "after": "90.00"},
    }
    assert seen[4]["diff"] == {"status": {"before": "active", "after": "frozen"}}
    assert seen[4]["summary"] == "status from active to frozen: court"
    assert seen[4]["event"]["metadata"]["actor"] == f"user:{ADMIN}"
    for before, after in pairwise(seen):
        for field, change in after["diff"].items():
            assert before["state"][field] == change["before"]
            assert after["state"][field] == change["after"]
    now = state(bank, alice)
    assert {**now, "as_of": None} == {**seen[4], "as_of": None}
    assert now["as_of"] == {"version": None, "position": None, "at": None}


def test_a_state_is_found_by_position_and_time_as_well(bank: Bank) -> None:
    alice = bank.funded("5.00")
    second = state(bank, alice, version=2)
    between = bank.head()
    bank.move(alice, bank.open(), "1.00")
    assert state(bank, alice, position=between)["state"] == second["state"]
    assert state(bank, alice, position=second["position"])["version"] == 2
    assert state(bank, alice, position=second["position"] - 1)["version"] == 1
    assert state(bank, alice, at=second["recorded_at"])["version"] == 2
    assert state(bank, alice)["version"] == 3


def test_a_transfer_has_states_too(bank: Bank) -> None:
    done = bank.move(bank.funded("9.00"), bank.open(), "4.00").json()
    assert bank.client.post(f"/api/transfers/{done['id']}/reverse", json={"amount": "1.00"})
    found = state(bank, done["id"], version=2)
    assert (found["aggregate"], found["state"]["amount"]) == ("transfer", "4.00")
    assert found["diff"] == {"reversed_amount": {"before": "0.00", "after": "1.00"}}
    assert found["summary"].startswith("1.00 EUR went back by transfer")


def test_a_state_that_nobody_can_know_is_refused(bank: Bank) -> None:
    before = bank.head()
    alice = bank.open()
    path = f"/api/streams/{alice}/state"

    def refused(status: int, reason: str, path: str = path, **when: Any) -> Json:
        return problem_of(bank.client.get(path, params=when), status, reason)

    refused(404, "stream_not_found", f"/api/streams/{some_id()}/state")
    refused(422, "version_not_reached", version=2)
    refused(422, "as_of_before_start", version=0)
    assert str(before + 1) in refused(422, "as_of_before_start", position=before)["detail"]
    refused(422, "as_of_before_start", at="2001-01-01")
    refused(422, "as_of_in_the_future", position=bank.head() + 1)
    refused(422, "as_of_in_the_future", at=NEXT_YEAR)
    refused(400, "conflicting_parameters", version=1, position=before)


@pytest.fixture(scope="module")
def story(client: Any) -> list[Json]:
    """The whole log, once some has happened, as the API shows it."""
    bank, random = Bank(client), Random(6)
    accounts = [bank.funded("50.00") for _ in range(4)]
    for n in range(40):
        source, destination = random.sample(accounts, 2)
        amount = format_amount(random.randint(1, 900), "EUR")
        done = bank.move(source, destination, amount, pending=n % 3 == 0).json()
        if n % 3 == 0 and "id" in done:
            verb = random.choice(["post", "void"])
            bank.client.post(f"/api/transfers/{done['id']}/{verb}", json={})
    return list(bank.get("/api/events", limit=1000)["data"])


def moments(story: list[Json], count: int) -> list[tuple[int, dict[str, Any]]]:
    """Positions, and how to ask for them: by position, or by a time that falls on it."""
    random = Random(count)
    found: list[tuple[int, dict[str, Any]]] = []
    for _ in range(count):
        at = random.choice(story)
        found.append((at["position"], {"position": at["position"]}))
        last = max(e["position"] for e in story if e["recorded_at"] == at["recorded_at"])
        found.append((last, {"at": at["recorded_at"]}))
    return found


def test_lines_as_of_are_those_recorded_by_then(bank: Bank, story: list[Json]) -> None:
    opened = {e["stream_id"]: e["position"] for e in story if e["topic"] == "account.opened"}
    random = Random(1)
    for position, when in moments(story, 40):
        account = random.choice([id_ for id_, at in opened.items() if at <= position])
        wanted = [
            e["position"]
            for e in story[:position]
            if e["stream_id"] == account and e["topic"] in ("account.debited", "account.credited")
        ]
        path = f"/api/accounts/{account}/entries"
        first = bank.get(path, limit=2, **when)
        rest = first
        found = [line["position"] for line in first["data"]]
        while rest["has_more"]:
            rest = bank.get(path, limit=2, cursor=rest["next_cursor"], **when)
            found += [line["position"] for line in rest["data"]]
        assert found == wanted[::-1]


def test_totals_as_of_are_those_of_what_was_recorded_by_then(bank: Bank, story: list[Json]) -> None:
    for position, when in moments(story, 40):
        sums = {"account.opened": 0, "account.debited": 0, "account.credited": 0}
        for event in story[:position]:
            if event["topic"] in sums:
                sums[event["topic"]] += event["data"].get("amount", 1)
        accounts, debits, credits = sums.values()
        report = bank.get("/api/trial-balance", **when)
        assert report["position"] == position
        assert report["data"] == [
            {
                "currency": "EUR",
                "accounts": accounts,
                "debits": format_amount(debits, "EUR"),
                "credits": format_amount(credits, "EUR"),
                "difference": format_amount(credits - debits, "EUR"),
                "position": position,
            }
        ]
    assert bank.get("/api/trial-balance", position=0)["data"] == []


def test_a_transfer_as_of_is_what_it_was(bank: Bank, story: list[Json]) -> None:
    random = Random(9)
    begun = {e["stream_id"]: e["position"] for e in story if e["topic"] == "transfer.reserved"}
    ended = {"transfer.captured": "posted", "transfer.voided": "voided"}
    for position, when in moments(story, 40):
        known = [id_ for id_, at in begun.items() if at <= position]
        if not known:
            continue
        id_ = random.choice(known)
        topics = {e["topic"] for e in story[:position] if e["stream_id"] == id_}
        status = next((ended[topic] for topic in topics if topic in ended), "pending")
        found = bank.get(f"/api/transfers/{id_}", **when)
        entries = [
            e["position"]
            for e in story[:position]
            if e["data"].get("transfer_id") == id_
            and e["topic"] in ("account.debited", "account.credited")
        ]
        assert found["status"] == status
        assert [entry["position"] for entry in found["entries"]] == entries


def test_a_past_that_nobody_can_know_is_refused(bank: Bank) -> None:
    early = bank.head()
    alice = bank.funded("1.00")
    transfer = bank.move(alice, bank.open(), "1.00").json()["id"]
    entries, one = f"/api/accounts/{alice}/entries", f"/api/transfers/{transfer}"

    def refused(path: str, status: int, reason: str, **when: Any) -> None:
        problem_of(bank.client.get(path, params=when), status, reason)

    for path in (entries, one, "/api/trial-balance"):
        refused(path, 422, "as_of_in_the_future", position=bank.head() + 1)
        refused(path, 422, "as_of_in_the_future", at=NEXT_YEAR)
        refused(path, 400, "conflicting_parameters", at="2026-01-01", position=1)
    refused(entries, 422, "as_of_before_opening", position=early)
    refused(one, 422, "as_of_before_start", position=early)
    for kind in ("account", "transfer"):
        path = f"/api/{kind}s/{some_id()}{'/entries' if kind == 'account' else ''}"
        refused(path, 404, f"{kind}_not_found", position=early)
    refused(f"/api/accounts/{transfer}/entries", 404, "account_not_found", position=early)


def test_a_past_position_is_told_while_a_commit_hangs_and_a_time_after_it(
    bank: Bank, api_database: Database
) -> None:
    bank.account(bank.funded("1.00"))
    position = bank.head()
    with api_database.connect() as hanging:
        hanging.execute("BEGIN")
        hanging.execute("SELECT FROM ledger_head FOR UPDATE")
        assert bank.get("/api/trial-balance", position=position)["position"] == position
        late = bank.client.get("/api/trial-balance", params={"at": "2026-01-01"})
        problem_of(late, 503, "database_unavailable")
        hanging.execute("ROLLBACK")
    assert bank.get("/api/trial-balance", at="2026-01-01")["data"] == []


def test_the_last_moment_is_not_over_while_the_clock_is_behind(
    bank: Bank, api_database: Database
) -> None:
    bank.funded("1.00")
    with api_database.connect() as conn:
        conn.execute("UPDATE ledger_head SET recorded_at = recorded_at + interval '1 hour'")
    ahead = bank.get(f"/api/streams/{bank.funded('1.00')}/events")["data"][0]["recorded_at"]
    answer = bank.client.get("/api/trial-balance", params={"at": ahead})
    problem_of(answer, 422, "as_of_in_the_future")


def test_tables_of_an_older_version_are_named_with_what_to_do(
    bank: Bank, api_database: Database
) -> None:
    with api_database.connect() as conn:
        conn.execute("ALTER TABLE balances.mark RENAME TO mark_aside")
        try:
            late = bank.client.get("/api/trial-balance", params={"position": 1})
        finally:
            conn.execute("ALTER TABLE balances.mark_aside RENAME TO mark")
    problem = problem_of(late, 503, "rebuild_needed")
    assert "balances.mark" in problem["detail"]
    assert "daybook projections rebuild" in problem["detail"]

"""Freshness, the log, streams of events and probes over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx2
import pytest

from tests.api.conftest import Bank, problem_of
from tests.conftest import Database
from tests.projections.running import NAMES, running
from tests.support.processes import PATIENCE_S
from tests.support.serving import client_of, serving
from tests.support.staff import make


def test_a_read_waits_until_it_is_as_fresh_as_asked(bank: Bank) -> None:
    alice, bob = bank.funded("100.00"), bank.open()
    for _ in range(50):
        done = bank.move(alice, bob, "1.00").json()
        read = bank.account(alice, done["position"])
        assert read["balance"] == done["source"]["balance"]
        assert bank.get(f"/api/transfers/{done['id']}", min_position=done["position"])["entries"]


def test_what_was_just_made_is_there_for_who_asks_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to know of positions to follow the address that a request was answered with."""
    monkeypatch.setattr("api.freshness.WAIT_S", PATIENCE_S)
    with (
        serving(database.url, projecting=False) as url,
        client_of(url) as client,
        ThreadPoolExecutor() as threads,
    ):
        bank = Bank(client)
        cash, account, user = bank.open("cash"), bank.open(), make(client)["id"]
        transfer = bank.move(cash, account, "1.00").json()["id"]
        paths = [
            *(f"/api/accounts/{account}{what}" for what in ("", "/balance", "/entries")),
            f"/api/transfers/{transfer}",
            f"/api/users/{user}",
        ]
        asked = {path: threads.submit(client.get, path) for path in paths}
        with running(database.url):
            found = {path: answer.result().status_code for path, answer in asked.items()}
    assert found == dict.fromkeys(paths, 200)


def test_a_position_that_does_not_come_is_answered_after_two_seconds(bank: Bank) -> None:
    far = bank.head() + 1_000_000

    def asked(path: str) -> httpx2.Response:
        return bank.client.get(path, params={"min_position": far})

    paths = ("/api/accounts", "/api/transfers", "/api/trial-balance")
    with ThreadPoolExecutor() as threads:
        for late in threads.map(asked, paths):
            assert problem_of(late, 503, "not_yet_visible")["retryable"]
            assert late.headers["retry-after"] == "1"


def test_without_a_projector_reads_are_stale_and_say_so(database: Database) -> None:
    with serving(database.url, projecting=False) as url, client_of(url) as client:
        bank = Bank(client)
        position = client.post(
            "/api/accounts", json={"name": "A", "type": "cash", "currency": "EUR"}
        ).json()["position"]
        stale = client.get("/api/accounts", params={"min_position": position})
        problem_of(stale, 503, "not_yet_visible")
        models = bank.get("/api/projections")["data"]
        assert {m["health"] for m in models} == {"not running"}
        assert {m["lag_events"] for m in models} == {1}
        detailed = client.get("/api/health/detailed")
        assert (detailed.status_code, detailed.json()["status"]) == (503, "degraded")


def test_the_log_is_dense_and_pages_meet(bank: Bank) -> None:
    bank.funded("1.00")
    after, positions = 0, []
    while True:
        page = bank.get("/api/events", after=after, limit=7)
        positions += [e["position"] for e in page["data"]]
        if not page["has_more"]:
            break
        after = int(page["next_cursor"])
    assert positions == list(range(1, bank.head() + 1))
    exact = bank.get("/api/events", after=len(positions) - 5, limit=5)
    assert (len(exact["data"]), exact["has_more"]) == (5, False)
    opened = bank.get("/api/events", topic="account.opened", limit=1000)["data"]
    assert {e["topic"] for e in opened} == {"account.opened"}


def test_a_streams_events_come_in_order(bank: Bank) -> None:
    alice, bob = bank.funded("9.00"), bank.open()
    for _ in range(3):
        bank.move(alice, bob, "1.00")
    path = f"/api/streams/{alice}/events"
    first = bank.get(path, limit=3)
    rest = bank.get(path, limit=3, after=int(first["next_cursor"]))
    versions = [e["version"] for e in first["data"] + rest["data"]]
    assert versions == [1, 2, 3, 4, 5]
    assert not rest["has_more"]


def events_of(lines: Iterator[str]) -> Generator[tuple[int, dict[str, Any]], None, None]:
    """Id and data of each event; an empty line ends one."""
    fields: dict[str, str] = {}
    for line in lines:
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield int(fields["id"]), json.loads(fields["data"])
            fields = {}


def test_the_event_stream_misses_and_doubles_nothing(base_url: str, bank: Bank) -> None:
    alice, bob = bank.funded("100.00"), bank.open()
    start = bank.head()
    writing = threading.Thread(
        target=lambda: [bank.move(alice, bob, "0.10") for _ in range(60)], daemon=True
    )
    seen: list[int] = []
    with client_of(base_url) as reader:
        writing.start()
        while len(seen) < 180:
            headers = {"Last-Event-ID": str(seen[-1] if seen else start)}
            with reader.stream("GET", "/api/events/stream", headers=headers) as response:
                assert response.headers["content-type"].startswith("text/event-stream")
                with closing(events_of(response.iter_lines())) as events:
                    for _, (position, event) in zip(range(45), events, strict=False):
                        assert event["position"] == position
                        seen.append(position)
    writing.join()
    assert seen == list(range(start + 1, start + 181))


def test_the_event_stream_filters_by_topic_and_begins_where_asked(
    base_url: str, bank: Bank
) -> None:
    start = bank.head()
    bank.open(name="First")
    with client_of(base_url) as reader:
        params: dict[str, str | int] = {"after": start, "topic": "account.opened"}
        with (
            reader.stream("GET", "/api/events/stream", params=params) as response,
            closing(events_of(response.iter_lines())) as events,
        ):
            assert next(events)[1]["topic"] == "account.opened"
            bank.move(bank.open("cash"), bank.open(), "1.00")
            names = [next(events)[1]["data"]["name"] for _ in range(2)]
    assert names == ["An account", "An account"]


@pytest.mark.parametrize("given", ["abc", "²", "-1", "9" * 20])
def test_a_stream_does_not_guess_where_to_begin(bank: Bank, given: str) -> None:
    headers = [(b"Last-Event-ID", given.encode())]
    answer = bank.client.get("/api/events/stream", headers=headers)
    problem_of(answer, 400, "invalid_cursor")
    beyond = bank.client.get("/api/events/stream", params={"after": bank.head() + 1})
    problem_of(beyond, 422, "as_of_in_the_future")


def test_an_endless_stream_ends_when_the_server_stops(database: Database) -> None:
    lines: list[str] = []
    first_line = threading.Event()

    def follow(url: str) -> None:
        with (
            client_of(url) as reader,
            reader.stream("GET", "/api/events/stream", params={"after": 0}) as response,
        ):
            for line in response.iter_lines():
                lines.append(line)
                first_line.set()

    with serving(database.url) as url, client_of(url) as client:
        Bank(client).open()
        following = threading.Thread(target=follow, args=(url,))
        following.start()
        assert first_line.wait(20)
    following.join(20)
    assert not following.is_alive()
    assert sum(line.startswith("data: ") for line in lines) == 1


@pytest.mark.parametrize(
    "path",
    ["/api/health", "/api/health/live", "/api/health/ready", "/api/health/detailed", "/health",
     "/ready"],
)  # fmt: skip
def test_probes_answer_ok(bank: Bank, path: str) -> None:
    bank.account(bank.open())
    body = bank.get(path)
    assert body["status"] == "ok"
    assert body["uptime_s"] > 0


def test_read_models_tell_how_far_they_are(bank: Bank) -> None:
    bank.account(bank.open())
    one = bank.get("/api/projections/balances")
    assert (one["health"], one["position"], one["lag_events"]) == ("ok", bank.head(), 0)
    assert {m["name"] for m in bank.get("/api/projections")["data"]} == {*NAMES}


def test_the_api_describes_itself(bank: Bank) -> None:
    description = bank.get("/openapi.json")
    assert "/api/transfers/batch" in description["paths"]
    assert bank.client.get("/docs").status_code == 200

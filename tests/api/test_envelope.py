"""What clients ask for beside the path: a version of the API, and the envelope of the older one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import Bank, problem_of
from tests.support.edges import edge_of

ENVELOPE = "application/vnd.daybook.envelope+json"
V1, V2 = "application/vnd.daybook.v1+json", "application/vnd.daybook.v2+json"
WRAPPED = {"Accept": ENVELOPE}


@pytest.fixture
def things() -> Iterator[TestClient]:
    """The edge before a few routes of no ledger."""
    with edge_of() as client:
        yield client


def opened(answer: Any) -> dict[str, Any]:
    """What is in the envelope that an answer is; fails when it is none."""
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.content)
    body = dict(answer.json())
    assert set(body) == {"data", "success", "timestamp", "correlation_id", "metadata"}
    assert body["success"] is True
    assert datetime.fromisoformat(body["timestamp"]).tzinfo is not None
    assert body["correlation_id"] == answer.headers["x-correlation-id"]
    return body


def test_a_resource_is_the_data_and_keeps_its_headers(things: TestClient) -> None:
    answer = things.post("/things", headers=WRAPPED)
    body = opened(answer)
    assert answer.status_code == 201
    assert body["data"] == {"id": "1", "position": 11}
    assert body["metadata"] == {"position": 12}
    assert (answer.headers["etag"], answer.headers["location"]) == ('"3"', "/things/1")


def test_a_read_has_the_position_of_what_it_shows(things: TestClient) -> None:
    assert opened(things.get("/things/1", headers=WRAPPED))["metadata"] == {"position": 11}


def test_the_rows_of_a_list_are_the_data_and_the_rest_is_metadata(things: TestClient) -> None:
    body = opened(things.get("/things", headers=WRAPPED))
    assert body["data"] == [{"id": "1"}, {"id": "2"}]
    assert body["metadata"] == {"next_cursor": "abc", "has_more": True, "total_count": 5}


def test_a_resource_that_has_data_of_its_own_is_no_list(things: TestClient) -> None:
    body = opened(things.get("/events/1", headers=WRAPPED))
    assert body["data"] == {"position": 7, "data": {"amount": 5}}
    assert body["metadata"] == {"position": 7}


def test_an_answer_that_comes_in_parts_is_wrapped_whole(things: TestClient) -> None:
    assert opened(things.get("/parts", headers=WRAPPED))["data"] == {"a": [1, 2]}


@pytest.mark.parametrize(
    "accept",
    [
        ENVELOPE,
        f"text/html, {ENVELOPE};q=0.9",
        f"{V1},{ENVELOPE}",
        ENVELOPE.title(),
        f"{ENVELOPE}, */*",
    ],
)
def test_the_envelope_is_one_of_the_types_that_are_accepted(
    things: TestClient, accept: str
) -> None:
    opened(things.get("/things/1", headers={"Accept": accept}))


@pytest.mark.parametrize("accept", ["*/*", "application/json", V1, f"{ENVELOPE}x"])
def test_nobody_else_gets_it(things: TestClient, accept: str) -> None:
    answer = things.get("/things/1", headers={"Accept": accept})
    assert answer.json() == {"id": "1", "position": 11}
    assert "Accept" in answer.headers["vary"]


def test_problems_streams_and_empty_answers_stay_as_they_are(things: TestClient) -> None:
    problem_of(things.get("/problems/same_account", headers=WRAPPED), 422, "same_account")
    stream = things.get("/stream", headers=WRAPPED)
    assert stream.text == "data: 1\n\n"
    assert things.get("/unready", headers=WRAPPED).json() == {"status": "unready"}
    assert things.delete("/things/1", headers=WRAPPED).content == b""


def test_a_head_request_names_the_length_of_the_envelope(things: TestClient) -> None:
    head = things.head("/things/1", headers=WRAPPED)
    plain = things.get("/things/1")
    assert head.content == b""
    assert int(head.headers["content-length"]) > len(plain.content)


def test_the_api_answers_in_the_envelope(bank: Bank) -> None:
    account = bank.open()
    path = f"/api/accounts/{account}"
    plain = bank.account(account)
    answer = bank.client.get(path, headers=WRAPPED)
    body = opened(answer)
    assert body["data"] == plain
    assert body["metadata"]["position"] == plain["position"]
    assert answer.headers["etag"] == bank.client.get(path).headers["etag"]
    page = opened(bank.client.get("/api/accounts", headers=WRAPPED))
    assert [row["id"] for row in page["data"]] == [account]
    assert page["metadata"] == {"next_cursor": None, "has_more": False}


# Versions


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/query", {}),
        ("/query", {"X-API-Version": "1"}),
        ("/query", {"Accept": V1}),
        ("/query", {"Accept": f"{V2}, {V1}"}),
        ("/query?api_version=1", {}),
        ("/query?api_version=%31", {"X-API-Version": "1", "Accept": V1}),
    ],
)
def test_version_one_can_be_asked_for_in_three_ways(
    things: TestClient, path: str, headers: dict[str, str]
) -> None:
    answer = things.get(path, headers=headers)
    assert (answer.status_code, answer.headers["x-api-version"]) == (200, "1")


@pytest.mark.parametrize(
    ("path", "headers", "given"),
    [
        ("/query", {"X-API-Version": "2"}, "2"),
        ("/query", {"X-API-Version": ""}, ""),
        ("/query", {"Accept": V2}, "2"),
        ("/query", {"Accept": f"application/json, {V2}"}, "2"),
        ("/query?api_version=2", {}, "2"),
        ("/query?api_version=1&api_version=3", {}, "3"),
        ("/query?api_version", {}, ""),
        ("/query?api_version=2", {"X-API-Version": "1"}, "2"),
    ],
)
def test_others_are_refused_with_the_known_ones(
    things: TestClient, path: str, headers: dict[str, str], given: str
) -> None:
    problem = problem_of(things.get(path, headers=headers), 400, "unsupported_api_version")
    assert problem["details"] == {"given": given, "known": ["1"]}


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("api_version=1", ""),
        ("a=b&api_version=1&c=d%26", "a=b&c=d%26"),
        ("my_api_version=7&a=", "my_api_version=7&a="),
    ],
)
def test_routes_do_not_see_the_version_in_the_query(
    things: TestClient, query: str, left: str
) -> None:
    assert things.get(f"/query?{query}").json() == {"query": left}

"""Endpoints by the API: one's own and nobody else's, secrets shown once, URLs that lead inside refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from tests.api.conftest import problem_of
from tests.conftest import Database
from tests.support.people import bearer
from tests.support.serving import client_of, serving

Json = dict[str, Any]
URL = "https://example.com/hooks"


@pytest.fixture
def alice(base_url: str) -> Iterator[httpx2.Client]:
    with client_of(base_url, "user", uuid4()) as client:
        yield client


@pytest.fixture
def bob(base_url: str) -> Iterator[httpx2.Client]:
    with client_of(base_url, "user", uuid4()) as client:
        yield client


def made(client: httpx2.Client, **more: Any) -> Json:
    answer = client.post("/api/webhooks/endpoints", json={"url": URL, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def path_of(endpoint: Json, *more: str) -> str:
    return "/".join(["/api/webhooks/endpoints", endpoint["id"], *more])


def test_an_endpoint_is_made_with_a_secret_that_is_shown_once(alice: httpx2.Client) -> None:
    answer = alice.post(
        "/api/webhooks/endpoints",
        json={"url": URL, "types": ["investment.*", "deposit.completed"], "description": "ours"},
    )
    endpoint = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["location"] == path_of(endpoint)
    secret = endpoint.pop("secret")
    assert secret.startswith("whsec_")
    assert endpoint["status"] == "enabled"
    assert endpoint["types"] == ["investment.*", "deposit.completed"]
    assert alice.get(path_of(endpoint)).json() == endpoint
    listed = alice.get("/api/webhooks/endpoints")
    assert listed.json()["data"] == [endpoint]
    assert secret not in listed.text


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:8000/hooks", "public internet"),
        ("https://localhost/hooks", "public internet"),
        ("https://169.254.169.254/latest/meta-data", "public internet"),
        ("https://[::ffff:10.0.0.1]/", "public internet"),
        ("https://user:password@example.com/", "password"),
        ("ftp://example.com/", "https://"),
        ("https://example.com/#here", "#"),
    ],
)
def test_a_url_that_leads_inside_is_refused(alice: httpx2.Client, url: str, why: str) -> None:
    answer = alice.post("/api/webhooks/endpoints", json={"url": url})
    problem = problem_of(answer, 400, "invalid_webhook_url")
    assert why in problem["detail"]
    endpoint = made(alice)
    problem_of(alice.put(path_of(endpoint), json={"url": url}), 400, "invalid_webhook_url")
    assert alice.get(path_of(endpoint)).json()["url"] == URL


def test_in_production_there_is_no_endpoint_without_tls(database: Database) -> None:
    with serving(database.url) as url, client_of(url) as client:
        assert client.post(
            "/api/webhooks/endpoints", json={"url": "http://example.com/"}
        ).is_success
    with serving(database.url, APP_ENV="production") as url, client_of(url) as client:
        answer = client.post("/api/webhooks/endpoints", json={"url": "http://example.com/"})
        problem_of(answer, 400, "invalid_webhook_url")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "missing_fields"),
        ({"url": ""}, "invalid_text"),
        ({"url": 7}, "invalid_text"),
        ({"url": "https://" + "x" * 2000}, "invalid_text"),
        ({"url": "nonsense"}, "invalid_webhook_url"),
        ({"url": URL, "types": ["nonsense"]}, "invalid_webhook_type"),
        ({"url": URL, "types": ["investment.complete"]}, "invalid_webhook_type"),
        ({"url": URL, "types": "investment.*"}, "invalid_request"),
        ({"url": URL, "types": ["investment.*"] * 51}, "invalid_request"),
        ({"url": URL, "description": "x" * 256}, "invalid_text"),
        ({"url": URL, "secret": "whsec_mine"}, "unknown_fields"),
        ({"url": URL, "owner_id": str(uuid4())}, "unknown_fields"),
    ],
)
def test_what_is_no_endpoint_is_refused(alice: httpx2.Client, body: Json, reason: str) -> None:
    problem_of(alice.post("/api/webhooks/endpoints", json=body), 400, reason)


def test_parts_are_changed_by_themselves(alice: httpx2.Client) -> None:
    endpoint = made(alice, types=["investment.*"], description="ours")
    del endpoint["secret"]
    changed = alice.put(path_of(endpoint), json={"types": []}).json()
    assert changed == endpoint | {"types": []}
    changed = alice.put(path_of(endpoint), json={"url": f"{URL}/2", "description": ""}).json()
    assert changed == endpoint | {"types": [], "url": f"{URL}/2", "description": ""}
    assert alice.put(path_of(endpoint), json={}).json() == changed


def test_a_secret_is_replaced_and_the_old_one_signs_for_a_day(alice: httpx2.Client) -> None:
    endpoint = made(alice)
    answer = alice.post(path_of(endpoint, "rotate-secret"))
    rotated = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert rotated["secret"] != endpoint["secret"]
    until = datetime.fromisoformat(rotated["old_secret_until"])
    assert timedelta(hours=23) < until - datetime.now(UTC) <= timedelta(hours=24)


def test_an_answer_that_is_kept_nowhere_cannot_be_asked_for_again(alice: httpx2.Client) -> None:
    endpoint = made(alice)
    for path in ("/api/webhooks/endpoints", path_of(endpoint, "rotate-secret")):
        answer = alice.post(path, json={"url": URL}, headers={"Idempotency-Key": "k"})
        problem_of(answer, 400, "invalid_idempotency_key")


def test_an_endpoint_is_disabled_and_enabled(alice: httpx2.Client) -> None:
    endpoint = made(alice)
    disabled = alice.post(path_of(endpoint, "disable"), json={"reason": "moving"}).json()
    assert (disabled["status"], disabled["disabled_because"]) == ("disabled", "moving")
    answer = alice.post(path_of(endpoint, "test"))
    problem_of(answer, 409, "webhook_endpoint_disabled")
    answer = alice.post(path_of(endpoint, "replay"), json={"since": "2026-01-01"})
    problem_of(answer, 409, "webhook_endpoint_disabled")
    enabled = alice.post(path_of(endpoint, "enable")).json()
    assert (enabled["status"], enabled["disabled_because"]) == ("enabled", None)
    disabled = alice.post(path_of(endpoint, "disable"), json={}).json()
    assert disabled["disabled_because"] == "by its owner"


def test_a_deleted_endpoint_is_gone(alice: httpx2.Client) -> None:
    endpoint = made(alice)
    sent = alice.post(path_of(endpoint, "test")).json()
    assert alice.delete(path_of(endpoint)).json()["id"] == endpoint["id"]
    for answer in (
        alice.get(path_of(endpoint)),
        alice.delete(path_of(endpoint)),
        alice.put(path_of(endpoint), json={}),
        alice.post(path_of(endpoint, "test")),
    ):
        problem_of(answer, 404, "webhook_endpoint_not_found")
    answer = alice.get(f"/api/webhooks/deliveries/{sent['id']}")
    problem_of(answer, 404, "webhook_delivery_not_found")


def test_nobody_sees_or_touches_what_is_anothers(
    alice: httpx2.Client, bob: httpx2.Client, client: httpx2.Client
) -> None:
    endpoint = made(alice)
    sent = alice.post(path_of(endpoint, "test")).json()
    delivery = f"/api/webhooks/deliveries/{sent['id']}"
    for answer in (
        bob.get(path_of(endpoint)),
        bob.put(path_of(endpoint), json={"url": "https://attacker.example.com/"}),
        bob.delete(path_of(endpoint)),
        bob.post(path_of(endpoint, "rotate-secret")),
        bob.post(path_of(endpoint, "enable")),
        bob.post(path_of(endpoint, "disable"), json={}),
        bob.post(path_of(endpoint, "test")),
        bob.post(path_of(endpoint, "replay"), json={"since": "2026-01-01"}),
    ):
        problem_of(answer, 404, "webhook_endpoint_not_found")
    for answer in (bob.get(delivery), bob.post(f"{delivery}/replay")):
        problem_of(answer, 404, "webhook_delivery_not_found")
    assert bob.get("/api/webhooks/endpoints").json()["data"] == []
    assert bob.get("/api/webhooks/deliveries").json()["data"] == []
    of_alice = {"endpoint_id": endpoint["id"]}
    assert bob.get("/api/webhooks/deliveries", params=of_alice).json()["data"] == []
    assert client.get(path_of(endpoint)).json()["url"] == URL
    assert client.get(delivery).json()["id"] == sent["id"]
    auditor = bearer("auditor", uuid4())
    assert client.get(path_of(endpoint), headers=auditor).status_code == 200
    answer = client.post(path_of(endpoint, "rotate-secret"), headers=auditor)
    problem_of(answer, 403, "insufficient_permissions")


def test_lists_go_on_where_they_stopped(alice: httpx2.Client) -> None:
    ids = [made(alice)["id"] for _ in range(5)][::-1]
    endpoint = {"id": ids[0]}
    sent = [alice.post(path_of(endpoint, "test")).json()["id"] for _ in range(5)][::-1]
    for path, wanted in (("endpoints", ids), ("deliveries", sent)):
        found: list[str] = []
        cursor: str | None = None
        while True:
            params: Json = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = alice.get(f"/api/webhooks/{path}", params=params).json()
            found += [row["id"] for row in page["data"]]
            cursor = page["next_cursor"]
            assert page["has_more"] == (cursor is not None)
            if cursor is None:
                break
        assert found == wanted
        answer = alice.get(f"/api/webhooks/{path}", params={"cursor": "nonsense"})
        problem_of(answer, 400, "invalid_cursor")


def test_there_is_an_end_to_how_many_endpoints_somebody_has(alice: httpx2.Client) -> None:
    for _ in range(20):
        made(alice)
    answer = alice.post("/api/webhooks/endpoints", json={"url": URL})
    problem_of(answer, 422, "too_many_webhook_endpoints")


def test_ids_are_ids(alice: httpx2.Client) -> None:
    problem_of(alice.get("/api/webhooks/endpoints/7"), 400, "invalid_uuid_format")
    missing = UUID(int=7)
    answer = alice.get(f"/api/webhooks/endpoints/{missing}")
    problem_of(answer, 404, "webhook_endpoint_not_found")

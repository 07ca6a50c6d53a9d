"""What every request meets before and after its route: headers that are safe, and limits."""

from __future__ import annotations

import httpx2
import pytest

from api import edge
from tests.api.conftest import Bank, problem_of

SAFE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-xss-protection": "1; mode=block",
    "referrer-policy": "strict-origin-when-cross-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "x-api-version": "1",
}


def assert_safe(answer: httpx2.Response) -> None:
    shown = {name: answer.headers.get(name) for name in SAFE}
    assert shown == SAFE


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/health", 200),
        ("GET", "/api/trial-balance", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/nowhere", 404),
        ("DELETE", "/api/health", 405),
        ("POST", "/api/accounts", 400),
        ("GET", "/api/accounts/no-uuid", 400),
    ],
)
def test_every_answer_has_safe_headers(bank: Bank, method: str, path: str, status: int) -> None:
    answer = bank.client.request(method, path)
    assert answer.status_code == status
    assert_safe(answer)


def test_refusals_of_the_edge_itself_have_them_too(bank: Bank) -> None:
    answer = bank.client.get("/api/health", headers={"Host": "evil.example"})
    assert answer.status_code == 403
    assert_safe(answer)


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_pages_may_load_what_they_show_and_be_framed_by_nobody(bank: Bank, page: str) -> None:
    policy = bank.client.get(page).headers["content-security-policy"]
    assert "connect-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy


def test_urls_up_to_the_limit_are_read(bank: Bank) -> None:
    query = "x" * (edge.MAX_URL_BYTES - len("/api/accounts"))
    fits = bank.client.get(f"/api/accounts?{query}")
    problem_of(fits, 400, "unknown_fields")
    problem_of(bank.client.get(f"/api/accounts?{query}x"), 414, "url_too_long")


def test_headers_up_to_the_limit_are_read(bank: Bank) -> None:
    assert bank.client.get("/api/health", headers={"X-Long": "x" * 7_000}).status_code == 200
    answer = bank.client.get("/api/health", headers={"X-Long": "x" * edge.MAX_HEADERS_BYTES})
    problem_of(answer, 413, "headers_too_large")


def test_only_batches_have_long_bodies(bank: Bank) -> None:
    content = b'{"transfers": [' + b" " * edge.MAX_BODY_BYTES + b"]}"
    headers = {"Content-Type": "application/json"}
    for path, status in (("/api/transfers", 413), ("/api/transfers/batch", 400)):
        answer = bank.client.post(path, content=content, headers=headers)
        assert answer.status_code == status, answer.text


def test_the_version_of_the_api_can_be_asked_for(bank: Bank) -> None:
    assert bank.client.get("/api/health", headers={"X-API-Version": "1"}).status_code == 200
    answer = bank.client.get("/api/health", headers={"X-API-Version": "7"})
    assert problem_of(answer, 400, "unsupported_api_version")["details"]["known"] == ["1"]


def test_problems_are_listed_by_category_with_how_to_try_again(bank: Bank) -> None:
    every = bank.get("/api/problems")["data"]
    for category in {problem["category"] for problem in every}:
        found = bank.get(f"/api/problems/category/{category}")["data"]
        assert found == [problem for problem in every if problem["category"] == category]
    by_reason = {problem["reason"]: problem for problem in every}
    later = {"tries": 3, "delay_ms": 1000, "factor": 2.0}
    assert by_reason["queue_full"]["retry"] == later
    assert by_reason["internal_server_error"]["retry"]["tries"] == 2
    assert by_reason["insufficient_funds"]["retry"] is None
    problem_of(bank.client.get("/api/problems/category/weather"), 404, "problem_not_found")


@pytest.mark.parametrize(
    "path", ["/api/health", "/api/trial-balance", "/nowhere", "/api/accounts?limit=x", "/docs"]
)
def test_a_head_request_is_answered_like_a_get_without_its_body(bank: Bank, path: str) -> None:
    whole, head = bank.client.get(path), bank.client.head(path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]
    assert bank.client.get("/api/health").status_code == 200, "the connection goes on"


def test_a_head_request_to_a_stream_ends(bank: Bank) -> None:
    answer = bank.client.head("/api/projections/stream")
    assert answer.headers["content-type"].startswith("text/event-stream")

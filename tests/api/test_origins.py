"""Where requests may come from: names of the server, web pages of other sites."""

from __future__ import annotations

import pytest
from httpx2 import Response

from api.edge import EdgeOptions
from tests.api.conftest import problem_of
from tests.support.edges import edge_of

APP = "https://app.example.com"
OPEN = EdgeOptions(
    allowed_hosts=frozenset({"api.example.com", "[2001:db8::1]"}), cors_origins=frozenset({APP})
)
PREFLIGHT = {
    "Access-Control-Request-Method": "PUT",
    "Access-Control-Request-Headers": "authorization, if-match",
    "Sec-Fetch-Site": "same-site",
}


def allowed(answer: Response) -> list[str]:
    """The headers of an answer that tell a browser to let a page have it."""
    return [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.0.0.1:8000", "LOCALHOST", "[::1]", "[::1]:8000"]
)
def test_by_itself_a_server_answers_to_local_names(host: str) -> None:
    with edge_of() as client:
        assert client.get("/query", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("api.example.com", 200),
        ("api.example.com:443", 200),
        ("[2001:db8::1]:8000", 200),
        ("[2001:db8::1]", 200),
        ("localhost", 403),
        ("api.example.com.evil.example", 403),
        ("evil-api.example.com", 403),
        ("", 403),
    ],
)
def test_with_names_of_its_own_it_answers_to_those(host: str, status: int) -> None:
    with edge_of(OPEN) as client:
        answer = client.get("/query", headers={"Host": host})
        assert answer.status_code == status
        if status == 403:
            assert "api.example.com" in problem_of(answer, 403, "untrusted_host")["detail"]


def test_pages_of_a_known_origin_may_read_answers_and_their_headers() -> None:
    with edge_of(OPEN, host="api.example.com") as client:
        for path in ("/things/1", "/problems/same_account", "/nowhere"):
            answer = client.get(path, headers={"Origin": APP})
            assert answer.headers["access-control-allow-origin"] == APP
            assert "access-control-allow-credentials" not in answer.headers
            assert "Origin" in answer.headers["vary"]
            shown = answer.headers["access-control-expose-headers"].split(", ")
            assert {
                "ETag", "Location", "Daybook-Position", "Idempotent-Replayed", "Retry-After",
                "X-Correlation-ID", "X-RateLimit-Limit", "X-RateLimit-Remaining",
                "X-RateLimit-Reset", "RateLimit", "RateLimit-Policy", "X-API-Version",
            } <= set(shown)  # fmt: skip


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://app.example.com",
        f"{APP}:8443",
        f"{APP}.evil.example",
        "null",
        "*",
    ],
)
def test_pages_of_others_may_not(origin: str) -> None:
    with edge_of(OPEN, host="api.example.com") as client:
        assert not allowed(client.get("/things/1", headers={"Origin": origin}))
        headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
        answer = client.post("/things", headers=headers)
        problem_of(answer, 403, "cross_site_request")
        assert not allowed(answer)
        answer = client.options("/things", headers=PREFLIGHT | headers)
        assert answer.status_code == 403
        assert not allowed(answer)


def test_pages_of_a_known_origin_may_write() -> None:
    with edge_of(OPEN, host="api.example.com") as client:
        headers = {"Origin": APP, "Sec-Fetch-Site": "cross-site"}
        assert client.post("/things", headers=headers).status_code == 201


def test_a_browser_that_asks_first_hears_what_it_may_send() -> None:
    with edge_of(OPEN, host="api.example.com") as client:
        answer = client.options("/things/1", headers={"Origin": APP, **PREFLIGHT})
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == APP
        assert "PUT" in answer.headers["access-control-allow-methods"].split(", ")
        taken = answer.headers["access-control-allow-headers"].lower().split(", ")
        assert {"authorization", "content-type", "idempotency-key", "if-match"} <= set(taken)
        assert int(answer.headers["access-control-max-age"]) > 0
        assert "Origin" in answer.headers["vary"]


def test_options_without_a_preflight_is_a_method_like_others() -> None:
    with edge_of(OPEN, host="api.example.com") as client:
        answer = client.options("/things", headers={"Origin": APP})
        problem_of(answer, 405, "method_not_allowed")


def test_a_server_that_knows_no_origin_lets_no_page_in() -> None:
    with edge_of() as client:
        for origin in (APP, "http://localhost"):
            assert not allowed(client.get("/query", headers={"Origin": origin}))


@pytest.mark.parametrize("is_production", [True, False])
def test_only_in_production_browsers_are_told_to_use_tls_for_good(is_production: bool) -> None:
    with edge_of(EdgeOptions(is_production=is_production)) as client:
        for path in ("/query", "/nowhere"):
            told = client.get(path).headers.get("strict-transport-security")
            assert told == ("max-age=31536000; includeSubDomains" if is_production else None)

"""Requests that no ordinary client sends, written byte by byte: none reaches further than it may."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx2
import pytest

from tests.api.conftest import Bank, problem_of
from tests.conftest import Database
from tests.support.people import bearer
from tests.support.processes import (
    Daybook,
    free_port,
    settings_of,
    wait_until_ready,
)
from tests.support.untouched import written
from tests.support.visitors import new_email, try_login, visiting

EVIL = "evil.example"


def answered(base_url: str, *lines: str | bytes, body: bytes = b"") -> bytes:
    """All that comes back for a request of these lines, until the server hangs up."""
    host, port = base_url.removeprefix("http://").split(":")
    given = [line.encode("latin-1") if isinstance(line, str) else line for line in lines]
    request = b"\r\n".join([*given, b"Connection: close", b"", body])
    with socket.create_connection((host, int(port)), timeout=30) as sock:
        sock.sendall(request)
        return b"".join(iter(lambda: sock.recv(65536), b""))


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def with_token() -> str:
    return f"Authorization: {bearer()['Authorization']}"


@pytest.mark.parametrize(
    "host",
    [
        EVIL, f"localhost.{EVIL}", f"{EVIL}#localhost", f"localhost@{EVIL}", f"localhost:80@{EVIL}",
        f"localhost:{EVIL}", f"localhost:80/{EVIL}?", "localhost:[", f"[::1]{EVIL}", "", "*",
    ],
)  # fmt: skip
def test_a_host_that_is_made_up_is_never_said_again(host: str, base_url: str) -> None:
    body = b'{"name":"A","type":"cash","currency":"EUR"}'
    answer = answered(
        base_url,
        "POST /api/accounts HTTP/1.1",
        f"Host: {host}",
        f"X-Forwarded-Host: {EVIL}",
        f"Forwarded: host={EVIL};proto=https",
        with_token(),
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        body=body,
    )
    assert EVIL.encode() not in answer
    if status_of(answer) == 201:
        assert b"\r\nlocation: /api/accounts/" in answer.lower()
    else:
        assert status_of(answer) in (400, 403)


@pytest.mark.parametrize(
    "lines",
    [
        ["GET http://evil.example/api/events HTTP/1.1", "Host: localhost"],
        ["CONNECT evil.example:443 HTTP/1.1", "Host: evil.example:443"],
        ["TRACE /api/events HTTP/1.1", "Host: localhost", "X-Secret: comes-back"],
        ["TRACK /api/events HTTP/1.1", "Host: localhost", "X-Secret: comes-back"],
        ["BREW /api/events HTTP/1.1", "Host: localhost"],
        ["get /api/events HTTP/1.1", "Host: localhost"],
        ["OPTIONS * HTTP/1.1", "Host: localhost"],
        ["PROPFIND /api/events HTTP/1.1", "Host: localhost"],
        ["PATCH /api/events HTTP/1.1", "Host: localhost"],
        ["GET /api/events HTTP/9.9", "Host: localhost"],
        ["GET /api/events\x00 HTTP/1.1", "Host: localhost"],
        ["GET /api/events HTTP/1.1", "Host: localhost", "X-Role : admin"],
        ["GET /api/events HTTP/1.1", "Host: localhost", "X-A: a\x00b"],
        ["GET /api/events HTTP/1.1", "Host: localhost", "X-A: a", " folded: b"],
        ["PRI * HTTP/2.0"],
        ["\x16\x03\x01\x02\x00\x01\x00"],
    ],
    ids=lambda lines: lines[0][:20],
)
def test_what_is_no_request_of_this_api_gets_no_further(lines: list[str], base_url: str) -> None:
    answer = answered(base_url, *lines)
    assert 400 <= status_of(answer) < 500
    assert b"comes-back" not in answer


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: +5"],
        ["Content-Length: -5"],
        ["Content-Length: 99999999999999999999999"],
        ["Transfer-Encoding: chunked, identity"],
        ["Transfer-Encoding: xchunked"],
    ],
    ids=lambda lines: lines[0],
)
def test_no_request_is_smuggled_in_with_another(
    lines: list[str], base_url: str, api_database: Database
) -> None:
    before = written(api_database)
    inner = (
        b"0\r\n\r\nPOST /api/accounts HTTP/1.1\r\nHost: localhost\r\n"
        + with_token().encode()
        + b"\r\nContent-Type: application/json\r\nContent-Length: 45\r\n\r\n"
        + b'{"name":"smuggled","type":"cash","currency":"EUR"}'
    )
    start = ["POST /api/auth/login HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    answer = answered(base_url, *start, *lines, body=inner)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert 400 <= status_of(answer) < 500
    assert written(api_database) == before


@pytest.mark.parametrize(
    "value",
    ["x%0d%0aSet-Cookie: planted=1", "x\rSet-Cookie: planted=1", "x\x0bSet-Cookie: y", "é", "x" * 129],
)  # fmt: skip
def test_only_a_plain_correlation_id_comes_back(value: str, base_url: str) -> None:
    answer = answered(
        base_url, "GET /api/health HTTP/1.1", "Host: localhost", f"X-Correlation-ID: {value}"
    )
    assert b"planted" not in answer
    assert value.encode("latin-1") not in answer


def test_nothing_of_a_path_or_a_key_becomes_a_header(base_url: str) -> None:
    for path in ("/api/accounts%0d%0aSet-Cookie:%20planted=1", "/api/users/%0d%0aplanted:1"):
        answer = answered(base_url, f"GET {path} HTTP/1.1", "Host: localhost", with_token())
        head, _, _ = answer.partition(b"\r\n\r\n")
        assert b"planted" not in head
        assert status_of(answer) in (400, 404)


@pytest.mark.parametrize(
    "name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"]
)
def test_a_header_does_not_change_the_method(name: str, bank: Bank, api_database: Database) -> None:
    account = bank.open()
    bank.account(account)  # visible
    path, before = f"/api/accounts/{account}", written(api_database)
    for method in ("DELETE", "POST", "PUT"):
        assert bank.client.get(path, headers={name: method}).status_code == 200
    answer = bank.client.post("/api/users", headers={name: "GET"}, json={})
    problem_of(answer, 400, "missing_fields")
    for header in ("X-Original-URL", "X-Rewrite-URL"):
        answer = bank.client.get(path, headers={header: "/api/events"})
        assert answer.json()["id"] == account
    assert written(api_database) == before


@pytest.mark.parametrize(
    ("line", "header"),
    [
        (f"GET /api/health?{'x' * 300_000} HTTP/1.1", "X-A: a"),
        (f"GET /api/health?{'x' * 3_000} HTTP/1.1", "X-A: a"),
        ("GET /api/health HTTP/1.1", f"X-A: {'a' * 1_000_000}"),
        ("GET /api/health HTTP/1.1", "\r\n".join(f"X-{n}: a" for n in range(5_000))),
    ],
    ids=["a URL", "a shorter URL", "a header", "many headers"],
)
def test_too_much_is_refused(line: str, header: str, base_url: str) -> None:
    answer = answered(base_url, line, "Host: localhost", header)
    assert status_of(answer) in (400, 413, 414, 431)


def test_an_upgrade_leads_nowhere(base_url: str) -> None:
    answer = answered(
        base_url,
        "GET /api/health HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Connection: Upgrade",
    )
    assert status_of(answer) in (200, 403), "as if nobody had asked for it, or not at all"


# Whose word on the client's address is taken.
@pytest.fixture(scope="module", params=["", "127.0.0.1"], ids=["nobody's", "the proxy's"])
def served(request: pytest.FixtureRequest, api_database: Database) -> Iterator[tuple[str, bool]]:
    """A real server which trusts no proxy, or one on this machine; few logins are allowed from one
    address."""
    port = free_port()
    settings = settings_of(api_database) | {
        "PORT": str(port),
        "TRUSTED_PROXIES": request.param,
        "RATE_LIMIT_LOGIN_ADDRESS": "3/year",
    }
    with Daybook("serve", settings=settings) as server:
        wait_until_ready(server, port)
        yield f"http://127.0.0.1:{port}", bool(request.param)


def tried_from(client: httpx2.Client, forwarded: str) -> int:
    client.headers["X-Forwarded-For"] = forwarded
    return try_login(client, new_email()).status_code


def test_an_address_in_a_header_counts_only_when_a_proxy_says_it(
    served: tuple[str, bool],
) -> None:
    url, is_trusted = served
    with visiting(url) as client:
        found = [tried_from(client, f"198.51.100.{number}") for number in range(8)]
        assert found == ([401] * 8 if is_trusted else [401] * 3 + [429] * 5)
        if is_trusted:
            # What a client writes there itself stands before what the proxy adds.
            forged = [tried_from(client, f"203.0.113.{n}, 198.51.100.99") for n in range(4)]
            assert forged == [401, 401, 401, 429]
            client.headers["X-Real-IP"] = client.headers["Client-IP"] = "203.0.113.200"
            client.headers["Forwarded"] = "for=203.0.113.201"
            assert tried_from(client, "198.51.100.99") == 429

"""What looks like a search for weaknesses, and that nothing ordinary does."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.suspicion import _FOUND, _SCANNER, MAX_AGENT, MAX_URL, REASONS, look

BROWSER = (
    b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0"
    b" Safari/537.36"
)


@pytest.mark.parametrize(
    ("path", "query", "agent", "reason"),
    [
        (b"/api/../../etc/shadow", b"", b"", "path_traversal"),
        (b"/api/..", b"", b"", "path_traversal"),
        (b"/api/%2e%2e/x", b"", b"", "path_traversal"),
        (b"/api/%2E%2E%2Fx", b"", b"", "path_traversal"),
        (b"/api/..%2fx", b"", b"", "path_traversal"),
        (b"/api/..%5Cx", b"", b"", "path_traversal"),
        (b"/api/%252e%252e%252fx", b"", b"", "path_traversal"),
        (b"/api/x", b"file=..%2F..%2Fx", b"", "path_traversal"),
        (b"/api/accounts/%00", b"", b"", "nul_byte"),
        (b"/api/accounts", b"topic=%2500", b"", "nul_byte"),
        (b"/api/accounts", b"name=%3CScRiPt%3E", b"", "script_injection"),
        (b"/api/accounts", b"id=1+UNION+ALL+SELECT+1", b"", "sql_injection"),
        (b"/api/accounts", b"id=1%20union/**/select%201", b"", "sql_injection"),
        (b"/api/accounts", b"q=${jndi:ldap://x}", b"", "code_injection"),
        (b"/api/accounts", b"q=%24%7B%24%7Blower:j%7Dndi", b"", "code_injection"),
        (b"/.env", b"", b"", "probe"),
        (b"/api/.ENV", b"", b"", "probe"),
        (b"/.git/config", b"", b"", "probe"),
        (b"/wp-admin/setup.php", b"", b"", "probe"),
        (b"/phpMyAdmin/", b"", b"", "probe"),
        (b"/cgi-bin/test", b"", b"", "probe"),
        (b"/api/health", b"", b"sqlmap/1.8 (https://sqlmap.org)", "scanner"),
        (b"/api/health", b"", b"Mozilla/5.00 (Nikto/2.5.0)", "scanner"),
        (b"/api/health", b"", b"Mozilla/5.0 (compatible; Nmap Scripting Engine)", "scanner"),
        (b"/api/health", b"", b"masscan/1.3", "scanner"),
        (b"/api/health", b"", b"Mozilla/5.0 zgrab/0.x", "scanner"),
        (b"/api/health", b"", b"DirBuster-1.0-RC1", "scanner"),
        (b"/api/health", b"", b"gobuster/3.6", "scanner"),
        (b"/api/health", b"", b"WPScan v3", "scanner"),
        (b"/api/health", b"", b"Nuclei - Open-source project", "scanner"),
    ],
)
def test_a_search_for_weaknesses_is_recognised(
    path: bytes, query: bytes, agent: bytes, reason: str
) -> None:
    assert reason in REASONS
    assert look(path, query, agent or BROWSER) == reason


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (b"/", b""),
        (b"/openapi.json", b""),
        (b"/docs", b""),
        (b"/favicon.ico", b""),
        (b"/robots.txt", b""),
        (b"/.well-known/security.txt", b""),
        (
            b"/api/accounts/0d4f7a52-11aa-4c55-9a4e-0a6b2f1c7e01/entries",
            b"limit=50&from=2026-01-01",
        ),
        (b"/api/audit", b"from=2026-01-01T00%3A00%3A00.000%2B01%3A00&actor=user%3A1"),
        (b"/api/audit/correlations/order/7..8", b""),
        (b"/api/transfers", b"cursor=MToxMjM0NTY3ODkwYWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo"),
        (b"/api/users", b"sort=created_at:desc,status&page=2"),
        (b"/api/accounts", b"name=Union+%26+Selected+Ltd.&price=%245%25"),
        (b"/api/accounts", b"name=%E2%82%AC...%20caf%C3%A9"),
    ],
)
@pytest.mark.parametrize("agent", [BROWSER, b"", b"curl/8.5.0", b"python-httpx/0.28.1", b"k6/0.5"])
def test_an_ordinary_request_is_not(path: bytes, query: bytes, agent: bytes) -> None:
    assert look(path, query, agent) == ""


PIECES = [
    b"union", b" ", b"all", b"select", b"/..", b"..", b"/", b"\\", b"%25", b"%", b"%2e", b"%2", b"\n",
    b"${", b"<scrip", b"/.", b"/.en", b"/wp-", b"/php", b"\xff", b"\0", b"?", b"x",
]  # fmt: skip


@given(*[st.lists(st.sampled_from(PIECES) | st.binary(max_size=4)).map(b"".join)] * 3)
def test_whatever_is_sent_gets_an_answer(path: bytes, query: bytes, agent: bytes) -> None:
    assert look(path, query, agent) in ("", *REASONS)


def test_its_time_is_in_proportion_to_the_text_since_each_repetition_is_bounded() -> None:
    for pattern in (_FOUND.pattern, _SCANNER.pattern.encode()):
        assert re.search(rb"(?<!\\)[*+]|\{\d*,\}", pattern) is None, pattern


def test_no_more_is_looked_at_than_requests_may_have() -> None:
    path, agent = b"/" + b"x" * MAX_URL, b"x" * MAX_AGENT
    assert look(path + b"/../", b"", b"") == ""
    assert look(b"/", path + b"/../", agent + b"sqlmap") == ""
    assert look(path[:-4] + b"/../", b"", b"") == "path_traversal"

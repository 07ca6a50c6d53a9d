"""What is refused at the edge is in the log: who tried what, once however often, and sealed."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from io import StringIO
from itertools import count
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from api import logs, noticing
from api.noticing import MAX_OF_ADDRESS
from tests.api.conftest import Bank, Json, problem_of, some_id
from tests.conftest import Database
from tests.support.people import bearer
from tests.support.proxy import Proxy
from tests.support.serving import client_of, serving
from tests.support.waiting import until


@pytest.fixture(scope="module", autouse=True)
def _soon() -> Iterator[None]:
    """What is noticed is written soon, for all that does not look at how much that is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(noticing, "_FLUSH_S", 0.02)
        yield


@pytest.fixture
def each_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is noticed is written as often as ever."""
    monkeypatch.setattr(noticing, "_FLUSH_S", FLUSH_S)


def watching(conninfo: str, **more: Any) -> AbstractContextManager[str]:
    """An API that writes down what it refuses."""
    return serving(conninfo, **{"FEATURE_SECURITY_AUDIT": True, **more})


FLUSH_S = noticing._FLUSH_S
ADDRESS = "203.0.113.77"
BEHIND_PROXY = {"TRUSTED_PROXIES": "127.0.0.1"}
AGENT = "curl/8.5.0 (of nobody else)"
WRONG = {"Authorization": "Bearer nonsense"}


_hosts = count(1)


@pytest.fixture(scope="module")
def base_url(api_database: Database) -> Iterator[str]:
    """A server behind a proxy, so that requests can come from anywhere."""
    with watching(api_database.url, **BEHIND_PROXY) as url:
        yield url


def stranger(address: str | None = None, **headers: str) -> dict[str, str]:
    """Headers of a request through a proxy that tells from where, with an id of its own. Each comes from
    elsewhere, since an address is told of only so often."""
    given = {
        "X-Correlation-ID": uuid4().hex,
        "X-Forwarded-For": address or f"10.9.{next(_hosts)}.1",
        "User-Agent": AGENT,
    }
    return given | headers


def noticed(client: httpx2.Client, correlation_id: str, count: int = 1) -> list[Json]:
    """The notices with a correlation id, once there are as many."""
    rows: list[Json] = []

    def are_there() -> bool:
        listed = client.get("/api/security/events", params={"limit": 1000}).json()["data"]
        rows[:] = [row for row in listed if row["correlation_id"] == correlation_id]
        return len(rows) >= count

    until(are_there)
    return rows


def stored(database: Database) -> list[Json]:
    """What the log itself has of notices."""
    with database.connect() as conn:
        found = conn.execute(
            "SELECT topic, state FROM events WHERE topic LIKE 'security.%' ORDER BY notification_id"
        ).fetchall()
    return [{"topic": topic, "count": 1, **json.loads(state)} for topic, state in found]


def total(database: Database, topic: str = "security.authentication_failed") -> int:
    return sum(notice["count"] for notice in stored(database) if notice["topic"] == topic)


def test_a_failed_login_is_told_with_all_that_is_known_but_no_secret(
    client: httpx2.Client, api_database: Database
) -> None:
    headers = stranger(ADDRESS, Authorization="")
    body = {"email": "mallory@example.com", "password": "correct-horse-7"}
    refused = client.post("/api/auth/login", json=body, headers=headers)
    problem_of(refused, 401, "invalid_credentials")
    (row,) = noticed(client, headers["X-Correlation-ID"])
    position, recorded_at = row.pop("position"), row.pop("recorded_at")
    assert row == {
        "kind": "authentication_failed",
        "reason": "invalid_credentials",
        "action": "POST /api/auth/login",
        "actor": "",
        "address": ADDRESS,
        "user_agent": AGENT,
        "correlation_id": headers["X-Correlation-ID"],
        "count": 1,
    }
    event = client.get("/api/events", params={"after": position - 1, "limit": 1}).json()["data"][0]
    assert event["recorded_at"] == recorded_at
    assert event["metadata"]["actor"] == "system"
    assert event["data"]["address"] == "[sealed]"
    assert all_text(api_database, "mallory", "correct-horse-7", ADDRESS, AGENT) == []


def all_text(database: Database, *texts: str) -> list[tuple[str, str]]:
    """Where in the whole database one of these texts is, in clear."""
    found = []
    with database.connect(superuser=True) as conn:
        tables = conn.execute(
            "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables"
            " WHERE table_type = 'BASE TABLE'"
            " AND table_schema NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for (table,) in tables:
            for (row,) in conn.execute(f"SELECT t::text FROM {table} AS t".encode()):
                found += [
                    (table, text) for text in texts if text in row or text.encode().hex() in row
                ]
    assert len(tables) > 20
    return found


def test_the_scan_for_plain_text_would_find_it(api_database: Database) -> None:
    with api_database.connect() as conn:
        conn.execute(
            "INSERT INTO idempotency_keys (caller, key, fingerprint, status, body, position,"
            " answered_at) VALUES ('planted', 'planted', '', 200, %s, 0, clock_timestamp())",
            (b"from 198.51.100.9",),
        )
    assert all_text(api_database, "198.51.100.9", "planted") == [
        ("public.idempotency_keys", "198.51.100.9"),
        ("public.idempotency_keys", "planted"),
    ]


def test_who_may_not_is_told_by_name_and_route(client: httpx2.Client) -> None:
    user_id = uuid4()
    headers = stranger(**bearer("user", user_id))
    refused = client.post(f"/api/approvals/{some_id()}/approve", headers=headers)
    problem_of(refused, 403, "insufficient_permissions")
    (row,) = noticed(client, headers["X-Correlation-ID"])
    assert (row["kind"], row["reason"]) == ("authorization_failed", "insufficient_permissions")
    assert row["action"] == "POST /api/approvals/{approval_id}/approve"
    assert row["actor"] == f"user:{user_id}"


def test_what_the_edge_itself_refuses_is_told_with_its_route_too(client: httpx2.Client) -> None:
    for path, action in [
        (f"/api/accounts/{some_id()}", "GET /api/accounts/{account_id}"),
        ("/api/audit/correlations/a/b", "GET /api/audit/correlations/{correlation_id}"),
        ("/nowhere", "GET unknown"),
    ]:
        headers = stranger(Host="evil.example")
        problem_of(client.get(path, headers=headers), 403, "untrusted_host")
        (row,) = noticed(client, headers["X-Correlation-ID"])
        assert (row["action"], row["reason"]) == (action, "untrusted_host")


def test_who_asks_too_often_is_told(database: Database) -> None:
    limits: dict[str, Any] = {"RATE_LIMIT": "1/year", "RATE_LIMIT_ADDRESS": "2/year"}
    user_id = uuid4()
    with (
        watching(database.url, **limits) as url,
        client_of(url, "auditor", user_id) as client,
        httpx2.Client(base_url=url) as nobody,
    ):
        assert client.get("/api/accounts").status_code == 200
        problem_of(client.get("/api/accounts"), 429, "rate_limited")
        for _ in range(2):
            assert nobody.get("/api/health").status_code == 200
        problem_of(nobody.get("/api/health"), 429, "rate_limited")
        until(lambda: total(database, "security.rate_limited") == 2)
        told = [(n["reason"], n["action"], n.get("actor", "")) for n in stored(database)]
        assert told == [
            ("rate_limited", "GET /api/accounts", f"user:{user_id}"),
            ("rate_limited", "GET /api/health", ""),
        ]


@pytest.mark.parametrize(
    ("path", "headers", "status", "reason", "action"),
    [
        ("/api/health", {"User-Agent": "sqlmap/1.8"}, 200, "scanner", "GET /api/health"),
        ("/api/accounts/%2e%2e%2fx", {}, 404, "path_traversal", "GET unknown"),
        ("/.env", {}, 404, "probe", "GET unknown"),
        ("/api/accounts?limit=%3Cscript", {}, 400, "script_injection", "GET /api/accounts"),
    ],
)
def test_what_looks_like_an_attack_is_told_and_answered_as_ever(
    client: httpx2.Client, path: str, headers: Json, status: int, reason: str, action: str
) -> None:
    headers = stranger(**headers)
    assert client.get(path, headers=headers).status_code == status
    (row,) = noticed(client, headers["X-Correlation-ID"])
    assert (row["kind"], row["reason"]) == ("suspicious_request", reason)
    assert row["action"] == action
    assert row["user_agent"] == headers["User-Agent"]


def test_an_attack_without_credentials_is_told_as_both(client: httpx2.Client) -> None:
    headers = stranger(**WRONG)
    problem_of(client.get("/api/accounts?x=${jndi:x}", headers=headers), 401, "invalid_token")
    rows = noticed(client, headers["X-Correlation-ID"], 2)
    assert {row["kind"] for row in rows} == {"authentication_failed", "suspicious_request"}


EXAMPLES = {"string": "order-7", "integer": 7, "boolean": True}


def examples(description: Json) -> Iterator[tuple[str, dict[str, object]]]:
    """Each path with an ordinary value for each of its parameters."""
    for path, operations in description["paths"].items():
        if path.endswith("/stream"):  # it never ends
            continue
        values: dict[str, dict[str, object]] = {"path": {}, "query": {}, "header": {}}
        for parameter in operations.get("get", {}).get("parameters", []):
            values[parameter["in"]][parameter["name"]] = example_of(parameter["schema"])
        for name in path.split("{")[1:]:
            values["path"].setdefault(name.partition("}")[0], some_id())
        values["query"].pop("min_position", None)
        yield path.format(**values["path"]), values["query"]


def example_of(schema: Json) -> object:
    one: Json = schema.get("anyOf", [schema])[0]
    if "enum" in one:
        return one["enum"][0]
    by_format = {"uuid": some_id(), "date-time": "2026-01-01T00:00:00.000+01:00"}
    return by_format.get(one.get("format", ""), EXAMPLES.get(one.get("type", "string"), "x"))


def test_ordinary_traffic_is_not(client: httpx2.Client) -> None:
    asked = list(examples(client.get("/openapi.json").json()))
    assert len(asked) > 40
    mine = f"ordinary-{uuid4().hex}"
    for path, query in asked:
        client.get(path, params=query, headers={"X-Correlation-ID": mine})  # type: ignore[arg-type]
    headers = stranger(**{"User-Agent": "nikto"})
    client.get("/api/health", headers=headers)
    (last,) = noticed(client, headers["X-Correlation-ID"])
    rows = client.get("/api/security/events", params={"limit": 1000}).json()["data"]
    of_mine = {row["kind"] for row in rows if row["correlation_id"] == mine}
    assert last["kind"] == "suspicious_request"
    assert "suspicious_request" not in of_mine


@pytest.mark.usefixtures("each_second")
def test_a_flood_is_counted_and_not_written_down(database: Database) -> None:
    began = time.monotonic()
    with watching(database.url, projecting=False) as url:
        assert flood(url, 1_000) == 1_000
        until(lambda: total(database) >= 1_000)
    windows = time.monotonic() - began
    assert total(database) == 1_000
    assert len(stored(database)) <= windows + 2, "one a second and no more"


def flood(url: str, count: int) -> int:
    """Send alike requests without waiting for answers; how many of these were a 401."""
    host, port = url.removeprefix("http://").split(":")
    request = f"GET /api/accounts HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer x\r\n"
    with socket.create_connection((host, int(port))) as sock, sock.makefile("rb") as answers:
        last = f"{request}Connection: close\r\n\r\n"
        sock.sendall((f"{request}\r\n" * (count - 1) + last).encode())
        return answers.read().count(b"HTTP/1.1 401")


@pytest.mark.usefixtures("each_second")
def test_a_flood_over_many_routes_is_written_down_as_little(database: Database) -> None:
    limits = {"RATE_LIMIT_ADDRESS": "100/year", "RATE_LIMIT": "50/year"}
    began = time.monotonic()
    with (
        watching(database.url, projecting=False, **limits) as url,
        httpx2.Client(base_url=url) as nobody,
        client_of(url) as somebody,
    ):
        paths = nobody.get("/openapi.json").json()["paths"]
        paths = [path for path in paths if not path.endswith("/stream")]
        assert len(paths) > 60
        for path in [*paths, *paths]:
            nobody.get(f"{path}?x=../x", headers=WRONG)
            somebody.get(path)
        until(lambda: total(database, "security.rate_limited") >= len(paths))
    windows = time.monotonic() - began
    assert total(database) > MAX_OF_ADDRESS
    most = MAX_OF_ADDRESS * (1 + windows / 60) + 5 * (1 + windows)
    assert len(stored(database)) <= most, "twenty, and what is summed up each second"


def test_two_servers_write_into_one_log_under_one_key(database: Database) -> None:
    with ExitStack() as stack:
        urls = [
            stack.enter_context(watching(database.url, projecting=n == 0, **BEHIND_PROXY))
            for n in range(2)
        ]
        clients = [stack.enter_context(client_of(url)) for url in urls]
        ids = [uuid4().hex for _ in clients]
        for client, id_ in zip(clients, ids, strict=True):
            headers = stranger(ADDRESS, **WRONG, **{"X-Correlation-ID": id_})
            assert client.get("/api/accounts", headers=headers).status_code == 401
        for id_ in ids:
            (row,) = noticed(clients[0], id_)
            assert (row["address"], row["user_agent"]) == (ADDRESS, AGENT)


def test_what_is_noticed_while_the_database_is_away_waits_and_is_counted(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with Proxy(database.url) as proxy:
        with watching(proxy.conninfo, projecting=False) as url, client_of(url) as client:
            assert client.get("/api/accounts", headers=WRONG).status_code == 401
            until(lambda: total(database) == 1)
            proxy.go_away()
            evil = {"Host": "evil.example"}
            for _ in range(5):
                assert client.get("/api/accounts", headers=evil).status_code == 403
            until(lambda: "notices wait" in caplog.text)
            for _ in range(5):
                assert client.get("/api/accounts", headers=evil).status_code == 403
            assert total(database, "security.authorization_failed") == 0
            proxy.let_through()
            until(lambda: total(database, "security.authorization_failed") == 10)
        assert len(stored(database)) < 10
    assert "log lines only" not in caplog.text


def test_what_is_noticed_last_is_written_when_the_server_stops(database: Database) -> None:
    with (
        watching(database.url, projecting=False, RATE_LIMIT="1/second") as url,
        client_of(url) as client,
    ):
        assert client.get("/api/accounts", headers=WRONG).status_code == 401
    assert total(database) == 1


def test_what_a_server_cannot_write_before_it_stops_is_told(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with Proxy(database.url) as proxy, watching(proxy.conninfo, projecting=False) as url:
        proxy.go_away()
        for _ in range(3):
            answer = httpx2.get(f"{url}/api/accounts", headers={"Host": "evil.example"})
            assert answer.status_code == 403
    assert "3 notices are in the log lines only" in caplog.text


def test_a_month_that_is_forgotten_shows_no_addresses(database: Database) -> None:
    with watching(database.url) as url, client_of(url, "auditor") as client:
        headers = stranger(**WRONG)
        client.get("/api/accounts", headers=headers)
        noticed(client, headers["X-Correlation-ID"])
        with database.connect() as conn:
            conn.execute("DELETE FROM person_keys")
        (row,) = noticed(client, headers["X-Correlation-ID"])
        assert (row["address"], row["user_agent"]) == ("[erased]", "[erased]")
        assert row["reason"] == "invalid_token"


def test_one_that_was_tampered_with_hides_no_other(database: Database) -> None:
    with watching(database.url, **BEHIND_PROXY) as url, client_of(url) as client:
        ids = []
        for _ in range(2):
            headers = stranger(ADDRESS, **WRONG)
            client.get("/api/accounts", headers=headers)
            noticed(client, headers["X-Correlation-ID"])
            ids.append(headers["X-Correlation-ID"])
        with database.connect(superuser=True) as conn:
            conn.execute(
                "UPDATE security.notice SET address = user_agent WHERE correlation_id = %s",
                (ids[0],),
            )
        (bad,), (good,) = (noticed(client, id_) for id_ in ids)
        assert (bad["address"], bad["user_agent"]) == ("[sealed]", AGENT)
        assert good["address"] == ADDRESS


def test_who_wants_no_security_log_has_none(database: Database) -> None:
    off = {"FEATURE_SECURITY_AUDIT": False, "projecting": False}
    with watching(database.url, **off) as url, client_of(url) as client:
        client.get("/.env", headers=WRONG)
        client.get("/api/accounts", headers=WRONG)
        counted = client.get("/api/security/counters").json()["data"]
        assert {"category": "authentication", "reason": "invalid_token", "count": 1} in counted
    assert stored(database) == []


def test_it_is_searched_by_kind_actor_reason_and_time(client: httpx2.Client) -> None:
    user_id = uuid4()
    first, second = stranger(**bearer("user", user_id)), stranger(**bearer("user", user_id))
    client.get("/api/trial-balance", headers=first)
    (one,) = noticed(client, first["X-Correlation-ID"])
    client.get("/api/audit", headers=second)
    (two,) = noticed(client, second["X-Correlation-ID"])

    def found(**params: object) -> list[Json]:
        given = {"actor": f"user:{user_id}", **params}
        answer = client.get("/api/security/events", params=given)  # type: ignore[arg-type]
        assert answer.headers["cache-control"] == "no-store"
        return list(answer.json()["data"])

    assert found() == [two, one]
    assert found(kind="authorization_failed", reason="insufficient_permissions") == [two, one]
    assert found(kind="rate_limited") == []
    assert found(reason="unauthorized") == []
    assert found(**{"from": two["recorded_at"]}) == [two]
    assert found(to=two["recorded_at"]) == [one]
    page = client.get(
        "/api/security/events", params={"actor": f"user:{user_id}", "limit": 1}
    ).json()
    assert (page["data"], page["has_more"]) == ([two], True)
    assert found(limit=1, cursor=page["next_cursor"]) == [one]
    problem_of(client.get("/api/security/events?kind=odd"), 400, "invalid_topic")


def test_what_admins_do_is_in_the_same_list(client: httpx2.Client) -> None:
    correlation_id = uuid4().hex
    body = {
        "email": f"{correlation_id}@example.com",
        "password": "a good long password",
        "password_confirmation": "a good long password",
        "full_name": "Nora",
        "role": "user",
    }
    made = client.post("/api/users/admin", json=body, headers={"X-Correlation-ID": correlation_id})
    assert made.status_code == 201, made.text
    (row,) = noticed(client, correlation_id)
    assert (row["kind"], row["reason"]) == ("admin_action", "user.registered")
    assert row["actor"].startswith("user:")
    assert row["address"] == ""


@pytest.mark.parametrize(
    ("role", "status"),
    [("admin", 200), ("auditor", 200), ("operator", 403), ("support", 403), ("user", 403)],
)
def test_only_admins_and_auditors_read_it(base_url: str, role: str, status: int) -> None:
    with client_of(base_url, role, uuid4()) as client:
        for path in ("/api/security/events", "/api/security/counters"):
            assert client.get(path).status_code == status


def test_each_problem_is_counted_by_its_reason(bank: Bank) -> None:
    def count(reason: str) -> int:
        data = bank.client.get("/api/security/counters").json()["data"]
        return next((int(row["count"]) for row in data if row["reason"] == reason), 0)

    reasons = ["route_not_found", "untrusted_host", "insufficient_funds"]
    before = [count(reason) for reason in reasons]
    bank.client.get("/nowhere")
    bank.client.get("/api/health", headers={"Host": "evil.example"})
    source, destination = bank.open(), bank.open()
    key = {"Idempotency-Key": some_id()}
    for _ in range(2):  # the second time it is the kept answer
        refused = bank.move(source, destination, "1.00", headers=key)
        assert refused.json()["reason"] == "insufficient_funds"
    assert [count(reason) for reason in reasons] == [before[0] + 1, before[1] + 1, before[2] + 2]
    rows = bank.client.get("/api/security/counters").json()["data"]
    assert [row["count"] for row in rows] == sorted((row["count"] for row in rows), reverse=True)
    assert {row["category"] for row in rows} >= {"not_found", "authorization", "business_rule"}


@pytest.fixture
def lines() -> Iterator[StringIO]:
    """What programs read of Daybook's own loggers."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.make_formatter("api", "json", stream))
    logger = logging.getLogger("daybook")
    level = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(level)


def told(lines: StringIO, correlation_id: str) -> dict[str, Json]:
    """The lines of a request, by event."""
    every = [json.loads(line) for line in lines.getvalue().splitlines()]
    return {line["event"]: line for line in every if line.get("correlation_id") == correlation_id}


def test_a_correlation_id_is_in_the_answer_the_events_and_the_lines(
    bank: Bank, lines: StringIO
) -> None:
    id_ = f"order/{uuid4()}"
    body = {"name": "An account", "type": "cash", "currency": "EUR"}
    answer = bank.client.post("/api/accounts", json=body, headers={"X-Correlation-ID": id_})
    assert answer.headers["x-correlation-id"] == id_
    after = answer.json()["position"] - 1
    event = bank.get("/api/events", after=after, limit=1)["data"][0]
    assert event["metadata"]["correlation_id"] == id_
    until(lambda: told(lines, id_))
    assert told(lines, id_)["request"]["status"] == 201


def test_what_is_noticed_is_a_line_at_once(client: httpx2.Client, lines: StringIO) -> None:
    user_id = uuid4()
    headers = stranger(**bearer("user", user_id), **{"User-Agent": "nikto"})
    client.get("/api/trial-balance?email=mallory@example.com", headers=headers)
    found = told(lines, headers["X-Correlation-ID"])
    refused = found["authorization failed"]
    del refused["timestamp"]
    assert refused == {
        "level": "warning",
        "service": "api",
        "logger": "daybook.security",
        "event": "authorization failed",
        "correlation_id": headers["X-Correlation-ID"],
        "reason": "insufficient_permissions",
        "action": "GET /api/trial-balance",
        "actor": f"user:{user_id}",
    }
    assert found["suspicious request"]["reason"] == "scanner"
    assert "mallory" not in lines.getvalue()


def test_a_server_that_dies_has_told_it_before(client: httpx2.Client, lines: StringIO) -> None:
    headers = stranger(**WRONG)
    problem_of(client.get("/api/accounts", headers=headers), 401, "invalid_token")
    assert told(lines, headers["X-Correlation-ID"])["authentication failed"]["level"] == "info"

"""The cache in running servers: users are as new as their read model, and nothing of them is in clear."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx2
import pytest
import redis

from api.cache import PREFIX
from domain.policies import RULES
from domain.users import ROLES
from tests.api.cli.conftest import CommandLine
from tests.api.conftest import Bank, problem_of
from tests.conftest import Database
from tests.projections.running import caught_up, end_connections, rebuilding
from tests.support.processes import settings_of
from tests.support.redis import RedisServer
from tests.support.serving import client_of, serving
from tests.support.visitors import new_email, register, visiting
from tests.support.waiting import until

Json = dict[str, Any]


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module", params=["memory", "redis"])
def redis_url(request: pytest.FixtureRequest) -> str | None:
    if request.param == "memory":
        return None
    server: RedisServer = request.getfixturevalue("redis_server")
    return server.url


@pytest.fixture(scope="module")
def base_url(api_database: Database, redis_url: str | None) -> Iterator[str]:
    with serving(api_database.url, REDIS_URL=redis_url) as url:
        yield url


@pytest.fixture(scope="module")
def other_client(
    api_database: Database, base_url: str, redis_url: str | None
) -> Iterator[httpx2.Client]:
    """Of another server on the same database."""
    with (
        serving(api_database.url, projecting=False, REDIS_URL=redis_url) as url,
        client_of(url) as client,
    ):
        yield client


@pytest.fixture
def user(base_url: str, api_database: Database) -> str:
    """The id of somebody who is in the read models, which have come to rest."""
    with visiting(base_url) as visitor:
        made = register(visitor)
    with api_database.connect() as conn:
        caught_up(conn)
    return str(made["id"])


def kind_of(client: httpx2.Client, name: str) -> Json:
    answer = client.get("/api/cache")
    assert answer.status_code == 200, answer.text
    (found,) = (kind for kind in answer.json()["kinds"] if kind["kind"] == name)
    return dict(found)


def counted(client: httpx2.Client, name: str, path: str) -> tuple[int, int, httpx2.Response]:
    """How many hits and misses a read is, and what is answered."""
    before = kind_of(client, name)
    answer = client.get(path)
    after = kind_of(client, name)
    return after["hits"] - before["hits"], after["misses"] - before["misses"], answer


def hits(client: httpx2.Client, name: str, path: str) -> bool:
    """False, too, while a server that was started just now knows too little to answer."""
    return counted(client, name, path)[0] == 1


def shows(client: httpx2.Client, path: str, **expected: object) -> bool:
    shown: Json = client.get(path).json()
    return expected.items() <= shown.items()


def is_gone(client: httpx2.Client, path: str) -> bool:
    return client.get(path).status_code == 404


def is_empty(client: httpx2.Client) -> bool:
    return bool(kind_of(client, "user")["entries"] == 0)


@pytest.mark.parametrize("name", ["user", "statistics"])
def test_the_second_read_is_a_hit_and_says_the_same(
    client: httpx2.Client, user: str, name: str
) -> None:
    path = f"/api/users/{user}" if name == "user" else "/api/users/stats"
    until(partial(hits, client, name, path))
    shown = client.get(path).json()
    head = client.get("/api/projections").json()["position"]
    hit, missed, anew = counted(client, name, f"{path}?min_position={head}")
    assert (hit, missed) == (0, 1)
    assert anew.json() == shown
    kind = kind_of(client, name)
    assert kind["entries"] >= 1
    assert kind["ttl_s"] == (300 if name == "user" else 60)
    whole = client.get("/api/cache").json()
    assert whole["reachable"]
    assert whole["hits"] == sum(kind["hits"] for kind in whole["kinds"])
    assert whole["misses"] == sum(kind["misses"] for kind in whole["kinds"])


def test_which_adapter_it_is(client: httpx2.Client, redis_url: str | None) -> None:
    expected = "memory" if redis_url is None else "redis"
    assert client.get("/api/cache").json()["adapter"] == expected


def test_a_change_is_seen_at_once_by_who_names_it_and_soon_by_all(
    client: httpx2.Client, other_client: httpx2.Client, user: str
) -> None:
    path, stats, both = f"/api/users/{user}", "/api/users/stats", (client, other_client)
    for each in both:
        until(partial(hits, each, "user", path))
        until(partial(hits, each, "statistics", stats))
    suspended = client.get(stats).json()["suspended_users"]
    answer = client.post(f"{path}/suspend", json={})
    assert answer.status_code == 200, answer.text
    position = answer.headers["daybook-position"]
    for each in both:
        assert Bank(each).get(path, min_position=position)["status"] == "SUSPENDED"
        counts = Bank(each).get(stats, min_position=position)
        assert counts["suspended_users"] == suspended + 1
    for each in both:
        until(partial(shows, each, path, status="SUSPENDED"))
        until(partial(shows, each, stats, suspended_users=suspended + 1))
    client.delete(path)
    for each in both:
        until(partial(is_gone, each, path))


def test_what_happened_while_the_database_was_away_is_seen(
    client: httpx2.Client, user: str, api_database: Database
) -> None:
    path = f"/api/users/{user}"
    until(partial(hits, client, "user", path))
    end_connections(api_database, "daybook freshness")
    assert client.post(f"{path}/suspend", json={}).status_code == 200
    with api_database.connect() as conn:
        caught_up(conn)
    until(partial(shows, client, path, status="SUSPENDED"))


def test_a_rebuilt_read_model_is_shown(
    client: httpx2.Client, user: str, api_database: Database
) -> None:
    path = f"/api/users/{user}"
    with api_database.connect() as conn:
        conn.execute("UPDATE users.person SET role = 'auditor' WHERE id = %s", (user,))
        client.delete("/api/cache")
        until(partial(shows, client, path, role="auditor"))
        until(partial(hits, client, "user", path))
    with rebuilding(api_database.url):
        body = {"accept_differences": True}
        answer = client.post("/api/projections/users/rebuild", json=body)
        assert answer.status_code == 202, answer.text
        until(partial(shows, client, path, role="user"))


def test_cleared_the_next_read_is_a_miss_in_every_server(
    client: httpx2.Client,
    other_client: httpx2.Client,
    user: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path, both = f"/api/users/{user}", (client, other_client)
    for each in both:
        until(partial(hits, each, "user", path))
    with caplog.at_level(logging.INFO, "daybook.cache"):
        answer = client.delete("/api/cache")
    assert answer.status_code == 200
    assert answer.json()["removed"] >= 1
    assert f"cleared the cache: {answer.json()['removed']} entries" in caplog.text
    assert "user:ad000000" in caplog.text, "who did it"
    for each in both:
        until(partial(is_empty, each))
    assert counted(client, "user", path)[:2] == (0, 1)


def test_cleared_by_command_the_next_read_is_a_miss_in_every_server(
    client: httpx2.Client,
    other_client: httpx2.Client,
    user: str,
    api_database: Database,
    redis_url: str | None,
) -> None:
    path, both = f"/api/users/{user}", (client, other_client)
    for each in both:
        until(partial(hits, each, "user", path))
    daybook = CommandLine(
        settings_of(api_database) | ({"REDIS_URL": redis_url} if redis_url else {})
    )
    said = daybook.here.done("cache", "clear")
    assert said.startswith("cleared")
    assert ("entries in Redis" in said) is (redis_url is not None)
    for each in both:
        until(partial(is_empty, each))
    assert counted(client, "user", path)[:2] == (0, 1)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("method", "action"), [("GET", "cache.read"), ("DELETE", "cache.clear")])
def test_who_may(base_url: str, role: str, method: str, action: str) -> None:
    with client_of(base_url, role) as client:
        answer = client.request(method, "/api/cache")
    if role in RULES[action].all:
        assert answer.status_code == 200
    else:
        problem_of(answer, 403, "insufficient_permissions")


def test_nothing_personal_is_in_redis(
    client: httpx2.Client, base_url: str, redis_url: str | None, api_database: Database
) -> None:
    if redis_url is None:  # in memory nobody else can look
        return
    email, name = new_email(), "Wilhelmina Quartz"
    with visiting(base_url) as visitor:
        made = register(visitor, email, full_name=name)
    with api_database.connect() as conn:
        caught_up(conn)
    until(partial(hits, client, "user", f"/api/users/{made['id']}"))
    until(partial(hits, client, "statistics", "/api/users/stats"))
    with redis.Redis.from_url(redis_url) as store:
        keys = [key for key in store.scan_iter() if key.startswith(PREFIX.encode())]
        kept = {key: store.get(key) for key in keys}
    assert any(made["id"].encode() in key for key in kept), "it is looked at"
    whole = repr(kept).lower()
    for word in (email, email.split("@")[0], "wilhelmina", "quartz"):
        assert word not in whole


def test_redis_that_dies_is_done_without(api_database: Database, user: str) -> None:
    path = f"/api/users/{user}"
    with (
        RedisServer() as server,
        serving(api_database.url, projecting=False, REDIS_URL=server.url) as url,
        client_of(url) as client,
    ):
        until(partial(hits, client, "user", path))
        server.kill()
        for _ in range(3):
            assert client.get(path).status_code == 200
            assert client.get("/api/users/stats").status_code == 200
        state = client.get("/api/cache").json()
        assert (state["adapter"], state["reachable"]) == ("redis", False)
        assert [kind["entries"] for kind in state["kinds"]] == [None, None]
        cleared = client.delete("/api/cache")
        assert (cleared.status_code, cleared.json()) == (200, {"removed": None})
        settings = settings_of(api_database) | {"REDIS_URL": server.url}
        said = CommandLine(settings).here.refused(1, "cache", "clear")
        assert "Redis does not answer" in said
        assert "used no more" in said

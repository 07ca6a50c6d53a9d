"""Limits: what is counted, for whom, what callers hear of it, and what happens when nobody can count."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest

from api.edge import MAX_BODY_BYTES, EdgeOptions
from api.limits import Limiter, Rates, Verdict, details_of, headers_of, refuse_beyond
from api.problems import ProblemError
from tests.api.conftest import problem_of
from tests.support.edges import edge_of
from tests.support.redis import RedisServer

YEAR_S = 360 * 24 * 3600
"""As the library counts it. No test lasts into the next one."""
RATES = Rates(
    per_person="3/year",
    per_machine="5/year",
    per_address="2/year",
    writes_per_person="2/year",
    login="1/year",
    login_per_address="2/year",
)
PATIENT_S = 60.0
"""For a Redis that answers, on a machine that is busy."""


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
def storage_url(request: pytest.FixtureRequest) -> str | None:
    """Where counts are kept; each test uses keys of its own."""
    if request.param == "memory":
        return None
    server: RedisServer = request.getfixturevalue("redis_server")
    return server.url


def counting(
    storage_url: str | None, scene: Callable[[Limiter], Awaitable[None]], rates: Rates = RATES
) -> None:
    """Play a scene with a limiter."""

    async def play() -> None:
        limiter = Limiter(storage_url, rates, patience_s=PATIENT_S)
        try:
            await scene(limiter)
        finally:
            await limiter.close()

    asyncio.run(play())


def test_one_request_too_many_is_refused_and_told_when_to_come_again(
    storage_url: str | None,
) -> None:
    async def scene(limiter: Limiter) -> None:
        verdicts = [await limiter.hit("person", "one too many") for _ in range(4)]
        assert [v.allowed for v in verdicts] == [True, True, True, False]
        assert [v.remaining for v in verdicts] == [2, 1, 0, 0]
        assert {(v.limit, v.window_s) for v in verdicts} == {(3, YEAR_S)}
        assert all(1 <= v.retry_after_s <= YEAR_S for v in verdicts)
        with pytest.raises(ProblemError, match="rate_limited") as raised:
            refuse_beyond(verdicts[-1])
        assert raised.value.details["violated-policies"] == ["default"]
        refuse_beyond(verdicts[0])

    counting(storage_url, scene)


def test_a_new_window_does_not_claim_to_end_at_once(storage_url: str | None) -> None:
    async def scene(limiter: Limiter) -> None:
        only = await limiter.hit("login", "a new window")
        assert only.reset_at > time.time() + 60
        assert only.retry_after_s > 60

    counting(storage_url, scene)


def test_everyone_and_everything_is_counted_apart(storage_url: str | None) -> None:
    async def scene(limiter: Limiter) -> None:
        for _ in range(3):
            await limiter.hit("person", "apart")
        assert not (await limiter.hit("person", "apart")).allowed
        assert (await limiter.hit("person", "another")).remaining == 2
        machine = await limiter.hit("machine", "apart")
        writes = await limiter.hit("writes", "apart")
        assert (machine.remaining, writes.remaining) == (4, 1)
        assert (machine.policy, writes.policy) == ("default", "writes")

    counting(storage_url, scene)


def test_whoever_was_refused_is_let_in_again_later(storage_url: str | None) -> None:
    async def scene(limiter: Limiter) -> None:
        for expected in (False, True):
            while (await limiter.hit("person", "later")).allowed is not expected:
                await asyncio.sleep(0.001)

    counting(storage_url, scene, Rates(per_person="2/second"))


def test_a_rate_that_is_not_set_counts_nothing() -> None:
    async def scene(limiter: Limiter) -> None:
        verdict = await limiter.hit("writes", "anybody")
        assert (verdict.allowed, verdict.counted, headers_of(verdict)) == (True, False, [])

    counting(None, scene, Rates(writes_per_person=None))


def test_servers_that_share_a_redis_count_together(redis_server: RedisServer) -> None:
    async def scene(limiter: Limiter) -> None:
        async def on_another_server(other: Limiter) -> Verdict:
            return await other.hit("person", "shared")

        other = Limiter(redis_server.url, RATES, patience_s=PATIENT_S)
        remaining = [
            (await one.hit("person", "shared")).remaining for one in (limiter, other, limiter)
        ]
        await other.close()
        assert remaining == [2, 1, 0]

    counting(redis_server.url, scene)


def test_without_redis_known_callers_go_on_and_logins_wait(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [1_000.0]

    async def play(server: RedisServer) -> None:
        limiter = Limiter(server.url, RATES, patience_s=PATIENT_S, clock=lambda: now[0])
        assert (await limiter.hit("person", "me")).remaining == 2
        server.kill()
        for _ in range(5):
            for kind in ("person", "machine", "address", "writes"):
                verdict = await limiter.hit(kind, "me")
                assert (verdict.allowed, verdict.counted) == (True, False)
            for kind in ("login", "login_address"):
                with pytest.raises(ProblemError, match="service_unavailable"):
                    await limiter.hit(kind, "me")
            now[0] += 5
        server.start()
        assert (await limiter.hit("person", "me")).remaining == 2, "it counts again"
        assert (await limiter.hit("login", "me")).allowed
        await limiter.close()

    with caplog.at_level(logging.WARNING, "daybook.limits"), RedisServer() as server:
        asyncio.run(play(server))
    assert len(caplog.records) == 1, "once a minute"
    assert "logins wait" in caplog.text


def test_a_redis_that_hangs_is_given_up_and_then_left_alone() -> None:
    now = [1_000.0]
    connections = 0

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.read(1_000):
            pass
        writer.close()

    async def play() -> None:
        server = await asyncio.start_server(hang, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        limiter = Limiter(f"redis://127.0.0.1:{port}", RATES, clock=lambda: now[0])
        for expected in (1, 2):
            for _ in range(20):  # the first waits, the others do not ask
                assert not (await limiter.hit("person", "me")).counted
                now[0] += 0.2
            while connections < expected:
                await asyncio.sleep(0)
            for _ in range(100):
                await asyncio.sleep(0)
            assert connections == expected
            now[0] += 2
        await limiter.close()
        server.close()
        await server.wait_closed()

    asyncio.run(play())


@pytest.mark.parametrize("url", ["memcached://localhost", "localhost:6379", "http://localhost"])
def test_only_redis_can_be_shared(url: str) -> None:
    with pytest.raises(ValueError, match="redis://"):
        Limiter(url, RATES)


def test_rates_are_understood_or_refused() -> None:
    with pytest.raises(ValueError, match="often"):
        Limiter(None, Rates(per_person="often"))


def test_both_families_of_headers_say_the_same() -> None:
    verdict = Verdict(True, 100, 50, 1_795_320_694.2, 60, 30)
    assert dict(headers_of(verdict)) == {
        b"x-ratelimit-limit": b"100",
        b"x-ratelimit-remaining": b"50",
        b"x-ratelimit-reset": b"1795320695",
        b"ratelimit-policy": b'"default";q=100;w=60',
        b"ratelimit": b'"default";r=50;t=30',
    }
    assert details_of(verdict)["violated-policies"] == ["default"]


# At the edge


def limited() -> EdgeOptions:
    return EdgeOptions(limiter=Limiter(None, RATES))


def test_an_address_without_credentials_has_its_own_limit() -> None:
    options = limited()
    with edge_of(options) as client:
        answers = [client.get("/query") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
        problem = problem_of(answers[-1], 429, "rate_limited")
        assert (problem["category"], problem["retryable"]) == ("rate_limit", True)
        assert problem["error"]["type"] == "rate_limited"
        assert problem["details"]["violated-policies"] == ["default"]
        wait = int(answers[-1].headers["retry-after"])
        assert wait >= 1
        assert answers[-1].headers["ratelimit"] == f'"default";r=0;t={wait}'
        assert answers[-1].headers["ratelimit-policy"] == f'"default";q=2;w={YEAR_S}'
    with edge_of(options, address="203.0.113.8") as client:
        assert client.get("/query").headers["x-ratelimit-remaining"] == "1"


def test_an_ipv6_network_is_one_address() -> None:
    options = limited()
    for address, status in (
        ("2001:db8::1", 200),
        ("2001:db8::ffff:2", 200),
        ("2001:db8:0:0:8000::3", 429),
        ("2001:db8:0:1::1", 200),
        ("::ffff:203.0.113.9", 200),
        ("203.0.113.9", 200),
        ("203.0.113.9", 429),
    ):
        with edge_of(options, address=address) as client:
            assert client.get("/query").status_code == status, address


@pytest.mark.parametrize("name", ["Authorization", "X-API-Key"])
def test_requests_that_the_guard_counted_do_not_count_for_their_address(name: str) -> None:
    with edge_of(limited()) as client:
        for _ in range(5):
            answer = client.get("/counted", headers={name: "good"})
            assert answer.status_code == 200
            assert answer.headers["x-ratelimit-remaining"] == "50"


@pytest.mark.parametrize("name", ["Authorization", "X-API-Key"])
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/query", 200),
        ("HEAD", "/query", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/docs", 200),
        ("GET", "/redoc", 200),
        ("GET", "/openapi.json", 200),
        ("PATCH", "/things", 405),
        ("OPTIONS", "/things", 405),
        ("GET", "/query?" + "x" * 3_000, 414),
    ],
)
def test_credentials_that_nobody_looks_at_change_nothing(
    name: str, method: str, path: str, status: int
) -> None:
    with edge_of(limited()) as client:
        answers = [client.request(method, path, headers={name: "made up"}) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [status, status, 429, 429]
        assert [a.headers["x-ratelimit-remaining"] for a in answers] == ["1", "0", "0", "0"]


def test_bodies_that_are_not_read_count_too() -> None:
    headers = {"Authorization": "Bearer x", "Content-Length": str(MAX_BODY_BYTES + 1)}
    with edge_of(limited()) as client:
        answers = [client.post("/things", headers=headers, content=b"") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [413, 413, 429]


def test_requests_that_browsers_send_ahead_count_too() -> None:
    origin = "https://app.example.com"
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    options = EdgeOptions(cors_origins=frozenset({origin}), limiter=Limiter(None, RATES))
    with edge_of(options) as client:
        answers = [client.options("/things", headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [204, 204, 429]


def test_credentials_that_are_none_do() -> None:
    with edge_of(limited()) as client:
        headers = {"Authorization": "Bearer guessed"}
        answers = [client.get("/problems/invalid_token", headers=headers) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [401, 401, 429]
        assert answers[0].headers["x-ratelimit-remaining"] == "1"
        problem_of(answers[-1], 429, "rate_limited")
        assert client.get("/counted", headers=headers).status_code == 200, "nobody is locked out"


def test_what_the_guard_counted_is_told() -> None:
    with edge_of(limited()) as client:
        answer = client.get("/counted", headers={"Authorization": "Bearer good"})
        assert answer.headers["ratelimit"] == '"default";r=50;t=30'
        assert answer.headers.get_list("x-ratelimit-limit") == ["100"]


def test_without_a_limiter_nothing_is_counted() -> None:
    with edge_of() as client:
        assert "ratelimit" not in client.get("/query").headers

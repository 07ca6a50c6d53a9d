"""Breakers of one process, and of several that share what they know over a Redis that may go away."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from msgspec.structs import replace
from redis import Redis

from application.outbound.breaker import Breaker, Breakers, Permit
from application.outbound.breaker_rules import Memory
from application.outbound.breaker_sharing import SharedMemory
from application.outbound.errors import CircuitOpenError
from application.outbound.health import ServiceHealth
from tests.support.redis import RedisServer


class Clock:
    """Stands still unless it is turned."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        breaker.ask().failed("it is down")


def test_it_fails_fast_then_tries_then_works_again(clock: Clock) -> None:
    heard: list[ServiceHealth] = []
    breakers = Breakers(clock=clock, on_change=heard.append)
    bank = breakers.of("bank")
    assert breakers.of("bank") is bank
    fail(bank, 5)
    for asked in (bank.ask, bank.check):
        with pytest.raises(CircuitOpenError) as refused:
            asked()
        assert refused.value.retry_after_s == 30.0
    assert not refused.value.outcome_unknown
    clock.now += 30
    for _ in range(2):
        bank.check()  # makes no trial of its own
        trial = bank.ask()
        for asked in (bank.ask, bank.check):
            with pytest.raises(CircuitOpenError):
                asked()
        trial.succeeded()
    bank.check()
    bank.ask().succeeded()
    assert [each.state for each in heard] == ["closed", "open", "half_open", "closed"]
    assert (heard[1].failures, heard[1].error) == (5, "it is down")


def test_successes_and_calls_that_were_broken_off_never_open_it(clock: Clock) -> None:
    bank = Breakers(clock=clock).of("bank")
    for _ in range(100):
        bank.ask().succeeded()
        bank.ask().dropped()
    fail(bank, 4)
    bank.ask().succeeded()


def test_each_service_has_its_own_and_figures_go_by_the_first_word(clock: Clock) -> None:
    breakers = Breakers(clock=clock)
    fail(breakers.of("payments:one"), 3)
    fail(breakers.of("bank"), 3)
    breakers.of("payments:two").ask().succeeded()
    states = {each.service: (each.state, each.failures) for each in breakers.states()}
    assert states == {
        "bank": ("closed", 3),
        "payments:one": ("open", 3),
        "payments:two": ("closed", 0),
    }


def test_of_many_threads_one_makes_the_trial(clock: Clock) -> None:
    bank = Breakers(clock=clock).of("bank")
    fail(bank, 5)
    clock.now += 30
    assert len(asked_at_once([bank] * 8)) == 1


def asked_at_once(breakers: list[Breaker]) -> list[Permit]:
    together = Barrier(len(breakers))

    def one(breaker: Breaker) -> Permit | None:
        together.wait()
        try:
            return breaker.ask()
        except CircuitOpenError:
            return None

    with ThreadPoolExecutor(len(breakers)) as threads:
        return [permit for permit in threads.map(one, breakers) if permit is not None]


def test_processes_share_what_they_know(clock: Clock, redis: RedisServer) -> None:
    here = Breakers(redis.url, clock=clock)
    there = Breakers(redis.url, clock=clock)
    fail(here.of("bank"), 3)
    fail(there.of("bank"), 2)
    clock.now += 0.5
    with pytest.raises(CircuitOpenError):
        here.of("bank").ask()
    assert [each.state for each in (*here.states(), *there.states())] == ["open", "open"]
    clock.now += 30
    shared = [here.of("bank"), there.of("bank")]
    for _ in range(2):
        (trial,) = asked_at_once(shared * 4)
        for each in shared:
            with pytest.raises(CircuitOpenError):
                each.check()
        trial.succeeded()
        for each in shared:
            each.check()
    here.of("bank").ask().succeeded()
    there.of("bank").ask().succeeded()
    assert [each.state for each in (*here.states(), *there.states())] == ["closed", "closed"]
    here.close()
    there.close()


def test_while_redis_is_away_each_goes_by_what_it_knows(clock: Clock) -> None:
    with RedisServer() as redis:
        here = Breakers(redis.url, clock=clock)
        there = Breakers(redis.url, clock=clock)
        fail(here.of("bank"), 5)
        redis.kill()
        clock.now += 1
        with pytest.raises(CircuitOpenError):
            here.of("bank").ask()
        there.of("bank").ask().succeeded()
        fail(there.of("bank"), 5)
        with pytest.raises(CircuitOpenError):
            there.of("bank").ask()
        here.close()
        there.close()
        redis.start()


def test_redis_is_asked_again_after_a_while_and_told_what_it_forgot(redis: RedisServer) -> None:
    clock = Clock()
    shared = SharedMemory(redis.url, clock=clock)
    known = Memory(state="open", failed=5, opened_at=1000.0, changed_at=1000.0)
    changed = replace(known, error="it is still down")
    redis.kill()
    assert shared.change("forgotten", known, lambda _: changed) is None
    redis.start()
    assert shared.change("forgotten", known, lambda _: changed) is None, "too early to ask"
    clock.now += 5
    assert shared.change("forgotten", known, lambda memory: memory) == known
    assert shared.change("forgotten", known, lambda _: changed) == changed
    assert shared.change("forgotten", known, lambda memory: memory) == changed
    shared.close()


def test_what_cannot_be_read_in_redis_is_replaced(clock: Clock, redis: RedisServer) -> None:
    with Redis.from_url(redis.url) as raw:
        raw.set("daybook:breaker:payments", b"{broken")
        breakers = Breakers(redis.url, clock=clock)
        fail(breakers.of("payments"), 3)
        assert b'"open"' in bytes(raw.get("daybook:breaker:payments") or b"")
        breakers.close()


@pytest.mark.parametrize(
    "kept",
    [
        b'{"changed_at": 1e300}',
        b'{"state": "open", "opened_at": -1}',
        b'{"failures": [1, "2"]}',
        b'{"failed": 99999999999}',
        b'{"state": "ajar"}',
        b"[]",
        b'{"error": "\xff"}',
        ["no string"],
    ],
)
def test_nonsense_in_redis_is_nothing_known(
    kept: bytes | list[str], clock: Clock, redis: RedisServer
) -> None:
    with Redis.from_url(redis.url) as raw:
        raw.delete("daybook:breaker:bank")
        if isinstance(kept, bytes):
            raw.set("daybook:breaker:bank", kept)
        else:
            raw.rpush("daybook:breaker:bank", *kept)
    breakers = Breakers(redis.url, clock=clock)
    bank = breakers.of("bank")
    bank.ask()
    assert (bank.health().state, bank.health().failures) == ("closed", 0)
    fail(bank, 5)
    there = Breakers(redis.url, clock=clock)
    with pytest.raises(CircuitOpenError):
        there.of("bank").ask()
    breakers.close()
    there.close()


def test_services_without_end_are_not_all_remembered(clock: Clock) -> None:
    breakers = Breakers(clock=clock)
    fail(breakers.of("webhooks:failing"))
    fail(breakers.of("webhooks:open"), 5)
    for number in range(1000):
        breakers.of(f"webhooks:{number}").ask().succeeded()
    states = {each.service: each.state for each in breakers.states()}
    assert len(states) <= 100
    assert (states["webhooks:failing"], states["webhooks:open"]) == ("closed", "open")
    clock.now += 3601
    for number in range(1000):
        breakers.of(f"webhooks:later {number}").ask().succeeded()
    left = {each.service for each in breakers.states()}
    assert not left & {"webhooks:failing", "webhooks:open"}


def test_a_url_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="redis://"):
        Breakers("http://somewhere")

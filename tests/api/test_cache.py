"""The cache: what is read again is not loaded again, and nothing old is shown after a change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from uuid import uuid4

import pytest
import redis
from msgspec import Struct

from api.cache import PREFIX, Cache, InRedis, Kind, Memory, Storage, clear_redis
from api.shared_redis import DEAD_S, RedisAwayError, SharedRedis
from projections.freshness import Change
from tests.support.redis import RedisServer

PATIENT_S = 60.0
"""For a Redis that answers, on a machine that is busy."""


class Thing(Struct):
    number: int


THING = Kind("thing", "things", Thing)
OTHER_THING = Kind("other", "things", Thing)


class World:
    """Things as the database has them, how often it was asked, and what time it is."""

    def __init__(self) -> None:
        self.change: Change | None = Change(0, 1)
        self.asked = 0
        self.now = 1_000.0

    def last_change(self, model: str) -> Change | None:
        return {"things": self.change}[model]

    async def load(self) -> Thing | None:
        self.asked += 1
        return Thing(self.asked)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def in_redis(server: RedisServer, world: World, prefix: str | None = None) -> InRedis:
    shared = SharedRedis(server.url, lambda _: None, patience_s=PATIENT_S, clock=lambda: world.now)
    return InRedis(shared, prefix or f"{PREFIX}{uuid4()}:")


@pytest.fixture(params=["memory", "redis"])
def make_storage(request: pytest.FixtureRequest, world: World) -> Callable[[], Storage]:
    if request.param == "memory":
        return lambda: Memory(clock=lambda: world.now)
    server: RedisServer = request.getfixturevalue("redis_server")
    return lambda: in_redis(server, world)


def keeping(
    storage: Callable[[], Storage], world: World, scene: Callable[[Cache], Awaitable[None]]
) -> None:
    """Play a scene with a cache of things."""

    async def play() -> None:
        async with Cache(storage(), world.last_change) as cache:
            await scene(cache)

    asyncio.run(play())


def test_the_second_read_is_not_loaded(make_storage: Callable[[], Storage], world: World) -> None:
    async def scene(cache: Cache) -> None:
        for _ in range(3):
            assert await cache.get(THING, 7, world.load) == Thing(1)
        assert (cache.hits, cache.misses) == ({"thing": 2}, {"thing": 1})
        assert await cache.get(THING, 8, world.load) == Thing(2)
        assert await cache.get(OTHER_THING, 7, world.load) == Thing(3)
        assert (await cache.entries(THING), await cache.entries(OTHER_THING)) == (2, 1)

    keeping(make_storage, world, scene)


def test_what_is_not_there_is_looked_for_again(
    make_storage: Callable[[], Storage], world: World
) -> None:
    async def nothing() -> Thing | None:
        return None

    async def scene(cache: Cache) -> None:
        assert await cache.get(THING, 7, nothing) is None
        assert await cache.get(THING, 7, world.load) == Thing(1)

    keeping(make_storage, world, scene)


@pytest.mark.parametrize("change", [Change(0, 2), Change(1, 1)])
def test_after_a_change_it_is_loaded_again(
    make_storage: Callable[[], Storage], world: World, change: Change
) -> None:
    async def scene(cache: Cache) -> None:
        assert await cache.get(THING, 7, world.load) == Thing(1)
        world.change = change
        assert await cache.entries(THING) == 0
        assert await cache.get(THING, 7, world.load) == Thing(2)
        assert await cache.get(THING, 7, world.load) == Thing(2)

    keeping(make_storage, world, scene)


def test_what_is_loaded_before_a_change_is_not_shown_after_it(
    make_storage: Callable[[], Storage], world: World
) -> None:
    async def overtaken() -> Thing | None:
        found = await world.load()
        world.change = Change(0, 2)
        return found

    async def scene(cache: Cache) -> None:
        assert await cache.get(THING, 7, overtaken) == Thing(1)
        assert await cache.get(THING, 7, world.load) == Thing(2)

    keeping(make_storage, world, scene)


def test_while_changes_are_not_heard_of_nothing_is_kept(
    make_storage: Callable[[], Storage], world: World
) -> None:
    async def scene(cache: Cache) -> None:
        assert await cache.get(THING, 7, world.load) == Thing(1)
        known, world.change = world.change, None
        assert await cache.get(THING, 7, world.load) == Thing(2)
        assert await cache.entries(THING) == 0
        world.change = known
        assert await cache.get(THING, 7, world.load) == Thing(1)

    keeping(make_storage, world, scene)


def test_who_asks_for_it_anew_gets_it_and_others_do_too(
    make_storage: Callable[[], Storage], world: World
) -> None:
    async def scene(cache: Cache) -> None:
        assert await cache.get(THING, 7, world.load) == Thing(1)
        assert await cache.get(THING, 7, world.load, anew=True) == Thing(2)
        assert await cache.get(THING, 7, world.load) == Thing(2)

    keeping(make_storage, world, scene)


def test_cleared_it_is_empty(make_storage: Callable[[], Storage], world: World) -> None:
    async def scene(cache: Cache) -> None:
        for key in range(3):
            await cache.get(THING, key, world.load)
        assert await cache.clear() == 3
        assert await cache.entries(THING) == 0
        assert await cache.get(THING, 0, world.load) == Thing(4)

    keeping(make_storage, world, scene)


def test_what_many_ask_for_at_a_time_is_loaded_once(
    make_storage: Callable[[], Storage], world: World
) -> None:
    async def scene(cache: Cache) -> None:
        ready = asyncio.Event()

        async def slow() -> Thing | None:
            await ready.wait()
            return await world.load()

        waiting = [asyncio.create_task(cache.get(THING, 7, slow)) for _ in range(5)]
        while cache.hits["thing"] < 4:
            await asyncio.sleep(0)
        waiting[0].cancel()  # who came first goes away
        await asyncio.wait(waiting[:1])
        ready.set()
        assert await asyncio.gather(*waiting[1:]) == [Thing(1)] * 4
        assert (world.asked, cache.misses["thing"]) == (1, 1)

    keeping(make_storage, world, scene)


def test_a_load_that_fails_fails_for_all_and_is_tried_again(
    make_storage: Callable[[], Storage], world: World
) -> None:
    async def fail() -> Thing | None:
        await asyncio.sleep(0)
        raise LookupError("the database is away")

    async def scene(cache: Cache) -> None:
        both = await asyncio.gather(
            *(cache.get(THING, 7, fail) for _ in range(2)), return_exceptions=True
        )
        assert [type(each) for each in both] == [LookupError] * 2
        assert await cache.get(THING, 7, world.load) == Thing(1)

    keeping(make_storage, world, scene)


def test_what_another_version_kept_is_loaded_again(
    make_storage: Callable[[], Storage], world: World
) -> None:
    class Renamed(Struct):
        name: str

    async def scene(cache: Cache) -> None:
        async def renamed() -> Renamed | None:
            return Renamed("of the new version")

        assert await cache.get(THING, 7, world.load) == Thing(1)
        found = await cache.get(Kind("thing", "things", Renamed), 7, renamed)
        assert found == Renamed("of the new version")

    keeping(make_storage, world, scene)


# Memory


@pytest.mark.parametrize(("kind", "ttl_s"), [("user", 300), ("statistics", 60), ("others", 300)])
def test_memory_forgets_it_after_its_time(world: World, kind: str, ttl_s: float) -> None:
    some = Kind(kind, "things", Thing)

    async def scene(cache: Cache) -> None:
        assert await cache.get(some, 7, world.load) == Thing(1)
        world.now += ttl_s - 0.01
        assert await cache.get(some, 7, world.load) == Thing(1)
        assert await cache.entries(some) == 1
        world.now += 0.01
        assert await cache.entries(some) == 0
        assert await cache.get(some, 7, world.load) == Thing(2)

    keeping(lambda: Memory(clock=lambda: world.now), world, scene)


def test_memory_is_bounded_and_keeps_what_is_asked_for(world: World) -> None:
    async def scene(cache: Cache) -> None:
        for key in ("a", "b", "c"):
            await cache.get(THING, key, world.load)
        await cache.get(THING, "a", world.load)
        await cache.get(THING, "d", world.load)
        assert (await cache.entries(THING), world.asked) == (3, 4)
        assert await cache.get(THING, "a", world.load) == Thing(1)
        assert await cache.get(THING, "b", world.load) == Thing(5)

    keeping(lambda: Memory(3), world, scene)


# Redis


@pytest.mark.parametrize(("kind", "ttl_ms"), [("user", 300_000), ("statistics", 60_000)])
def test_redis_forgets_it_after_its_time(
    redis_server: RedisServer, world: World, kind: str, ttl_ms: int
) -> None:
    prefix = f"{PREFIX}{uuid4()}:"

    async def scene(cache: Cache) -> None:
        await cache.get(Kind(kind, "things", Thing), 7, world.load)

    keeping(lambda: in_redis(redis_server, world, prefix), world, scene)
    with redis.Redis.from_url(redis_server.url) as client:
        (key,) = client.keys(f"{prefix}*")
        left_ms = client.pttl(key)
    assert isinstance(left_ms, int)
    assert ttl_ms - PATIENT_S * 1000 < left_ms <= ttl_ms


def test_what_redis_forgot_is_loaded_again(redis_server: RedisServer, world: World) -> None:
    async def play() -> None:
        storage = in_redis(redis_server, world)
        async with Cache(storage, world.last_change, {"thing": 0.001}) as cache:
            while (await cache.get(THING, 7, world.load)) == Thing(1):
                await asyncio.sleep(0.001)

    asyncio.run(play())


def test_servers_that_share_a_redis_load_once_and_databases_are_apart(
    redis_server: RedisServer, world: World
) -> None:
    prefix = f"{PREFIX}{uuid4()}:"

    async def scene(cache: Cache) -> None:
        assert await cache.get(THING, 7, world.load) == Thing(1)

    for _ in range(2):
        keeping(lambda: in_redis(redis_server, world, prefix), world, scene)
    world.asked = 0
    keeping(lambda: in_redis(redis_server, world), world, scene)
    assert world.asked == 1, "another database's was taken"


def test_clearing_leaves_alone_what_is_not_the_caches(
    redis_server: RedisServer, world: World
) -> None:
    async def scene(cache: Cache) -> None:
        await cache.get(THING, 7, world.load)
        assert await clear_redis(redis_server.url, PATIENT_S) >= 1
        assert await cache.get(THING, 7, world.load) == Thing(2)

    with redis.Redis.from_url(redis_server.url) as client:
        client.set("daybook-limits:somebody", 5)
        keeping(lambda: in_redis(redis_server, world), world, scene)
        assert client.get("daybook-limits:somebody") == b"5"


def test_without_redis_all_is_loaded_and_it_is_used_again_when_it_is_back(world: World) -> None:
    async def play(server: RedisServer) -> None:
        async with Cache(in_redis(server, world), world.last_change) as cache:
            assert await cache.get(THING, 7, world.load) == Thing(1)
            server.kill()
            for number in (2, 3, 4):
                assert await cache.get(THING, 7, world.load) == Thing(number)
            for question in (cache.entries(THING), cache.clear()):
                with pytest.raises(RedisAwayError):
                    await question
            server.start()
            world.now += DEAD_S
            for _ in range(2):
                assert await cache.get(THING, 7, world.load) == Thing(5)

    with RedisServer() as server:
        asyncio.run(play(server))

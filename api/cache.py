"""Keeps answers of read models for a while, in this process or in a Redis that servers share.

Only what is dear or often asked is kept, and only to be shown: no balance, and nothing that decides.
What is kept is kept as the read model has it, so what is personal is sealed there too.

The key of an entry names the last change of its read model's rows that this process heard of
(`Freshness.last_change`). The database tells each in the transaction that makes it, and from then on
another key is asked for, by every process that hears it; old entries are used by nobody, and expire. So
routes have nothing to invalidate, and could not do it rightly: a read model shows a write later, and
what was read in between would be kept for as long as its time is. Who cannot wait until a change is
told here, some milliseconds, names its `min_position`: that is not answered from here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

import msgspec
from redis.asyncio import Redis

from api.shared_redis import RedisAwayError, SharedRedis
from projections.freshness import Change

T = TypeVar("T")
Shown = TypeVar("Shown", covariant=True)

TTLS_S = {"user": 300.0, "statistics": 60.0}
DEFAULT_TTL_S = 300.0
"""Of kinds that are not named above."""

MAX_ENTRIES = 10_000
"""In memory, some ten MB; those that were asked for longest ago go first."""

PREFIX = "daybook-cache:"
"""What all keys in Redis begin with."""

_SCAN = 1_000
_log = logging.getLogger("daybook.cache")


@dataclass(frozen=True)
class Kind(Generic[Shown]):
    """What is kept: its name, the read model that it is of, and its type."""

    name: str
    model: str
    type: type[Shown]


class Storage(Protocol):
    """Where entries are. All of it may raise `RedisAwayError`."""

    adapter: str

    async def get(self, key: str) -> bytes | None: ...

    async def put(self, key: str, value: bytes, ttl_s: float) -> None: ...

    async def count(self, beginning: str) -> int:
        """How many keys begin so."""

    async def clear(self) -> int:
        """Remove all; answers how many there were."""

    async def close(self) -> None: ...


class Memory:
    """Entries of this process alone. `clock` is in seconds, and never goes back."""

    adapter = "memory"

    def __init__(
        self, max_entries: int = MAX_ENTRIES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_entries = max_entries
        self._clock = clock
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    async def get(self, key: str) -> bytes | None:
        until, value = self._entries.get(key, (0.0, b""))
        if until <= self._clock():
            self._entries.pop(key, None)
            return None
        self._entries.move_to_end(key)
        return value

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        self._entries[key] = (self._clock() + ttl_s, value)
        self._entries.move_to_end(key)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    async def count(self, beginning: str) -> int:
        now = self._clock()
        return sum(
            until > now and key.startswith(beginning) for key, (until, _) in self._entries.items()
        )

    async def clear(self) -> int:
        removed = len(self._entries)
        self._entries.clear()
        return removed

    async def close(self) -> None:
        pass


class InRedis:
    """Entries that servers share. All keys begin with `prefix`, which is another for each database."""

    adapter = "redis"

    def __init__(self, shared: SharedRedis, prefix: str) -> None:
        self._shared = shared
        self._redis = Redis(connection_pool=shared.pool)
        self._prefix = prefix

    async def get(self, key: str) -> bytes | None:
        found = await self._shared.ask(lambda: self._redis.get(self._prefix + key))
        assert not isinstance(found, str), "answers are not decoded"
        return found

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        ttl_ms = max(1, round(ttl_s * 1000))
        await self._shared.ask(lambda: self._redis.set(self._prefix + key, value, px=ttl_ms))

    async def count(self, beginning: str) -> int:
        found = 0
        async for keys in self._batches(beginning):
            found += len(keys)
        return found

    async def clear(self) -> int:
        removed = 0
        async for keys in self._batches(""):
            removed += await self._shared.ask(lambda keys=keys: self._redis.unlink(*keys))  # type: ignore[misc]
        return removed

    async def _batches(self, beginning: str) -> AsyncIterator[list[bytes | str]]:
        cursor, pattern = 0, f"{self._prefix}{beginning}*"
        while True:
            cursor, keys = await self._shared.ask(
                lambda at=cursor: self._redis.scan(at, pattern, _SCAN)  # type: ignore[misc]
            )
            if keys:
                yield keys
            if not cursor:
                return

    async def close(self) -> None:
        await self._shared.close()


class Cache:
    """What a process keeps, wherever it is kept. `async with Cache(storage, last_change) as cache:`

    `last_change` is of a read model by name, as `Freshness` has it: while it knows none, nothing is
    kept. A storage that fails is done without.
    """

    def __init__(
        self,
        storage: Storage,
        last_change: Callable[[str], Change | None],
        ttls_s: Mapping[str, float] = TTLS_S,
    ) -> None:
        self._storage = storage
        self._last_change = last_change
        self._ttls_s = ttls_s
        self._loading: dict[str, asyncio.Task[object]] = {}
        self.hits: Counter[str] = Counter()
        self.misses: Counter[str] = Counter()

    async def get(
        self,
        kind: Kind[T],
        key: object,
        load: Callable[[], Awaitable[T | None]],
        *,
        anew: bool = False,
    ) -> T | None:
        """What is kept, or what `load` reads: once, however many ask for it at a time. None is not
        kept. `anew` reads it in any case, and keeps that."""
        beginning = self._beginning(kind)
        if beginning is None:
            return await load()
        name = f"{beginning}{key}"
        if anew:
            return await self._load(kind, name, load)
        kept = await self._kept(kind, name)
        if kept is not None:
            self.hits[kind.name] += 1
            return kept
        loading = self._loading.get(name)
        if loading is None:
            loading = asyncio.create_task(self._load(kind, name, load))
            self._loading[name] = loading
            loading.add_done_callback(lambda done: self._loaded(name, done))
        else:
            self.hits[kind.name] += 1
        # Whoever goes away meanwhile does not take it from the others.
        found: T | None = await asyncio.shield(loading)  # type: ignore[arg-type]
        return found

    def ttl_s(self, kind: Kind[object]) -> float:
        """How long it is kept."""
        return self._ttls_s.get(kind.name, DEFAULT_TTL_S)

    @property
    def adapter(self) -> str:
        """`memory` or `redis`."""
        return self._storage.adapter

    async def entries(self, kind: Kind[object]) -> int:
        """How many are kept that can be used. Raises `RedisAwayError`."""
        beginning = self._beginning(kind)
        return 0 if beginning is None else await self._storage.count(beginning)

    async def clear(self) -> int:
        """Remove all; answers how many there were. Raises `RedisAwayError`. Other processes keep what
        they have in memory until they are told of a change (`checkpoints.renew`)."""
        return await self._storage.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*self._loading.values(), return_exceptions=True)
        await self._storage.close()

    def _beginning(self, kind: Kind[object]) -> str | None:
        change = self._last_change(kind.model)
        return None if change is None else f"{kind.name}:{change.epoch}.{change.position}:"

    async def _kept(self, kind: Kind[T], name: str) -> T | None:
        # What cannot be read was put there by another version.
        with suppress(RedisAwayError, msgspec.DecodeError):
            found = await self._storage.get(name)
            if found is not None:
                return msgspec.json.decode(found, type=kind.type)
        return None

    async def _load(
        self, kind: Kind[T], name: str, load: Callable[[], Awaitable[T | None]]
    ) -> T | None:
        self.misses[kind.name] += 1
        found = await load()
        if found is not None:
            with suppress(RedisAwayError):
                await self._storage.put(name, msgspec.json.encode(found), self.ttl_s(kind))
        return found

    def _loaded(self, name: str, done: asyncio.Task[object]) -> None:
        self._loading.pop(name, None)
        if not done.cancelled():
            done.exception()  # seen, also when everybody who waited for it is gone


def storage_at(url: str | None, scope: str) -> Storage:
    """Memory, or the Redis at an address, where `scope` tells databases apart. Raises `ValueError` for
    an address that is no Redis's."""
    if url is None:
        return Memory()
    return InRedis(SharedRedis(url, _warn), f"{PREFIX}{scope}:")


def _warn(why: str) -> None:
    _log.warning("Redis does not keep anything (%s): all is read from the database", why)


async def clear_redis(url: str, patience_s: float) -> int:
    """Remove what any server has put into a Redis; answers how many entries. Raises `RedisAwayError`."""
    storage = InRedis(SharedRedis(url, lambda _: None, patience_s=patience_s), PREFIX)
    try:
        return await storage.clear()
    finally:
        await storage.close()

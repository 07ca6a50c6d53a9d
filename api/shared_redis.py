"""The Redis that servers share: waited for a moment only, and left alone while it does not answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis import ConnectionError, RedisError
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

T = TypeVar("T")

PATIENCE_S = 0.25
"""A request waits so long for Redis at most."""
DEAD_S = 5.0
"""Redis that did not answer is left alone so long."""
_LOG_EVERY_S = 60.0


class RedisAwayError(Exception):
    """Redis does not answer, or did not a moment ago. Nothing is lost: it only holds what is made anew."""


class SharedRedis:
    """Connections to one Redis, for one purpose. `url` is `redis://...` or `rediss://...`; raises
    `ValueError` for any other. `warn` hears why it does not answer, once a minute at most.
    """

    def __init__(
        self,
        url: str,
        warn: Callable[[str], None],
        *,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pool = _pool(url, patience_s)
        self._warn = warn
        self._patience_s = patience_s
        self._clock = clock
        self._left_alone_until = self._log_again_at = -1.0

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """What Redis answers. Raises `RedisAwayError`, for a while without asking."""
        if self._clock() < self._left_alone_until:
            raise RedisAwayError("it did not answer a moment ago")
        try:
            async with asyncio.timeout(self._patience_s):
                return await question()
        except (RedisError, OSError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            self._note_down(why)
            raise RedisAwayError(why) from error

    def _note_down(self, why: str) -> None:
        now = self._clock()
        self._left_alone_until = now + DEAD_S
        if now >= self._log_again_at:
            self._log_again_at = now + _LOG_EVERY_S
            self._warn(why)

    async def close(self) -> None:
        """Let go of the connections."""
        await self.pool.aclose()


def _pool(url: str, patience_s: float) -> ConnectionPool:
    if not url.startswith(("redis://", "rediss://")):
        raise ValueError("write it as redis://host:6379/0, or rediss:// for TLS")
    return ConnectionPool.from_url(
        url,
        socket_timeout=patience_s,
        socket_connect_timeout=patience_s,
        # Once more and at once: the pool's connection may be one to a Redis before its restart.
        retry=Retry(NoBackoff(), 1, (ConnectionError,)),
    )

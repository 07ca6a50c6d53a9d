"""What processes know of services, in a Redis that may go away: then each goes by what it knows."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import msgspec
from redis import ConnectionError, Redis, RedisError, ResponseError, WatchError
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.retry import Retry

from application.outbound.breaker_rules import FORGOTTEN_S, Memory

_log = logging.getLogger("daybook.outbound")

_PATIENCE_S = 0.25
_LEFT_ALONE_S = 5.0
"""Redis that did not answer is not asked for so long."""
_TRIES = 10


class SharedMemory:
    """Raises `ValueError` for a URL that is none of Redis."""

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = Redis.from_url(
            url,
            socket_timeout=_PATIENCE_S,
            socket_connect_timeout=_PATIENCE_S,
            # Once more and at once: the pool's connection may be one to a Redis before its restart.
            retry=Retry(NoBackoff(), 1, (ConnectionError,)),
        )
        self._clock = clock
        self._left_alone_until = float("-inf")

    def change(
        self, service: str, known: Memory, change: Callable[[Memory], Memory]
    ) -> Memory | None:
        """What all know after the change; None while Redis is away, or busy with others' changes.

        `known` is what this process knows, for a Redis that has forgotten.
        """
        if self._clock() < self._left_alone_until:
            return None
        try:
            return self._change(f"daybook:breaker:{service}", known, change)
        except (RedisError, OSError) as error:
            self._left_alone_until = self._clock() + _LEFT_ALONE_S
            _log.warning("circuit breakers are not shared, since Redis does not answer: %s", error)
            return None

    def _change(self, key: str, known: Memory, change: Callable[[Memory], Memory]) -> Memory | None:
        with self._redis.pipeline() as pipe:
            for _ in range(_TRIES):
                pipe.watch(key)  # type: ignore[no-untyped-call]
                before = _kept(pipe, key) or known
                after = change(before)
                if after == before:
                    return after
                pipe.multi()
                pipe.set(key, msgspec.json.encode(after), ex=int(FORGOTTEN_S))
                try:
                    pipe.execute()
                except WatchError:
                    continue
                return after
        return None

    def close(self) -> None:
        """Let go of the connections."""
        self._redis.close()


def _kept(pipe: Pipeline, key: str) -> Memory | None:
    """None for what is no memory, whoever wrote it: another version of Daybook, or somebody else."""
    try:
        kept = pipe.get(key)
        return msgspec.json.decode(kept, type=Memory) if isinstance(kept, bytes) else None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    except ResponseError:  # the key has something else than a string
        return None

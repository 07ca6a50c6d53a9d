"""Counts requests, so that nobody takes what is for all: per person, machine, address and login."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable
from math import ceil, floor
from typing import Any

from limits import RateLimitItem, parse
from limits.aio.storage import RedisStorage
from msgspec import Struct
from redis.asyncio import ConnectionPool

from api.problems import ProblemError
from api.shared_redis import DEAD_S, PATIENCE_S, RedisAwayError, SharedRedis
from api.sliding_windows import SlidingWindows

_log = logging.getLogger("daybook.limits")


class Rates(Struct, frozen=True):
    """How often, as `100/minute`; None does not count at all."""

    per_person: str = "100/minute"
    per_machine: str = "60000/minute"
    """All API keys of one user together; those of customers count as the customer."""
    per_address: str = "600/minute"
    """Requests that do not say who they are from."""
    writes_per_person: str | None = "60/minute"
    login: str = "10/minute"
    """Of one e-mail address, from one address."""
    login_per_address: str = "30/minute"


_POLICIES = {
    "person": "default",
    "machine": "default",
    "address": "default",
    "writes": "writes",
    "login": "login",
    "login_address": "login",
}
"""What is counted, and the name that callers know its rate by."""
_CLOSED_WITHOUT_STORE = frozenset({"login", "login_address"})
"""A password could be guessed at for as long as nobody counts; all others are known by then."""


class Verdict(Struct, frozen=True):
    """What a request has left. Not `counted`: there is no such limit, or nobody could count."""

    allowed: bool
    limit: int = 0
    remaining: int = 0
    reset_at: float = 0.0
    """Unix seconds when one more is allowed than now."""
    window_s: int = 0
    retry_after_s: int = 1
    policy: str = "default"
    counted: bool = True


_UNCOUNTED = Verdict(allowed=True, counted=False)


class Limiter:
    """Limits of one process, or by a Redis of all processes.

    `storage_url` is `redis://...`, `rediss://...` or None for the process' own memory. Raises
    `ValueError` for any other, and for a rate that does not read as `100/minute`. In Redis, who was
    counted is named by a digest under `secret`, which servers that count together share: addresses are
    few enough for a plain digest to be guessed.
    """

    def __init__(
        self,
        storage_url: str | None,
        rates: Rates,
        *,
        secret: bytes = b"",
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._items = _items(rates)
        self._secret = secret
        self._here = SlidingWindows()
        self._redis = None
        if storage_url is not None:
            self._redis = SharedRedis(storage_url, _warn, patience_s=patience_s, clock=clock)
            self._storage = _on_redis(self._redis.pool)

    async def hit(self, kind: str, key: str) -> Verdict:
        """Count one request of `kind` (person, machine, address, writes, login, login_address).

        Raises `service_unavailable` when nobody can count logins; others go on uncounted.
        """
        item = self._items.get(kind)
        if item is None:
            return _UNCOUNTED
        if self._redis is None:
            now = time.time()
            counted = self._here.hit(f"{kind}/{key}", item.amount, item.get_expiry(), now)
            return _verdict(item, kind, *counted)
        try:
            return await self._redis.ask(lambda: self._count(item, kind, key))
        except RedisAwayError:
            if kind in _CLOSED_WITHOUT_STORE:
                raise ProblemError("service_unavailable", retry_after_s=ceil(DEAD_S)) from None
            return _UNCOUNTED

    async def _count(self, item: RateLimitItem, kind: str, key: str) -> Verdict:
        # What the library's strategy does, but for its statistics: with Redis they say of a new window
        # that it ends at once.
        digest = hmac.digest(self._secret, key.encode(), "sha256").hex()
        name, window_s = item.key_for(kind, digest), item.get_expiry()
        allowed = await self._storage.acquire_sliding_window_entry(name, item.amount, window_s)
        earlier, earlier_ttl_s, current, current_ttl_s = await self._storage.get_sliding_window(
            name, window_s
        )
        used = floor(earlier * earlier_ttl_s / window_s + current)
        waits_s = []
        if earlier:
            # What the window before counts for falls steadily: until it is one less.
            waits_s.append(earlier_ttl_s % (window_s / earlier))
        if current:
            # Its counter is kept for one more window than it counts in.
            waits_s.append(max(current_ttl_s - window_s, 0.0))
        return _verdict(item, kind, allowed, used, min(waits_s, default=0.0))

    async def close(self) -> None:
        """Let go of connections."""
        if self._redis is not None:
            await self._redis.close()


def _verdict(item: RateLimitItem, kind: str, allowed: bool, used: int, wait_s: float) -> Verdict:
    return Verdict(
        allowed,
        item.amount,
        max(0, item.amount - used) if allowed else 0,
        time.time() + wait_s,
        item.get_expiry(),
        max(1, ceil(wait_s)),
        _POLICIES[kind],
    )


def _warn(why: str) -> None:
    _log.warning("Redis does not count (%s): logins wait, all else goes unlimited", why)


def refuse_beyond(verdict: Verdict) -> None:
    """Raises `rate_limited` for a request that is one too many."""
    if not verdict.allowed:
        raise ProblemError("rate_limited", **details_of(verdict))


def details_of(verdict: Verdict) -> dict[str, object]:
    """The details of `rate_limited`."""
    return {
        "limit": verdict.limit,
        "window_s": verdict.window_s,
        "retry_after_s": verdict.retry_after_s,
        "violated-policies": [verdict.policy],
    }


def headers_of(verdict: Verdict) -> list[tuple[bytes, bytes]]:
    """What an answer says of its caller's limit: as most clients read it, and as the IETF's draft
    (draft-ietf-httpapi-ratelimit-headers) has it. None of it for what was not counted."""
    if not verdict.counted:
        return []
    quota = f'"{verdict.policy}";q={verdict.limit};w={verdict.window_s}'
    left = f'"{verdict.policy}";r={verdict.remaining};t={verdict.retry_after_s}'
    return [
        (b"x-ratelimit-limit", str(verdict.limit).encode()),
        (b"x-ratelimit-remaining", str(verdict.remaining).encode()),
        (b"x-ratelimit-reset", str(ceil(verdict.reset_at)).encode()),
        (b"ratelimit-policy", quota.encode()),
        (b"ratelimit", left.encode()),
    ]


def _items(rates: Rates) -> dict[str, RateLimitItem]:
    texts = {
        "person": rates.per_person,
        "machine": rates.per_machine,
        "address": rates.per_address,
        "writes": rates.writes_per_person,
        "login": rates.login,
        "login_address": rates.login_per_address,
    }
    return {kind: parse(text) for kind, text in texts.items() if text is not None}


def _on_redis(pool: ConnectionPool) -> RedisStorage:
    options: dict[str, Any] = {"connection_pool": pool}  # the library's types know of texts only
    return RedisStorage(
        "async+redis://", implementation="redispy", key_prefix="daybook-limits", **options
    )

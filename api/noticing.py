"""Notices what is refused at the edge: counts it, logs it, and has it written into the security log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from starlette.routing import Match
from starlette.types import Scope

from api.guard import plain
from api.origins import client_key
from api.redaction import redact_text
from api.suspicion import MAX_AGENT, look
from application import noticing
from application.ledger import Ledger, LedgerClosedError, QueueFullError, WriteFailedError
from application.privacy.errors import PrivacyError
from application.privacy.master_keys import MasterKeys
from domain.security import (
    AuthenticationFailed,
    AuthorizationFailed,
    Noticed,
    RateLimited,
    SuspiciousRequest,
)

_log = logging.getLogger("daybook.security")

MAX_DIFFERENT = 200
"""Notices of one window that differ; what comes on top of them is only counted, by kind."""
MAX_OF_ADDRESS = 20
"""Notices of one minute from one address that does not say who it is; more of them are summed up."""
MANY_MORE = "many_more"
"""The reason of what is only counted."""

_MINUTE_S = 60.0
_FLUSH_S = 1.0
_CONNECT_S = 2.0
_MAX_ADDRESS = 100
"""A proxy's word for it may be anything."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_KINDS: dict[int, type[Noticed]] = {
    401: AuthenticationFailed,
    403: AuthorizationFailed,
}
_LINES: dict[type[Noticed], tuple[int, str]] = {
    AuthenticationFailed: (logging.INFO, "authentication failed"),
    AuthorizationFailed: (logging.WARNING, "authorization failed"),
    RateLimited: (logging.WARNING, "rate limited"),
    SuspiciousRequest: (logging.WARNING, "suspicious request"),
}
_AWAY = (
    WriteFailedError, QueueFullError, LedgerClosedError, PrivacyError, PoolTimeout, psycopg.Error,
)  # fmt: skip


class _Alike(NamedTuple):
    """What notices have in common that are counted as one."""

    kind: type[Noticed]
    reason: str = ""
    action: str = ""
    actor: str = ""
    address: str = ""


class _Seen:
    """How many alike there were, and what is told of the first of them."""

    __slots__ = ("agent", "correlation_id", "count", "told")

    def __init__(self, told: _Alike, agent: str, correlation_id: str) -> None:
        self.told = told
        self.agent = agent
        self.correlation_id = correlation_id
        self.count = 0


class Noticer:
    """What one process has noticed. Not `is_on`, it only counts the problems that are answered."""

    def __init__(self, *, is_on: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts: Counter[str] = Counter()
        """Problems answered since the start, by reason."""
        self._is_on = is_on
        self._window: dict[_Alike, _Seen] = {}
        self._clock = clock
        self._minute = 0.0
        self._of_address: Counter[str] = Counter()
        """Of this minute, notices by address that nobody is known behind."""

    def answered(self, scope: Scope, status: int) -> None:
        """A request is about to be answered. Its reason, if there is one, is in the scope's state."""
        reason = scope["state"].get("reason", "")
        if status >= 400 and reason:
            self.counts[reason] += 1
        if not self._is_on:
            return
        agent = _user_agent(scope)
        if status == 429:
            # Whatever else there is to it: a flood is one notice, of whichever routes it is.
            self._note(RateLimited, reason, scope, agent)
            return
        if (kind := _KINDS.get(status)) is not None:
            self._note(kind, reason, scope, agent)
        if found := look(scope["raw_path"], scope["query_string"], agent):
            self._note(SuspiciousRequest, found, scope, agent)

    def take(self) -> list[Noticed]:
        """What was noticed since the last time."""
        window, self._window = self._window, {}
        return [
            seen.told.kind(
                seen.told.reason,
                seen.told.action,
                seen.told.actor,
                seen.told.address,
                redact_text(seen.agent),
                seen.correlation_id,
                seen.count,
            )
            for seen in window.values()
        ]

    def _note(self, kind: type[Noticed], reason: str, scope: Scope, agent: bytes) -> None:
        alike = _flood(scope) if kind is RateLimited else _alike(kind, reason, scope)
        if alike not in self._window:
            if len(self._window) >= MAX_DIFFERENT:
                alike = _Alike(kind, MANY_MORE)
            elif kind is not RateLimited and self._is_beyond(scope):
                alike = _Alike(kind, MANY_MORE, address=client_key(scope))
        seen = self._window.get(alike)
        if seen is None:
            told = alike if alike.reason else _alike(kind, reason, scope)
            seen = self._window[alike] = _first(told, scope, agent)
        seen.count += 1

    def _is_beyond(self, scope: Scope) -> bool:
        """Count one more that is to be told, unless its address was told of enough in this minute."""
        if "caller" in scope["state"]:
            return False
        if self._clock() - self._minute >= _MINUTE_S:
            self._minute = self._clock()
            self._of_address.clear()
        self._of_address[client_key(scope)] += 1
        return self._of_address[client_key(scope)] > MAX_OF_ADDRESS


def _alike(kind: type[Noticed], reason: str, scope: Scope) -> _Alike:
    caller = scope["state"].get("caller")
    client = scope.get("client")
    address = client[0][:_MAX_ADDRESS] if client else ""
    return _Alike(kind, reason, _action_of(scope), "" if caller is None else caller.actor, address)


def _flood(scope: Scope) -> _Alike:
    """Only whom the requests were counted for: they may be for any route, with any of many keys."""
    caller = scope["state"].get("caller")
    if caller is None:
        return _Alike(RateLimited, address=client_key(scope))
    return _Alike(RateLimited, actor=str(caller.user_id))


def _first(told: _Alike, scope: Scope, agent: bytes) -> _Seen:
    level, line = _LINES[told.kind]
    fields = {"reason": told.reason, "action": told.action, "actor": told.actor}
    _log.log(level, line, extra=fields)
    text = "" if told.reason == MANY_MORE else agent[:MAX_AGENT].decode("latin-1")
    return _Seen(told, text, scope["state"]["correlation_id"])


def _user_agent(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"user-agent":
            found: bytes = value
            return found
    return b""


def _action_of(scope: Scope) -> str:
    """Method and route, never the path itself: that has ids in it, or whatever else somebody tries."""
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    route = scope.get("route")
    if route is None:  # refused before it was looked for
        routes = scope["app"].state.routes
        route = next((r for r in routes if r.matches(scope)[0] is not Match.NONE), None)
    return f"{method} {'unknown' if route is None else plain(route.path)}"


@asynccontextmanager
async def writing(
    noticer: Noticer,
    ledger: Ledger,
    pool: AsyncConnectionPool[AsyncConnection[Any]],
    masters: MasterKeys,
) -> AsyncIterator[None]:
    """Write what is noticed about once a second while the block runs, and what is left at its end."""

    async def write(batch_id: UUID, notices: Sequence[Noticed]) -> None:
        async with pool.connection(timeout=_CONNECT_S) as conn:
            await noticing.write(ledger, conn, masters, batch_id, notices)

    writer, stop = _Writer(noticer, write), asyncio.Event()
    task = asyncio.create_task(writer.run(stop), name="notices")
    try:
        yield
    finally:
        stop.set()
        await task


class _Writer:
    """Takes windows one after the other. While one cannot be written, the next goes on growing, in which
    alike ones are only counted: so what waits is bounded, and nothing is forgotten."""

    def __init__(self, noticer: Noticer, write: Callable[..., Any]) -> None:
        self._noticer = noticer
        self._write = write
        self._batch_id = uuid4()
        self._batch: list[Noticed] = []
        self._is_away = False

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _FLUSH_S)
            if not self._batch or await self._wrote():
                self._batch_id, self._batch = uuid4(), self._noticer.take()
                await self._wrote()
        left = sum(notice.count for notice in (*self._batch, *self._noticer.take()))
        if left:
            _log.warning("%d notices are in the log lines only: the ledger was away", left)

    async def _wrote(self) -> bool:
        """Whether nothing is left of the batch."""
        try:
            if self._batch:
                await self._write(self._batch_id, self._batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, requests and notices go on
            if not self._is_away:
                _log.warning(
                    "notices wait: %s", error, exc_info=not isinstance(error, _AWAY) and error
                )
            self._is_away = True
            return False
        self._batch, self._is_away = [], False
        return True

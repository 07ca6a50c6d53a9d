"""Tells an event loop within milliseconds how far the log and the read models are."""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg import AsyncConnection, Notify

from projections import checkpoints, parking
from projections.connecting import connect_async
from projections.log import LOG_CHANNEL, head

_log = logging.getLogger("daybook.freshness")

_REFRESH_S = 5.0
"""Without news for this long, the checkpoints are read again: it proves that the connection lives."""

_MAX_RECONNECT_S = 2.0


class Change(NamedTuple):
    """Which change of a read model's rows: in an epoch of its tables, with the event at a position."""

    epoch: int
    position: int


class Watermark:
    """A position that rises, and those who wait for it to reach theirs."""

    def __init__(self) -> None:
        self.position = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def set(self, position: int) -> None:
        """Falls too: after a rebuild of what was damaged, or when the server lost its last moments."""
        self.position = position
        while self._waiting and self._waiting[0][0] <= position:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)

    async def reached(self, position: int, timeout_s: float | None) -> bool:
        """Wait until the position is reached. False when it wasn't within `timeout_s`."""
        if self.position >= position:
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = (position, next(self._numbers), future)
        heapq.heappush(self._waiting, waiting)
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            return False
        finally:
            if future.cancelled():  # a position that never comes must not pile up who gave up
                with suppress(ValueError):
                    self._waiting.remove(waiting)
                    heapq.heapify(self._waiting)
        return True


class Freshness:
    """One listening connection for a whole process. `async with Freshness(conninfo) as freshness:`

    While the database is away, waits simply take longer, up to their timeout.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._log_mark = Watermark()
        self._marks: dict[str, Watermark] = {}
        self._changes: dict[str, Change] = {}
        self._parked: dict[str, dict[UUID, int]] = {}
        self._knows = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def parked(self, name: str, timeout_s: float) -> Mapping[UUID, int] | None:
        """The keys that a read model leaves out, each with the first event that it doesn't show.

        None when that isn't known here by then, because the database is away.
        """
        if not self._knows.is_set():
            try:
                async with asyncio.timeout(timeout_s):
                    await self._knows.wait()
            except TimeoutError:
                return None
        return self._parked.get(name, {})

    @property
    def head(self) -> int:
        """The log's last position, as far as is known here; 0 before the first news."""
        return self._log_mark.position

    def position(self, name: str) -> int:
        """A read model's position, as far as is known here; 0 before the first news."""
        return self._mark(name).position

    def last_change(self, name: str) -> Change | None:
        """The last change of a read model's rows that was told here: what is read from now on is at
        least as new. None while changes may go untold, since the database is away."""
        return self._changes.get(name) if self._knows.is_set() else None

    async def wait_for(self, name: str, position: int, timeout_s: float) -> bool:
        """Wait until a read model shows the event at `position`. False when it doesn't in time."""
        return await self._mark(name).reached(position, timeout_s)

    async def log_moved(self, after: int, timeout_s: float | None = None) -> bool:
        """Wait until the log has an event after position `after`. False when it hasn't in time."""
        return await self._log_mark.reached(after + 1, timeout_s)

    async def __aenter__(self) -> Freshness:
        self._task = asyncio.create_task(self._run(), name="freshness")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    def _mark(self, name: str) -> Watermark:
        mark = self._marks.get(name)
        if mark is None:
            mark = self._marks[name] = Watermark()
        return mark

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        wait_s = 0.0
        while True:
            started = loop.time()
            try:
                async with await connect_async(self._conninfo, "daybook freshness") as conn:
                    await self._listen(conn)
            except (psycopg.Error, TimeoutError) as error:
                self._forget()
                if loop.time() - started > _REFRESH_S:
                    wait_s = 0.0
                wait_s = min(max(2 * wait_s, 0.05), _MAX_RECONNECT_S)
                _log.warning("lost sight of the read models for %.2f s: %s", wait_s, error)
                await asyncio.sleep(wait_s)

    async def _listen(self, conn: AsyncConnection[Any]) -> None:
        # Listening comes first: what is committed after the reading below is told.
        channels = (
            LOG_CHANNEL, checkpoints.CHANGED_CHANNEL, checkpoints.CHANNEL, parking.CHANNEL,
        )  # fmt: skip
        await conn.execute("; ".join(f"LISTEN {channel}" for channel in channels).encode())
        while True:
            async with asyncio.timeout(_REFRESH_S):
                await self._read_all(conn)
            async for notify in conn.notifies(timeout=_REFRESH_S):
                if notify.channel == parking.CHANNEL:
                    break  # whatever else was told meanwhile is read again as well
                try:
                    self._hear(notify)
                except ValueError:  # whoever may connect may say anything here: look for oneself
                    break

    def _hear(self, notify: Notify) -> None:
        """Raises `ValueError`."""
        if notify.channel == LOG_CHANNEL:
            self._log_mark.set(int(notify.payload))
        elif notify.channel == checkpoints.CHANGED_CHANNEL:
            name, epoch, position = notify.payload.rsplit(":", 2)
            self._note_change(name, Change(int(epoch), int(position)))
        else:
            name, _, position = notify.payload.rpartition(":")
            self._mark(name).set(int(position))

    def _forget(self) -> None:
        """Nothing is known any more: when the database is back, it may have lost its last moments."""
        self._knows.clear()
        self._changes.clear()
        for mark in (self._log_mark, *self._marks.values()):
            mark.set(0)

    async def _read_all(self, conn: AsyncConnection[Any]) -> None:
        # Before the marks, which wake those who wait: they then ask whether anything is left out.
        self._parked = await parking.positions(conn)
        self._log_mark.set(await head(conn))
        cursor = await conn.execute("SELECT name, position, epoch FROM checkpoints")
        for name, position, epoch in await cursor.fetchall():
            known = self._changes.get(name)
            if known is None or known.epoch < epoch:
                self._note_change(name, Change(epoch, position))
            self._mark(name).set(position)
        self._knows.set()

    def _note_change(self, name: str, change: Change) -> None:
        # What was read of the checkpoints may be ahead of what is told.
        self._changes[name] = max(change, self._changes.get(name, change))

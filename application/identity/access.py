"""What a process knows of who may come in, so that no request has to ask the database."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg import AsyncConnection

CHANNEL = "daybook_access"
"""Postgres channel on which every change of revocations, API keys and users' access is told."""

_log = logging.getLogger("daybook.access")

_PROOF_S = 1.0
"""Without news for this long, the connection proves that it lives."""

_READ_S = 30.0
"""Without news for this long, everything is read again all the same."""

_APART_S = 0.5
"""News that come sooner after a reading began wait for each other: one reading makes up for them all."""

_ANSWER_S = 5.0
"""A database that takes longer is as good as away."""

_CURRENT_S = 10.0
_MAX_RECONNECT_S = 2.0


class KeyPrincipal(NamedTuple):
    """Who comes with an API key. `role` and `status` are its user's."""

    key_id: UUID
    user_id: UUID
    scopes: frozenset[str]
    expires_at: datetime | None
    role: str
    status: str


class Access:
    """One listening connection for a whole process. `async with Access(conninfo) as access:`

    It opens once everything is read, or after 5 s without: look at `is_current`.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._revoked: set[UUID] = set()
        self._noted: set[UUID] = set()
        self._keys: dict[bytes, KeyPrincipal] = {}
        self._keys_by_id: dict[UUID, KeyPrincipal] = {}
        self._statuses: dict[UUID, str] = {}
        self._heard_at: float | None = None
        self._read_at = 0.0
        self._waiting: list[asyncio.Future[None]] = []
        self._hearing: asyncio.Task[bool] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_current(self) -> bool:
        """Whether the database was heard of in the last 10 s. When not, what is known here may be over."""
        return self._heard_at is not None and time.monotonic() - self._heard_at < _CURRENT_S

    def is_revoked(self, sid: UUID | None, jti: UUID, user_id: UUID) -> bool:
        """Whether a token is refused although its time is not over. The user's status is another matter."""
        revoked = self._revoked
        return jti in revoked or sid in revoked or user_id in revoked

    def key(self, digest: bytes, now: datetime) -> KeyPrincipal | None:
        """Whose key it is. None when there is none, or it is revoked or expired."""
        return _live(self._keys.get(digest), now)

    def key_by_id(self, key_id: UUID, now: datetime) -> KeyPrincipal | None:
        """As `key`, of one that has been let in before."""
        return _live(self._keys_by_id.get(key_id), now)

    def status(self, user_id: UUID) -> str:
        """`active`, `suspended` or `deleted`. A user of whom nothing is known here is active."""
        return self._statuses.get(user_id, "active")

    def note_revoked(self, *ids: UUID) -> None:
        """Refuse tokens in this process at once. Call it when their revocation is committed."""
        self._noted.update(ids)
        self._revoked.update(ids)

    async def refresh(self, timeout_s: float = 5.0) -> bool:
        """Wait until all that is committed by now is known here. False when it isn't in time."""
        read: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(read)
        if self._hearing is not None:
            self._hearing.cancel()
        try:
            async with asyncio.timeout(timeout_s):
                await read
        except TimeoutError:
            return False
        return True

    async def __aenter__(self) -> Access:
        self._task = asyncio.create_task(self._run(), name="access")
        await self.refresh(_ANSWER_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        wait_s = 0.0
        while True:
            started = time.monotonic()
            try:
                # Nothing keeps this connection alive but being used all the time.
                async with await AsyncConnection.connect(
                    self._conninfo,
                    autocommit=True,
                    application_name="daybook access",
                    connect_timeout=5,
                ) as conn:
                    await self._listen(conn)
            except (psycopg.Error, TimeoutError) as error:
                if time.monotonic() - started > _ANSWER_S:
                    wait_s = 0.0
                wait_s = min(max(2 * wait_s, 0.05), _MAX_RECONNECT_S)
                _log.warning("lost sight of who may come in for %.2f s: %s", wait_s, error)
                await asyncio.sleep(wait_s)

    async def _listen(self, conn: AsyncConnection[Any]) -> None:
        # Listening comes first: what is committed after the reading below is told.
        await conn.execute(f"LISTEN {CHANNEL}".encode())
        while True:
            async with asyncio.timeout(_ANSWER_S):
                await self._read(conn)
            while not self._waiting and not await self._hear(conn):
                began = time.monotonic()
                async with asyncio.timeout(_ANSWER_S):
                    await conn.execute("SELECT 1")
                self._heard_at = began

    async def _hear(self, conn: AsyncConnection[Any]) -> bool:
        """Whether everything is to be read again: there is news, somebody wants to know, or it was long
        ago. False after `_PROOF_S` without all that."""

        async def hear() -> bool:
            left_s = max(0.0, self._read_at + _READ_S - time.monotonic())
            must_read = left_s <= _PROOF_S
            # What came during a statement is among it.
            async for _ in conn.notifies(timeout=min(left_s, _PROOF_S), stop_after=1):
                must_read = True
            if must_read:
                await asyncio.sleep(max(0.0, self._read_at + _APART_S - time.monotonic()))
            return must_read

        self._hearing = asyncio.create_task(hear(), name="access hears")
        try:
            await asyncio.wait([self._hearing])
            return self._hearing.cancelled() or self._hearing.result()
        finally:
            self._hearing.cancel()
            self._hearing = None

    async def _read(self, conn: AsyncConnection[Any]) -> None:
        began = time.monotonic()
        waiting, noted = list(self._waiting), set(self._noted)
        cursor = conn.cursor(binary=True)
        await cursor.execute("SELECT id FROM revocations")
        revoked = {row[0] for row in await cursor.fetchall()}
        await cursor.execute(
            "SELECT digest, k.id, user_id, scopes, expires_at, role, status"
            " FROM api_keys AS k JOIN user_access USING (user_id) WHERE revoked_at IS NULL"
            " AND (expires_at IS NULL OR expires_at > clock_timestamp())"
        )
        keys = {
            digest: KeyPrincipal(key_id, user_id, frozenset(scopes), *others)
            for digest, key_id, user_id, scopes, *others in await cursor.fetchall()
        }
        await cursor.execute("SELECT user_id, status FROM user_access WHERE status <> 'active'")
        self._statuses = dict(await cursor.fetchall())
        self._keys = keys
        self._keys_by_id = {one.key_id: one for one in keys.values()}
        # What was noted since this began may not be among what it found.
        self._noted -= noted
        self._revoked = revoked | self._noted
        self._heard_at = self._read_at = began
        for read in waiting:
            if not read.done():
                read.set_result(None)
        self._waiting = [read for read in self._waiting if not read.done()]


def _live(key: KeyPrincipal | None, now: datetime) -> KeyPrincipal | None:
    if key is None or (key.expires_at is not None and key.expires_at <= now):
        return None
    return key


async def role_and_status(conn: AsyncConnection[Any], user_id: UUID) -> tuple[str, str]:
    """A user's, as the log has them now; of nobody the status is `deleted`."""
    cursor = await conn.execute(
        "SELECT role, status FROM user_access WHERE user_id = %s", (user_id,)
    )
    row = await cursor.fetchone()
    return ("", "deleted") if row is None else (row[0], row[1])

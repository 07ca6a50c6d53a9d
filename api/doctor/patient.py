"""The installation that is looked over: how to reach it, and from where on something counts as trouble."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, Connection

from api.settings import Settings
from projections.health import LAGGING_S

T = TypeVar("T")

_NAME = "daybook doctor"
_CONNECT_S = 10
_LOCK_S = 5
"""A check waits so long for what somebody else has locked; then it could not be done, and says so."""
_STATEMENT_S = 60
"""Without `deep`, since nobody waits for longer."""


@dataclass(frozen=True)
class Limits:
    """From where on something counts as trouble, and how much is looked at without `deep`."""

    recent_events: int = 50_000
    """The end of the log whose chain is followed: about half a second."""
    sampled_accounts: int = 200
    lagging_s: float = LAGGING_S
    handover_s: float = 2.0
    """Another runner takes a read model over within a second."""
    hung_s: float = 60.0
    """A runner that lives says something to the database four times a second."""
    transaction_s: float = 300.0
    unsigned_s: float = 7 * 86_400.0
    free_share: float = 0.10
    free_bytes: int = 1 << 30


@dataclass(frozen=True)
class Patient:
    """A ledger. `conninfo` is as the application connects, `admin_url` as the owner does, if known."""

    settings: Settings
    conninfo: str
    admin_url: str
    deep: bool = False
    limits: Limits = field(default_factory=Limits)

    @contextmanager
    def connect(
        self, *, as_owner: bool = False, with_temporary: bool = False
    ) -> Iterator[Connection[Any]]:
        """A connection in autocommit mode, which can write nothing, or only temporary tables.

        Raises `psycopg.OperationalError`.
        """
        url = self.admin_url if as_owner else self.conninfo
        with psycopg.connect(
            url, autocommit=True, application_name=_NAME, connect_timeout=_CONNECT_S
        ) as conn:
            conn.execute(self._manners(is_read_only=not with_temporary))
            yield conn

    def ask(self, query: Callable[[AsyncConnection[Any]], Awaitable[T]]) -> T:
        """What an async query answers."""

        async def answer() -> T:
            async with await AsyncConnection.connect(
                self.conninfo, autocommit=True, application_name=_NAME, connect_timeout=_CONNECT_S
            ) as conn:
                await conn.execute(self._manners())
                return await query(conn)

        return asyncio.run(answer())

    def _manners(self, *, is_read_only: bool = True) -> bytes:
        statement_s = 0 if self.deep else _STATEMENT_S
        read_only = "on" if is_read_only else "off"
        return (
            f"SET lock_timeout = '{_LOCK_S}s'; SET statement_timeout = '{statement_s}s';"
            f" SET default_transaction_read_only = {read_only}"
        ).encode()

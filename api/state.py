"""What a request needs of the running process; filled by the composition root."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from api.cache import Cache
from api.guard import Gate
from api.noticing import Noticer
from api.watching import Watch
from api.webhooks import Webhooks
from application.decisions import Decisions
from application.identity.passwords import Hasher
from application.ledger import Ledger
from application.people.vault import Vault
from application.processes.asking import PATIENCE
from projections.freshness import Freshness


@dataclass(frozen=True)
class Policy:
    """What the house has decided, by its settings."""

    public_url: str = "http://127.0.0.1:8000"
    """What links in mails begin with."""
    four_eyes_above: Mapping[str, int] = field(default_factory=dict)
    """Currency -> minor units; moving more than that needs a second person."""
    registration_is_open: bool = True
    bank_patience: timedelta = PATIENCE
    """So long a bank may take for each thing that it is asked."""


@dataclass(frozen=True)
class State:
    """The process's ledger, its connections for reading, and what it knows of the read models."""

    ledger: Ledger
    pool: AsyncConnectionPool[AsyncConnection[Any]]
    freshness: Freshness
    data_dir: Path
    gate: Gate
    vault: Vault
    hasher: Hasher
    policy: Policy
    noticer: Noticer
    cache: Cache
    webhooks: Webhooks
    watch: Watch
    decisions: Decisions
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server begins to stop: streams end then, so that it can."""
    turn_to_try: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Tables that somebody sends are tried one after the other."""
    turn_to_draw: asyncio.Lock = field(default_factory=asyncio.Lock)
    """PDFs are drawn one after the other."""


async def state_of(request: Request) -> State:
    """Asynchronous, since the framework sends plain functions through a thread for each request."""
    state: State = request.app.state.daybook
    return state


Running = Annotated[State, Depends(state_of)]


def correlation_of(request: Request) -> str:
    """The id that ties the request's answer, events and log lines together."""
    correlation: str = request.scope["state"]["correlation_id"]
    return correlation

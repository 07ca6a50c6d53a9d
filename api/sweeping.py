"""What a server does beside answering: it ends what is overdue, and removes what is of no more use."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from datetime import UTC, datetime
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from api.state import State
from application import deadlines, housekeeping
from application.identity import sessions
from application.ledger import LedgerClosedError, QueueFullError, WriteFailedError

_log = logging.getLogger("daybook")

_SWEEP_S = 1.0
_CLEAN_UP_S = 60.0


async def sweep(state: State) -> None:
    """Expire pending transfers when their time is over, and remove what is of no more use, for as long
    as the server runs. Each goes on whatever becomes of the others."""
    stuck: set[UUID] = set()
    clean_up_at = 0.0
    while True:
        await asyncio.sleep(_SWEEP_S)
        await _tried("expiring transfers", _expire(state, stuck))
        await _tried("forgetting old answers", _forget(state))
        if time.monotonic() >= clean_up_at:
            # Not each second, so that those that cannot expire are not all that is tried.
            stuck.clear()
            if await _tried("removing old sessions", _clean_up(state)):
                clean_up_at = time.monotonic() + _CLEAN_UP_S


async def _expire(state: State, stuck: set[UUID]) -> None:
    """Expire what is due but for those that are stuck, and add to these."""
    async with state.pool.connection() as conn:
        overdue = await deadlines.due(conn, stuck)
    if overdue:
        stuck.update(await deadlines.expire(state.ledger, overdue))


async def _forget(state: State) -> None:
    async with state.pool.connection() as conn:
        await housekeeping.forget_old_answers(conn)


async def _clean_up(state: State) -> None:
    async with state.pool.connection() as conn:
        await sessions.clean_up(conn, datetime.now(UTC))
        await housekeeping.forget_old_webhooks(conn)


async def _tried(what: str, work: Awaitable[None]) -> bool:
    """Whether it is done. What is not is tried again."""
    try:
        await work
    except (psycopg.Error, PoolTimeout, QueueFullError, WriteFailedError) as error:
        _log.warning("%s waits for better times: %s", what, error)
    except LedgerClosedError:
        pass  # the server stops, and another one does it
    except Exception:  # noqa: BLE001 - whatever it is, the other work has its time too
        _log.exception("%s met a defect", what)
    else:
        return True
    return False

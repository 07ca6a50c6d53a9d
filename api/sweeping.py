"""What a server does beside answering: it ends what is overdue, and removes what is of no more use."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime

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
    as the server runs."""
    clean_up_at = 0.0
    while True:
        await asyncio.sleep(_SWEEP_S)
        try:
            async with state.pool.connection() as conn:
                overdue = await deadlines.due(conn)
                await housekeeping.forget_old_answers(conn)
            if overdue:
                await deadlines.expire(state.ledger, overdue)
            if time.monotonic() >= clean_up_at:
                async with state.pool.connection() as conn:
                    await sessions.clean_up(conn, datetime.now(UTC))
                clean_up_at = time.monotonic() + _CLEAN_UP_S
        except (psycopg.Error, PoolTimeout, QueueFullError, WriteFailedError) as error:
            _log.warning("expiring transfers waits for better times: %s", error)
        except LedgerClosedError:
            return
        except Exception:  # noqa: BLE001 - whatever it is, other transfers have their time too
            _log.exception("expiring transfers met a defect")

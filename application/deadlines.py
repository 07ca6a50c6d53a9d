"""Fires the deadlines of pending transfers: any process may, and each has its effect once."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from application.ledger import (
    Ledger,
    LedgerClosedError,
    QueueFullError,
    Refused,
    Submission,
    WriteFailedError,
)
from domain.provenance import Provenance
from domain.transfers import ExpirePending

_log = logging.getLogger("daybook")

AT_ONCE = 500
"""Transfers that expire in one submission."""

_LATER = (QueueFullError, WriteFailedError, LedgerClosedError)
"""It is not for the transfers that these fail: the times are bad for all of them."""


async def due(conn: AsyncConnection[Any], but: Collection[UUID] = ()) -> list[UUID]:
    """Pending transfers whose time is over, the longest overdue first, without some of them."""
    cursor = await conn.execute(
        "SELECT transfer_id FROM deadlines"
        " WHERE due_at <= clock_timestamp() AND transfer_id <> ALL(%s)"
        " ORDER BY due_at LIMIT %s",
        (list(but), AT_ONCE),
    )
    return [row[0] for row in await cursor.fetchall()]


async def expire(ledger: Ledger, transfer_ids: Sequence[UUID]) -> list[UUID]:
    """Expire transfers. One that was posted, voided or expired meanwhile is refused, and stays so.

    The answer is those that are not expired by this. When one fails all the others with it, they expire
    one by one. Raises as `Ledger.post` does when it is not for one of them.
    """
    try:
        return await _expire(ledger, transfer_ids)
    except _LATER:
        raise
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one, others have their time too
        if len(transfer_ids) > 1:
            return [id_ for one in transfer_ids for id_ in await expire(ledger, [one])]
        _log.exception("transfer %s cannot expire", *transfer_ids, exc_info=error)
        return list(transfer_ids)


async def _expire(ledger: Ledger, transfer_ids: Sequence[UUID]) -> list[UUID]:
    commands = [ExpirePending(transfer_id) for transfer_id in transfer_ids]
    who = Provenance(actor="system", causation_id="deadline")
    done = await ledger.post(Submission(commands, who))
    outcomes = zip(transfer_ids, done.outcomes, strict=True)
    return [id_ for id_, outcome in outcomes if isinstance(outcome, Refused)]

"""Fires the deadlines of pending transfers: any process may, and each has its effect once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from application.ledger import Ledger, Submission
from domain.provenance import Provenance
from domain.transfers import ExpirePending

AT_ONCE = 500
"""Transfers that expire in one submission."""


async def due(conn: AsyncConnection[Any]) -> list[UUID]:
    """Pending transfers whose time is over, the longest overdue first."""
    cursor = await conn.execute(
        "SELECT transfer_id FROM deadlines WHERE due_at <= clock_timestamp()"
        " ORDER BY due_at LIMIT %s",
        (AT_ONCE,),
    )
    return [row[0] for row in await cursor.fetchall()]


async def expire(ledger: Ledger, transfer_ids: list[UUID]) -> None:
    """Expire transfers. One that was posted, voided or expired meanwhile is refused, and stays so."""
    commands = [ExpirePending(transfer_id) for transfer_id in transfer_ids]
    await ledger.post(Submission(commands, Provenance(actor="system", causation_id="deadline")))

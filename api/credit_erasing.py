"""What of credit is called off when a user is erased: all that is not paid out yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from application.ledger import Outcome, Refused
from domain.credit_applications import WithdrawApplication
from domain.refusals import Refusal
from projections.applications import queries

WHY = "erased"
"""The reason of an application that is called off with its person's erasure."""


async def withdrawals(conn: AsyncConnection[Any], user_id: UUID) -> list[WithdrawApplication]:
    """What calls off all that a user has applied for; what is over refuses it."""
    return [WithdrawApplication(id_, WHY) for id_ in await queries.ids_of_owner(conn, user_id)]


def check_called_off(outcomes: Sequence[Outcome]) -> None:
    """Raises what one was refused with that is not over."""
    for outcome in outcomes:
        if isinstance(outcome, Refused) and outcome.reason != "application_closed":
            raise Refusal(outcome.reason, **outcome.details)

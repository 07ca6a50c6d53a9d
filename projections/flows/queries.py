"""Questions about flows: one with its steps and legs, lists, what goes on, and what banks were asked."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection
from psycopg.rows import args_row

from domain.sealed import ERASED
from projections.paging import Page, fetch_page

Kind = Literal["investment", "deposit", "withdrawal"]
LegState = Literal["INITIATED", "PENDING", "COMPLETED", "FAILED", "RETURNED"]

Row = TypeVar("Row")

_STATES = {"completed": "Deposit Completed"}
"""Of investments, where a state is not the status in other letters: the money is where it should be."""

_LEG_STATES: dict[str, LegState] = {
    "initiated": "INITIATED",
    "sent": "INITIATED",
    "pending": "PENDING",
    "completed": "COMPLETED",
    "failed": "FAILED",
    "cancelled": "FAILED",
    "returned": "RETURNED",
}


def _unless_erased(column: str, table: str) -> str:
    """Of a person who is erased, nothing is shown: also not what is not sealed."""
    return (
        f"CASE WHEN {table}.person_id IS NULL OR EXISTS (SELECT FROM person_keys"
        f" WHERE person_keys.person_id = {table}.person_id) THEN {table}.{column}"
        f" ELSE '{ERASED}' END AS {column}"
    )


_COLUMNS = (
    "id, kind, status, place, clearing, account_id, fund_id, fund_account_id, owner_id, currency, amount,"
    f" {_unless_erased('bank_account_hint', 'flow')}, reference, step, reason, requested_at,"
    " updated_at, finished_at, version, first_position, position"
)
_SELECT = f"SELECT {_COLUMNS} FROM flows.flow"

_LEG_COLUMNS = (
    "id, flow_id, flow_kind, kind, direction, currency, amount,"
    f" {_unless_erased('account', 'leg')}, person_id, status, bank_reference, reason, sequence,"
    " instructed_at, sent_at, accepted_at, settled_at, ended_at, history AS stored, version,"
    " first_position, position"
)
_LEGS = f"SELECT {_LEG_COLUMNS} FROM flows.leg"

_STEPS = "SELECT name, at, position, details FROM flows.flow_step"

# One statement, so that all of it is of one moment.
_WHOLE = f"""
SELECT (SELECT to_jsonb(shown) FROM ({_SELECT} WHERE flow.id = asked.id) AS shown),
       (SELECT coalesce(jsonb_agg(shown ORDER BY position, part), '[]')
          FROM (SELECT name, at, position, details, part FROM flows.flow_step
                 WHERE flow_id = asked.id) AS shown),
       (SELECT coalesce(jsonb_agg(shown ORDER BY first_position), '[]')
          FROM ({_LEGS} WHERE leg.flow_id = asked.id) AS shown)
  FROM flows.flow AS asked
 WHERE id = %(id)s AND kind = %(kind)s
   AND (%(owner_id)s::uuid IS NULL OR owner_id = %(owner_id)s::uuid)
"""

_OPEN = """
SELECT kind, status, currency, count(*), sum(amount)
  FROM flows.flow WHERE finished_at IS NULL GROUP BY kind, status, currency
 ORDER BY kind, status, currency
"""

_CLEARING = """
SELECT currency, count(*), sum(clearing)
  FROM flows.flow WHERE clearing <> 0 GROUP BY currency ORDER BY currency
"""


class FlowRow(Struct, frozen=True):
    """An investment, deposit or withdrawal. `amount` is minor units of `currency`.

    `account_id` is the customer's account and `owner_id` whose it is; `place` is where in the ledger the
    money went last, and `clearing` what the clearing account holds for it, zero at rest. `step` and
    `reason` say where it failed or stands, and why. While it needs an operator it has not finished.
    `version` is its own stream's, `position` that of the last event about it.
    """

    id: UUID
    kind: Kind
    status: str
    place: str
    clearing: int
    account_id: UUID
    fund_id: UUID | None
    fund_account_id: UUID | None
    owner_id: UUID | None
    currency: str
    amount: int
    bank_account_hint: str
    reference: str
    step: str
    reason: str
    requested_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    version: int
    first_position: int
    position: int

    @property
    def state(self) -> str:
        """The status as it is said to people: `Withdrawal Pending`."""
        return state_of(self.kind, self.status)


def state_of(kind: str, status: str) -> str:
    """A status as it is said to people: `Withdrawal Pending`."""
    if kind == "investment" and status in _STATES:
        return _STATES[status]
    return status.replace("_", " ").title()


class StepRow(Struct, frozen=True):
    """A step of a flow. Two steps may have one position: their order is that of the list."""

    name: str
    at: datetime
    position: int
    details: dict[str, Any]


class LegMoment(Struct, frozen=True):
    """Something that happened to a leg."""

    name: str
    at: datetime
    reason: str


class LegRow(Struct, frozen=True):
    """What a bank was asked to move; `amount` is minor units of `currency`.

    `account` is one of ours, or is sealed for `person_id`; `[erased]` when nobody can open it any more.
    `sequence` is that of the bank's last report. `stored` is its history, as JSON.
    """

    id: UUID
    flow_id: UUID
    flow_kind: Kind
    kind: str
    direction: Literal["in", "out"]
    currency: str
    amount: int
    account: str
    person_id: UUID | None
    status: str
    bank_reference: str
    reason: str
    sequence: int
    instructed_at: datetime
    sent_at: datetime | None
    accepted_at: datetime | None
    settled_at: datetime | None
    ended_at: datetime | None
    stored: list[dict[str, Any]]
    version: int
    first_position: int
    position: int

    @property
    def state(self) -> LegState:
        """The status as it is said to people."""
        return _LEG_STATES[self.status]

    @property
    def history(self) -> list[LegMoment]:
        """All that happened to it, the oldest first."""
        return msgspec.convert(self.stored, list[LegMoment])


class Flow(Struct, frozen=True):
    """A flow with its steps and its legs, both the oldest first."""

    row: FlowRow
    steps: list[StepRow]
    legs: list[LegRow]


class OpenFlows(Struct, frozen=True):
    """How many flows of a kind have a status; `amount` is theirs together, in minor units."""

    kind: Kind
    status: str
    currency: str
    flows: int
    amount: int


class Clearing(Struct, frozen=True):
    """Flows for which the clearing account holds something now, and how much that is, in minor units."""

    currency: str
    flows: int
    amount: int


async def flow(
    conn: AsyncConnection[Any], kind: Kind, flow_id: UUID, *, owner_id: UUID | None = None
) -> Flow | None:
    """One flow of that kind, None when there is none; with `owner_id` only this person's."""
    values = {"id": flow_id, "kind": kind, "owner_id": owner_id}
    cursor = await conn.execute(_WHOLE.encode(), values)
    found = await cursor.fetchone()
    if found is None:
        return None
    row, steps, legs = found
    return msgspec.convert({"row": row, "steps": steps, "legs": legs}, Flow)


async def list_flows(
    conn: AsyncConnection[Any],
    kind: Kind,
    *,
    limit: int,
    before: int | None = None,
    status: str | None = None,
    owner_id: UUID | None = None,
    account_id: UUID | None = None,
    fund_id: UUID | None = None,
) -> Page[FlowRow]:
    """Flows of a kind, last requested first. `before` is the `next_before` of the page before."""
    return await fetch_page(
        conn,
        FlowRow,
        _SELECT,
        {
            "kind = %s": kind,
            "status = %s": status,
            "owner_id = %s": owner_id,
            "account_id = %s": account_id,
            "fund_id = %s": fund_id,
        },
        key="first_position",
        key_of=lambda row: row.first_position,
        before=before,
        limit=limit,
    )


async def flows_since(conn: AsyncConnection[Any], owner_id: UUID, position: int) -> list[UUID]:
    """A person's flows that go on, or about which something came after a position of the log."""
    cursor = await conn.execute(
        "SELECT id FROM flows.flow WHERE owner_id = %s AND (finished_at IS NULL OR position > %s)",
        (owner_id, position),
    )
    return [id_ for (id_,) in await cursor.fetchall()]


async def steps_after(
    conn: AsyncConnection[Any], flow_id: UUID, position: int = 0
) -> list[StepRow]:
    """A flow's steps after a position of the log, in order."""
    return await _all(
        conn,
        StepRow,
        f"{_STEPS} WHERE flow_id = %s AND position > %s ORDER BY position, part",
        (flow_id, position),
    )


async def movements_between(
    conn: AsyncConnection[Any], currency: str, since: datetime, until: datetime
) -> list[LegRow]:
    """What banks were asked to move from `since` up to but not at `until`, the oldest first."""
    return await _all(
        conn,
        LegRow,
        f"{_LEGS} WHERE currency = %s AND instructed_at >= %s AND instructed_at < %s"
        " ORDER BY instructed_at, first_position",
        (currency, since, until),
    )


async def open_flows(conn: AsyncConnection[Any]) -> list[OpenFlows]:
    """All flows that have not finished, counted."""
    cursor = await conn.execute(_OPEN)
    return [
        OpenFlows(kind, status, currency, flows, int(amount))
        for kind, status, currency, flows, amount in await cursor.fetchall()
    ]


async def clearing(conn: AsyncConnection[Any]) -> list[Clearing]:
    """What is in the clearing accounts, by the flows: nothing when all of them rest."""
    cursor = await conn.execute(_CLEARING)
    return [
        Clearing(currency, flows, int(amount))
        for currency, flows, amount in await cursor.fetchall()
    ]


async def _all(
    conn: AsyncConnection[Any], row_type: type[Row], query: str, values: tuple[object, ...]
) -> list[Row]:
    async with conn.cursor(row_factory=args_row(row_type), binary=True) as cursor:
        await cursor.execute(query.encode(), values)
        return await cursor.fetchall()

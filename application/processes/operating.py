"""What operators see of processes, and do about those that are stuck."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import Struct
from psycopg import AsyncConnection, Connection
from psycopg.rows import args_row

from application.ledger import Ledger, Refused, Submission
from application.ledger.outcomes import Step
from application.ledger.steps import keep_steps
from application.processes.definitions import Process
from application.processes.follower import reaction_to
from application.processes.reading import read_event
from domain.provenance import Provenance
from domain.refusals import Refusal

_COLUMNS = "name, key, status, step, error, stuck_at, started_at, updated_at"


class ProcessRow(Struct, frozen=True):
    """A flow as its process drives it. With `stuck_at` events wait in its inbox from there on."""

    name: str
    key: UUID
    status: str
    step: str
    error: str | None
    stuck_at: int | None
    started_at: datetime
    updated_at: datetime


class HistoryRow(Struct, frozen=True):
    """One step: the event at `position` (0: none), and what followed."""

    position: int
    step: str
    did: list[str]
    error: str | None
    at: datetime


class DeadlineRow(Struct, frozen=True):
    """What is waited for, and until when."""

    deadline: str
    due_at: datetime


class Detail(NamedTuple):
    """All that is known of one flow. `inbox`: positions of events that wait."""

    process: ProcessRow
    history: list[HistoryRow]
    deadlines: list[DeadlineRow]
    inbox: list[int]


async def list_processes(
    conn: AsyncConnection[Any],
    *,
    limit: int,
    name: str | None = None,
    status: str | None = None,
    before: tuple[datetime, UUID] | None = None,
) -> list[ProcessRow]:
    """Flows, those first that something happened to last; `before` is the last of the page before."""
    query = (
        f"SELECT {_COLUMNS} FROM processes"
        " WHERE (%(name)s::text IS NULL OR name = %(name)s)"
        " AND (%(status)s::text IS NULL OR status = %(status)s)"
        " AND (%(at)s::timestamptz IS NULL OR (updated_at, key) < (%(at)s, %(key)s::uuid))"
        " ORDER BY updated_at DESC, key DESC LIMIT %(limit)s"
    )
    at, key = before or (None, None)
    given = {"name": name, "status": status, "at": at, "key": key, "limit": limit}
    async with conn.cursor(row_factory=args_row(ProcessRow)) as cursor:
        await cursor.execute(query.encode(), given)
        return await cursor.fetchall()


class Overview(Struct, frozen=True):
    """How far a process is in the log, and how many flows it has in each status."""

    name: str
    position: int
    behind: int
    flows: dict[str, int]


async def overview(conn: AsyncConnection[Any], names: Sequence[str]) -> list[Overview]:
    """What can be said of processes, whether they have ever run or not."""
    rows = await conn.execute("SELECT name, status, count(*) FROM processes GROUP BY 1, 2")
    flows: dict[str, dict[str, int]] = {name: {} for name in names}
    for name, status, number in await rows.fetchall():
        flows.setdefault(name, {})[status] = number
    rows = await conn.execute("SELECT name, position FROM process_checkpoints")
    positions = dict(await rows.fetchall())
    head = await (await conn.execute("SELECT position FROM ledger_head")).fetchone()
    end = 0 if head is None else head[0]
    return [
        Overview(name, position := positions.get(name, 0), max(0, end - position), flows[name])
        for name in names
    ]


async def detail(conn: AsyncConnection[Any], name: str, key: UUID) -> Detail | None:
    """One flow with its history, None when the process has not heard of it."""
    of = (name, key)
    async with conn.cursor(row_factory=args_row(ProcessRow)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM processes WHERE name = %s AND key = %s".encode(), of
        )
        process = await cursor.fetchone()
    if process is None:
        return None
    async with conn.cursor(row_factory=args_row(HistoryRow)) as steps:
        await steps.execute(
            "SELECT position, step, did, error, at FROM process_history"
            " WHERE name = %s AND key = %s ORDER BY number",
            of,
        )
        history = await steps.fetchall()
    async with conn.cursor(row_factory=args_row(DeadlineRow)) as waits:
        await waits.execute(
            "SELECT deadline, due_at FROM process_deadlines"
            " WHERE name = %s AND key = %s ORDER BY due_at",
            of,
        )
        deadlines = await waits.fetchall()
    rows = await conn.execute(
        "SELECT position FROM process_inbox WHERE name = %s AND key = %s ORDER BY position", of
    )
    inbox = [position for (position,) in await rows.fetchall()]
    return Detail(process, history, deadlines, inbox)


def retry(conn: Connection[Any], ledger: Ledger, process: Process, key: UUID, actor: str) -> None:
    """Try again what a flow is stuck with: the events in its inbox, in order, a deadline, or what it asks
    an operator for. It may be stuck again afterwards.

    Refuses: `process_not_found`, `process_not_stuck`, and what the flow's own retry refuses.
    """
    stuck_at = _require_stuck(conn, process, key)
    if stuck_at is None:
        _command(ledger, process, key, "retry", actor)
    elif stuck_at == 0:
        _note(ledger, process, key, "retry by an operator", actor)
    else:
        _drain(conn, ledger, process, key)


def skip(conn: Connection[Any], ledger: Ledger, process: Process, key: UUID, actor: str) -> None:
    """Go on without the event or the deadline that a flow is stuck with; what came after it is reacted
    to.

    Refuses: `process_not_found`, `process_not_stuck`, `nothing_to_skip` (it waits for a decision, not
    for an event).
    """
    stuck_at = _require_stuck(conn, process, key)
    if stuck_at is None:
        raise Refusal("nothing_to_skip", process=process.name, key=key)
    if stuck_at == 0:
        conn.execute(
            "DELETE FROM process_deadlines"
            " WHERE name = %s AND key = %s AND due_at <= clock_timestamp()",
            (process.name, key),
        )
        _note(ledger, process, key, "skipped by an operator", actor)
        return
    step = Step(
        process.name, 0, 0, key, stuck_at, "skipped by an operator", did=(f"by {actor}",),
        from_inbox=True,
    )  # fmt: skip
    ledger.submit_and_wait(Submission((), Provenance(actor=actor), step=step))
    _drain(conn, ledger, process, key)


def compensate(
    conn: Connection[Any],
    ledger: Ledger,
    process: Process,
    key: UUID,
    actor: str,
    reason: str = "",
) -> None:
    """Have a flow that waits for an operator undone.

    Refuses: `process_not_found`, `process_not_stuck`, `event_waits` (it is stuck with an event, which comes
    first), and what the flow's own undoing refuses.
    """
    if _require_stuck(conn, process, key):
        raise Refusal("event_waits", process=process.name, key=key)
    _command(ledger, process, key, "compensate", actor, reason)


def _drain(conn: Connection[Any], ledger: Ledger, process: Process, key: UUID) -> None:
    while (position := _next_in_inbox(conn, process, key)) is not None:
        event = read_event(conn, position)
        ledger.submit_and_wait(reaction_to(process, key, event, 0, 0, from_inbox=True))
        if _next_in_inbox(conn, process, key) == position:
            return  # it is stuck again


def _note(ledger: Ledger, process: Process, key: UUID, what: str, actor: str) -> None:
    step = Step(process.name, 0, 0, key, 0, what, did=(f"by {actor}",))
    ledger.submit_and_wait(Submission((), Provenance(actor=actor), step=step))


def _command(
    ledger: Ledger, process: Process, key: UUID, verb: str, actor: str, reason: str = ""
) -> None:
    """An operator's command to the flow; its refusal is the operator's, and changes nothing."""
    if process.retry is None or process.compensate is None:
        raise Refusal("nothing_to_retry" if verb == "retry" else "nothing_to_undo", key=key)
    command = process.retry(key) if verb == "retry" else process.compensate(key, reason)
    did = (f"by {actor}", type(command).__name__)
    step = Step(process.name, 0, 0, key, 0, f"{verb} by an operator", did=did)
    submission = Submission(
        [command],
        Provenance(actor=actor),
        beside=lambda conn: keep_steps(conn, [(step, ())], datetime.now(UTC)),
    )
    outcome = ledger.submit_and_wait(submission).outcomes[0]
    if isinstance(outcome, Refused):
        raise Refusal(outcome.reason, **outcome.details)


def _require_stuck(conn: Connection[Any], process: Process, key: UUID) -> int | None:
    """The event that it is stuck with, None when it waits for a decision."""
    row = conn.execute(
        "SELECT status, stuck_at FROM processes WHERE name = %s AND key = %s", (process.name, key)
    ).fetchone()
    if row is None:
        raise Refusal("process_not_found", process=process.name, key=key)
    status, stuck_at = row
    if status != "stuck":
        raise Refusal("process_not_stuck", process=process.name, key=key, status=status)
    return None if stuck_at is None else int(stuck_at)


def _next_in_inbox(conn: Connection[Any], process: Process, key: UUID) -> int | None:
    row = conn.execute(
        "SELECT min(position) FROM process_inbox WHERE name = %s AND key = %s", (process.name, key)
    ).fetchone()
    return None if row is None or row[0] is None else int(row[0])

"""What processes keep in the transactions of their reactions: checkpoints, jobs, deadlines, history."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from psycopg import Connection

from application.jobs.outbox import put, take_out
from application.ledger.outcomes import Accepted, Outcome, Refused, Step
from domain.refusals import Refusal

_log = logging.getLogger("daybook.processes")

NOTHING_NEW = "nothing_new"
"""The refusal of a command whose time is over: for a process, as good as done."""

ALL_DEADLINES = "*"
"""The name that stands for all deadlines of a flow: none is waited for any longer."""

_UPSERT = """
INSERT INTO processes AS p (name, key, status, step, error, stuck_at, started_at, updated_at)
SELECT *, %(now)s, %(now)s FROM unnest(%(names)s::text[], %(keys)s::uuid[], %(statuses)s::text[],
    %(steps)s::text[], %(errors)s::text[], %(stuck_ats)s::bigint[])
ON CONFLICT (name, key) DO UPDATE SET
    status = excluded.status, step = excluded.step, error = excluded.error,
    stuck_at = excluded.stuck_at, updated_at = excluded.updated_at
"""

_HISTORY = """
INSERT INTO process_history (name, key, position, step, did, error, at)
SELECT name, key, position, step, ARRAY(SELECT jsonb_array_elements_text(did)), error, %(now)s
  FROM unnest(%(names)s::text[], %(keys)s::uuid[], %(positions)s::bigint[], %(steps)s::text[],
              %(dids)s::jsonb[], %(errors)s::text[]) WITH ORDINALITY
    AS t (name, key, position, step, did, error, number)
 ORDER BY number
"""


class _Kept(NamedTuple):
    """A step with what became of its command."""

    step: Step
    error: str
    is_stuck: bool


def keep_steps(
    conn: Connection[Any], steps: Sequence[tuple[Step, Sequence[Outcome]]], now: datetime
) -> None:
    """Write steps in the order in which they were taken.

    Refuses `process_moved` when another follower has moved the checkpoint, or a flow was stuck or freed
    meanwhile; `nothing_new` when a deadline or an event of the inbox was dealt with: nothing is written
    then.
    """
    _move_checkpoints(conn, [step for step, _ in steps], now)
    kept = [_judged(step, outcomes) for step, outcomes in steps if step.key is not None]
    _check_inboxes(conn, kept)
    for one in kept:
        _take(conn, one)
    _keep_processes(conn, [one for one in kept if one.step.kind != "parked"], now)
    for one in kept:
        if one.is_stuck and one.step.kind != "parked":
            _log.error(
                "process %s is stuck with %s at %d (%s): %s; see daybook processes show %s %s",
                one.step.process, one.step.key, one.step.event_position, one.step.step, one.error,
                one.step.process, one.step.key,
            )  # fmt: skip
    _keep_inbox(conn, kept)
    _note_what_waits(conn, [one.step for one in kept if one.step.from_inbox])
    done = [one.step for one in kept if not one.is_stuck]
    _keep_deadlines(conn, done)
    put(conn, [job for step in done for job in step.jobs])
    take_out(conn, [id_ for step in done for id_ in step.needless])


def _judged(step: Step, outcomes: Sequence[Outcome]) -> _Kept:
    if step.kind != "reaction":
        return _Kept(step, step.error, is_stuck=True)
    for outcome in outcomes:
        if isinstance(outcome, Refused) and outcome.reason != NOTHING_NEW:
            # Without the details, which may tell of a customer's money.
            return _Kept(step, f"refused: {outcome.reason}", is_stuck=True)
        assert isinstance(outcome, Accepted | Refused)
    return _Kept(step, step.error, is_stuck=False)


def _move_checkpoints(conn: Connection[Any], steps: Sequence[Step], now: datetime) -> None:
    ends: dict[str, tuple[int, int]] = {}
    for step in steps:
        if step.previous == step.position:
            continue
        first, last = ends.get(step.process, (step.previous, step.previous))
        if last != step.previous:
            raise Refusal("process_moved", process=step.process)
        ends[step.process] = (first, step.position)
    for name, (before, after) in ends.items():
        moved = conn.execute(
            "UPDATE process_checkpoints SET position = %s, updated_at = %s"
            " WHERE name = %s AND position = %s",
            (after, now, name, before),
        )
        if moved.rowcount != 1:
            raise Refusal("process_moved", process=name)


def _check_inboxes(conn: Connection[Any], kept: Sequence[_Kept]) -> None:
    """What comes new waits behind what waits already, and only behind that. Whoever took the step had
    looked before; here nobody else writes."""
    if not (looked := [one for one in kept if not one.step.from_inbox]):
        return
    rows = conn.execute(
        "SELECT DISTINCT name, key FROM process_inbox"
        " JOIN unnest(%s::text[], %s::uuid[]) AS asked (name, key) USING (name, key)",
        ([one.step.process for one in looked], [one.step.key for one in looked]),
        prepare=True,
    )
    waiting = set(rows.fetchall())
    for one in looked:
        flow = (one.step.process, one.step.key)
        if (flow in waiting) != (one.step.kind == "parked"):
            raise Refusal("process_moved", process=one.step.process)
        if one.is_stuck and one.step.event_position:
            waiting.add(flow)  # for the steps that share its transaction


def _take(conn: Connection[Any], kept: _Kept) -> None:
    """Take what the step is about from where it waited. A deadline stays for the next attempt when this
    one has failed."""
    step = kept.step
    if step.fired:
        taken = conn.execute(
            "DELETE FROM process_deadlines WHERE name = %s AND key = %s AND deadline = %s"
            if not kept.is_stuck
            else "SELECT FROM process_deadlines WHERE name = %s AND key = %s AND deadline = %s",
            (step.process, step.key, step.fired),
        )
    elif step.from_inbox:
        taken = conn.execute(
            "DELETE FROM process_inbox WHERE name = %s AND key = %s AND position = %s",
            (step.process, step.key, step.event_position),
        )
    else:
        return
    if taken.rowcount != 1:
        raise Refusal(NOTHING_NEW, process=step.process, key=step.key)


def _keep_processes(conn: Connection[Any], kept: Sequence[_Kept], now: datetime) -> None:
    if not kept:
        return
    last = {(one.step.process, one.step.key): one for one in kept}.values()
    conn.execute(
        _UPSERT,
        {
            "now": now,
            "names": [one.step.process for one in last],
            "keys": [one.step.key for one in last],
            "statuses": ["stuck" if one.is_stuck else one.step.status for one in last],
            "steps": [one.step.step for one in last],
            "errors": [one.error or None for one in last],
            "stuck_ats": [one.step.event_position if one.is_stuck else None for one in last],
        },
        prepare=True,
    )
    conn.execute(
        _HISTORY,
        {
            "now": now,
            "names": [one.step.process for one in kept],
            "keys": [one.step.key for one in kept],
            "positions": [one.step.event_position for one in kept],
            "steps": [one.step.step for one in kept],
            "dids": [_json([] if one.is_stuck else one.step.did) for one in kept],
            "errors": [one.error or None for one in kept],
        },
        prepare=True,
    )


def _keep_inbox(conn: Connection[Any], kept: Iterable[_Kept]) -> None:
    waiting = [one.step for one in kept if one.is_stuck and one.step.event_position]
    if waiting:
        conn.execute(
            "INSERT INTO process_inbox (name, key, position)"
            " SELECT * FROM unnest(%s::text[], %s::uuid[], %s::bigint[]) ON CONFLICT DO NOTHING",
            (
                [step.process for step in waiting],
                [step.key for step in waiting],
                [step.event_position for step in waiting],
            ),
        )


def _note_what_waits(conn: Connection[Any], steps: Sequence[Step]) -> None:
    """A flow is stuck as long as something waits in its inbox, also when whoever empties it ends."""
    if steps:
        conn.execute(
            "UPDATE processes SET status = 'stuck', stuck_at = first.position,"
            " error = coalesce(error, 'events wait for it to be retried')"
            " FROM (SELECT name, key, min(position) AS position FROM process_inbox"
            "  JOIN unnest(%s::text[], %s::uuid[]) AS asked (name, key) USING (name, key)"
            "  GROUP BY name, key) AS first"
            " WHERE processes.name = first.name AND processes.key = first.key",
            ([step.process for step in steps], [step.key for step in steps]),
        )


def _keep_deadlines(conn: Connection[Any], steps: Iterable[Step]) -> None:
    last: dict[tuple[str, UUID | None, str], datetime | None] = {}
    for step in steps:
        if ALL_DEADLINES in step.deadlines:
            flow = (step.process, step.key)
            last = {one: at for one, at in last.items() if one[:2] != flow}
        for name, when in step.deadlines.items():
            last[step.process, step.key, name] = when
    over = [one for one, at in last.items() if at is None]
    if over:
        conn.execute(
            "DELETE FROM process_deadlines USING unnest(%s::text[], %s::uuid[], %s::text[])"
            " AS over (name, key, deadline) WHERE process_deadlines.name = over.name"
            " AND process_deadlines.key = over.key"
            f" AND over.deadline IN ('{ALL_DEADLINES}', process_deadlines.deadline)",
            [list(column) for column in zip(*over, strict=True)],
        )
    due = [(*one, at) for one, at in last.items() if at is not None]
    if due:
        conn.execute(
            "INSERT INTO process_deadlines (name, key, deadline, due_at)"
            " SELECT * FROM unnest(%s::text[], %s::uuid[], %s::text[], %s::timestamptz[])"
            " ON CONFLICT (name, key, deadline) DO UPDATE SET due_at = excluded.due_at",
            [list(column) for column in zip(*due, strict=True)],
        )


def _json(did: Iterable[str]) -> str:
    return msgspec.json.encode(list(did)).decode()

"""Fills shadows by several processes at once, each with a part of the streams."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple
from uuid import UUID
from zlib import crc32

import psycopg
from psycopg import Connection

from domain.events import Recorded
from projections import rebuild_state, shadows
from projections.catalogue import ReadModel
from projections.connecting import connect
from projections.garbage import gc_paused
from projections.log import Part, UnreadableEventError, read_part
from projections.rebuild_state import SupersededError
from projections.shadows import Progress, RebuildFailedError, RebuildRefusedError, Shadow

_POLL_S = 0.1
_END_S = 5.0


class _Task(NamedTuple):
    """A shadow that a process fills a part of, up to the position `goal`."""

    model: ReadModel
    id: UUID
    goal: int


def fill(
    conninfo: str,
    conn: Connection[Any],
    whole: Sequence[Shadow],
    parts: int,
    progress: Progress,
    throttle: int | None,
) -> None:
    """Bring shadows to where the live ones are now, by one process a part.

    Ends early for those of which something is requested. Raises `RebuildFailedError`, and
    `RebuildRefusedError` when a process is gone.
    """
    shadows.set_goals(conn, whole)
    tasks = [_Task(shadow.model, shadow.id, shadow.goal) for shadow in whole]
    context = multiprocessing.get_context("spawn")
    failures = context.SimpleQueue()
    each = None if throttle is None else max(1, throttle // parts)
    workers: list[BaseProcess] = [
        context.Process(
            target=_work,
            args=(conninfo, os.getpid(), tasks, Part(n, parts), each, failures),
            daemon=True,
        )
        for n in range(parts)
    ]
    try:
        for worker in workers:
            worker.start()
        _watch(conn, whole, workers, progress)
        if not failures.empty():
            raise RebuildFailedError(failures.get())
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join(_END_S)
    for shadow in whole:
        shadow.requested = rebuild_state.requested(conn, shadow.name)
        reached = rebuild_state.positions(conn, shadow.name)
        if all(position == shadow.goal for position in reached):
            rebuild_state.unite(conn, shadow.name)
            shadow.position = shadow.goal
        elif shadow.requested is None:
            raise RebuildRefusedError(
                f"a process that filled {shadow.name} has ended: resume it with"
                f" `daybook projections resume {shadow.name}`"
            )


def _watch(
    conn: Connection[Any],
    whole: Sequence[Shadow],
    workers: Sequence[BaseProcess],
    progress: Progress,
) -> None:
    """Tell the progress until all processes have ended, or one of them has failed."""
    while any(worker.is_alive() for worker in workers):
        if any(worker.exitcode for worker in workers):
            return
        at = [p for shadow in whole for p in rebuild_state.positions(conn, shadow.name)]
        progress(sum(at) // len(at), max(shadow.goal for shadow in whole))
        time.sleep(_POLL_S)


def _work(
    conninfo: str,
    parent: int,
    tasks: Sequence[_Task],
    part: Part,
    throttle: int | None,
    failures: Any,
) -> None:
    """What a process does. A failure is told as text: not every exception can be sent."""
    try:
        with connect(conninfo, "daybook rebuild part") as conn:
            # Streams are divided by the database, so that nobody decodes what is not his.
            by_stream = [task for task in tasks if task.model.key_of is None]
            groups = [by_stream, *([task] for task in tasks if task.model.key_of is not None)]
            for group in groups:
                while group and not _fill_part(conn, parent, group, part, throttle):
                    pass
    except (RebuildFailedError, UnreadableEventError) as error:
        failures.put(str(error))
        raise SystemExit(1) from error
    except psycopg.Error as error:
        raise SystemExit(2) from error


def _fill_part(
    conn: Connection[Any],
    parent: int,
    tasks: Sequence[_Task],
    part: Part,
    throttle: int | None,
) -> bool:
    """Fill a part of some shadows. False: somebody else has moved it; look again where it is."""
    parts = [
        Shadow(
            task.model, task.id, rebuild_state.positions(conn, task.model.name)[part.number],
            part=part.number, parts=part.of,
        )
        for task in tasks
    ]  # fmt: skip
    goals = {task.model.name: task.goal for task in tasks}
    topics = sorted({topic for task in tasks for topic in task.model.topics})
    span = shadows.BATCH_EVENTS * part.of
    while behind := [s for s in parts if s.requested is None and s.position < goals[s.name]]:
        if os.getppid() != parent:
            raise SystemExit(3)  # whoever goes on with the rebuild starts processes of its own
        started = time.monotonic()
        after = min(s.position for s in behind)
        to = min(after + (span if throttle is None else throttle), max(goals.values()))
        with gc_paused():
            events = _read(conn, tasks, after, to, topics, part)
            try:
                for shadow in behind:
                    _apply(conn, shadow, events, min(to, goals[shadow.name]))
            except SupersededError:
                return False
        if throttle is not None:
            time.sleep(max(0.0, started + (to - after) / throttle - time.monotonic()))
    return True


def _read(
    conn: Connection[Any],
    tasks: Sequence[_Task],
    after: int,
    to: int,
    topics: list[str],
    part: Part,
) -> list[Recorded]:
    key_of = tasks[0].model.key_of
    if key_of is None:
        return read_part(conn, after, to, topics, part)
    return [
        event
        for event in read_part(conn, after, to, topics, Part(0, 1))
        if crc32(key_of(event).bytes) % part.of == part.number
    ]


def _apply(conn: Connection[Any], shadow: Shadow, events: Sequence[Recorded], to: int) -> None:
    if shadow.position < to:
        own = [event for event in events if shadow.position < event.position <= to]
        with conn.transaction():
            shadow.apply(conn, own, to)

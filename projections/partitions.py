"""Fills shadows by several processes at once, each with a part of the streams."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from typing import Any, Literal, NamedTuple
from uuid import UUID
from zlib import crc32

from psycopg import Connection

from domain.events import Recorded
from projections import checkpoints, rebuild_state, shadows
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


class _Failure(NamedTuple):
    """Why a process has ended, as text: not every exception can be sent.

    `failed`: by the code of the read model `model`, or by the log when that is None; `refused`: the
    text says what to do; `lost`: the rest.
    """

    kind: Literal["failed", "refused", "lost"]
    text: str
    model: str | None = None


def fill_all(
    conninfo: str,
    conn: Connection[Any],
    begun: Sequence[Shadow],
    parallel: int,
    progress: Progress,
    throttle: int | None,
) -> None:
    """Have processes do the most of it, where that was asked for when the rebuild began."""
    by_count: dict[int, list[Shadow]] = {}
    for shadow in begun:
        parts = len(rebuild_state.positions(conn, shadow.name))
        if parts == 1 and shadow.position == 0 and parallel > 1:
            parts = parallel
            rebuild_state.divide(conn, shadow.name, parts)
        if parts > 1:
            by_count.setdefault(parts, []).append(shadow)
    for parts, group in by_count.items():
        _fill(conninfo, conn, group, parts, progress, throttle)


def _fill(
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
    _set_goals(conn, whole)
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
        told = _watch(conn, whole, workers, progress, failures)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join(_END_S)
    _raise(told)
    for shadow in whole:
        shadow.requested = rebuild_state.requested(conn, shadow.name)
        reached = rebuild_state.positions(conn, shadow.name)
        if all(position == shadow.goal for position in reached):
            rebuild_state.unite(conn, shadow.name)
            shadow.position = shadow.goal
        elif shadow.requested is None:
            raise RebuildRefusedError(_lost(shadow.name, told))


def _set_goals(conn: Connection[Any], whole: Sequence[Shadow]) -> None:
    """Aim at where the live ones are now, or where the first part is: the live one may have gone back."""
    shadows.set_goals(conn, whole)
    for shadow in whole:
        first = max(rebuild_state.positions(conn, shadow.name))
        if first > shadow.goal:
            rebuild_state.set_total(conn, shadow.name, first)
            shadow.goal = first


def _raise(told: Sequence[_Failure]) -> None:
    for failure in told:
        if failure.kind == "failed":
            raise RebuildFailedError(failure.text, failure.model)
    for failure in told:
        if failure.kind == "refused":
            raise RebuildRefusedError(failure.text)


def _lost(name: str, told: Sequence[_Failure]) -> str:
    why = f" ({told[0].text})" if told else ""
    return (
        f"a process that filled {name} has ended{why}: go on with `daybook projections resume {name}`,"
        f" or give it up with `daybook projections cancel {name}` and start anew with fewer processes"
    )


def _watch(
    conn: Connection[Any],
    whole: Sequence[Shadow],
    workers: Sequence[BaseProcess],
    progress: Progress,
    failures: Any,
) -> list[_Failure]:
    """Tell the progress until all processes have ended, or one of them has failed; answers why."""
    told: list[_Failure] = []
    while any(worker.is_alive() for worker in workers):
        told += _drain(failures)  # at once: whoever tells something waits while the pipe is full
        if any(worker.exitcode for worker in workers):
            break
        at = [p for shadow in whole for p in rebuild_state.positions(conn, shadow.name)]
        progress(sum(at) // len(at), max(shadow.goal for shadow in whole))
        time.sleep(_POLL_S)
    return told + _drain(failures)


def _drain(failures: Any) -> list[_Failure]:
    told = []
    while not failures.empty():
        told.append(failures.get())
    return told


def _work(
    conninfo: str,
    parent: int,
    tasks: Sequence[_Task],
    part: Part,
    throttle: int | None,
    failures: Any,
) -> None:
    """What a process does."""
    try:
        with connect(conninfo, "daybook rebuild part") as conn:
            # Streams are divided by the database, so that nobody decodes what is not his.
            by_stream = [task for task in tasks if task.model.key_of is None]
            groups = [by_stream, *([task] for task in tasks if task.model.key_of is not None)]
            for group in groups:
                while group and not _fill_part(conn, parent, group, part, throttle):
                    pass
    except Exception as error:
        failures.put(_failure(error))
        raise SystemExit(1) from error


def _failure(error: Exception) -> _Failure:
    text = checkpoints.storable(str(error))
    match error:
        case RebuildFailedError():
            return _Failure("failed", text, error.name)
        case UnreadableEventError():
            return _Failure("failed", text)
        case RebuildRefusedError():
            return _Failure("refused", text)
    return _Failure("lost", checkpoints.storable(f"{type(error).__name__}: {error}".strip()))


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
    # A process reads its own part of the streams, but all the events of what has keys of its own.
    span = shadows.BATCH_EVENTS * (part.of if tasks[0].model.key_of is None else 1)
    span = span if throttle is None else min(span, throttle)
    while behind := [s for s in parts if s.requested is None and s.position < goals[s.name]]:
        if os.getppid() != parent:
            raise SystemExit(3)  # whoever goes on with the rebuild starts processes of its own
        started = time.monotonic()
        after = min(s.position for s in behind)
        to = min(after + span, max(goals.values()))
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
    events = read_part(conn, after, to, topics, Part(0, 1))
    try:
        return [e for e in events if crc32(key_of(e).bytes) % part.of == part.number]
    except RebuildFailedError as error:
        raise RebuildFailedError(str(error), tasks[0].model.name) from error


def _apply(conn: Connection[Any], shadow: Shadow, events: Sequence[Recorded], to: int) -> None:
    if shadow.position < to:
        own = [event for event in events if shadow.position < event.position <= to]
        with conn.transaction():
            shadow.apply(conn, own, to)

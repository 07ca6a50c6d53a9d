"""Shadows: read models on their way from the first event to the place of the live ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import psycopg
from psycopg import Connection

from domain.events import Recorded
from projections import checkpoints, parking, rebuild_state, schemas
from projections.catalogue import ReadModel
from projections.garbage import gc_paused
from projections.log import Part, head_position, read_batch
from projections.parity import Parity, compare
from projections.rebuild_state import Request

BATCH_EVENTS = 20_000
"""Events in memory at a time. More is hardly faster."""

NEAR_EVENTS = 2_000
"""How near to the live read model the shadow must be before that one is held still for the swap."""

_MAX_ROUNDS_LOST = 10
_LIVE_PATIENCE_S = 10.0
_POLL_S = 0.05

Progress = Callable[[int, int], None]
"""Told the events done and the events there are, after each batch."""


class RebuildFailedError(Exception):
    """A `project` raised while filling the shadow, which is gone; the live read model is untouched.

    `name`: the read model whose code it is, None when it is the log that can't be read.
    """

    def __init__(self, message: str, name: str | None = None) -> None:
        super().__init__(message)
        self.name = name


class RebuildRefusedError(Exception):
    """The rebuild was not begun, or given up, and the live read model is untouched; the message says
    what to do."""


class Shadow:
    """A read model's copy beside the live one, or a part of it; `position` is its last event."""

    def __init__(
        self, model: ReadModel, id_: UUID, position: int = 0, *, part: int = 0, parts: int = 1
    ) -> None:
        self.model = model
        self.id = id_
        self.position = position
        self.part = Part(part, parts)
        self.goal = 0
        self.requested: Request | None = None

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def schema(self) -> str:
        return shadow_of(self.name)

    def apply(self, conn: Connection[Any], events: Sequence[Recorded], to: int) -> None:
        """Inside a transaction, write the events that follow, and move to a position."""
        # The fence comes first: who has been superseded writes nothing.
        self.requested = rebuild_state.move(
            conn, self.name, self.id, self.part.number, old=self.position, new=to
        )
        relevant = [event for event in events if event.topic in self.model.topics]
        if relevant:
            schemas.search_in(conn, self.schema)
            self._project(conn, relevant)
            conn.execute("SET LOCAL search_path TO DEFAULT")
        self.position = to

    def _project(self, conn: Connection[Any], events: Sequence[Recorded]) -> None:
        try:
            with conn.cursor() as cursor:
                self.model.project(events, cursor)
        except Exception as error:
            if conn.closed:
                raise
            where = (
                f"between events {events[0].position} and {events[-1].position}"
                f" ({type(error).__name__}: {error})"
            )
            if not _is_of_code(error):
                raise RebuildRefusedError(
                    f"the rebuild of {self.name} stopped {where}: see to that and go on with"
                    f" `daybook projections resume {self.name}`, or drop what is built with `daybook"
                    f" projections cancel {self.name}`"
                ) from error
            raise RebuildFailedError(
                f"{self.name} can't be rebuilt: it fails {where}; correct its code, the live one is"
                " untouched",
                self.name,
            ) from error

    def advance(self, conn: Connection[Any], to: int) -> None:
        """Inside a transaction, go one batch further, at most to a position."""
        batch = read_batch(conn, self.position, min(BATCH_EVENTS, to - self.position))
        if not batch:
            raise RebuildRefusedError(
                f"the live {self.name} is further than the log: its database may have been restored"
                " without it; drop the schema and rebuild it"
            )
        self.apply(conn, batch, batch[-1].position)


def _is_of_code(error: Exception) -> bool:
    """Whether other code would do better. Else it is the database or the machine, and it may go on."""
    # A statement that doesn't fit the tables fails for every key, and is the code's all the same.
    is_wrong_sql = isinstance(error, (psycopg.ProgrammingError, psycopg.InterfaceError))
    return is_wrong_sql or parking.is_of_key(error)


def shadow_of(name: str) -> str:
    return f"{name}_shadow"


def previous_of(name: str) -> str:
    return f"{name}_previous"


def live_position(conn: Connection[Any], shadow: Shadow) -> int:
    """How far the live read model is; the log's head when it shows nothing yet to compare with."""
    live = checkpoints.read(conn, shadow.name)
    head = head_position(conn)
    return head if live is None or live.position == 0 else min(live.position, head)


def fill(
    conn: Connection[Any], shadows: Sequence[Shadow], progress: Progress, throttle: int | None
) -> None:
    """Bring shadows to where the live ones are, reading the log once for all of them.

    `throttle`: at most so many events a second. Ends early for those of which something is requested.
    """
    limit = BATCH_EVENTS if throttle is None else min(BATCH_EVENTS, throttle)
    set_goals(conn, shadows)
    while behind := [s for s in shadows if s.requested is None and s.position < s.goal]:
        started = time.monotonic()
        after, goal = min(s.position for s in behind), max(s.goal for s in behind)
        with gc_paused():
            batch = read_batch(conn, after, min(limit, goal - after))
            for shadow in behind:
                events = batch[shadow.position - after : shadow.goal - after]
                if events:
                    with conn.transaction():
                        shadow.apply(conn, events, events[-1].position)
        if len(batch) == limit:  # what came meanwhile goes in faster now than with indexes
            set_goals(conn, behind)
        progress(after + len(batch), max(s.goal for s in behind))
        if throttle is not None:
            time.sleep(max(0.0, started + len(batch) / throttle - time.monotonic()))


def set_goals(conn: Connection[Any], shadows: Sequence[Shadow]) -> None:
    """Aim at where the live ones are now."""
    for shadow in shadows:
        goal = live_position(conn, shadow)
        if goal != shadow.goal:
            rebuild_state.set_total(conn, shadow.name, goal)
            shadow.goal = goal


def make_indexes(conn: Connection[Any], shadow: Shadow) -> None:
    with conn.transaction():
        schemas.create_indexes(conn, shadow.model, shadow.schema)
        rebuild_state.set_indexed(conn, shadow.name)


def chase(conn: Connection[Any], shadow: Shadow, goal: Callable[[], int]) -> None:
    """Bring a shadow near a goal that moves, but not further. A goal that is faster than this is not
    chased for ever."""
    nearest, rounds_lost = goal(), 0
    while rounds_lost < _MAX_ROUNDS_LOST and shadow.requested is None:
        to = goal()
        distance = to - shadow.position
        if distance <= NEAR_EVENTS:
            break
        rounds_lost = 0 if distance < nearest else rounds_lost + 1
        nearest = min(nearest, distance)
        with conn.transaction():
            shadow.advance(conn, to)


def reach(conn: Connection[Any], shadow: Shadow, position: int) -> None:
    """Bring a shadow to a position, if it isn't there yet."""
    while shadow.position < position and shadow.requested is None:
        with conn.transaction():
            shadow.advance(conn, position)


def await_live(conn: Connection[Any], shadow: Shadow) -> None:
    """Wait for a live read model that is behind the shadow, because it is filled at the same time or
    went back since, until an operator asks for something. Raises `RebuildRefusedError` when it doesn't
    come nearer."""
    best, patience_until = -1, 0.0
    while live_position(conn, shadow) < shadow.position:
        if rebuild_state.requested(conn, shadow.name) is not None:
            return
        if (now := live_position(conn, shadow)) > best:
            best, patience_until = now, time.monotonic() + _LIVE_PATIENCE_S
        elif time.monotonic() > patience_until:
            raise RebuildRefusedError(
                f"the live {shadow.name} stands still at event {now}, behind the rebuilt one, so"
                f" they can't be compared: start a runner and resume, or cancel and start anew"
            )
        time.sleep(_POLL_S)


def verify(conn: Connection[Any], shadow: Shadow) -> Parity | None:
    """Bring a shadow to exactly where the live read model is, and compare them.

    None: the live one shows nothing yet. Neither the runner nor readers wait for this: both sides are
    seen in one snapshot, in which the shadow has its last events from this very transaction.
    """
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        live = checkpoints.read(conn, shadow.name)
        if live is None or live.position == 0:
            return None
        while shadow.position < live.position:
            shadow.advance(conn, live.position)
        expected = live.code_version != shadow.model.version
        return compare(conn, shadow.name, shadow.schema, live.position, expected=expected)

"""Applications as server-sent events: one with its steps, or all that one may see as they change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import NamedTuple
from uuid import UUID

from fastapi import Request
from fastapi.sse import ServerSentEvent

from api import credit_views
from api.callers import caller_of
from api.credit_reading import MODEL, application_for
from api.following import LOOK_UP_S, Change, goes_on, told, until
from api.freshness import WAIT_S
from api.state import State
from domain.credit_applications import EVENTS
from projections import log
from projections.applications import queries
from projections.applications.shown import ApplicationRow, StepRow

_AT_ONCE = 500


class Following(NamedTuple):
    """An application that is followed by somebody who may, from after a position on."""

    request: Request
    state: State
    application_id: UUID
    after: int

    @classmethod
    async def begin(
        cls, request: Request, state: State, application_id: UUID, after: int
    ) -> Following:
        """Raises, before the stream has begun, `application_not_found`."""
        await application_for(caller_of(request), state, application_id)
        return cls(request, state, application_id, after)


async def follow(following: Following) -> AsyncIterator[ServerSentEvent]:
    """Its steps, its status with each change, and the end."""
    request, state, id_, position = following
    caller = caller_of(request)
    shown: credit_views.Json = {}
    while goes_on(request, state):
        seen = state.freshness.position(MODEL)
        found = await application_for(caller, state, id_)
        row = found.row
        for event in _steps(found.steps, position, for_staff=caller.owner_id is None):
            yield event
        position = max(position, row.position)
        status = {"status": row.status, "offer": row.offer_status}
        if status != shown:
            shown = status
            yield told("status", credit_views.status_row(row), position)
        if _is_over(row):
            return
        change = Change(state, MODEL, [id_], seen)
        async for comment in until(request, state, change.happened):
            yield comment
        if id_ in (await state.freshness.parked(MODEL, WAIT_S) or {}):
            return  # whoever comes again is told why


def _is_over(row: ApplicationRow) -> bool:
    """Nothing more is to come of it."""
    if row.status == "approved":
        return row.offer_status in ("declined", "expired", "disbursed")
    return row.status in ("rejected", "withdrawn")


def _steps(steps: Sequence[StepRow], after: int, *, for_staff: bool) -> Iterator[ServerSentEvent]:
    """The steps after a position."""
    for step in steps:
        if step.position > after:
            yield told("step", credit_views.step(step, for_staff=for_staff), step.position)


async def follow_all(
    request: Request, state: State, position: int
) -> AsyncIterator[ServerSentEvent]:
    """Everybody's applications as they change, after a position of the log."""
    freshness = state.freshness
    while goes_on(request, state):
        async with state.pool.connection() as conn:
            found = await log.read_events(conn, position, _AT_ONCE)
        changed = {event.stream_id for event in found.events if isinstance(event.data, EVENTS)}
        position = found.read_to
        if changed:
            shows = partial(freshness.wait_for, MODEL, position, LOOK_UP_S)
            async for comment in until(request, state, shows):
                yield comment
            async with state.pool.connection() as conn:
                rows = await queries.changed(conn, changed)
            for row in rows:  # only the last has an id: whoever has not got that gets all again
                at = position if row is rows[-1] else None
                yield told("application", credit_views.status_row(row), at)
        if position >= found.head:
            moved = partial(freshness.log_moved, position, LOOK_UP_S)
            async for comment in until(request, state, moved):
                yield comment


async def follow_own(
    request: Request, state: State, owner_id: UUID, position: int
) -> AsyncIterator[ServerSentEvent]:
    """A person's applications as they change, after a position. Nothing is read while none does."""
    own: set[UUID] = set()
    while goes_on(request, state):
        seen = state.freshness.position(MODEL)
        async with state.pool.connection() as conn:
            rows = await queries.changed_of_owner(conn, owner_id, after=position if own else 0)
        own |= {row.id for row in rows}
        for row in rows:
            if row.position > position:
                position = row.position
                yield told("application", credit_views.status_row(row), position)
        change = Change(state, MODEL, [owner_id, *own], seen)
        async for comment in until(request, state, change.happened):
            yield comment

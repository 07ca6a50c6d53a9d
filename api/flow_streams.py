"""An investment's, a deposit's or a withdrawal's steps as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from fastapi import Depends, Request
from fastapi.sse import ServerSentEvent

from api import flow_views
from api.flow_reading import flow_for
from api.following import Change, LastEventId, goes_on, told, until
from api.freshness import WAIT_S
from api.state import State
from projections.flows.queries import Flow, Kind, StepRow


async def _last_event(last_event_id: LastEventId) -> int:
    return last_event_id or 0


LastEvent = Annotated[int, Depends(_last_event)]
"""The position of the last step that a reader has, 0 for none."""


class Following(NamedTuple):
    """A flow that is followed by somebody who may, from after a position on."""

    request: Request
    state: State
    kind: Kind
    flow_id: UUID
    after: int

    @classmethod
    async def begin(
        cls, request: Request, state: State, kind: Kind, flow_id: UUID, after: int
    ) -> Following:
        """Raises, before the stream has begun, what `flow_for` does."""
        await flow_for(request, state, kind, flow_id)
        return cls(request, state, kind, flow_id, after)


async def follow(following: Following) -> AsyncIterator[ServerSentEvent]:
    """Its steps, its status with each change, and the end."""
    request, state, kind, flow_id, position = following
    status = ""
    while goes_on(request, state):
        seen = state.freshness.position("flows")
        found = await flow_for(request, state, kind, flow_id)
        for event in _steps(found.steps, position):
            yield event
        position = max(position, found.row.position)
        if found.row.status != status:
            status = found.row.status
            yield told("status", _status(found), position)
        if found.row.finished_at is not None:
            return
        change = Change(state, "flows", [flow_id], seen)
        async for comment in until(request, state, change.happened):
            yield comment
        if flow_id in (await state.freshness.parked("flows", WAIT_S) or {}):
            return  # whoever comes again is told why


def _steps(steps: list[StepRow], after: int) -> Iterator[ServerSentEvent]:
    """The steps after a position. Of several at one position the last has its id: whoever has not got
    that one gets all of them again."""
    new = [step for step in steps if step.position > after]
    for number, step in enumerate(new):
        is_last = step is new[-1] or new[number + 1].position > step.position
        yield told("step", flow_views.step(step), step.position if is_last else None)


def _status(found: Flow) -> dict[str, Any]:
    shown = flow_views.flow_row(found.row)
    names = ("id", "status", "state", "failed_step", "reason", "finished_at", "position")
    return {name: shown[name] for name in names}

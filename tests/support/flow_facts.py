"""Flows that are told by what was there before, and what a command then does to them in short."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from application.ledger.outcomes import Command
from domain.events import Event
from domain.refusals import Refusal
from tests.support.flow_world import Log

Fact = tuple[UUID, Event]


def given(*facts: Fact) -> Log:
    log = Log()
    log.append(facts)
    return log


def outcome_of(log: Log, command: Command, flow_id: UUID, in_short: Callable[[Event], str]) -> str:
    """The flow's own events in short, or why the command is refused."""
    try:
        decided = log.submit(command)
    except Refusal as refusal:
        return refusal.reason
    return ", ".join(in_short(event) for stream_id, event in decided if stream_id == flow_id)

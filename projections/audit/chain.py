"""What one request set in motion, as a tree: commands, their events, and the commands that these led to."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from domain.accounts import Credited, Debited, Held, Released
from domain.transfers import Reversed
from projections.audit.queries import AuditRow

_CONSEQUENCES = frozenset(event.topic for event in (Debited, Credited, Held, Released, Reversed))
"""Events that are never the first of a command: each follows the transfer's own, in its command."""

MAX_DEPTH = 50
"""A command that is caused from deeper than this begins at the top again, and names its cause."""


class EventNode(Struct):
    """An event, and the commands that it led to."""

    row: AuditRow
    commands: list[CommandNode]


class CommandNode(Struct):
    """A command that was accepted: its events, in order. Where it came from is in each of them."""

    events: list[EventNode]

    @property
    def first(self) -> AuditRow:
        return self.events[0].row


def tree(rows: Sequence[AuditRow]) -> list[CommandNode]:
    """The commands behind events of one correlation, which are in order.

    A command whose causation is the position of one of the events is below that event, all others
    are at the top: what the outside world asked for, and what jobs reported.
    """
    top: list[CommandNode] = []
    depths: dict[str, int] = {}
    nodes: dict[str, EventNode] = {}
    for command in _commands(rows):
        cause = command.first.causation_id
        depth = depths.get(cause, 0) + 1
        if cause in nodes and depth <= MAX_DEPTH:
            nodes[cause].commands.append(command)
        else:
            depth = 1
            top.append(command)
        for node in command.events:
            nodes[str(node.row.position)] = node
            depths[str(node.row.position)] = depth
    return top


def _commands(rows: Sequence[AuditRow]) -> list[CommandNode]:
    """A command's events are next to each other in the log, and the first is never a consequence."""
    commands: list[CommandNode] = []
    for before, row in zip((None, *rows), rows, strict=False):
        node = EventNode(row, [])
        goes_on = (
            before is not None
            and row.topic in _CONSEQUENCES
            and before.position + 1 == row.position
        )
        if goes_on:
            commands[-1].events.append(node)
        else:
            commands.append(CommandNode([node]))
    return commands

"""Who asked for a change and why: stored beside every event, and part of what the hash chain seals."""

from __future__ import annotations

from msgspec import Struct


class Provenance(Struct, frozen=True, omit_defaults=True):
    """The origin of a command, copied to each of its events.

    `actor` is who is answerable (a caller, `import`, `system`); `correlation_id` ties together all
    that one request set in motion; `causation_id` is the event or job that led to the command;
    `command_id` is the caller's own name for the command when it is not the new stream's id.
    """

    actor: str
    correlation_id: str = ""
    causation_id: str = ""
    command_id: str = ""

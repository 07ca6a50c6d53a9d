"""Optimistic concurrency: a command may say which versions of its aggregate it was decided on."""

from __future__ import annotations

from uuid import UUID

from domain.refusals import Refusal

Expected = tuple[int, ...] | None
"""The versions that a command is good for; None: whatever the version is."""


def check_version(id_: UUID, version: int, expected: Expected) -> None:
    """Refuses `precondition_failed` when an aggregate's version is none of those expected."""
    if expected is not None and version not in expected:
        raise Refusal("precondition_failed", id=id_, version=version, expected=list(expected))

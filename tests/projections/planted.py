"""Read models of the tests' own: one that keeps a journal, and ones that fail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from msgspec.structs import replace

from domain.accounts import StatusChanged
from domain.events import Recorded
from projections.catalogue import ReadModel


def journal(project: Any = None, version: int = 1) -> ReadModel:
    """A read model of a test's own: the positions of changes of status."""

    def note(batch: Sequence[Recorded], db: psycopg.Cursor[Any]) -> None:
        db.execute("INSERT INTO noted SELECT unnest(%s::bigint[])", ([e.position for e in batch],))

    return ReadModel(
        name="journal",
        version=version,
        tables="CREATE TABLE noted (position bigint PRIMARY KEY)",
        indexes="CREATE INDEX noted_again ON noted (position)",
        topics=frozenset({StatusChanged.topic}),
        project=project or note,
    )


def noted(conn: psycopg.Connection[Any]) -> list[int]:
    return [p for (p,) in conn.execute("SELECT position FROM journal.noted ORDER BY 1")]


def failing(model: ReadModel, *at: int, error: type[Exception] = ZeroDivisionError) -> ReadModel:
    """The read model with a project that can't do the events at some positions."""

    def project(batch: Sequence[Recorded], db: psycopg.Cursor[Any]) -> None:
        model.project(batch, db)
        if any(event.position in at for event in batch):
            raise error("out of order")

    return replace(model, project=project)

"""Every read model there is. Registered by value: one that is missing here is neither run nor rebuilt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Cursor

from domain.events import Recorded
from projections.applications import projection as applications
from projections.approvals import projection as approvals
from projections.audit import projection as audit
from projections.balances import projection as balances
from projections.entries import projection as entries
from projections.flows import projection as flows
from projections.funds import projection as funds
from projections.loans import projection as loans
from projections.reconciliations import projection as reconciliations
from projections.security import projection as security
from projections.transfers import projection as transfers
from projections.users import projection as users

Project = Callable[[Sequence[Recorded], Cursor[Any]], None]
"""Writes a batch into the read model's tables, named without schema. No commit, no other side effect:
the same function fills the live tables and a rebuild's shadow. Batches may be cut anywhere."""

KeyOf = Callable[[Recorded], UUID]


class ReadModel(Struct, frozen=True):
    """A view of the log in a schema of its own, `name`.

    Raise `version` whenever `tables`, `indexes` or what `project` makes of an event change: the read
    model then waits for its rebuild. `project` sees events of `topics` only, never an empty batch.

    The first column of each table is what rebuilds are compared by. `key_of` tells what an event is
    about, for rebuilds in parallel: the events of one key stay together, in order, and those of others
    may come before or after; None: its stream.
    """

    name: str
    version: int
    tables: str
    indexes: str
    topics: frozenset[str]
    project: Project
    key_of: KeyOf | None = None


class UnknownReadModelError(Exception):
    """There is no read model of that name; the message lists those that there are."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"no read model is called {name!r}; there are: {', '.join(known)}")


_FOLDER = Path(__file__).parent


def _sql(name: str, file: str) -> str:
    return (_FOLDER / name / file).read_text()


READ_MODELS: tuple[ReadModel, ...] = (
    ReadModel(
        name="balances",
        version=2,
        tables=_sql("balances", "tables.sql"),
        indexes=_sql("balances", "indexes.sql"),
        topics=balances.TOPICS,
        project=balances.project,
    ),
    ReadModel(
        name="entries",
        version=1,
        tables=_sql("entries", "tables.sql"),
        indexes=_sql("entries", "indexes.sql"),
        topics=entries.TOPICS,
        project=entries.project,
    ),
    ReadModel(
        name="transfers",
        version=1,
        tables=_sql("transfers", "tables.sql"),
        indexes=_sql("transfers", "indexes.sql"),
        topics=transfers.TOPICS,
        project=transfers.project,
        key_of=transfers.key_of,
    ),
    ReadModel(
        name="audit",
        version=1,
        tables=_sql("audit", "tables.sql"),
        indexes=_sql("audit", "indexes.sql"),
        topics=audit.TOPICS,
        project=audit.project,
    ),
    ReadModel(
        name="users",
        version=1,
        tables=_sql("users", "tables.sql"),
        indexes=_sql("users", "indexes.sql"),
        topics=users.TOPICS,
        project=users.project,
    ),
    ReadModel(
        name="approvals",
        version=1,
        tables=_sql("approvals", "tables.sql"),
        indexes=_sql("approvals", "indexes.sql"),
        topics=approvals.TOPICS,
        project=approvals.project,
    ),
    ReadModel(
        name="security",
        version=1,
        tables=_sql("security", "tables.sql"),
        indexes=_sql("security", "indexes.sql"),
        topics=security.TOPICS,
        project=security.project,
    ),
    ReadModel(
        name="funds",
        version=1,
        tables=_sql("funds", "tables.sql"),
        indexes=_sql("funds", "indexes.sql"),
        topics=funds.TOPICS,
        project=funds.project,
        key_of=funds.key_of,
    ),
    ReadModel(
        name="flows",
        version=1,
        tables=_sql("flows", "tables.sql"),
        indexes=_sql("flows", "indexes.sql"),
        topics=flows.TOPICS,
        project=flows.project,
        key_of=flows.key_of,
    ),
    ReadModel(
        name="reconciliations",
        version=1,
        tables=_sql("reconciliations", "tables.sql"),
        indexes=_sql("reconciliations", "indexes.sql"),
        topics=reconciliations.TOPICS,
        project=reconciliations.project,
    ),
    ReadModel(
        name="applications",
        version=1,
        tables=_sql("applications", "tables.sql"),
        indexes=_sql("applications", "indexes.sql"),
        topics=applications.TOPICS,
        project=applications.project,
    ),
    ReadModel(
        name="loans",
        version=1,
        tables=_sql("loans", "tables.sql"),
        indexes=_sql("loans", "indexes.sql"),
        topics=loans.TOPICS,
        project=loans.project,
    ),
)


def read_model(name: str, models: Sequence[ReadModel] = READ_MODELS) -> ReadModel:
    """The read model of that name. Raises `UnknownReadModelError`."""
    for model in models:
        if model.name == name:
            return model
    raise UnknownReadModelError(name, (model.name for model in models))

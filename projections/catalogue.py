"""Every read model there is. Registered by value: one that is missing here is neither run nor rebuilt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol
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


class _Projection(Protocol):
    """What a folder's module `projection` has."""

    TOPICS: frozenset[str]

    def project(self, batch: Sequence[Recorded], db: Cursor[Any]) -> None: ...


class UnknownReadModelError(Exception):
    """There is no read model of that name; the message lists those that there are."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"no read model is called {name!r}; there are: {', '.join(known)}")


_FOLDER = Path(__file__).parent


def _model(
    name: str, written: _Projection, *, version: int = 1, key_of: KeyOf | None = None
) -> ReadModel:
    """The read model in the folder of that name."""
    return ReadModel(
        name=name,
        version=version,
        tables=(_FOLDER / name / "tables.sql").read_text(),
        indexes=(_FOLDER / name / "indexes.sql").read_text(),
        topics=written.TOPICS,
        project=written.project,
        key_of=key_of,
    )


READ_MODELS: tuple[ReadModel, ...] = (
    _model("balances", balances, version=2),
    _model("entries", entries),
    _model("transfers", transfers, key_of=transfers.key_of),
    _model("audit", audit, version=2),
    _model("users", users),
    _model("approvals", approvals, version=2),
    _model("security", security, version=2),
    _model("funds", funds, key_of=funds.key_of),
    _model("flows", flows, key_of=flows.key_of),
    _model("reconciliations", reconciliations),
    _model("applications", applications),
    _model("loans", loans),
)


def read_model(name: str, models: Sequence[ReadModel] = READ_MODELS) -> ReadModel:
    """The read model of that name. Raises `UnknownReadModelError`."""
    for model in models:
        if model.name == name:
            return model
    raise UnknownReadModelError(name, (model.name for model in models))

"""A decision table that was read and found sound, ready to be asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from application.decisions.expressions import Expression
from application.decisions.files import Property

if TYPE_CHECKING:
    import zen


class Cell(Struct, frozen=True):
    column: int
    condition: Expression


class Row(Struct, frozen=True):
    id: str
    cells: tuple[Cell, ...]
    """Those that say something: an empty one fits everything."""
    says: dict[str, str]
    """By output, as it is written."""


class Step(Struct, frozen=True):
    """One node between input and output: a table, or expressions (these have no columns and no rows)."""

    id: str
    name: str
    makes: frozenset[str]
    words: frozenset[str]
    """What it looks at."""
    columns: tuple[tuple[str, Expression], ...] = ()
    """Name and what is compared."""
    rows: tuple[Row, ...] = ()


class Table(Struct, frozen=True, eq=False):
    """One version of one country's table; `version` is the day it is in force from."""

    country: str
    version: str
    digest: str
    required: tuple[str, ...]
    properties: dict[str, Property]
    steps: tuple[Step, ...]
    """The last one decides."""
    engine: zen.ZenDecision

    @property
    def deciding(self) -> Step:
        return self.steps[-1]

    @property
    def name(self) -> str:
        return self.deciding.name

    def looked_at(self, context: Mapping[str, object]) -> dict[str, str]:
        """The facts that any of its cells looks at."""
        words = {word for step in self.steps for word in step.words}
        return {word: str(context[word]) for word in sorted(words & set(context))}
